"""Write the embedded corpus, data/quickstart: aligned English, German and Chinese text from a synchronous grammar.

    python data/quickstart/grammar/make_corpus.py            # write data/quickstart
    python data/quickstart/grammar/make_corpus.py --check    # fail if the committed files differ

Needs only Python.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from grammar.splits import SIDES, build, side_of

DEFAULT_FOLDER = Path(__file__).resolve().parents[1]


def files() -> dict[str, bytes]:
    """Return the names and contents of the files of the corpus."""
    return {
        f"{name}.{side}": "".join(side_of(sentence, side) + "\n" for sentence in sentences).encode("utf-8")
        for name, sentences in build().splits.items()
        for side in SIDES
    }


def main() -> int:
    """Run the command line; return 1 if --check finds differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder to write or check")
    parser.add_argument("--check", action="store_true", help="do not write; fail if files differ from the grammar")
    options = parser.parse_args()
    folder: Path = options.output
    contents = files()
    if options.check:
        paths = [folder / name for name in contents]
        differing = [path for path in paths if not path.is_file() or path.read_bytes() != contents[path.name]]
        for path in differing:
            print(f"{path} differs from the grammar; run {Path(__file__).name}", file=sys.stderr)
        return 1 if differing else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        print(f"{folder / name}: {content.count(bytes([10])):,} lines, {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
