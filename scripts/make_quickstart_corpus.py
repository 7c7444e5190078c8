#!/usr/bin/env python3
"""Write the embedded corpus, data/quickstart: English, German and Chinese, aligned by line, from a synchronous grammar.

    scripts/make_quickstart_corpus.py            # writes data/quickstart
    scripts/make_quickstart_corpus.py --check    # fails where the committed files differ

Needs nothing but Python.
"""

import argparse
import sys
from pathlib import Path

from quickstart_corpus.splits import SIDES, build, side_of

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "data" / "quickstart"


def files() -> dict[str, bytes]:
    """File names and contents of the corpus."""
    return {
        f"{name}.{side}": "".join(side_of(made, side) + "\n" for made in sentences).encode("utf-8")
        for name, sentences in build().splits.items()
        for side in SIDES
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the synthetic quickstart corpus (English, German, Chinese).")
    parser.add_argument("--output", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder to write or check")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where files differ from the grammar")
    arguments = parser.parse_args()
    folder: Path = arguments.output
    wanted = files()
    if arguments.check:
        differing = [
            name for name, content in wanted.items()
            if not (folder / name).is_file() or (folder / name).read_bytes() != content
        ]  # fmt: skip
        for name in differing:
            print(f"{folder / name} differs from the grammar; run {Path(__file__).name}", file=sys.stderr)
        return 1 if differing else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in wanted.items():
        (folder / name).write_bytes(content)
        print(f"{folder / name}: {content.count(bytes([10])):,} lines, {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
