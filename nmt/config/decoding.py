"""The `decoding` section of the configuration: beam size, penalties and limits of the search."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nmt.config.section import Positive, Section

if TYPE_CHECKING:
    from typing_extensions import Self


class Decoding(Section):
    """Defaults of the search in `nmt translate` and `nmt evaluate`."""

    beam_size: Annotated[int, Field(gt=0, le=10_000)] = 5
    """Hypotheses kept per sentence; 1 is greedy search."""
    length_penalty: Literal["none", "average", "gnmt"] = "average"
    """Divisor of the log-probability in the score: 1; the length to the power alpha; ((5 + length) / 6)^alpha
    (Wu 2016)."""
    alpha: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Exponent of the length penalty."""
    coverage_penalty: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Beta of GNMT's coverage penalty (Wu 2016, eq. 14); 0 is off."""
    beam_prune: Annotated[float, Field(ge=0)] = 0.0
    """Drop a hypothesis if its log-probability is more than this many nats below the best of the sentence at the same
    step (Freitag & Al-Onaizan 2017). Saves time on the CPU (2 nats about a quarter, 1 nat almost half), but n-best
    lists are shorter; 0 is off."""
    max_repeats: Annotated[int, Field(ge=0, le=10_000)] = 2
    """Do not generate a phrase of two or more subword tokens more than this many times in a row, unless the source has
    something more often in a row. Sentences of weak models often end in such loops. At least 2; 0 is off. Sampling
    ignores it."""
    no_repeat_ngram: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Do not generate an n-gram of this many subword tokens that the translation already contains. N-grams of a prefix
    count, but are not forbidden in the prefix itself; 0 is off."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Multiply the log-probability of tokens that the translation already contains by this factor when tokens and
    translations are ranked (after Keskar 2019; 1.2 is usual). The reported log-probabilities are those of the model;
    1 is off."""
    shortlist: Annotated[int, Field(ge=0, le=64)] = 0
    """Generate only this many likely target tokens for each source token, according to the lexicon of the run, and the
    most frequent tokens. Probabilities are normalised over these tokens. Costs some quality, and saves time only if the
    vocabulary is large; 0 allows the whole vocabulary. Training learns the lexicon only if this is not 0."""
    replace_unknown: bool | None = None
    """Replace an unknown target word by the source word that it attends to (Luong 2015b); default: only with
    `model.decoder.copy_source`."""
    max_length_ratio: Annotated[float, Field(ge=0, le=100)] = 2.0
    """A translation has at most this many tokens per source token, plus `max_length_extra`."""
    max_length_extra: Annotated[int, Field(ge=0, le=10_000)] = 20
    """See `max_length_ratio`."""
    max_source_tokens: Positive = 256
    """A line with more tokens is split into parts of at most this many tokens, which are translated separately."""
    tokens_per_batch: Positive = 6144
    """Source tokens of a batch, counted once for each hypothesis, padding included. ONNX Runtime uses at most 2,048,
    since larger batches are not faster there."""
    window: Annotated[int, Field(gt=0, le=1 << 20)] = 4096
    """Lines that are read ahead and sorted by length; the output keeps the order of the input."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        if self.length_penalty == "none":
            self.reject_unused(["alpha"], "with 'length_penalty: none'")
        if self.max_repeats == 1:
            raise ValueError("max_repeats: input should be 0 (off) or at least 2, not 1")
        return self
