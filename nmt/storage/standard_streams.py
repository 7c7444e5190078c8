"""Standard input and standard output as binary streams, with an error if they are closed."""

import sys
from typing import BinaryIO

from nmt.errors import NmtError


def standard_input() -> BinaryIO:
    """Return stdin as a binary stream. Raise `NmtError` if it is closed."""
    if sys.stdin is None:
        raise NmtError("standard input is closed; name a file to read")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Return stdout as a binary stream. Raise `NmtError` if it is closed."""
    if sys.stdout is None:
        raise NmtError(
            "standard output is closed, but the results are written to it; redirect it to a file or to /dev/null"
        )
    return sys.stdout.buffer
