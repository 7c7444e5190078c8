"""Words to token ids and back: one SentencePiece model, and the one or two models of a translator."""

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from nmt import config
from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.errors import NmtError

MOST_UNKNOWN = 1000
"""Unknown words of a line that a copying model tells apart."""
SPACE = "\u2581"
_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
UNKNOWN = "\u2047"
"""What stands in a text for UNK."""
_RESERVED = ("<pad>", "<unk>", "<s>", "</s>")
# SentencePiece cuts the work in as many parts as threads, and its sums depend on the parts.
_TRAINING_THREADS = 4
_LONGEST_LINE = 1 << 16
_FEW_LINES = 16
_seeding = threading.Lock()


def has_seeded_samples() -> bool:
    """Whether this SentencePiece samples by the seed alone; since 0.2.2 it does so differently in each process."""
    return [int(number) for number in re.findall(r"\d+", sentencepiece.__version__)[:3]] < [0, 2, 2]


class Subword:
    """A SentencePiece model. Ids 0 to 3 are PAD, UNK, BOS and EOS."""

    def __init__(self, model: bytes, name: str) -> None:
        """Take the bytes of a model file; `name` begins error messages."""
        try:
            if not model:  # SentencePiece takes it for "load nothing"
                raise ValueError
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            self.kind = _model_kind(model)
        except (RuntimeError, ValueError, IndexError, KeyError):
            raise NmtError(f"{name}: not a SentencePiece model, or damaged") from None
        special = [self._processor.pad_id(), self._processor.unk_id(), self._processor.bos_id()]
        if [*special, self._processor.eos_id()] != [PAD, UNK, BOS, EOS]:
            raise NmtError(
                f"{name}: pad, unk, bos and eos must have ids 0, 1, 2, 3; train the model with nmt preprocess"
            )
        self.size: int = self._processor.get_piece_size()
        self.fingerprint = hashlib.sha256(model).hexdigest()
        self._model = model

    @classmethod
    def load(cls, path: Path) -> "Subword":
        """Read a model file."""
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise NmtError(f"{path}: cannot read the subword model: {error.strerror}") from None

    @classmethod
    def train(cls, sentences: Iterable[str], path: Path, settings: config.Subword, vocab_size: int) -> "Subword":
        """Learn a model of at most `vocab_size` entries, write it to `path` and return it.

        The same sentences and settings give the same file. Raises `NmtError` where the vocabulary cannot hold the
        characters of the text, or where there is no text.
        """
        _check_symbols(settings.user_symbols)
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=model,
                model_type=settings.kind,
                vocab_size=vocab_size,
                hard_vocab_limit=False,
                character_coverage=settings.character_coverage,
                byte_fallback=settings.byte_fallback and settings.kind in ("bpe", "unigram"),
                user_defined_symbols=settings.user_symbols,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                unk_surface=UNKNOWN,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=_LONGEST_LINE,
                num_threads=_TRAINING_THREADS,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise NmtError(_explain(str(error), vocab_size)) from None
        path.write_bytes(model.getvalue())
        return cls(model.getvalue(), str(path))

    def encode(self, lines: list[str], unknown: Sequence[Sequence[str]] = ()) -> list[list[int]]:
        """Return the token ids of each line, without BOS and EOS.

        The words that `unknown` holds for a line, of a model of words, have the ids `size`, `size` + 1, … (See 2017).
        """
        if self.kind == "word":
            known = self._id_of_word
            ids = [[known.get(word, UNK) for word in line.split(" ")] if line else [] for line in lines]
            for number, words in enumerate(unknown):
                if words and UNK in ids[number]:
                    further = {word: self.size + place for place, word in enumerate(words)}
                    ids[number] = [known.get(word, further.get(word, UNK)) for word in lines[number].split(" ")]
            return ids
        if len(lines) < _FEW_LINES:  # a list would cost a thread
            return [self._processor.encode(line) for line in lines]
        found: list[list[int]] = self._processor.encode(lines, num_threads=1)
        return found

    def unknown_words(self, line: str) -> list[str]:
        """Return the different words of a line that have no entry, in their order; none of models of other kinds."""
        if self.kind != "word" or not line:
            return []
        unknown = dict.fromkeys(word for word in line.split(" ") if word not in self._id_of_word)
        return list(unknown)[:MOST_UNKNOWN]

    def entries(self, ids: Iterable[int]) -> list[int]:
        """Return `ids` with UNK in place of those that lie past the vocabulary."""
        return [i if i < self.size else UNK for i in ids]

    def has_symbol(self, symbol: str) -> bool:
        """Whether `symbol`, a word by itself, is one token."""
        return symbol in (piece.removeprefix(SPACE) for piece in self.pieces(self.encode([symbol])[0]))

    def sample(self, lines: list[str], amount: float, seed: int) -> list[list[int]]:
        """Return ids of a random segmentation of each line, the same for the same lines, amount and seed.

        `amount` is the probability of dropping a merge for bpe (Provilkov 2020), the exponent alpha for unigram
        (Kudo 2018).
        """
        ids: list[list[int]] = []

        def encode() -> None:
            ids.extend(self._processor.encode(lines, enable_sampling=True, alpha=amount, nbest_size=-1, num_threads=1))

        # SentencePiece keeps one generator a thread, seeded at its first use: only a fresh thread starts from `seed`.
        with _seeding:
            sentencepiece.set_random_generator_seed(seed % (2**32 - 1))
            thread = threading.Thread(target=encode)
            thread.start()
            thread.join()
        if len(ids) != len(lines):
            raise RuntimeError("SentencePiece failed to sample a segmentation")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; special tokens other than UNK leave nothing, further words are `UNKNOWN`."""
        if self.kind == "word":
            return " ".join(self._words[i] for i in self.entries(ids) if i not in (PAD, BOS, EOS))
        text: str = self._processor.decode([int(i) for i in ids])
        return text

    def pieces(self, ids: Sequence[int], unknown: Sequence[str] = ()) -> list[str]:
        """Return the piece of each id; one that begins a word starts with U+2581.

        `unknown` are the words that ids past the vocabulary stand for.
        """
        if self.kind == "word":
            return [SPACE + (self._words[i] if i < self.size else unknown[i - self.size]) for i in ids]
        return [self._processor.id_to_piece(int(i)) for i in ids]

    def surfaces(self, line: str) -> list[str]:
        """Return the pieces of a line, as `pieces` does, but with the text of those that are unknown."""
        if self.kind == "word":
            return [SPACE + word for word in line.split(" ")] if line else []
        pieces: list[str] = self._processor.encode(line, out_type=str)
        return pieces

    @cached_property
    def _words(self) -> list[str]:
        """The word of each id of a model of kind word."""
        words = [self._processor.id_to_piece(i).removeprefix(SPACE) for i in range(self.size)]
        words[UNK] = UNKNOWN
        return words

    @cached_property
    def _id_of_word(self) -> dict[str, int]:
        return {word: i for i, word in reversed(list(enumerate(self._words))) if i > EOS}

    def __reduce__(self) -> tuple[Any, ...]:
        return Subword, (self._model, "subword model")


@dataclass(frozen=True)
class Vocabularies:
    """The subword models of both sides; the same object twice where joint."""

    source: Subword
    target: Subword

    @classmethod
    def load(cls, folder: Path) -> "Vocabularies":
        """Read `joint.model`, or `source.model` and `target.model`, of a folder."""
        joint = folder / "joint.model"
        if joint.exists():
            model = Subword.load(joint)
            return cls(model, model)
        return cls(Subword.load(folder / "source.model"), Subword.load(folder / "target.model"))

    @classmethod
    def find(cls, place: Path, is_joint: bool) -> "Vocabularies":
        """Read the models of a run, of prepared data or of any folder; a joint one also from its own file.

        Raises `NmtError` where none are there, or a joint one where two are wanted, or the reverse.
        """
        if place.is_file() and not is_joint:
            raise NmtError(
                f"subword.reuse: {place} is one file, and subword.joint is false: name a folder that holds "
                "source.model and target.model"
            )
        folder = place / "subword" if (place / "subword").is_dir() else place
        names, others = ["joint.model"], ["source.model", "target.model"]
        if not is_joint:
            names, others = others, names
        if not place.is_file() and not all((folder / name).is_file() for name in names):
            remedy = "name a run, prepared data, a folder that holds the models, or the file of a joint one"
            if all((folder / name).is_file() for name in others):
                remedy = f"it has {' and '.join(others)}: set subword.joint: {json.dumps(not is_joint)}"
            raise NmtError(f"subword.reuse: {place} has no {' and '.join(names)}; {remedy}")
        try:
            models = [Subword.load(path) for path in ([place] if place.is_file() else [folder / n for n in names])]
        except NmtError as error:
            raise NmtError(f"subword.reuse: {error}") from None
        return cls(models[0], models[-1])

    @property
    def is_joint(self) -> bool:
        """Whether both sides share one model."""
        return self.source is self.target

    @property
    def names(self) -> list[str]:
        """The names of the model files."""
        return ["joint.model"] if self.is_joint else ["source.model", "target.model"]

    def copy_to(self, folder: Path) -> None:
        """Write the model files into `folder`, which is made where missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, subword in zip(self.names, (self.source, self.target), strict=False):
            (folder / name).write_bytes(subword._model)

    @property
    def fingerprint(self) -> str:
        """A sha256 hex digest of both models."""
        return hashlib.sha256(f"{self.source.fingerprint} {self.target.fingerprint}".encode()).hexdigest()


def _check_symbols(symbols: list[str]) -> None:
    for symbol in symbols:
        if symbol in _RESERVED or symbol.split() != [symbol]:
            raise NmtError(f"subword.user_symbols: {symbol!r} cannot be a symbol: it is empty, reserved or has spaces")
        if symbols.count(symbol) > 1:
            raise NmtError(f"subword.user_symbols: {symbol!r} is given twice")


def _explain(message: str, vocab_size: int) -> str:
    """Turn SentencePiece's message into one that names the key."""
    needed = re.search(r"required_chars. \d+ vs (\d+)", message)
    if needed:
        return (
            f"subword.vocab_size {vocab_size:,} is too small: the characters of the text alone need "
            f"{int(needed[1]):,} entries (256 of them where byte_fallback is on); raise subword.vocab_size well above "
            "this, or lower subword.character_coverage"
        )
    if "sentences_.empty()" in message:
        return "subword: the training text is empty, there is nothing to learn from; check data.train"
    return f"subword: SentencePiece could not learn a model: {message}"


def _model_kind(model: bytes) -> str:
    """Return the model type, which SentencePiece's own interface does not tell, from the protocol buffer."""
    for field, value in _fields(model):
        if field == 2 and isinstance(value, bytes):  # ModelProto.trainer_spec
            return _KINDS[next((v for f, v in _fields(value) if f == 3 and isinstance(v, int)), 1)]
    return "unigram"


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a protocol buffer message; fixed-width numbers as bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, message[at : at + size]
        at += size
