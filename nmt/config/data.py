"""Where the text is, how it is cleaned, and how words become token ids."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nmt.config.section import NotNegative, PathOf, Positive, Probability, Section

if TYPE_CHECKING:
    from typing_extensions import Self


TEXT_KEYS = ("normalization", "collapse_whitespace", "lowercase", "unescape_html")
"""Keys of `Data` that say what becomes of a line before it is encoded."""


class Corpus(Section):
    """Two files aligned by line number, or one TSV, plain or gzip.

    Paths are relative to the working directory; `~` and `$HOME` in them are replaced.
    """

    source: PathOf | None = None
    """Text file of source sentences, one a line."""
    target: PathOf | None = None
    """Text file of their translations, aligned line by line."""
    tsv: PathOf | None = None
    """One tab-separated file in place of `source` and `target`."""
    source_column: Positive = 1
    """Column of the TSV that holds the source, counted from 1; further columns are ignored."""
    target_column: Positive = 2
    """Column of the TSV that holds the target."""
    header: bool = False
    """The first line of the TSV names the columns and is not a pair."""
    quoting: bool = False
    """Fields of the TSV may stand in double quotes, as spreadsheets write them: within them "" is a quote, and a tab or
    a line break is text (it becomes a space). Without `quoting` a double quote is text."""
    tag: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    """Token put before every source sentence, e.g. <2de> in a model of several directions (Johnson 2017); it must be
    one of `subword.user_symbols`."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Passes over a training corpus in one epoch: 2 sees each pair twice, 0.5 half of them, the others next epoch. It
    may change on --resume, from the next epoch on, and does not make the data be prepared again."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Self":
        if (self.tsv is None) == (self.source is None and self.target is None):
            raise ValueError("give either 'source' and 'target', or 'tsv'")
        if self.tsv is None and (self.source is None or self.target is None):
            raise ValueError("'source' and 'target' must both be given")
        if self.tsv is None:
            self.refuse_idle(["header", "quoting"], "without 'tsv'")
        if self.tsv is not None and self.source_column == self.target_column:
            raise ValueError("'source_column' and 'target_column' must differ")
        return self


class Filters(Section):
    """Which training pairs are dropped, after normalisation. Words are what white space separates."""

    empty: bool = True
    """Drop pairs with an empty side."""
    min_words: NotNegative = 0
    """Drop pairs with a side of fewer words; 0 keeps all."""
    max_words: NotNegative = 0
    """Drop pairs with a side of more words; 0 keeps all (Chinese has few spaces: use `max_characters`)."""
    max_characters: NotNegative = 2000
    """Drop pairs with a side of more Unicode characters; 0 keeps all."""
    max_ratio: Annotated[float, Field(ge=0)] = 0.0
    """Drop pairs whose longer side has more than this many times the characters of the shorter; 0 keeps all."""
    copies: bool = False
    """Drop pairs whose target equals the source."""
    duplicates: bool = False
    """Keep only the first of identical pairs, over all corpora."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _is_a_name(name: str) -> str:
    """Check the name of a test set, which files of results bear and --split chooses."""
    if not re.fullmatch(r"[^\W.-][\w.-]*", name) or name in ("valid", "all"):
        raise ValueError(
            f"a test set is named with letters, digits, '_', '-' and '.', and neither 'valid' nor 'all'; not {name!r}"
        )
    return name


class Data(Section):
    """Where the text is and how it is cleaned."""

    source_language: str = "src"
    """Language code of the source, ISO 639 or BCP 47, e.g. en or zho_Hans: names columns and pictures, and says whether
    spaces separate words."""
    target_language: str = "tgt"
    """Language code of the target, ISO 639 or BCP 47, e.g. de, th, cmn or zho_Hans: chooses sacreBLEU's tokeniser (zh
    for Chinese, ja-mecab, ko-mecab, char for others without spaces between words such as Thai, else 13a)."""
    train: Annotated[list[Corpus], BeforeValidator(_as_list), Field(min_length=1)]
    """One corpus or a list of them."""
    valid: Corpus
    """The corpus that validation and early stopping look at."""
    test: dict[Annotated[str, AfterValidator(_is_a_name)], Corpus] = {}  # noqa: RUF012 (pydantic copies it)
    """Named test sets, for `nmt evaluate --split NAME`."""
    prepared: PathOf | None = None
    """Folder of the prepared data; default prepared/NAME."""
    normalization: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode normalisation, of training text and of what is translated."""
    collapse_whitespace: bool = True
    """Turn each run of white space and control characters into one space, and trim both ends."""
    lowercase: bool = False
    """Lower-case both sides, and what is translated."""
    unescape_html: bool = False
    """Replace HTML entities such as &apos; and &amp; with their characters, on both sides and in what is translated."""
    filters: Filters = Filters()
    """Of the training corpora only; valid and test are taken whole."""
    workers: NotNegative = 0
    """Processes that prepare the data; 0 uses every core. The result does not depend on it."""

    @model_validator(mode="after")
    def _weights_of_training(self) -> "Self":
        others = {"valid": self.valid} | {f"test.{name}": corpus for name, corpus in self.test.items()}
        for name, corpus in others.items():
            if corpus.weight != 1.0:
                raise ValueError(f"'{name}.weight': only corpora of 'train' are weighted; leave it out")
        return self

    @property
    def tags(self) -> list[str]:
        """The tags of all corpora, each once."""
        corpora = [*self.train, self.valid, *self.test.values()]
        return list(dict.fromkeys(corpus.tag for corpus in corpora if corpus.tag))


class Subword(Section):
    """How words become token ids (SentencePiece)."""

    kind: Literal["bpe", "unigram", "char", "word"] = "bpe"
    """SentencePiece model type."""
    joint: bool = True
    """One model and vocabulary for both languages; needed for three-way tied embeddings."""
    vocab_size: Positive = 8000
    """Most entries in the vocabulary (of each side where not joint); fewer where the text has no more."""
    source_vocab_size: Positive | None = None
    """Overrides `vocab_size` for the source where not joint."""
    target_vocab_size: Positive | None = None
    """Overrides `vocab_size` for the target where not joint."""
    character_coverage: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the characters that get an entry; 0.9995 suits Chinese."""
    byte_fallback: bool = True
    """Spell unknown characters as UTF-8 bytes (256 entries), so that nothing is unknown (bpe and unigram only)."""
    user_symbols: list[str] = []  # noqa: RUF012 (pydantic copies it)
    """Strings that are always one token, e.g. <2de>."""
    training_sentences: Positive = 2_000_000
    """Most lines, drawn evenly from the corpora, that a subword model learns from; a joint one takes half a side."""
    reuse: PathOf | None = None
    """Take the subword models of this run, prepared data or folder (one with joint.model, or source.model and
    target.model), or a joint model's file, in place of learning, e.g. to go on training on other text; the keys about
    learning are then ignored."""
    sampling: Probability = 0.0
    """BPE: probability of dropping a merge (BPE-dropout, Provilkov 2020). Unigram: 0 is off, else the smoothing
    exponent alpha of sampling (Kudo 2018), e.g. 0.2. Training only."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.sampling and self.kind not in ("bpe", "unigram"):
            raise ValueError(f"'sampling' needs kind bpe or unigram, not {self.kind}")
        if self.joint and (self.source_vocab_size or self.target_vocab_size):
            raise ValueError("a joint model has one vocabulary: use 'vocab_size', or set 'joint: false'")
        return self
