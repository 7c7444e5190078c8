"""The scores of a tuned model and of the model that it started from: runs/NAME/tuning.json."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nmt.storage.atomic_files import write_atomically
from nmt.storage.json_text import dump_json, parse_json
from nmt.storage.run_folder import Run

FILE = "tuning.json"


@dataclass(frozen=True)
class Comparison:
    """One score of a test set, before and after."""

    test_set: str
    sentences: int
    metric: str
    """sacreBLEU's name of the metric."""
    before: float
    after: float
    p_value: float
    """Probability of at least this difference by chance (paired bootstrap resampling)."""
    signature: str


def write_comparisons(run: Run, comparisons: Sequence[Comparison]) -> None:
    """Write `FILE`. Raise `NmtError` if it cannot be written."""
    content = dump_json([asdict(one) for one in comparisons], indent=1) + "\n"
    write_atomically(run.folder / FILE, content, run.write_remedy)


def read_comparisons(run: Run) -> list[Comparison]:
    """Return the comparisons of a tuned run; none if there is no such file, or if it is damaged."""
    try:
        found = [Comparison(**one) for one in parse_json((run.folder / FILE).read_text(encoding="utf-8"))]
        for one in found:
            f"{one.test_set + one.metric + one.signature} {one.sentences:d} {one.before + one.after + one.p_value:f}"
    except (OSError, ValueError, TypeError):
        return []
    return found
