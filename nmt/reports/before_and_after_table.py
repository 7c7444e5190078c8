"""Format the comparison of a tuned model with the model that it started from."""

from collections.abc import Sequence

from nmt.reports.table import table
from nmt.storage.tuning_scores import Comparison

SIGNIFICANT = 0.05
HEAD = ("test set", "sentences", "metric", "before", "after", "difference", "p")
NUMERIC = frozenset((1, 3, 4, 5, 6))
"""The columns with numbers, which are right-aligned."""


def before_and_after_table(comparisons: Sequence[Comparison]) -> str:
    """Return a table with a row for each test set and metric, and the signatures of the metrics."""
    notes = [*signatures(comparisons), ("*", f"p < {SIGNIFICANT}, paired bootstrap resampling")]
    return f"{table([HEAD, *rows(comparisons)], right=NUMERIC)}\n\n{table(notes)}"


def rows(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the cells of each comparison under `HEAD`; significant differences have a star."""
    return [
        (
            one.test_set,
            f"{one.sentences:,}",
            one.metric,
            f"{one.before:.2f}",
            f"{one.after:.2f}",
            f"{one.after - one.before:+.2f}" + ("*" if one.p_value < SIGNIFICANT else " "),
            f"{one.p_value:.3f}",
        )
        for one in comparisons
    ]


def signatures(comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Return name and signature of each metric, once."""
    return list(dict.fromkeys((one.metric, one.signature) for one in comparisons))
