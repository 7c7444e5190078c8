#!/usr/bin/env python3
"""Write docs/config.md from the schema, or with --check tell whether it is up to date."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nmt.reports.config_reference import markdown

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "config.md"


def main(arguments: Sequence[str] | None = None, document: Path = DOCUMENT) -> int:
    """Run the command line; return 0, or 1 where --check finds the document stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the document is stale")
    if parser.parse_args(arguments).check:
        if document.is_file() and document.read_text(encoding="utf-8") == markdown():
            return 0
        print(f"{document} is stale; run: python scripts/document_config.py", file=sys.stderr)
        return 1
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(markdown(), encoding="utf-8")
    print(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
