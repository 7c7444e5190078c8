"""Write a task on which a translator must copy: the quickstart corpus with invented names for its people.

python scripts/make_copying_task.py FOLDER

Every name that stands in both sentences of a pair becomes a word that was made up for that pair alone, so that a
vocabulary of the frequent words does not hold it. Punctuation is set apart. Train has all pairs, valid and test only
those with a name: .en and .de of each.
"""

import random
import re
import sys
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "data" / "quickstart"
SYLLABLES = [a + b for a in ("b", "d", "fl", "g", "k", "kr", "m", "n", "r", "s", "st", "t", "v", "z") for b in "aeiou"]
FIRST = frozenset({"The", "A", "In", "On", "At"})
"""Capitalised words that are no names, where both languages have them."""


def words(line: str) -> list[str]:
    """Return words and punctuation marks."""
    return re.findall(r"[\w'-]+|[^\w\s]", line)


def names(source: list[str], target: list[str]) -> list[str]:
    """Return the capitalised words that both sides have."""
    return [w for w in dict.fromkeys(source) if w in target and w[0].isupper() and len(w) > 2 and w not in FIRST]


def made_up(draw: random.Random, used: set[str]) -> str:
    """Return a word of four or five syllables that is not among those `used`, and add it to them."""
    while (word := "".join(draw.choices(SYLLABLES, k=draw.choice((4, 5)))).capitalize()) in used:
        pass
    used.add(word)
    return word


def write(folder: Path, split: str, draw: random.Random, used: set[str]) -> int:
    """Write one split and return how many pairs it has."""
    sides = [(CORPUS / f"{split}.{language}").read_text(encoding="utf-8").split("\n")[:-1] for language in ("en", "de")]
    pairs = []
    for source, target in zip(*(map(words, side) for side in sides), strict=True):
        new = {name: made_up(draw, used) for name in names(source, target)}
        if new or split == "train":
            pairs.append([" ".join(new.get(word, word) for word in side) for side in (source, target)])
    for number, language in enumerate(("en", "de")):
        text = "".join(f"{pair[number]}\n" for pair in pairs)
        (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return len(pairs)


def make(folder: Path) -> dict[str, int]:
    """Write all splits, always the same, and return how many pairs each has."""
    folder.mkdir(parents=True, exist_ok=True)
    draw, used = random.Random(1), set[str]()
    return {split: write(folder, split, draw, used) for split in ("train", "valid", "test")}


def main() -> int:
    """Run the command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    print(", ".join(f"{split}: {count:,} pairs" for split, count in make(Path(sys.argv[1])).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
