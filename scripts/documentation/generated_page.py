"""The command line of a program that writes a page of docs/ from the code, or checks that the page is up to date."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts import ROOT
from scripts.reporting import parser


def write_or_check(
    description: str | None,
    script: str,
    text: Callable[[], str],
    document: Path,
    arguments: Sequence[str] | None = None,
) -> int:
    """Write `text()` to `document`; with --check only compare. Return 0, or 1 if the document is out of date.

    `description` is the docstring of the `script`, the path of which the message names.
    """
    options = parser(description)
    options.add_argument("--check", action="store_true", help="do not write; fail if the document is out of date")
    if options.parse_args(arguments).check:
        if document.is_file() and document.read_text(encoding="utf-8") == text():
            return 0
        print(f"{document} is out of date; run: python {Path(script).relative_to(ROOT)}", file=sys.stderr)
        return 1
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(text(), encoding="utf-8")
    print(document)
    return 0
