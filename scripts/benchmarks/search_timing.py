"""Time a translation function over a whole text and sentence by sentence; every compared toolkit is timed by this."""

import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_UP_LINES = 64
"""Sentences translated before the clock starts."""


def time_search(
    translate: Callable[[list[str]], Sequence[Any]],
    read: Callable[[Any], tuple[list[str], float]],
    lines: list[str],
    single: int,
) -> dict[str, Any]:
    """Translate `lines` at once, and the first `single` lines one by one.

    `translate` returns one output for each line. `read` returns the pieces of an output and the natural logarithm of
    their probability; it is called after the clock has stopped. Return `seconds`, `single` (seconds of each line),
    `pieces` and `log_probs`.
    """
    translate(lines[:WARM_UP_LINES])
    start = time.perf_counter()
    outputs = translate(lines)
    seconds = time.perf_counter() - start
    seconds_each = []
    for line in lines[:single]:
        start = time.perf_counter()
        translate([line])
        seconds_each.append(time.perf_counter() - start)
    found = [read(output) for output in outputs]
    pieces, log_probs = [each for each, _ in found], [log_prob for _, log_prob in found]
    return {"seconds": seconds, "single": seconds_each, "pieces": pieces, "log_probs": log_probs}
