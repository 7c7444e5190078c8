"""Format the validations of checkpoints as a table: the result of `nmt average`."""

from collections.abc import Sequence

from nmt.reports.table import table


def averaging_table(rows: Sequence[tuple[str, float, float | None]]) -> str:
    """Return a table of checkpoints, each with its name, loss and BLEU (None if the run validates without BLEU)."""
    cells = [(name, f"{loss:.4f}", "none" if bleu is None else f"{bleu:.2f}") for name, loss, bleu in rows]
    return table([("checkpoint", "loss", "BLEU"), *cells], right=frozenset({1, 2}))
