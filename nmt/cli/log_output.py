"""Show the log messages of the package `nmt` on standard error, without breaking a progress bar."""

import logging
import sys

import click


class _StderrHandler(logging.Handler):
    """Writes each message as one line to standard error, a warning with the prefix "warning: "."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        text = record.getMessage()
        text = f"warning: {text}" if record.levelno == logging.WARNING else text
        if "tqdm" in sys.modules:  # there may be a progress bar
            from tqdm import tqdm

            tqdm.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)


def show_log(is_quiet: bool = False) -> None:
    """Show messages of level INFO and above on standard error; only errors if `is_quiet`."""
    logger = logging.getLogger("nmt")
    if not any(isinstance(handler, _StderrHandler) for handler in logger.handlers):
        logger.addHandler(_StderrHandler())
    logger.setLevel(logging.ERROR if is_quiet else logging.INFO)
