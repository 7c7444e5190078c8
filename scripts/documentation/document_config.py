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
from scripts.documentation.generated_page import write_or_check

DOCUMENT = ROOT / "docs" / "config.md"


def main(arguments: Sequence[str] | None = None, document: Path = DOCUMENT) -> int:
    """Run the command line; return 0, or 1 if --check finds that the document is out of date."""
    return write_or_check(__doc__, __file__, markdown, document, arguments)


if __name__ == "__main__":
    sys.exit(main())
