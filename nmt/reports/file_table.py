"""The table of `nmt shards`: files of an output folder, with their parts."""

from collections.abc import Sequence
from itertools import groupby

from nmt.decoding.folder_check import FileStatus
from nmt.reports.table import table

_MAX_RANGES = 4
"""Ranges of missing parts, and processes, that a row lists."""
_HEAD = ["file", "lines", "parts", "done", "missing", "working", "state"]


def files_text(found: Sequence[FileStatus]) -> str:
    """Return a table with a row for each file, and a row with the sums."""
    rows = [_row(status) for status in found]
    complete = sum(status.is_complete for status in found)
    parts, missing = sum(status.parts for status in found), sum(len(status.missing) for status in found)
    lines = sum(status.record.lines for status in found)
    total = f"{complete:,} of {len(found):,} complete"
    return table(
        [_HEAD, *rows, ["all", f"{lines:,}", f"{parts:,}", f"{parts - missing:,}", "", "", total]], frozenset({1, 2, 3})
    )


def _row(status: FileStatus) -> list[str]:
    record, missing = status.record, len(status.missing)
    working = [f"{name} ({number})" for number, names in status.working.items() for name in names]
    return [
        record.output,
        f"{record.lines:,}",
        f"{status.parts:,}",
        f"{status.parts - missing:,}",
        _shorten(_ranges(status.missing)),
        _shorten(working),
        "damaged" if status.problem is not None and record.state != "failed" else record.state,
    ]


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Return sorted numbers as ranges: 3, 7-9."""
    found = []
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        found.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return found


def _shorten(items: Sequence[str]) -> str:
    more = len(items) - _MAX_RANGES
    return ", ".join(items[:_MAX_RANGES]) + (f" and {more:,} more" if more > 0 else "")
