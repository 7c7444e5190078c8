"""The options of a search."""

from dataclasses import dataclass
from typing import Literal

from nmt import config
from nmt.errors import NmtError


@dataclass(frozen=True)
class Options:
    """How to search. Penalties are those of `config.Decoding`."""

    method: Literal["beam", "greedy", "sample"] = "beam"
    beam_size: int = 5
    """Hypotheses kept a sentence (beam)."""
    n_best: int = 1
    """Hypotheses returned a sentence: the best first (beam), or in the order of drawing (sample)."""
    length_penalty: Literal["none", "average", "gnmt"] = "average"
    alpha: float = 1.0
    coverage_penalty: float = 0.0
    beam_prune: float = 0.0
    """Drop hypotheses so many nats below the sentence's best at the same step (beam); 0 drops none."""
    no_repeat_ngram: int = 0
    """Generate no n-gram of tokens of this size that the hypothesis has already; 0 is off."""
    repetition_penalty: float = 1.0
    """Choose tokens that the hypothesis has already by this many times their log-probability; 1 is off."""
    with_spares: bool = False
    """Return up to twice `beam_size` hypotheses, not `n_best` (beam), for a caller that merges equal texts."""
    min_length: int = 0
    """Fewest target tokens, EOS not counted."""
    forbid_unknown: bool = False
    """Never generate UNK."""
    with_alignment: bool = False
    """Keep the attention of what is returned."""
    temperature: float = 1.0
    """Logits are divided by this before drawing (sample)."""
    top_k: int = 0
    """Draw from the so many most probable tokens only (Fan 2018); 0 from all."""
    top_p: float = 1.0
    """Draw from the fewest tokens that hold this probability (nucleus, Holtzman 2020); 1 from all."""
    seed: int = 1
    """Seed of the draws."""

    @property
    def hypotheses(self) -> int:
        """Hypotheses of a sentence that are kept at once."""
        return {"beam": self.beam_size, "greedy": 1, "sample": self.n_best}[self.method]

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises `NmtError`."""
        if self.beam_size < 1 or self.n_best < 1:
            raise NmtError("--beam-size and --n-best must be at least 1")
        if self.method == "greedy" and self.n_best > 1:
            raise NmtError("greedy search gives one hypothesis; for --n-best use --beam-size, or --sample")
        if self.method == "beam" and self.n_best > self.beam_size:
            raise NmtError(f"--n-best {self.n_best} needs --beam-size of at least {self.n_best}, not {self.beam_size}")
        if self.alpha < 0 or self.coverage_penalty < 0:
            raise NmtError("--alpha and --coverage-penalty must not be negative")
        if self.beam_prune < 0:
            raise NmtError("--beam-prune must not be negative")
        if self.no_repeat_ngram < 0 or not 1 <= self.repetition_penalty < float("inf"):
            raise NmtError("--no-repeat-ngram must not be negative, --repetition-penalty not below 1")
        if not 0 < self.temperature < float("inf") or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise NmtError("--temperature must be above 0, --top-p above 0 and at most 1, --top-k not negative")

    @classmethod
    def of(cls, decoding: config.Decoding) -> "Options":
        """Return what the `decoding` section asks for."""
        return cls(
            beam_size=decoding.beam_size,
            length_penalty=decoding.length_penalty,
            alpha=decoding.alpha,
            coverage_penalty=decoding.coverage_penalty,
            beam_prune=decoding.beam_prune,
            no_repeat_ngram=decoding.no_repeat_ngram,
            repetition_penalty=decoding.repetition_penalty,
        )
