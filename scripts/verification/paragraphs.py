"""Build paragraphs from a corpus of aligned lines, split and translate them, and compare with the lines.

    python scripts/verification/paragraphs.py --model RUN --source FILE ... --reference FILE ... [--count 200]
        [--tokenize NAME] [--json FILE]

Several files are read one after another. A paragraph is 2 to 6 consecutive lines of the corpus (2, 3, 4, 5, 6, 2, ...
or fewer, if only so many follow), joined with a space, or without one if the language has none. Only lines are used
that end with a full stop, a question mark or an exclamation mark on both sides; so headings are not. A boundary is the
start of a line inside a paragraph. The boundaries that the splitter finds are compared with those of the corpus: recall
is the share of the corpus' that it finds, precision the share of its own that are of the corpus. Many lines have
several sentences; so both are also given for the paragraphs in which no line has a mark in the middle that is followed
by a space and a capital.

BLEU compares paragraphs: translated with split_sentences, put together from the translations of the lines (as the
corpus has them, without splitting), and translated as one line.
"""

import argparse
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import nmt
from nmt.data.corpus import align_lines
from nmt.data.languages import has_spaces
from nmt.data.lines import read_lines
from nmt.data.sentences import split_sentences
from nmt.decoding.loading import find_checkpoints
from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring, corpus_scores, default_tokenizer
from nmt.reports.table import table
from scripts import reporting

SIZES = (2, 3, 4, 5, 6)
"""Lines of the paragraphs, in turn."""
SENTENCE_END = re.compile(r"""[.!?。！？]["'”’»)）」]*$""")
INNER_END = re.compile(r"""[.!?]["'”’)]* +["'“‘(]*[A-Z]""")
"""A mark in the middle of a line after which probably a sentence begins."""
EXAMPLES = 20
"""Missed and unexpected boundaries that are reported."""


@dataclass(frozen=True)
class Paragraph:
    """Consecutive lines of a corpus."""

    sources: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def is_simple(self) -> bool:
        """Whether no line probably has several sentences."""
        return not any(INNER_END.search(line) for line in self.sources)


@dataclass(frozen=True)
class Boundaries:
    """Boundaries of paragraphs that were found, and those of the corpus."""

    found: int
    right: int
    """Those among them that the corpus has."""
    expected: int

    @property
    def precision(self) -> float:
        """Share of the found ones that are right."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the expected ones that are found."""
        return self.right / self.expected if self.expected else 1.0


def paragraphs(pairs: Sequence[tuple[str, str]]) -> Iterator[Paragraph]:
    """Yield paragraphs of consecutive usable pairs; each pair is in one paragraph at most."""
    sizes = itertools.cycle(SIZES)
    for is_usable, group in itertools.groupby(pairs, lambda pair: all(map(SENTENCE_END.search, pair))):
        run = list(group)
        while is_usable and len(run) >= SIZES[0]:
            size = next(sizes)
            sources, references = zip(*run[:size], strict=True)
            yield Paragraph(sources, references)
            run = run[size:]


def read_paragraphs(sources: Sequence[Path], references: Sequence[Path]) -> Iterator[Paragraph]:
    """Yield the paragraphs of files and their references. Raise NmtError if the files are not aligned."""
    if len(sources) != len(references):
        raise NmtError(f"{len(sources)} files of --source, but {len(references)} of --reference")
    for one, other in zip(sources, references, strict=True):
        yield from paragraphs(list(align_lines(read_lines(one), read_lines(other), str(one), str(other))))


def line_starts(lines: Sequence[str], separator: str) -> list[int]:
    """Return the position of each line in the paragraph."""
    lengths = (len(line) + len(separator) for line in lines)
    return list(itertools.accumulate(lengths, initial=0))[:-1]


def count_boundaries(texts: Sequence[Paragraph], language: str, separator: str, examples: list[str]) -> Boundaries:
    """Compare the boundaries that the splitter finds with those of the corpus; append the differing ones.

    An unexpected boundary is an example only if the paragraph `is_simple`.
    """
    found = right = expected = 0
    for each in texts:
        text = separator.join(each.sources)
        of_corpus = set(line_starts(each.sources, separator)[1:])
        of_splitter = {sentence.start for sentence in split_sentences(text, language)[1:]}
        found, right = found + len(of_splitter), right + len(of_splitter & of_corpus)
        expected += len(of_corpus)
        unexpected = of_splitter - of_corpus if each.is_simple else set()
        for kind, positions in (("missed", of_corpus - of_splitter), ("not in the corpus", unexpected)):
            examples += [f"{kind}: {text[max(0, at - 40) : at]}|{text[at : at + 40]}" for at in sorted(positions)]
    return Boundaries(found, right, expected)


def translations(translator: nmt.Translator, texts: Sequence[Paragraph], separators: tuple[str, str]) -> dict[str, Any]:
    """Return the translations of the paragraphs by each method."""
    source, target = separators
    joined = [source.join(each.sources) for each in texts]
    by_line = iter(translator.translate([line for each in texts for line in each.sources]))
    return {
        "split_sentences": [each.text for each in translator.translate(joined, split_sentences=True)],
        "lines of the corpus": [target.join(next(by_line).text for _ in each.sources) for each in texts],
        "not split": [each.text for each in translator.translate(joined)],
    }


def measure(options: argparse.Namespace) -> None:
    """Print the boundaries and the scores."""
    reporting.check_json_path(options.json)
    text = find_checkpoints([options.model], options.checkpoint)[0].settings.text
    source, target = text.source_language, text.target_language
    texts = list(itertools.islice(read_paragraphs(options.source, options.reference), options.count))
    if not texts:
        raise NmtError("no two consecutive lines end with a full stop")
    separators = " " if has_spaces(source) else "", " " if has_spaces(target) else ""
    examples: list[str] = []
    boundaries = count_boundaries(texts, source, separators[0], examples)
    simple = count_boundaries([each for each in texts if each.is_simple], source, separators[0], [])
    lines = sum(len(each.sources) for each in texts)
    found = translations(nmt.load(options.model, options.checkpoint), texts, separators)
    references = [separators[1].join(each.references) for each in texts]
    scoring = Scoring(tokenize=options.tokenize or default_tokenizer(target))
    scores = {name: corpus_scores(lines, [references], ["bleu"], scoring)[0] for name, lines in found.items()}
    figures = {
        "paragraphs": len(texts),
        "lines": lines,
        "sentences of the splitter": boundaries.found + len(texts),
        "sentences of the translations": sum(len(split_sentences(line, target)) for line in found["split_sentences"]),
        "recall": boundaries.recall,
        "precision": boundaries.precision,
        "simple paragraphs": sum(each.is_simple for each in texts),
        "recall, simple": simple.recall,
        "precision, simple": simple.precision,
        **{f"BLEU, {name}": score.value for name, score in scores.items()},
    }
    for example in examples[:EXAMPLES]:
        reporting.progress(example)
    rows = [[name, f"{value:.4f}" if isinstance(value, float) else str(value)] for name, value in figures.items()]
    print(table([["figure", "value"], *rows], right=frozenset({1})))
    print(next(iter(scores.values())).signature)
    kept = {"translations": found, "references": references, "examples": examples}
    reporting.write_json(options.json, figures | kept)


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--json")
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="RUN", help="run folder, checkpoint or exported folder")
    add("--checkpoint", metavar="NAME", help="best, last, averaged or step-N (default: best)")
    add("--source", type=Path, nargs="+", required=True, metavar="FILE", help="lines of the corpus, plain or .gz")
    add("--reference", type=Path, nargs="+", required=True, metavar="FILE", help="their translations")
    add("--count", type=int, default=200, metavar="N", help="paragraphs (default %(default)s)")
    add("--tokenize", metavar="NAME", help="sacreBLEU tokenizer (default: that of the target language)")
    options = parser.parse_args()
    return reporting.exit_status(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())
