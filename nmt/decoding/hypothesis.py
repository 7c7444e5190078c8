"""Input and output of a search: a batch of source sentences (`SearchBatch`), and translations (`Hypothesis`).

Axes: B sentences, S source tokens, T target tokens, U tokens of the shortlist.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.engine import Bools, Engine, Floats, Ints, MemoryT, StateT
from nmt.errors import NmtError


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation."""

    tokens: tuple[int, ...]
    """T target ids, without BOS and EOS."""
    score: float
    """The score that the search ranks by: the log-probability with repetition, length and coverage penalty."""
    log_prob: float
    """Natural log of the model's p(target | source), with EOS and without penalties."""
    token_log_probs: tuple[float, ...]
    """T + 1 natural logs, the last one of EOS."""
    alignment: Floats | None
    """(T, S) attention of each token over the source, whose last column is its EOS; None if not requested."""


@dataclass(frozen=True)
class SearchBatch:
    """B source sentences to translate together."""

    source: Ints
    """(B, S) ids with EOS, padded."""
    lengths: Ints
    """(B,) number of real tokens, including EOS."""
    max_lengths: Sequence[int]
    """Maximum target tokens of each sentence, without EOS. After them EOS is forced, with its probability in the model.
    A longer prefix, or a larger `SearchOptions.min_length`, replaces the maximum."""
    prefixes: Sequence[Sequence[int]] = ()
    """Target ids that each translation must begin with; empty for none."""
    random_keys: Sequence[tuple[int, ...]] = ()
    """For each sentence the key of its random draws, such as its line number in the input; empty for its row."""
    shortlist: tuple[Ints, Bools] | None = None
    """Target tokens (U,), ascending and beginning with PAD, UNK, BOS and EOS, and which of them each sentence may
    generate, (B, U); None for the whole vocabulary."""

    def encode(self, engine: Engine[MemoryT, StateT]) -> MemoryT:
        """Return the memory of the sources, for a search over the shortlist if there is one."""
        memory = engine.encode(self.source, self.lengths)
        return memory if self.shortlist is None else engine.restrict(memory, *self.shortlist)


class NanProbabilities(NmtError):
    """The probabilities of a model are NaN."""

    def __init__(self) -> None:
        super().__init__(
            "the model gives probabilities that are not numbers (NaN), because its training diverged: use an earlier "
            "checkpoint (step-N), or train with a lower training.learning_rate"
        )
