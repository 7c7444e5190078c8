"""Write docs/config.md from the configuration schema, or check that it is up to date.

    python scripts/documentation/document_config.py [--check]

--check writes nothing, and fails if the document is out of date.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.reports.config_reference import markdown
from scripts import ROOT
from scripts.reporting import parser

DOCUMENT = ROOT / "docs" / "config.md"


def main(arguments: Sequence[str] | None = None, document: Path = DOCUMENT) -> int:
    """Run the command line; return 0, or 1 if --check finds that the document is out of date."""
    options = parser(__doc__)
    options.add_argument("--check", action="store_true", help="do not write; fail if the document is out of date")
    if options.parse_args(arguments).check:
        if document.is_file() and document.read_text(encoding="utf-8") == markdown():
            return 0
        command = "python scripts/documentation/document_config.py"
        print(f"{document} is out of date; run: {command}", file=sys.stderr)
        return 1
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(markdown(), encoding="utf-8")
    print(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
