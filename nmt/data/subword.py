"""Subword models: train SentencePiece, encode and decode text, sample segmentations; source and target vocabulary."""

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentencepiece

from nmt.data import sentencepiece_proto
from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.errors import NmtError
from nmt.storage.atomic_files import write_by_rename

if TYPE_CHECKING:
    from nmt import config

MAX_UNKNOWN_WORDS = 1000
"""Limit of the unknown words of a line in the extended vocabulary of a model that copies (See 2017)."""
SPACE = "\u2581"
"""The first character of a piece that begins a word."""
UNK_SURFACE = "\u2047"
"""The text of UNK."""
_RESERVED = ("<pad>", "<unk>", "<s>", "</s>")
_TRAINING_THREADS = 4
"""Fixed: SentencePiece cuts the work into as many parts as threads, and its sums depend on the parts."""
_MAX_LINE_BYTES = 1 << 16
_FEW_LINES = 16
_seed_lock = threading.Lock()


def has_seeded_samples() -> bool:
    """Return whether SentencePiece samples by the seed alone. Since 0.2.2 it samples differently in each process."""
    return [int(number) for number in re.findall(r"\d+", sentencepiece.__version__)[:3]] < [0, 2, 2]


class Subword:
    """A SentencePiece model. Ids 0 to 3 are PAD, UNK, BOS and EOS."""

    def __init__(self, model: bytes, name: str) -> None:
        """Take the bytes of a model file; `name` is the prefix of error messages."""
        try:
            if not model:  # SentencePiece would load nothing without an error
                raise ValueError
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            self.kind = sentencepiece_proto.model_kind(model)
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
    def train(cls, sentences: Iterable[str], path: Path, settings: "config.Subword", vocab_size: int) -> "Subword":
        """Train a model of at most `vocab_size` tokens, write it to `path` and return it.

        The same sentences and settings give the same file. Raise NmtError if the characters of the text do not fit into
        the vocabulary or if there is no text.
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
                unk_surface=UNK_SURFACE,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=_MAX_LINE_BYTES,
                num_threads=_TRAINING_THREADS,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise NmtError(_explain_training_error(str(error), vocab_size)) from None
        write_by_rename(path, model.getvalue())
        return cls(model.getvalue(), str(path))

    def encode(self, lines: list[str], unknown: Sequence[Sequence[str]] = ()) -> list[list[int]]:
        """Return the token ids of each line, without BOS and EOS.

        With a word model, the words of a line that are in `unknown` get the ids `size`, `size` + 1, … of the extended
        vocabulary (See 2017).
        """
        if self.kind == "word":
            known = self._id_of_word
            ids = [[known.get(word, UNK) for word in line.split(" ")] if line else [] for line in lines]
            for number, words in enumerate(unknown):
                if words and UNK in ids[number]:
                    extended = {word: self.size + i for i, word in enumerate(words)}
                    ids[number] = [known.get(word, extended.get(word, UNK)) for word in lines[number].split(" ")]
            return ids
        if len(lines) < _FEW_LINES:  # for a list, SentencePiece starts a thread
            return [self._processor.encode(line) for line in lines]
        found: list[list[int]] = self._processor.encode(lines, num_threads=1)
        return found

    def unknown_words(self, line: str) -> list[str]:
        """Return the out-of-vocabulary words of a line, each once, in order; none if the model is not a word model."""
        if self.kind != "word" or not line:
            return []
        unknown = dict.fromkeys(word for word in line.split(" ") if word not in self._id_of_word)
        return list(unknown)[:MAX_UNKNOWN_WORDS]

    def replace_extended(self, ids: Iterable[int]) -> list[int]:
        """Return `ids` with UNK for ids of the extended vocabulary."""
        return [i if i < self.size else UNK for i in ids]

    def has_symbol(self, symbol: str) -> bool:
        """Return whether `symbol` is one token."""
        return symbol in (piece.removeprefix(SPACE) for piece in self.pieces(self.encode([symbol])[0]))

    def sample(self, lines: list[str], amount: float, seed: int) -> list[list[int]]:
        """Return the ids of a random segmentation of each line; it depends on the lines, the amount and the seed alone.

        `amount` is the probability of dropping a merge for bpe (Provilkov 2020) and the exponent alpha for unigram
        (Kudo 2018).
        """
        ids: list[list[int]] = []

        def encode() -> None:
            ids.extend(self._processor.encode(lines, enable_sampling=True, alpha=amount, nbest_size=-1, num_threads=1))

        # SentencePiece has a generator for each thread, seeded at its first use: only a new thread starts from `seed`.
        with _seed_lock:
            sentencepiece.set_random_generator_seed(seed % (2**32 - 1))
            thread = threading.Thread(target=encode)
            thread.start()
            thread.join()
        if len(ids) != len(lines):
            raise RuntimeError("SentencePiece failed to sample a segmentation")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids: UNK and extended ids give `UNK_SURFACE`, the other special tokens nothing."""
        if self.kind == "word":
            return " ".join(self._words[i] for i in self.replace_extended(ids) if i not in (PAD, BOS, EOS))
        text: str = self._processor.decode([int(i) for i in ids])
        return text

    def pieces(self, ids: Sequence[int], unknown: Sequence[str] = ()) -> list[str]:
        """Return the piece of each id; a piece that begins a word starts with U+2581.

        `unknown` are the words of the ids of the extended vocabulary.
        """
        if self.kind == "word":
            return [SPACE + (self._words[i] if i < self.size else unknown[i - self.size]) for i in ids]
        return [self._processor.id_to_piece(int(i)) for i in ids]

    def surface_pieces(self, line: str) -> list[str]:
        """Return the pieces of a line like `pieces`, but with their text for unknown tokens."""
        if self.kind == "word":
            return [SPACE + word for word in line.split(" ")] if line else []
        pieces: list[str] = self._processor.encode(line, out_type=str)
        return pieces

    def is_extension_of(self, other: "Subword") -> bool:
        """Return whether this is `other`, or a model that `extended` made from it: the same ids, and further ones."""
        return self._model.startswith(other._model)

    def extended(self, pieces: Sequence[tuple[str, float]]) -> "Subword":
        """Return this model with further pieces, each with its score; their ids begin at `size`."""
        if not pieces:
            return self
        return Subword(sentencepiece_proto.append_pieces(self._model, pieces), "extended subword model")

    def score(self, token: int) -> float:
        """Return the score of a token, by which SentencePiece chooses between segmentations."""
        return float(self._processor.get_score(token))

    def is_text(self, token: int) -> bool:
        """Return whether a token is a piece of text: not PAD, UNK, BOS, EOS or a byte."""
        found = self._processor
        return not (found.is_control(token) or found.is_unknown(token) or found.is_byte(token))

    def segment_piece(self, piece: str) -> list[int]:
        """Return the token ids of a part of a line that is written like a piece: a space in it is `SPACE`.

        Unlike `encode`, this adds no space before the text.
        """
        if self.kind == "word":
            return [self._id_of_word.get(piece.removeprefix(SPACE), UNK)]
        found: list[int] = self._processor_inside_words.encode(piece.replace(SPACE, " "))
        return found

    @cached_property
    def _processor_inside_words(self) -> sentencepiece.SentencePieceProcessor:
        """The processor without the space before the first word."""
        model = sentencepiece_proto.without_dummy_prefix(self._model)
        return sentencepiece.SentencePieceProcessor(model_proto=model)

    @cached_property
    def _words(self) -> list[str]:
        """The word of each id of a word model."""
        words = [self._processor.id_to_piece(i).removeprefix(SPACE) for i in range(self.size)]
        words[UNK] = UNK_SURFACE
        return words

    @cached_property
    def _id_of_word(self) -> dict[str, int]:
        return {word: i for i, word in reversed(list(enumerate(self._words))) if i > EOS}

    def __reduce__(self) -> tuple[Any, ...]:
        return Subword, (self._model, "subword model")


@dataclass(frozen=True)
class Vocabularies:
    """The subword models of both sides; the same object twice if they are joint."""

    source: Subword
    target: Subword

    @classmethod
    def load(cls, folder: Path) -> "Vocabularies":
        """Read `joint.model`, or `source.model` and `target.model`, from a folder."""
        joint = folder / "joint.model"
        if joint.exists():
            model = Subword.load(joint)
            return cls(model, model)
        return cls(Subword.load(folder / "source.model"), Subword.load(folder / "target.model"))

    @classmethod
    def find(cls, path: Path, is_joint: bool) -> "Vocabularies":
        """Read the models of a run, of prepared data or of another folder, or a joint model from its file.

        Raise NmtError if there are no models, or if they are joint and `is_joint` is False, or the reverse.
        """
        if path.is_file() and not is_joint:
            raise NmtError(
                f"subword.reuse: {path} is one file, and subword.joint is false: name a folder that holds "
                "source.model and target.model"
            )
        folder = path / "subword" if (path / "subword").is_dir() else path
        names, others = ["joint.model"], ["source.model", "target.model"]
        if not is_joint:
            names, others = others, names
        files = [path] if path.is_file() else [folder / name for name in names]
        if not all(file.is_file() for file in files):
            remedy = "name a run, prepared data, a folder with the models, or the file of a joint model"
            if all((folder / name).is_file() for name in others):
                remedy = f"it has {' and '.join(others)}: set subword.joint: {json.dumps(not is_joint)}"
            raise NmtError(f"subword.reuse: {path} has no {' and '.join(names)}; {remedy}")
        try:
            models = [Subword.load(file) for file in files]
        except NmtError as error:
            raise NmtError(f"subword.reuse: {error}") from None
        return cls(models[0], models[-1])

    @property
    def is_joint(self) -> bool:
        """Whether both sides share one model."""
        return self.source is self.target

    def is_extension_of(self, other: "Vocabularies") -> bool:
        """Return whether both sides extend those of `other`, or are the same; see `Subword.is_extension_of`."""
        is_same_kind = self.is_joint == other.is_joint
        return is_same_kind and all(
            mine.is_extension_of(its) for mine, its in ((self.source, other.source), (self.target, other.target))
        )

    @property
    def names(self) -> list[str]:
        """The names of the model files."""
        return ["joint.model"] if self.is_joint else ["source.model", "target.model"]

    def copy_to(self, folder: Path) -> None:
        """Write the model files into `folder`, which is made if it is missing."""
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
            raise NmtError(f"subword.user_symbols: {symbol!r} is given twice; remove one")


def _explain_training_error(message: str, vocab_size: int) -> str:
    """Return a message that names the key for an error message of SentencePiece."""
    needed = re.search(r"required_chars. \d+ vs (\d+)", message)
    if needed:
        return (
            f"subword.vocab_size {vocab_size:,} is too small: the characters of the text alone need "
            f"{int(needed[1]):,} entries (256 of them if byte_fallback is on); raise subword.vocab_size well above "
            "this, or lower subword.character_coverage"
        )
    if "sentences_.empty()" in message:
        return "subword: the training text is empty; check data.train"
    return f"subword: SentencePiece could not train a model: {message}"
