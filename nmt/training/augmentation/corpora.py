"""Make parallel corpora from texts and the hypotheses of their translations.

FOLDER/forward-1.train-1.source, .target    what remains of the hypotheses of forward-1 for the text train-1
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from nmt.config import Data
from nmt.corpora.synthetic_pairs import Hypothesis, KnownPairs, Limits, PairCounts, Side, make_pairs
from nmt.data.corpus import align_lines, check_aligned
from nmt.data.lines import normalize, read_lines
from nmt.decoding.output_formats import parse_scored
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.atomic_folder import build_folder
from nmt.training.augmentation.state import REMEDY, Result
from nmt.training.augmentation.texts import SIDES, Text

Choose = Callable[[Sequence[Hypothesis], str], Sequence[Hypothesis]]
"""Chooses among the hypotheses of a line by the line's reference translation."""


@dataclass(frozen=True)
class Translated:
    """A text and its translation by one model or ensemble."""

    translator: str
    """The name of the translator, e.g. forward-1."""
    text: Text
    synthetic: Side
    """The side of the hypotheses."""

    @property
    def name(self) -> str:
        """The name of the step that translates it, and of its files."""
        return f"{self.translator}.{self.text.name}"

    @property
    def original(self) -> Side:
        """The side that is translated."""
        return "source" if self.synthetic == "target" else "target"

    def hypotheses(self, folder: Path) -> Path:
        """Return the file of the hypotheses."""
        return folder / f"{self.name}.jsonl"

    def corpus(self, folder: Path) -> dict[str, str]:
        """Return the files of the corpus, as keys of the configuration."""
        return {side: (folder / f"{self.name}.{side}").as_posix() for side in SIDES}


class CorpusMaker:
    """Makes the corpora of an augmentation from its folders `text`, `hypotheses` and `corpora`."""

    def __init__(self, folder: Path, data: Data, limits: Limits, choose: Choose | None = None) -> None:
        self._texts, self._hypotheses, self.folder = (folder / name for name in ("text", "hypotheses", "corpora"))
        self._data, self._limits, self._choose = data, limits, choose

    def originals(self, texts: Iterable[Text]) -> Iterator[tuple[str, str]]:
        """Yield the normalised pairs of training corpora."""
        for text in texts:
            source, target = (text.path(self._texts, side) for side in SIDES)
            yield from align_lines(self._lines(source), self._lines(target), str(source), str(target))

    def make(self, translated: Iterable[Translated], known: KnownPairs | None) -> Result:
        """Write the corpora into a new folder; return the counts of each as JSON values."""
        found: Result = {}
        with convert_write_errors(self.folder, REMEDY), build_folder(self.folder, lambda: False) as partial:
            assert partial is not None  # the folder is always made again
            for each in translated:
                counts = PairCounts()
                pairs = make_pairs(self._read(each), each.synthetic, self._limits, counts, known)
                _write(each.corpus(partial), pairs)
                found[each.name] = counts.to_json()
        if not any(counts["kept"] for counts in found.values()):
            raise NmtError(f"{self._hypotheses}: the filters drop every pair; allow more (--min-score, --max-ratio)")
        return found

    def _read(self, each: Translated) -> Iterator[tuple[str, Sequence[Hypothesis]]]:
        """Yield each line of a text with its hypotheses, all normalised."""
        path, original = each.hypotheses(self._hypotheses), each.text.path(self._texts, each.original)
        scored = map(_hypotheses_of(path, self._data), read_lines(path))
        counts = [0, 0]
        references = self._references(each)
        for line, hypotheses, reference in zip_longest(self._lines(original), scored, references):
            counts[0] += line is not None
            counts[1] += hypotheses is not None
            if counts[0] == counts[1]:
                yield line, hypotheses if self._choose is None else self._choose(hypotheses, reference)
        check_aligned(str(original), counts[0], str(path), counts[1])

    def _references(self, each: Translated) -> Iterator[str]:
        """Return the reference translations of a text if hypotheses are chosen by them."""
        return iter(()) if self._choose is None else self._lines(each.text.path(self._texts, each.synthetic))

    def _lines(self, path: Path) -> Iterator[str]:
        return (normalize(line, self._data) for line in read_lines(path))


def _hypotheses_of(path: Path, data: Data) -> Callable[[str], list[Hypothesis]]:
    """Return the function that reads a line of a file of hypotheses."""

    def read(line: str) -> list[Hypothesis]:
        try:
            return [Hypothesis(normalize(text, data), score) for text, score in parse_scored(line)]
        except ValueError:
            raise NmtError(f"{path}: damaged; remove {path.parent.parent} to start over") from None

    return read


def _write(files: dict[str, str], pairs: Iterable[tuple[str, str]]) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(Path(path).open("w", encoding="utf-8", newline="\n")) for path in files.values()]
        for pair in pairs:
            for file, line in zip(opened, pair, strict=True):
                file.write(f"{line}\n")
