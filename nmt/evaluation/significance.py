"""Paired bootstrap resampling (Koehn 2004): is the difference between two systems significant?"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sacrebleu.significance import PairedTest, Result

from nmt.errors import NmtError
from nmt.evaluation.metrics import DEFAULT_METRICS, DEFAULTS, Named, Score, Scoring, build, check_lengths, trimmed

_SEED = "SACREBLEU_SEED"


@dataclass(frozen=True)
class Estimate:
    """The score of a system by one metric, with its bootstrap estimates."""

    score: Score
    mean: float
    """Mean over the resampled test sets."""
    half_width: float
    """Half of the 95% confidence interval."""
    p_value: float | None
    """Probability of at least this difference to the baseline by chance; None for the baseline itself. It is 1 if the
    scores are equal (sacreBLEU's strict inequality would call two identical systems different)."""


@dataclass(frozen=True)
class System:
    """A system with its estimates, in the order of the metrics."""

    name: str
    estimates: tuple[Estimate, ...]


def paired_bootstrap(
    systems: Sequence[Named],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    scoring: Scoring = DEFAULTS,
    samples: int = 1000,
    seed: int | None = None,
) -> list[System]:
    """Compare each of `systems` with the first one, the baseline, on `samples` test sets drawn with replacement.

    The same `seed` (at least 1) draws the same test sets. None uses $SACREBLEU_SEED, a number or "none" for a random
    seed, else 12345. Raises `NmtError` for fewer than two systems or unequal lengths.
    """
    if len(systems) < 2:
        raise NmtError("a paired test compares two or more systems: the first is the baseline")
    check_lengths(systems, [(f"reference {n}", r) for n, r in enumerate(references, 1)])
    with _seed(seed):
        test = PairedTest(
            [(name, trimmed(lines)) for name, lines in systems],
            {name: build(name, scoring) for name in metrics},
            [trimmed(lines) for lines in references],
            test_type="bs",
            n_samples=samples,
        )
        signatures, columns = test()
    found = []
    for row, (name, _) in enumerate(systems):
        estimates = []
        for metric, signature in signatures.items():
            result = columns[metric][row]
            assert isinstance(result, Result)
            score = Score(metric, float(result.score), signature.format())
            p_value = None
            if result.p_value is not None:
                first = columns[metric][0]
                assert isinstance(first, Result)
                p_value = 1.0 if result.score == first.score else float(result.p_value)
            estimates.append(Estimate(score, float(result.mean or 0.0), float(result.ci or 0.0), p_value))
        found.append(System(name, tuple(estimates)))
    return found


@contextmanager
def _seed(seed: int | None) -> Iterator[None]:
    """Set the environment variable from which sacreBLEU reads its seed, and restore it; None keeps the present seed."""
    before = os.environ.get(_SEED)
    wanted = (before or "12345").strip() if seed is None else str(seed)
    if wanted.lower() != "none" and not (wanted.isdecimal() and int(wanted) > 0):
        raise NmtError(f"the seed (--seed, ${_SEED}) must be at least 1, not {wanted}")
    os.environ[_SEED] = wanted
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SEED]
        else:
            os.environ[_SEED] = before
