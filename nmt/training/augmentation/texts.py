"""The text that models translate: copies of the training pairs and of monolingual text, without what is filtered.

FOLDER/train-1.source, .target        the pairs of the first training corpus
FOLDER/monolingual-source-1.source    the first file of monolingual source text
FOLDER/monolingual-target-1.target
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Config, Corpus, Data
from nmt.corpora.synthetic_pairs import Side
from nmt.data.corpus import failed_filter, read_pairs
from nmt.data.lines import InvalidLines, normalize, read_lines
from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors
from nmt.storage.atomic_folder import build_folder
from nmt.training.augmentation.state import REMEDY, Result

SIDES: tuple[Side, Side] = ("source", "target")


@dataclass(frozen=True)
class Text:
    """A text to translate: a training corpus, or a file of one language."""

    name: str
    sides: tuple[Side, ...]
    """The sides that it has."""
    corpus: Corpus | None = None
    """The training corpus."""
    file: Path | None = None
    """The monolingual file."""

    def path(self, folder: Path, side: Side) -> Path:
        """Return the file of a side."""
        return folder / f"{self.name}.{side}"


def training_texts(config: Config) -> list[Text]:
    """Return the training corpora of a configuration."""
    return [Text(f"train-{number}", SIDES, corpus) for number, corpus in enumerate(config.data.train, 1)]


def monolingual_texts(side: Side, files: Sequence[Path]) -> list[Text]:
    """Return monolingual files in the language of the source or of the target."""
    return [Text(f"monolingual-{side}-{number}", (side,), file=file) for number, file in enumerate(files, 1)]


def write_texts(texts: Sequence[Text], data: Data, folder: Path) -> Result:
    """Write the lines of each text into a new `folder`; return the numbers of its lines and of those left out.

    Lines are not normalised, as a model does that itself. Lines that the filters of the configuration would drop from
    training are left out. Raise `NmtError` if nothing remains of a text.
    """
    found: Result = {}
    with convert_write_errors(folder, REMEDY), build_folder(folder, lambda: False) as partial:
        assert partial is not None  # the folder is always made again
        for text in texts:
            found[text.name] = _write(text, data, partial)
            if not found[text.name]["lines"]:
                name = text.file or (text.corpus and (text.corpus.tsv or text.corpus.source))
                raise NmtError(f"{name}: no line passes data.filters; there is nothing to translate")
    return found


def _write(text: Text, data: Data, folder: Path) -> Result:
    left_out = 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(text.path(folder, side).open("w", encoding="utf-8", newline="\n"))
            for side in text.sides
        ]
        lines = 0
        for sides in _read(text):
            if _is_dropped(sides, data):
                left_out += 1
                continue
            lines += 1
            for file, line in zip(files, sides, strict=True):
                file.write(f"{line}\n")
    return {"lines": lines, "left_out": left_out}


def _read(text: Text) -> Iterable[Sequence[str]]:
    if text.corpus is not None:
        return read_pairs(text.corpus, [])
    assert text.file is not None
    return _single(text.file)


def _single(path: Path) -> Iterator[Sequence[str]]:
    for line in read_lines(path, InvalidLines(str(path))):
        yield (line,)


def _is_dropped(sides: Sequence[str], data: Data) -> bool:
    """Return whether training would drop a pair; a monolingual line counts as a pair with itself, but is no copy."""
    normalized = [normalize(line, data) for line in sides]
    reason = failed_filter(normalized[0], normalized[-1], data.filters)
    return reason is not None and not (reason == "copies" and len(sides) == 1)
