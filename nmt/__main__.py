"""The entry point of the `nmt` command and of `python -m nmt`."""

import atexit
import gc
import sys


def main() -> None:
    """Run the command line. Interrupted at any time, also while modules are imported, it ends with status 130."""
    atexit.register(gc.freeze)  # else Python visits every object of torch at its end, which takes half a second
    try:
        from nmt.cli.main import cli, exit_on_error

        with exit_on_error():
            cli.main(prog_name="nmt", standalone_mode=False)
    except KeyboardInterrupt:
        sys.stderr.write("nmt: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
