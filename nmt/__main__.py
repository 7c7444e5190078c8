"""The entry point of the `nmt` command and of `python -m nmt`."""

import sys


def main() -> None:
    """Run the command line. Interrupted at any time, also while modules are imported, it ends with status 130."""
    try:
        from nmt.cli.main import cli, exit_on_error

        with exit_on_error():
            cli.main(prog_name="nmt", standalone_mode=False)
    except KeyboardInterrupt:
        sys.stderr.write("nmt: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
