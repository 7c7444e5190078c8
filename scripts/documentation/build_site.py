"""Build the documentation site from docs/ with Sphinx; every warning is an error, and so is a link that leads nowhere.

    python scripts/documentation/build_site.py [--output FOLDER] [--check] [--links]

Open FOLDER/index.html (build/docs by default). --check reads all pages and resolves their links, but writes no site.
--links also asks the servers of the external links, which needs the internet. Needs `pip install '.[docs]'`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts import ROOT
from scripts.reporting import parser

STRICT = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]


def build(builder: str, output: Path, docs: Path = ROOT / "docs") -> int:
    """Run one of Sphinx's builders in a process of its own and return its exit status."""
    with tempfile.TemporaryDirectory(prefix="nmt-docs-") as doctrees:  # a cache would hide warnings of the last build
        options = ["--builder", builder, "--doctree-dir", doctrees, *STRICT]
        return subprocess.run([sys.executable, "-m", "sphinx", *options, docs, output], cwd=ROOT).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status of Sphinx."""
    options = parser(__doc__)
    options.add_argument("--output", metavar="FOLDER", type=Path, default=ROOT / "build" / "docs")
    options.add_argument("--check", action="store_true", help="do not write the site")
    options.add_argument("--links", action="store_true", help="also check external links")
    given = options.parse_args(arguments)
    if given.check:
        with tempfile.TemporaryDirectory(prefix="nmt-docs-") as folder:
            return build("dummy", Path(folder))
    status = build("html", given.output)
    if status == 0:
        print(given.output / "index.html")
    if given.links:
        status = build("linkcheck", given.output.with_name(f"{given.output.name}-links")) or status
    return status


if __name__ == "__main__":
    sys.exit(main())
