"""Format the comparison of a tuned model with the model that it started from."""

from collections.abc import Sequence

from nmt.evaluation.before_and_after import Comparison
from nmt.reports.table import table

SIGNIFICANT = 0.05


def before_and_after_table(comparisons: Sequence[Comparison]) -> str:
    """Return a table with a row for each test set and metric, and the signatures of the metrics."""
    head = ("test set", "sentences", "metric", "before", "after", "difference", "p")
    rows = [
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
    signatures = dict.fromkeys((one.metric, one.signature) for one in comparisons)
    notes = [*signatures, ("*", f"p < {SIGNIFICANT}, paired bootstrap resampling")]
    return f"{table([head, *rows], right=frozenset((1, 3, 4, 5, 6)))}\n\n{table(notes)}"
