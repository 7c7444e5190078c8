"""`nmt`, as a command of its own or by `python -m nmt`."""

import sys

from nmt.openmp import spin_briefly


def main() -> None:
    """Run the command line, which takes a moment to load; interrupted there, it ends as it does later."""
    spin_briefly()
    try:
        from nmt.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("nmt: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
