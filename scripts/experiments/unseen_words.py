"""Print the share of words of a set that training text lacks, for text of the same kind and of other kinds.

    python scripts/experiments/unseen_words.py FOLDER,TRAIN,TEST … --language en [--pairs 5000 …]

FOLDER contains the files TRAIN and TEST with the suffix .LANGUAGE.gz. A row has the training text and the number of its
lines, drawn uniformly; a column has the set whose words are looked up. These shares are behind `USUAL_SHARE` of
`nmt.data.training_words` and `FAR_SHARE` of `nmt.training.tuning`.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.data.lines import read_lines
from nmt.data.training_words import TrainingWords, hash_word, split_words
from nmt.reports.table import table
from scripts import reporting


def unseen_share(training: Sequence[str], lines: Sequence[str], language: str) -> float:
    """Return the share of the words of `lines` that `training` lacks."""
    words = {word for line in training for word in split_words(line, language)}
    known = TrainingWords(frozenset(map(hash_word, words)), 0.0, language)
    found = [known.unseen(line) for line in lines]
    return sum(len(unseen) for _, unseen in found) / max(1, sum(count for count, _ in found))


def run(options: argparse.Namespace) -> None:
    """Print the table."""
    corpora = [corpus.split(",") for corpus in options.corpora]
    texts = {
        Path(folder).name: [list(read_lines(Path(folder) / f"{name}.{options.language}.gz")) for name in (train, test)]
        for folder, train, test in corpora
    }
    rows = [["training text", "lines", *texts]]
    for name, (train, _) in texts.items():
        for count in sorted({min(pairs, len(train)) for pairs in options.pairs}):
            drawn = random.Random(1).sample(train, count)
            shares = [f"{unseen_share(drawn, test, options.language):.3f}" for _, test in texts.values()]
            rows.append([name, f"{count:,}", *shares])
    print(table(rows, right=frozenset(range(1, len(rows[0])))))


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__)
    add = parser.add_argument
    add("corpora", nargs="+", metavar="FOLDER,TRAIN,TEST", help="a corpus, and the names of two of its sets")
    add("--language", required=True, help="language of the words, the suffix of the files")
    add(
        "--pairs", type=int, nargs="+", default=[5_000, 30_000], metavar="N", help="training lines (default 5000 30000)"
    )
    options = parser.parse_args()
    return reporting.exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
