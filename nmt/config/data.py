"""The sections `data` and `subword`: corpora, cleaning and filters, and the subword model."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nmt.config.model_settings import Direction
from nmt.config.section import NotNegative, PathOf, Positive, Probability, Section, reject

if TYPE_CHECKING:
    from typing_extensions import Self


def _check_language(code: str) -> str:
    """Return a language code; raises ValueError if it is empty or has white space or control characters."""
    if not code.isprintable() or not code or " " in code:
        raise ValueError(
            f"a language code such as en or zho_Hans has no white space or control characters; not {code!r}"
        )
    return code


LanguageCode = Annotated[str, AfterValidator(_check_language)]


class Corpus(Section):
    """Two files aligned by line number, or one TSV file, plain or gzip.

    Paths are relative to the working directory; `~` and `$HOME` in them are replaced.
    """

    source: PathOf | None = None
    """Text file of source sentences, one per line."""
    target: PathOf | None = None
    """Text file of their translations, aligned line by line."""
    tsv: PathOf | None = None
    """One tab-separated file in place of `source` and `target`."""
    source_column: Positive = 1
    """Column of the TSV file that holds the source, counted from 1; other columns are ignored."""
    target_column: Positive = 2
    """Column of the TSV file that holds the target."""
    header: bool = False
    """The first line of the TSV file names the columns and is not a pair."""
    quoting: bool = False
    """Fields of the TSV file may be in double quotes, as spreadsheets write them. Inside the quotes "" is a quote, and
    a tab or a line break is text (it becomes a space). Without `quoting` a double quote is text."""
    tag: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    """Token added before every source sentence, e.g. <2de> in a multilingual model (Johnson 2017); it must be one of
    `subword.user_symbols`."""
    source_language: LanguageCode | None = None
    """Language code of the source of a training corpus; default `data.source_language`. With `target_language` and
    `tag` it names a translation direction of the model, for `nmt serve`. Training does not depend on it; it may change
    on --resume."""
    target_language: LanguageCode | None = None
    """Language code of the target of a training corpus; default `data.target_language`."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Passes over a training corpus in one epoch: 2 uses each pair twice; 0.5 uses half of the pairs, and the other
    half in the next epoch. It may change on --resume, takes effect with the next epoch, and needs no new
    preprocessing."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        has_files = self.source is not None or self.target is not None
        reject(
            ((self.tsv is None) != has_files, "give either 'source' and 'target', or 'tsv'"),
            (has_files and (self.source is None or self.target is None), "'source' and 'target' must both be given"),
            (
                self.tsv is not None and self.source_column == self.target_column,
                "'source_column' and 'target_column' must differ",
            ),
        )
        if self.tsv is None:
            self.reject_unused(["header", "quoting"], "without 'tsv'")
        return self


class Filters(Section):
    """Which training pairs are dropped, after normalisation. Words are separated by white space."""

    empty: bool = True
    """Drop pairs with an empty side."""
    min_words: NotNegative = 0
    """Drop pairs with fewer words on a side; 0 keeps all."""
    max_words: NotNegative = 0
    """Drop pairs with more words on a side; 0 keeps all (Chinese has few spaces: use `max_characters`)."""
    max_characters: NotNegative = 2000
    """Drop pairs with more Unicode characters on a side; 0 keeps all."""
    max_ratio: Annotated[float, Field(ge=0)] = 0.0
    """Drop pairs whose longer side has more than this many times the characters of the shorter side; 0 keeps all."""
    copies: bool = False
    """Drop pairs whose target equals the source."""
    duplicates: bool = False
    """Keep only the first of identical pairs, over all corpora."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def _check_set_name(name: str) -> str:
    """Return the name of a test or validation set, a part of file names and a value of --split; raises ValueError."""
    if not re.fullmatch(r"[^\W.-][\w.-]*", name) or name in ("valid", "all"):
        raise ValueError(
            "the name of a test or validation set consists of letters, digits, '_', '-' and '.', and is neither "
            f"'valid' nor 'all'; not {name!r}"
        )
    return name


SetName = Annotated[str, AfterValidator(_check_set_name)]


class Data(Section):
    """Corpora, and how their text is cleaned."""

    source_language: LanguageCode = "src"
    """Language code of the source, ISO 639 or BCP 47, e.g. en or zho_Hans. It names columns and figures, and says
    whether spaces separate words."""
    target_language: LanguageCode = "tgt"
    """Language code of the target, ISO 639 or BCP 47, e.g. de, th, cmn or zho_Hans. It chooses sacreBLEU's tokeniser:
    zh for Chinese, ja-mecab, ko-mecab, char for other languages without spaces between words such as Thai, else 13a."""
    train: Annotated[list[Corpus], BeforeValidator(_as_list), Field(min_length=1)]
    """One training corpus or a list of them."""
    valid: Corpus
    """The corpus for validation and early stopping."""
    more_valid: dict[SetName, Corpus] = {}  # noqa: RUF012 (pydantic copies it)
    """Further validation sets by name, such as text of the domain that a model was trained on before. The log has the
    loss and BLEU of each; only `valid` decides which checkpoint is the best."""
    test: dict[SetName, Corpus] = {}  # noqa: RUF012 (pydantic copies it)
    """Named test sets, for `nmt evaluate --split NAME`."""
    prepared: PathOf | None = None
    """Folder of the prepared data; default prepared/NAME."""
    normalization: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode normalisation of training text and of text to translate."""
    collapse_whitespace: bool = True
    """Replace each run of white space and control characters by one space, and strip both ends."""
    lowercase: bool = False
    """Lower-case both sides and text to translate."""
    unescape_html: bool = False
    """Replace HTML entities such as &apos; and &amp; by their characters, on both sides and in text to translate."""
    filters: Filters = Filters()
    """Filters of the training corpora; validation and test sets are used as they are."""
    workers: NotNegative = 0
    """Processes that prepare the data; 0 uses every core. The result does not depend on it."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        for name, corpus in self.evaluated.items():
            for key in ("weight", "source_language", "target_language"):
                if not corpus.is_default(key):
                    raise ValueError(f"'{name}.{key}': only corpora of 'train' have this key; leave it out")
        return self

    @property
    def validation(self) -> dict[str, Corpus]:
        """All validation sets by their keys: `valid` and those of `more_valid`."""
        return {"valid": self.valid} | {f"more_valid.{name}": corpus for name, corpus in self.more_valid.items()}

    @property
    def evaluated(self) -> dict[str, Corpus]:
        """All validation and test sets by their keys."""
        return self.validation | {f"test.{name}": corpus for name, corpus in self.test.items()}

    @property
    def tags(self) -> list[str]:
        """The tags of all corpora, each once."""
        corpora = [*self.train, *self.evaluated.values()]
        return list(dict.fromkeys(corpus.tag for corpus in corpora if corpus.tag))

    @property
    def training_tags(self) -> list[str]:
        """The tag of each training corpus, "" for none, each once."""
        return list(dict.fromkeys(corpus.tag or "" for corpus in self.train))

    @property
    def directions(self) -> list[Direction]:
        """The translation directions of the training corpora in their order, each once.

        Two corpora of the same languages with different tags are two directions.
        """
        return list(
            dict.fromkeys(
                Direction(
                    corpus.source_language or self.source_language,
                    corpus.target_language or self.target_language,
                    corpus.tag or "",
                )
                for corpus in self.train
            )
        )


class Subword(Section):
    """The subword model (SentencePiece), which turns text into token ids."""

    kind: Literal["bpe", "unigram", "char", "word"] = "bpe"
    """SentencePiece model type."""
    joint: bool = True
    """One model and vocabulary for both languages; required for `model.embedding.tie: all`."""
    vocab_size: Positive = 8000
    """Maximum number of entries of the vocabulary (of each side if not joint); small corpora may give fewer."""
    source_vocab_size: Positive | None = None
    """Overrides `vocab_size` for the source if not joint."""
    target_vocab_size: Positive | None = None
    """Overrides `vocab_size` for the target if not joint."""
    character_coverage: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the characters that get an entry; 0.9995 suits Chinese."""
    byte_fallback: bool = True
    """Encode unknown characters as UTF-8 bytes (256 entries), so that no token is unknown (bpe and unigram only)."""
    user_symbols: list[str] = []  # noqa: RUF012 (pydantic copies it)
    """Strings that are always one token, e.g. <2de>."""
    training_sentences: Positive = 2_000_000
    """Maximum number of lines, sampled evenly from the corpora, to train a subword model on; half per side if joint."""
    reuse: PathOf | None = None
    """Use existing subword models instead of training new ones, e.g. to continue training on other text: a run,
    prepared data, a folder with joint.model (or source.model and target.model), or the file of a joint model. The keys
    about training a subword model are then ignored."""
    sampling: Probability = 0.0
    """BPE: probability of dropping a merge (BPE-dropout, Provilkov 2020). Unigram: smoothing exponent alpha of subword
    sampling (Kudo 2018), e.g. 0.2; 0 is off. Only during training."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        reject(
            (
                self.sampling and self.kind not in ("bpe", "unigram"),
                f"'sampling' needs kind bpe or unigram, not {self.kind}",
            ),
            (
                self.joint and (self.source_vocab_size or self.target_vocab_size),
                "a joint model has one vocabulary: use 'vocab_size', or set 'joint: false'",
            ),
        )
        return self
