"""All combinations of several values of search options, for `nmt evaluate --grid`."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError

GRID_KEYS = (
    "beam_size", "length_penalty", "alpha", "coverage_penalty", "beam_prune", "max_repeats", "no_repeat_ngram",
    "repetition_penalty", "max_length_ratio", "max_length_extra", "max_source_tokens", "shortlist",
)  # fmt: skip
"""Keys of the section `decoding` that have an order of magnitude and can change a translation, and the kind of length
penalty."""


@dataclass(frozen=True)
class Combination:
    """One combination of values."""

    values: Mapping[str, Any]
    """The value of each key of the grid."""
    options: SearchOptions
    """All options of the search, with these values."""


def combinations(base: SearchOptions, grid: Mapping[str, Sequence[Any]]) -> list[Combination]:
    """Return `base` with each combination of the values in `grid`; the last key changes fastest.

    Without a length penalty there is no alpha, so only one of the combinations that differ in it remains. Raise
    `NmtError` if alpha never has an effect, or if a combination is not valid.
    """
    penalties = grid.get("length_penalty", [base.length_penalty])
    if "alpha" in grid and set(penalties) == {"none"}:
        raise NmtError(
            "alpha has no effect with length_penalty none; leave it out, or add --grid length_penalty=average,gnmt"
        )
    found: dict[SearchOptions, Combination] = {}
    for chosen in itertools.product(*grid.values()):
        values = dict(zip(grid, chosen, strict=True))
        options = base.changed(**values)
        if options.length_penalty == "none":
            options = options.changed(alpha=SearchOptions.alpha)
            values |= {"alpha": None} if "alpha" in values else {}
        found.setdefault(options, Combination(values, options))
    return list(found.values())


def cost(options: SearchOptions) -> int:
    """Return a number that is smaller for the cheaper search: the size of the beam."""
    return options.num_hypotheses
