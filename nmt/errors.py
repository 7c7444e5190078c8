"""The one exception that means "the user can mend this"."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NmtError(Exception):
    """A mistake in the input, named with its file, line or key, and the remedy.

    The command line prints the message on stderr without a traceback and exits with status 1.
    """


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """Turn a failure to write in this context, such as a full disk, into an `NmtError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise NmtError(f"{error.filename or path}: cannot be written: {error.strerror or error}; {remedy}") from None
