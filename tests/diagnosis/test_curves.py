"""The illnesses of learning curves are found, each with its step, and healthy curves have none."""

import math
from collections.abc import Callable

import pytest

from nmt.diagnosis.curves import diagnose_curves
from nmt.storage.history import History, Record


def history(
    train: Callable[[int], float | None],
    valid: Callable[[int], float | None],
    bleu: Callable[[int], float] | None = None,
    *,
    steps: int = 2000,
    rate: float = 0.002,
    ended: bool = True,
    **more: object,
) -> History:
    """Return the log of a run with these losses at each step, a record each 50 steps, a validation each 200."""
    found = History("run", facts={"vocabulary": "8000/8000", "pairs": 20_000} | more)
    for step in range(50, steps + 1, 50):
        noise = 0.05 * math.sin(step)
        loss = train(step)
        found.train.append(
            {
                "event": "train",
                "step": step,
                "loss": None if loss is None else loss + noise,
                "learning_rate": rate * min(1, step / 200),
                "gradient_norm": 1.0,
            }
        )
    for step in range(200, steps + 1, 200):
        record: Record = {"event": "valid", "step": step, "epoch": step // 500, "loss": valid(step)}
        found.valid.append(record if bleu is None else record | {"bleu": bleu(step)})
    if ended:
        found.end["reason"] = "max_steps reached"
    return found


def learned(step: int) -> float:
    """A loss that falls from 8 to 2 and stays there."""
    return 2 + 6 * math.exp(-step / 200)


HEALTHY = {
    "converged": history(learned, learned),
    "converged, with BLEU": history(learned, learned, lambda step: 30 * (1 - math.exp(-step / 200))),
    "just begun": history(learned, learned, steps=50, ended=False),
    "no steps": History("run"),
    "noisy": history(lambda step: learned(step) + 0.4 * math.sin(step * step), learned),
    "slightly above its minimum": history(lambda s: learned(s) - s / 4000, lambda s: learned(s) + s / 50_000),
}
ILL = {
    "not finite": (history(learned, lambda s: None if s > 1000 else 2.0), "divergence", "step 1,200 is not a finite"),
    "rising": (history(lambda s: learned(s) if s < 1000 else 2 + (s - 1000) / 300, learned), "divergence", "step 1,"),
    "stuck": (history(lambda s: 5.5, lambda s: 5.6, rate=0.05), "learning rate too high", "rate was 0.05"),
    "spikes": (
        history(lambda s: learned(s) + 2 * (s in (600, 1000, 1400)), learned),
        "learning rate too high",
        "3 times, at steps 600",
    ),
    "slow": (history(lambda s: 9 - s / 2000, lambda s: 9 - s / 2000, rate=1e-5), "learning rate too low", "1e-05"),
    "overfitted": (
        history(lambda s: learned(s) - s / 1500, lambda s: learned(s) + max(0, s - 1000) / 1000),
        "overfitting",
        "at about step 1,000: ",
    ),
    "too short": (history(lambda s: 5 - s / 1000, lambda s: 5 - s / 1000), "still improving", "when training ended"),
    "interrupted": (
        history(learned, learned, lambda step: step / 100, ended=False),
        "still improving",
        "BLEU was still rising when training stopped: 16.00 at step 1,600, 20.00 at step 2,000",
    ),
    "small network": (history(lambda s: 4.2, lambda s: 4.1), "underfitting", "a perplexity of 6"),
    "long pairs": (history(learned, learned, left_out=1000), "pairs left out", "1,000 of 20,000 pairs (5%)"),
    "unlike": (history(learned, lambda s: learned(s) + 2), "validation unlike training", "at step 200"),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_healthy_curves(case: str) -> None:
    assert diagnose_curves(HEALTHY[case]) == []


@pytest.mark.parametrize("case", ILL)
def test_ill_curves(case: str) -> None:
    log, name, text = ILL[case]
    (finding,) = diagnose_curves(log)
    assert finding.name == name and text in finding.text
    assert finding.remedy.endswith(".")


def test_steps_without_a_gradient_are_divergence() -> None:
    log = history(learned, learned)
    for record in log.train[20:]:
        record["skipped"] = 10
    (finding,) = diagnose_curves(log)
    assert finding.name == "divergence" and finding.text.startswith("200 of 2,000 steps") and "1,050" in finding.text


def test_a_rate_in_its_warm_up_is_not_too_low() -> None:
    log = history(lambda s: 9 - s / 200, lambda s: 9 - s / 200, steps=300, ended=False)
    for number, record in enumerate(log.train):
        record["learning_rate"] = 1e-6 * (number + 1)
    assert "learning rate too low" not in [finding.name for finding in diagnose_curves(log)]
