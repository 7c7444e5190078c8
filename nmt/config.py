"""The whole YAML schema of a run: one class per section, each field with a one-line docstring.

`load` reads a file, applies ``section.key=value`` overrides and returns a frozen `Config`; every mistake is an
`NmtError` that names the key and, for an unknown key, the nearest known one.
"""

import difflib
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from nmt.errors import NmtError

if typing.TYPE_CHECKING:
    from typing_extensions import Self

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A frozen part of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Corpus(Section):
    """Two files aligned by line number, or one TSV, plain or gzip; paths are relative to the working directory."""

    source: Path | None = None
    """Text file of source sentences, one a line."""
    target: Path | None = None
    """Text file of their translations, aligned line by line."""
    tsv: Path | None = None
    """One tab-separated file in place of `source` and `target`."""
    source_column: Positive = 1
    """Column of the TSV that holds the source, counted from 1; further columns are ignored."""
    target_column: Positive = 2
    """Column of the TSV that holds the target."""
    tag: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    """Token put before every source sentence, e.g. <2de> in a model of several directions (Johnson 2017); it must be
    one of `subword.user_symbols`."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Passes over this corpus in one epoch: 2 sees every pair twice, 0.5 half of the pairs, another half next epoch."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Self":
        if (self.tsv is None) == (self.source is None and self.target is None):
            raise ValueError("give either 'source' and 'target', or 'tsv'")
        if self.tsv is None and (self.source is None or self.target is None):
            raise ValueError("'source' and 'target' must both be given")
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


class Data(Section):
    """Where the text is and how it is cleaned."""

    source_language: str = "src"
    """Language code of the source, e.g. en: names columns and pictures."""
    target_language: str = "tgt"
    """Language code of the target; zh, ja and ko choose sacreBLEU's tokeniser for them."""
    train: Annotated[list[Corpus], BeforeValidator(_as_list), Field(min_length=1)]
    """One corpus or a list of them."""
    valid: Corpus
    """The corpus that validation and early stopping look at."""
    test: dict[str, Corpus] = {}
    """Named test sets, for `nmt evaluate --split NAME`."""
    prepared: Path | None = None
    """Folder of the prepared data; default prepared/NAME."""
    normalization: Literal["none", "nfc", "nfkc"] = "nfc"
    """Unicode normalisation, of training text and of what is translated."""
    collapse_whitespace: bool = True
    """Turn each run of white space and control characters into one space, and trim both ends."""
    lowercase: bool = False
    """Lower-case both sides, and what is translated."""
    filters: Filters = Filters()
    """What is dropped from the training corpora (never from valid and test)."""
    workers: NotNegative = 0
    """Processes that prepare the data; 0 uses every core. The result does not depend on it."""


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
    user_symbols: list[str] = []
    """Strings that are always one token, e.g. <2de>."""
    training_sentences: Positive = 2_000_000
    """Most lines, drawn evenly from the corpora, that a subword model learns from; a joint one takes half a side."""
    reuse: Path | None = None
    """Take the subword models of this run, prepared data or folder in place of learning, e.g. to go on training on
    other text; what is learned is then ignored."""
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


Kind = Literal["recurrent", "transformer"]
Cell = Literal["lstm", "gru", "rnn"]


class Embedding(Section):
    """Token embeddings."""

    size: Positive = 256
    """Width of source and target embeddings."""
    tie: Literal["none", "target", "all"] = "target"
    """Share weights: `target` = target embedding and output layer (Press & Wolf 2017); `all` = the source's too."""
    source_vectors: Path | None = None
    """Word vectors that the source embeddings start from, as text: word2vec's or GloVe's format, plain or gzip."""
    target_vectors: Path | None = None
    """The same for the target embeddings."""

    @model_validator(mode="after")
    def _one_table(self) -> "Self":
        if self.tie == "all" and self.source_vectors and self.target_vectors:
            raise ValueError("with 'tie: all' there is one table: give 'source_vectors' or 'target_vectors', not both")
        return self


class Encoder(Section):
    """What reads the source."""

    kind: Kind = "recurrent"
    """recurrent, or transformer (Vaswani 2017)."""
    cell: Cell = "lstm"
    """Recurrent cell; rnn is the plain tanh cell (Elman 1990)."""
    layers: Positive = 1
    """Number of layers."""
    size: Positive = 512
    """Width of a layer's output; with merge concat each direction has half of it."""
    bidirectional: bool | Positive = True
    """Read the source in both directions in every layer; a number: in so many of the lowest layers (Wu 2016)."""
    merge: Literal["concat", "sum", "mul", "average"] = "concat"
    """How the two directions become one output, and their final states one state."""
    reverse: bool = False
    """Read the source from its end to its beginning (Sutskever 2014)."""
    summary: Literal["last", "mean", "max"] = "last"
    """The sentence as one vector, for `start: bridge` and `context_to: every_step`: the top layer's final state, or the
    mean or maximum of its outputs."""
    residual: bool = False
    """Add a layer's input to its output wherever the widths agree (Wu 2016)."""
    layer_norm: bool = False
    """Normalise each layer's output (Ba 2016)."""
    heads: Positive = 8
    """Attention heads (transformer)."""
    feed_forward: Positive = 1024
    """Width of the hidden layer of a feed-forward block (transformer)."""

    @property
    def layers_both_ways(self) -> int:
        """Number of layers, from the lowest, that read in both directions."""
        if isinstance(self.bidirectional, bool):
            return self.layers if self.bidirectional else 0
        return self.bidirectional

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.kind == "transformer":
            _only_of(
                self, "transformer", ["cell", "bidirectional", "merge", "reverse", "residual", "layer_norm"], self.heads
            )
            return self
        _only_of(self, "recurrent", ["heads", "feed_forward"])
        if self.layers_both_ways > self.layers:
            raise ValueError(f"'bidirectional' {self.bidirectional} is more than 'layers' {self.layers}")
        if self.layers_both_ways and self.merge == "concat" and self.size % 2:
            raise ValueError(f"'size' {self.size} must be even for a bidirectional encoder, or choose another 'merge'")
        if not self.layers_both_ways and self.merge != "concat":
            raise ValueError(f"'merge: {self.merge}' needs 'bidirectional: true'")
        if self.layers_both_ways and self.reverse:
            raise ValueError("'reverse' is for an encoder of one direction: set 'bidirectional: false'")
        return self


class Attention(Section):
    """How the decoder looks at the source."""

    score: Literal["none", "additive", "concat", "dot", "general", "location"] = "general"
    """additive: v' tanh(W q + U h) (Bahdanau 2015), which Luong (2015) calls concat; dot: q'h, general: q'W h,
    location: W q, by position alone (Luong 2015); none: the decoder sees the sentence's summary only."""
    scaled: bool = False
    """Divide dot and general scores by the square root of the width (Vaswani 2017)."""
    size: Positive = 512
    """Width of the hidden layer of the additive score and of a predicted centre; of several heads, all together."""
    heads: Positive = 1
    """Attentions side by side, scored by dot (Vaswani 2017) or additive (Chen 2018)."""
    local: Literal["none", "monotonic", "predictive"] = "none"
    """Look only at a window of the source, about the target's own position or a predicted one (Luong 2015)."""
    window: Positive = 10
    """Tokens on each side of the centre of local attention."""
    positions: Positive = 257
    """Source positions that the location score tells apart; what lies further is not looked at."""
    coverage: bool = False
    """The additive score also sees how much attention each source token has had (See 2017)."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.score in ("none", "location") and (self.heads > 1 or self.local != "none"):
            raise ValueError(f"'score: {self.score}' goes with neither 'heads' nor 'local'")
        if self.heads > 1 and self.score not in ("dot", "additive"):
            raise ValueError(f"several 'heads' are scored by dot or additive, not {self.score}")
        if self.heads > 1 and self.size % self.heads:
            raise ValueError(f"'size' {self.size} must be a multiple of 'heads' {self.heads}")
        if self.heads > 1 and self.local != "none":
            raise ValueError("'local' goes with one head only")
        if self.scaled and (self.score not in ("dot", "general") or self.heads > 1):
            raise ValueError("'scaled' is for the score dot or general with one head; several heads always scale")
        if self.coverage and (self.score not in ("additive", "concat") or self.heads > 1):
            raise ValueError("'coverage' needs 'score: additive' with one head")
        return self


class Decoder(Section):
    """What writes the target."""

    kind: Kind = "recurrent"
    """recurrent, or transformer (Vaswani 2017)."""
    cell: Cell = "lstm"
    """Recurrent cell; rnn is the plain tanh cell (Elman 1990)."""
    layers: Positive = 2
    """Number of layers."""
    size: Positive = 512
    """Width of each layer."""
    context_to: Literal["upper_layers", "output", "next_input", "same_step", "start", "every_step"] = "upper_layers"
    """Where the context goes. Attention's, besides the output: upper_layers = the bottom layer queries, the layers
    above read it (GNMT v2; parallel in time); output = nowhere (Luong 2015; parallel in time); next_input = input
    feeding (Luong 2015); same_step = the previous state queries, this step's cell reads it (Bahdanau 2015). Without
    attention: start = the first state only (Sutskever 2014); every_step = every step and the output read the summary
    (Cho 2014)."""
    feedback: bool = True
    """Each step reads the previous target token."""
    residual: bool = False
    """Add a layer's input to its output wherever the widths agree (Wu 2016)."""
    layer_norm: bool = False
    """Normalise each layer's output (Ba 2016)."""
    start: Literal["bridge", "last", "mean", "zero"] = "bridge"
    """First state: `bridge` = tanh of a learned projection of the encoder's summary; `last` = the encoder's final
    states, `mean` = the mean of its outputs, as they are (the widths must agree); `zero`."""
    readout: Literal["tanh", "deep", "maxout", "none"] = "tanh"
    """What the output layer reads, of state h, context c and previous token e: tanh(W [h; c]) (Luong 2015); deep =
    tanh(W [h; c; e]) (Pascanu 2014); maxout = the larger of each two units of W [h; c; e] (Bahdanau 2015); none =
    [h; c] itself."""
    copy_source: bool = False
    """Pointer-generator: a token may also be copied from where the attention looks (See 2017)."""
    heads: Positive = 8
    """Attention heads (transformer)."""
    feed_forward: Positive = 1024
    """Width of the hidden layer of a feed-forward block (transformer)."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.kind == "transformer":
            others = ["cell", "context_to", "feedback", "residual", "layer_norm", "start", "readout", "copy_source"]
            _only_of(self, "transformer", others, self.heads)
            return self
        _only_of(self, "recurrent", ["heads", "feed_forward"])
        if not self.feedback and self.context_to in ("start", "output", "upper_layers"):
            raise ValueError(
                f"without 'feedback' the bottom layer has nothing to read where the context goes to {self.context_to}; "
                "choose context_to every_step, next_input or same_step"
            )
        if self.context_to == "start" and self.start == "zero":
            raise ValueError("'context_to: start' with 'start: zero' tells the decoder nothing of the source")
        return self


def _only_of(section: "Encoder | Decoder", kind: str, foreign: list[str], heads: int = 1) -> None:
    """Refuse keys that mean nothing for this `kind`."""
    for key in foreign:
        if getattr(section, key) != type(section).model_fields[key].default:
            raise ValueError(f"'{key}' means nothing with 'kind: {kind}'; leave it out")
    if section.size % heads or (kind == "transformer" and section.size % 2):
        raise ValueError(f"'size' {section.size} must be even and a multiple of 'heads' {heads}")


class Dropout(Section):
    """Probabilities of dropping a unit in training."""

    embedding: Probability = 0.2
    """On source and target embeddings."""
    layer: Probability = 0.2
    """On what enters each recurrent layer above the first, and on the encoder's output."""
    output: Probability = 0.2
    """On what enters the output layer."""
    word: Probability = 0.0
    """Probability of zeroing the whole embedding of an input token (Sennrich & Zhang 2019)."""
    mask: Literal["step", "sentence"] = "step"
    """`step` draws anew at every position; `sentence` drops the same units along a sentence (Gal 2016)."""


class Model(Section):
    """The network, part by part."""

    embedding: Embedding = Embedding()
    encoder: Encoder = Encoder()
    attention: Attention = Attention()
    decoder: Decoder = Decoder()
    dropout: Dropout = Dropout()

    @property
    def is_transformer(self) -> bool:
        """Whether the decoder is a Transformer."""
        return self.decoder.kind == "transformer"

    @property
    def context_size(self) -> int:
        """Width of what the decoder's steps know of the source."""
        return 0 if self.decoder.context_to == "start" else self.encoder.size

    @property
    def read_size(self) -> int:
        """Width of what the decoder reads of the previous token."""
        return self.embedding.size if self.decoder.feedback else 0

    @property
    def readout_size(self) -> int:
        """Width of what the output layer reads."""
        if self.is_transformer:
            return self.decoder.size
        if self.decoder.readout == "none":
            return self.decoder.size + self.context_size
        return self.decoder.size if self.embedding.tie == "none" else self.embedding.size

    @model_validator(mode="after")
    def _fits(self) -> "Self":
        for name, part in (("encoder", self.encoder), ("decoder", self.decoder)):
            if part.kind == "transformer" and part.size != self.embedding.size:
                raise ValueError(
                    f"a transformer {name} needs embedding.size ({self.embedding.size}) equal to {name}.size "
                    f"({part.size})"
                )
        if self.embedding.tie != "none" and self.readout_size != self.embedding.size:
            raise ValueError(
                f"embedding.tie {self.embedding.tie} needs an output layer that reads embedding.size "
                f"({self.embedding.size}) units, not {self.readout_size}; use tie: none"
            )
        if self.is_transformer:
            if self.attention != Attention():
                raise ValueError("attention.*: a transformer decoder has attention of its own; leave this section out")
            return self
        self._fits_recurrent()
        return self

    def _fits_recurrent(self) -> None:
        encoder, attention, decoder = self.encoder, self.attention, self.decoder
        sizes = f"needs encoder.size ({encoder.size}) equal to decoder.size ({decoder.size})"
        if (attention.score == "none") != (decoder.context_to in ("start", "every_step")):
            if attention.score == "none":
                raise ValueError(
                    f"decoder.context_to {decoder.context_to} needs attention; with attention.score none use start or "
                    "every_step"
                )
            raise ValueError(f"decoder.context_to {decoder.context_to} is for attention.score none")
        if attention.score == "dot" and attention.heads == 1 and encoder.size != decoder.size:
            raise ValueError(f"attention.score dot {sizes}; or use score: general")
        if attention.coverage and decoder.context_to in ("output", "upper_layers"):
            raise ValueError(
                "attention.coverage needs one step after the other: decoder.context_to next_input or same_step"
            )
        if decoder.copy_source and attention.score == "none":
            raise ValueError("decoder.copy_source needs attention: choose an attention.score")
        if decoder.copy_source and attention.local == "predictive":
            raise ValueError("decoder.copy_source needs attention that sums to 1, which local: predictive does not")
        if decoder.start in ("last", "mean") and encoder.size != decoder.size:
            raise ValueError(f"decoder.start {decoder.start} {sizes}; or use start: bridge")
        if decoder.start == "last" and encoder.kind == "transformer":
            raise ValueError("decoder.start last needs a recurrent encoder; or use start: bridge or mean")
        if decoder.start == "last" and encoder.cell != decoder.cell:
            raise ValueError("decoder.start last needs the same cell in encoder and decoder; or use start: bridge")


class Training(Section):
    """How the weights are found."""

    max_steps: Positive = 10_000
    """Optimizer steps of the whole run."""
    tokens_per_batch: Positive | None = None
    """Target tokens per optimizer step, padding not counted; default 4096 where `sentences_per_batch` is not set."""
    sentences_per_batch: Positive | None = None
    """Sentences per optimizer step, in place of `tokens_per_batch`."""
    accumulate: Positive = 1
    """Split each optimizer step into so many forward and backward passes: same result, less memory."""
    max_tokens: Positive = 256
    """Pairs with more subword tokens than this on a side, EOS not counted, are left out (and counted in the log)."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma & Ba 2015), or AdamW with decoupled weight decay (Loshchilov & Hutter 2019)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Highest learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.998)
    """Adam's decay rates of the two moments."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Adam's epsilon."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decay, L2 penalty with adam."""
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = "cosine"
    """Learning rate after warm-up: cosine falls to `min_learning_rate` at `max_steps`; plateau multiplies by
    `plateau_factor` when `metric` has not improved for `plateau_patience` validations."""
    warmup_steps: NotNegative = 400
    """Steps over which the learning rate rises linearly from zero."""
    min_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """The learning rate never falls below this after warm-up."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What plateau multiplies the learning rate by."""
    plateau_patience: Positive = 3
    """Validations without improvement before plateau acts."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Largest L2 norm of the gradient; 0 does not clip."""
    label_smoothing: Probability = 0.1
    """Probability mass spread over the whole vocabulary (Szegedy 2016)."""
    r_drop: Annotated[float, Field(ge=0)] = 0.0
    """Read each batch twice, with other dropout, and bring both predictions together with this weight (R-Drop, Liang
    2021), e.g. 5; 0 is off."""
    coverage_loss: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the loss on attention to what has had attention, where `model.attention.coverage` is on (See 2017)."""
    teacher_forcing: Literal["always", "linear", "exponential", "inverse_sigmoid"] = "always"
    """Scheduled sampling (Bengio 2015): how the share of true previous tokens falls, the others being drawn from the
    model: 1 - step / k, k^step or k / (k + exp(step / k)), k being `teacher_decay`."""
    teacher_decay: Annotated[float, Field(gt=0)] = 10_000.0
    """k of `teacher_forcing`: a number of steps; for exponential just below 1."""
    teacher_floor: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of true previous tokens never falls below this."""
    objective: Literal["likelihood", "risk"] = "likelihood"
    """likelihood, or the expected loss of sentence BLEU over sampled translations, of a trained model (Shen 2016)."""
    risk_samples: Annotated[int, Field(ge=2)] = 10
    """Translations drawn for each source with `objective: risk`; the reference is one more."""
    risk_sharpness: Annotated[float, Field(gt=0)] = 0.005
    """Exponent alpha of the probabilities that the risk is weighed by."""
    init_from: Path | None = None
    """Begin with the weights of this run or checkpoint, whose network and subword model must be the same (see
    `subword.reuse`)."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the matrix products; weights stay fp32. auto = bf16 where the processor or GPU has it."""
    ema_decay: Probability = 0.0
    """Validate and keep an exponential moving average of the weights with this decay, e.g. 0.999; 0 is off."""
    average_last: NotNegative = 0
    """At the end also write `checkpoints/averaged`, the mean of so many last checkpoints (at most `keep_last`)."""
    validate_every: Positive = 500
    """Steps between validations."""
    validation_bleu: bool = True
    """Translate the validation source greedily and report BLEU, besides the loss."""
    validation_sentences: NotNegative = 0
    """Translate only so many validation sentences; 0 translates all."""
    metric: Literal["bleu", "loss"] = "bleu"
    """What decides the best checkpoint, early stopping and plateau: bleu rises, loss falls."""
    patience: NotNegative = 0
    """Stop early after so many validations without a better `metric`; 0 never does."""
    save_every: Positive = 500
    """Steps between checkpoints."""
    keep_last: Positive = 2
    """Checkpoints kept besides the best one."""
    log_every: Positive = 50
    """Steps between lines of log.jsonl."""
    threads: NotNegative = 0
    """Processor threads of torch; 0 leaves torch's choice."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto = the GPU where there is one."""

    @model_validator(mode="after")
    def _consistent(self) -> "Self":
        if self.tokens_per_batch and self.sentences_per_batch:
            raise ValueError("give 'tokens_per_batch' or 'sentences_per_batch', not both")
        if self.metric == "bleu" and not self.validation_bleu:
            raise ValueError("'metric: bleu' needs 'validation_bleu: true'")
        if self.teacher_forcing == "exponential" and self.teacher_decay >= 1:
            raise ValueError(f"'teacher_forcing: exponential' needs 'teacher_decay' below 1, not {self.teacher_decay}")
        if self.objective == "risk":
            if self.init_from is None:
                raise ValueError("'objective: risk' is for a trained model: name its run in 'init_from'")
            if self.r_drop or self.teacher_forcing != "always":
                raise ValueError("'objective: risk' goes with neither 'r_drop' nor 'teacher_forcing'")
        if self.average_last > self.keep_last:
            raise ValueError(f"'average_last' {self.average_last} needs 'keep_last' of at least as many")
        if self.weight_decay and self.optimizer == "adam" and self.weight_decay > 0.1:
            raise ValueError("'weight_decay' above 0.1 is meant for 'optimizer: adamw'")
        return self


class Decoding(Section):
    """The search, as default of `nmt translate` and `nmt evaluate`."""

    beam_size: Positive = 5
    """Hypotheses kept a sentence; 1 is greedy."""
    length_penalty: Literal["none", "average", "gnmt"] = "average"
    """Score = log-probability divided by: 1; the length to the power alpha; ((5 + length) / 6)^alpha (Wu 2016)."""
    alpha: Annotated[float, Field(ge=0)] = 1.0
    """Exponent of the length penalty."""
    coverage_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Beta of GNMT's coverage penalty (Wu 2016, eq. 14); 0 is off."""
    shortlist: Annotated[int, Field(ge=0, le=64)] = 0
    """Generate only what the run's lexicon holds for the source: so many target tokens for each source token, besides
    the most frequent ones; scores are then over these. Costs some quality, and saves time only where the vocabulary is
    large; 0 allows the whole vocabulary."""
    max_length_ratio: Annotated[float, Field(gt=0)] = 2.0
    """A translation has at most this many times the source's tokens, plus `max_length_extra`."""
    max_length_extra: NotNegative = 20
    """See `max_length_ratio`."""
    max_source_tokens: Positive = 256
    """Longer lines are cut into pieces of so many tokens, translated one by one and joined."""
    tokens_per_batch: Positive = 8192
    """Source tokens decoded at once, once for each hypothesis, padding counted."""
    window: Positive = 4096
    """Lines that are read ahead and sorted by length; the output keeps the input's order."""


class Config(Section):
    """A run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run; its folder is runs/NAME."""
    seed: NotNegative = 1
    """Reproduces the run: weights, shuffling, dropout, subword sampling."""
    data: Data
    subword: Subword = Subword()
    model: Model = Model()
    training: Training = Training()
    decoding: Decoding = Decoding()

    @model_validator(mode="after")
    def _agrees(self) -> "Self":
        if self.model.embedding.tie == "all" and not self.subword.joint:
            raise ValueError("model.embedding.tie all needs subword.joint: true")
        if self.model.decoder.copy_source and not self.subword.joint:
            raise ValueError("model.decoder.copy_source needs subword.joint: true")
        if self.model.decoder.copy_source and self.training.r_drop:
            raise ValueError("training.r_drop does not go with model.decoder.copy_source")
        if self.model.decoder.copy_source and self.decoding.shortlist:
            raise ValueError("decoding.shortlist does not go with model.decoder.copy_source, which may copy any word")
        if self.model.attention.score == "none" and self.decoding.coverage_penalty:
            raise ValueError("decoding.coverage_penalty needs attention, and model.attention.score is none")
        if self.model.attention.score == "location" and self.model.attention.positions <= self.training.max_tokens:
            raise ValueError(
                f"model.attention.positions {self.model.attention.positions} must be more than training.max_tokens "
                f"{self.training.max_tokens}, for the end of the sentence"
            )
        for corpus in [*self.data.train, self.data.valid, *self.data.test.values()]:
            if corpus.tag and corpus.tag not in self.subword.user_symbols:
                raise ValueError(f"the tag {corpus.tag} of a corpus is missing from subword.user_symbols")
        return self

    @property
    def prepared(self) -> Path:
        """Folder of the prepared data."""
        return self.data.prepared or Path("prepared") / self.name

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return Path("runs") / self.name


def load(path: Path, overrides: typing.Sequence[str] = ()) -> Config:
    """Read the YAML file `path`, apply ``section.key=value`` overrides, check, and return the config.

    Raises `NmtError` naming the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such config file") from None
    except UnicodeDecodeError:
        raise NmtError(f"{path}: not UTF-8 text; is this a YAML config?") from None
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None
    try:
        values = _unshared(yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NmtError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise NmtError(f"{path}: a config is a mapping of sections such as 'data:', this is {_kind(values)}")
    for override in overrides:
        _override(values, override)
    return parse(values, str(path))


def parse(values: dict[str, Any], where: str) -> Config:
    """Check a mapping and return the config; `where` begins each error message."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise NmtError("\n".join(f"{where}: {_explain(dict(e))}" for e in error.errors()[:10])) from None


def dump(config: Config) -> str:
    """Return the resolved config as YAML, every key present."""
    values = config.model_dump(mode="json")
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    if yaml.safe_load(text) == values:
        return text
    return yaml.safe_dump(values, sort_keys=False)  # some line separators are read back only where they are escaped


def _unshared(value: Any) -> Any:
    """Return a copy in which what a YAML anchor and its aliases share is no longer one object."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise NmtError(f"--set {override}: expected section.key=value")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise NmtError(f"--set {override}: the value is not valid YAML") from None
    *sections, last = key.split(".")
    node: Any = values
    for depth, section in enumerate(sections):
        if isinstance(node, list) and section.isdecimal() and int(section) < len(node):
            node = node[int(section)]
            continue
        if isinstance(node, dict) and node.get(section) is None:
            node[section] = {}
        if not isinstance(node, dict) or not isinstance(node[section], (dict, list)):
            raise NmtError(f"--set {override}: {'.'.join(sections[: depth + 1])} is not a section")
        node = node[section]
    if not isinstance(node, dict):
        raise NmtError(f"--set {override}: {'.'.join(sections)} is not a section")
    node[last] = value


def _explain(error: dict[str, Any]) -> str:
    """Turn one pydantic error into `section.key: what is wrong; remedy`."""
    *parents, last = error["loc"] or ("",)
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(getattr(_section_at(parents), "model_fields", {}))
        near = difflib.get_close_matches(str(last), known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"{'.'.join(map(str, parents)) or 'top level'}: unknown key '{last}'; {hint}"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if error["type"] == "value_error":
        return f"{key}: {message}" if key else message
    return f"{key}: {message}, not {error['input']!r:.80}"


def _section_at(parents: list[str | int]) -> Any:
    """Return the class of the section that the path `parents` leads to."""
    here: Any = Config
    for part in parents:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(part)].annotation
        else:
            here = typing.get_args(here)[-1]
        if isinstance(here, types.UnionType):
            here = typing.get_args(here)[0]
    return here


def _kind(value: Any) -> str:
    return "empty" if value is None else f"a {type(value).__name__}"
