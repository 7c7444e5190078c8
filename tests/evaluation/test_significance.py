"""Properties of the paired bootstrap test; its seed is its only source of randomness."""

import os

import numpy as np
import pytest

from nmt.errors import NmtError
from nmt.evaluation.metrics import Scoring
from nmt.evaluation.significance import System, paired_bootstrap

REFERENCE = [f"Satz {n} hat genau diese {n % 7} Wörter hier" for n in range(60)]
WORSE = [line.replace("genau", "ungefähr") for line in REFERENCE]
SLIGHTLY = [line.replace("ungefähr", "genau") if n == 3 else line for n, line in enumerate(WORSE)]


def run(*systems: list[str], seed: int | None = 12345, samples: int = 200) -> list[System]:
    named = [(f"system {n}", lines) for n, lines in enumerate(systems)]
    return paired_bootstrap(named, [REFERENCE], ["bleu", "chrf"], Scoring("none"), samples=samples, seed=seed)


def p_values(system: System) -> list[float]:
    return [e.p_value for e in system.estimates if e.p_value is not None]


def test_large_difference_is_significant_and_tiny_one_is_not() -> None:
    baseline, better, same = run(WORSE, REFERENCE, SLIGHTLY)
    assert p_values(baseline) == []
    assert max(p_values(better)) < 0.05
    assert min(p_values(same)) > 0.05
    assert [system.name for system in (baseline, better, same)] == ["system 0", "system 1", "system 2"]


def test_identical_systems_are_not_significantly_different() -> None:
    assert p_values(run(WORSE, WORSE)[1]) == [1.0, 1.0]


def test_seed_determines_the_result_and_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "5")
    first, again, other = run(SLIGHTLY, REFERENCE), run(SLIGHTLY, REFERENCE), run(SLIGHTLY, REFERENCE, seed=7)
    assert first == again
    assert [e.mean for e in first[0].estimates] != [e.mean for e in other[0].estimates]
    assert "seed:7" in other[0].estimates[0].score.signature
    assert run(SLIGHTLY, REFERENCE, seed=None) == run(SLIGHTLY, REFERENCE, seed=5)
    assert os.environ["SACREBLEU_SEED"] == "5"
    monkeypatch.delenv("SACREBLEU_SEED")
    assert run(WORSE, REFERENCE, seed=None) == run(WORSE, REFERENCE)
    assert "SACREBLEU_SEED" not in os.environ


def test_seed_none_in_the_environment_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "None")
    first, other = run(SLIGHTLY, REFERENCE, seed=None), run(SLIGHTLY, REFERENCE, seed=None)
    assert "seed:none" in first[0].estimates[0].score.signature
    assert [e.mean for e in first[0].estimates] != [e.mean for e in other[0].estimates]


def test_mean_of_samples_is_near_the_score() -> None:
    for system in run(WORSE, SLIGHTLY):
        for estimate in system.estimates:
            assert type(estimate.score.value) is type(estimate.mean) is type(estimate.half_width) is float
            assert abs(estimate.mean - estimate.score.value) <= max(estimate.half_width, 0.2)
            assert np.isfinite(estimate.half_width)
            assert "bs:200" in estimate.score.signature


def test_invalid_arguments_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NmtError, match="two or more systems"):
        run(WORSE)
    with pytest.raises(NmtError, match="system 1 has 59 lines but reference 1 has 60"):
        run(WORSE, WORSE[1:])
    with pytest.raises(NmtError, match="at least 1, not 0"):
        run(WORSE, WORSE, seed=0)
    for wrong in ("0", "-1", "x"):
        monkeypatch.setenv("SACREBLEU_SEED", wrong)
        with pytest.raises(NmtError, match=f"SACREBLEU_SEED.*not {wrong}"):
            run(WORSE, WORSE, seed=None)
