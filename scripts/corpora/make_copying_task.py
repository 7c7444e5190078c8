"""Write a translation task that requires copying: the quickstart corpus with invented names of people.

    python scripts/corpora/make_copying_task.py FOLDER

Every name that occurs in both sentences of a pair is replaced by a word invented for that pair alone, so a vocabulary
of frequent words does not contain it. Punctuation is separated by spaces. FOLDER gets train, valid and test, each with
the suffixes .en and .de. The training set has all pairs; valid and test have only the pairs with a name.
"""

import argparse
import random
import re
import sys
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "data" / "quickstart"
SYLLABLES = [a + b for a in ("b", "d", "fl", "g", "k", "kr", "m", "n", "r", "s", "st", "t", "v", "z") for b in "aeiou"]
NOT_NAMES = frozenset({"The", "A", "In", "On", "At"})
"""Capitalised words of both languages that are not names."""


def words(line: str) -> list[str]:
    """Return words and punctuation marks."""
    return re.findall(r"[\w'-]+|[^\w\s]", line)


def shared_names(source: list[str], target: list[str]) -> list[str]:
    """Return the capitalised words that occur on both sides."""
    return [w for w in dict.fromkeys(source) if w in target and w[0].isupper() and len(w) > 2 and w not in NOT_NAMES]


def invent(draw: random.Random, used: set[str]) -> str:
    """Return a new word of four or five syllables, and add it to the `used` words."""
    while (word := "".join(draw.choices(SYLLABLES, k=draw.choice((4, 5)))).capitalize()) in used:
        pass
    used.add(word)
    return word


def write(folder: Path, split: str, draw: random.Random, used: set[str]) -> int:
    """Write one split and return its number of pairs."""
    sides = [(CORPUS / f"{split}.{language}").read_text(encoding="utf-8").split("\n")[:-1] for language in ("en", "de")]
    pairs = []
    for source, target in zip(*(map(words, side) for side in sides), strict=True):
        new = {name: invent(draw, used) for name in shared_names(source, target)}
        if new or split == "train":
            pairs.append([" ".join(new.get(word, word) for word in side) for side in (source, target)])
    for number, language in enumerate(("en", "de")):
        text = "".join(f"{pair[number]}\n" for pair in pairs)
        (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return len(pairs)


def make(folder: Path) -> dict[str, int]:
    """Write all splits and return the number of pairs of each; the text is always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, used = random.Random(1), set[str]()
    return {split: write(folder, split, draw, used) for split in ("train", "valid", "test")}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to write")
    counts = make(parser.parse_args().folder)
    print(", ".join(f"{split}: {count:,} pairs" for split, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
