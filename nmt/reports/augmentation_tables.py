"""Tables of `nmt augment` and `nmt distill`: the steps, what became of the hypotheses, and the models."""

from collections.abc import Mapping, Sequence

from nmt.corpora.synthetic_pairs import REASONS, PairCounts
from nmt.evaluation.systems import System
from nmt.reports.table import table


def step_table(steps: Sequence[tuple[str, str]]) -> str:
    """Return a table of the steps, each with its state."""
    rows = [(str(number), state, about) for number, (about, state) in enumerate(steps, 1)]
    return table([("step", "state", "what"), *rows], right=frozenset((0,)))


def pair_table(counts: Mapping[str, PairCounts]) -> str:
    """Return a table with a row for each synthetic corpus and the sum: hypotheses dropped for each reason, and kept."""
    total = PairCounts()
    for each in counts.values():
        total.lines += each.lines
        total.hypotheses += each.hypotheses
        total.kept += each.kept
        total.dropped = {reason: total.dropped[reason] + each.dropped[reason] for reason in REASONS}
    shown = {**counts, **({"all": total} if len(counts) > 1 else {})}
    head = ("corpus", "lines", "hypotheses", *REASONS, "kept")
    rows = [
        (name, *(f"{n:,}" for n in (each.lines, each.hypotheses, *(each.dropped[r] for r in REASONS), each.kept)))
        for name, each in shown.items()
    ]
    return table([head, *rows], right=frozenset(range(1, len(head))))


def system_table(systems: Sequence[System]) -> str:
    """Return a table of models with their size, the time to translate the test sets, and BLEU, and its signature."""
    sets = list(systems[0].bleu)
    head = ("model", "parameters", "seconds", *(f"BLEU {name}" for name in sets))
    rows = [
        (
            system.name,
            "unknown" if system.parameters is None else f"{system.parameters:,}",
            f"{system.seconds:.2f}",
            *(f"{system.bleu[name]:.2f}" for name in sets),
        )
        for system in systems
    ]
    return f"{table([head, *rows], right=frozenset(range(1, len(head))))}\n\nBLEU  {systems[0].signature}"
