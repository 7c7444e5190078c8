"""From what a person names (a run, a checkpoint folder, nothing) to a loaded translator."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from nmt.decoding.translator import Translator
from nmt.models.device import Precision
from nmt.process_memory import keep_freed_memory
from nmt.runs import Run, find_run


def find_checkpoints(
    models: Sequence[Path], which: str | None, say: Callable[[str], None] = lambda line: None
) -> list[tuple[Run, Path]]:
    """Return run and checkpoint folder of each of `models`, or of the run that `find_run` takes where there is none.

    A model is a run folder or a checkpoint folder inside one; `which` (best, last, averaged, step-N) overrides the
    checkpoint. `say` is told what was taken and why. Raises `NmtError` naming the folder.
    """
    found = []
    asked: Sequence[Path | None] = models or [None]
    for run, name, why in map(find_run, asked):
        checkpoint = run.checkpoint(which or name)
        say(f"model {run.folder} ({why}), checkpoint {checkpoint.relative_to(run.checkpoints)}")
        found.append((run, checkpoint))
    return found


def load_translator(
    found: Sequence[tuple[Run, Path]],
    device: Literal["auto", "cpu", "cuda"],
    precision: Precision,
    shortlist: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Translator:
    """Return the translator of what `find_checkpoints` found, and `say` where it runs."""
    keep_freed_memory()
    start = time.perf_counter()
    translator = Translator.load(found, device, precision, shortlist)
    say(f"loaded on {translator.device.type} in {translator.arithmetic} in {time.perf_counter() - start:.2f} s")
    return translator
