"""Read training speed and parameter counts from the logs of nmt, OpenNMT-py and JoeyNMT."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nmt.errors import NmtError


@dataclass(frozen=True)
class Window:
    """The steps between two lines of a log."""

    last_step: int
    tokens: float
    """Target tokens, including the end of each sentence, without padding."""
    seconds: float


def speed(windows: Sequence[Window], steps: int) -> float:
    """Return target tokens per second after the first third of `steps`; raise NmtError if no speed was logged."""
    counted = [window for window in windows if window.last_step > steps / 3 and window.seconds > 0]
    if not counted:
        raise NmtError(f"no speed was logged in {steps} steps")
    return sum(window.tokens for window in counted) / sum(window.seconds for window in counted)


def nmt_windows(entries: Sequence[Mapping[str, Any]]) -> list[Window]:
    """Read the entries of a log.jsonl of nmt."""
    return [
        Window(entry["step"], entry["tokens"], entry["tokens"] / max(entry["tokens_per_second"], 1e-9))
        for entry in entries
        if entry["event"] == "train"
    ]


def opennmt_windows(log: str, log_every: int) -> list[Window]:
    """Read a log of OpenNMT-py: target tokens per batch and per second, over the last `log_every` steps."""
    found = re.findall(r"Step +(\d+)/.*?bsz: *\d+/ *(\d+)/.*?; *\d+/ *(\d+) tok/s", log)
    return [
        Window(int(step), int(size) * log_every, int(size) * log_every / max(int(rate), 1))
        for step, size, rate in found
    ]


def joeynmt_windows(log: str) -> list[Window]:
    """Read a log of JoeyNMT: target tokens per second, weighted by the time between two lines."""
    windows = []
    before: datetime | None = None
    for day, millisecond, step, rate in re.findall(
        r"^(\S+ \S+),(\d+) .*?(?:EPOCH|Step: *(\d+),.*Tokens per Sec: *(\d+))", log, flags=re.MULTILINE
    ):
        now = datetime.fromisoformat(f"{day}.{millisecond}")
        if step and before is not None:
            seconds = (now - before).total_seconds()
            windows.append(Window(int(step), int(rate) * seconds, seconds))
        before = now
    return windows


def parameters(log: str) -> int:
    """Return the number of parameters in a log of OpenNMT-py or JoeyNMT."""
    found = re.search(r"(?:number of parameters|Total params): *(\d+)", log)
    if found is None:
        raise NmtError("the log gives no number of parameters")
    return int(found[1])


def spread(values: Sequence[float]) -> str:
    """Return the median and, if there are several values, the minimum and the maximum."""
    middle = f"{statistics.median(values):,.0f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.0f}-{max(values):,.0f})"
