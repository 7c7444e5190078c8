"""Format the results of `nmt evaluate --grid` as a table: the best is marked, and what the run uses now."""

from typing import Any

from nmt.reports.evaluation_table import search_text
from nmt.reports.table import table

SIGNIFICANT = 0.05
"""The probability of chance below which a difference counts as real."""


def grid_table(found: dict[str, Any]) -> str:
    """Return a table with a row for each combination, from the values that `nmt evaluate --grid --json` prints."""
    rows = found["combinations"]
    keys, names = list(rows[0]["values"]), [score["name"] for score in rows[0]["scores"]]
    head = (*keys, *names, "length ratio", "seconds", "")
    cells = [
        (
            *(_text(row["values"][key]) for key in keys),
            *(f"{score['score']:.2f}" for score in row["scores"]),
            f"{row['length_ratio']:.3f}",
            f"{row['seconds']:.1f}",
            ", ".join(mark for mark, key in (("now", "is_current"), ("best", "is_best")) if row[key]),
        )
        for row in rows
    ]
    best = next(row for row in rows if row["is_best"])
    current = next((row for row in rows if row["is_current"]), None)
    gain = []
    if current is not None and found["p_value"] is not None:
        difference = best["scores"][0]["score"] - current["scores"][0]["score"]
        chance = ": may be chance" if found["p_value"] >= SIGNIFICANT else ""
        gain = [
            (
                "gain",
                f"{difference:+.2f} BLEU over the options that the run has now (p = {found['p_value']:.3f}{chance})",
            )
        ]
    notes = [
        ("model", " + ".join(found["models"])),
        ("split", found["split"]),
        ("best", f"{search_text(best['search'])}, {found['arithmetic']}"),
        *gain,
        *((score["name"], score["signature"]) for score in best["scores"]),
    ]
    return f"{table([head, *cells], right=frozenset(range(len(head) - 1)))}\n\n{table(notes)}"


def _text(value: Any) -> str:
    """Return a value of the grid; alpha is None where there is no length penalty."""
    return "-" if value is None else value if isinstance(value, str) else f"{value:g}"
