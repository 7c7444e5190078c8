"""How translations are searched for."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nmt.config.section import Positive, Section

if TYPE_CHECKING:
    from typing_extensions import Self


class Decoding(Section):
    """The search, as default of `nmt translate` and `nmt evaluate`."""

    beam_size: Annotated[int, Field(gt=0, le=10_000)] = 5
    """Hypotheses kept a sentence; 1 is greedy."""
    length_penalty: Literal["none", "average", "gnmt"] = "average"
    """Score = log-probability divided by: 1; the length to the power alpha; ((5 + length) / 6)^alpha (Wu 2016)."""
    alpha: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Exponent of the length penalty."""
    coverage_penalty: Annotated[float, Field(ge=0)] = 0.0
    """Beta of GNMT's coverage penalty (Wu 2016, eq. 14); 0 is off."""
    beam_prune: Annotated[float, Field(ge=0)] = 0.0
    """Drop a hypothesis whose log-probability is so many nats below that of the sentence's best at the same step
    (Freitag & Al-Onaizan 2017): saves time on a processor, 2 a quarter and 1 nearly half, and leaves n-best lists
    shorter; 0 is off."""
    no_repeat_ngram: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Generate no n-gram of this many subword tokens that the translation has already; tokens of a prefix are counted,
    but not forbidden themselves; 0 is off."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Tokens that the translation has already are chosen by this many times their log-probability (after Keskar 2019;
    1.2 is usual), as are translations; the log-probabilities that are reported stay the model's own; 1 is off."""
    shortlist: Annotated[int, Field(ge=0, le=64)] = 0
    """Generate only what the run's lexicon holds for the source: so many target tokens for each source token, besides
    the most frequent ones; scores are then over these. Costs some quality, and saves time only where the vocabulary is
    large; 0 allows the whole vocabulary."""
    replace_unknown: bool | None = None
    """Copy the source word that an unknown target word attends to (Luong 2015b); default: only with
    `model.decoder.copy_source`."""
    max_length_ratio: Annotated[float, Field(gt=0, le=100)] = 2.0
    """A translation has at most this many times the source's tokens, plus `max_length_extra`."""
    max_length_extra: Annotated[int, Field(ge=0, le=10_000)] = 20
    """See `max_length_ratio`."""
    max_source_tokens: Positive = 256
    """Longer lines are cut into pieces of so many tokens, translated one by one and joined."""
    tokens_per_batch: Positive = 6144
    """Source tokens decoded at once, once for each hypothesis, padding counted."""
    window: Annotated[int, Field(gt=0, le=1 << 20)] = 4096
    """Lines that are read ahead and sorted by length; the output keeps the input's order."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.length_penalty == "none":
            self.reject_unused(["alpha"], "with 'length_penalty: none'")
        return self
