"""CTranslate2 with the Transformer of transformer.py, as one of the systems that translate.py compares."""

import functools
import os
from pathlib import Path
from typing import Any

from scripts.benchmarks import processes
from scripts.benchmarks.translation_systems import BEAM, GREEDY, System, Task

BEAM_SIZES = {BEAM: 5, GREEDY: 1}


def ctranslate2_system(task: Task, python: Path, transformer: Path, single: int) -> System:
    """Return the system that translates with CTranslate2 in int8; the Transformer was trained on the same pieces."""
    segmented = [line.removesuffix("</s>").rstrip() for line in task.segmented()]
    source, model = task.work / "source.ctranslate2", task.work / "ctranslate2"
    source.write_text("".join(f"{line}\n" for line in segmented), encoding="utf-8")
    call = functools.partial(processes.call, "CTranslate2", python)
    convert = {"from": str(transformer.absolute()), "to": str(model)}
    call("ctranslate2_inference.convert", convert, task.work)
    shared = {"model": str(model), "threads": len(os.sched_getaffinity(0))}

    def translate() -> dict[str, dict[str, Any]]:
        request = {**shared, "lines": segmented, "searches": BEAM_SIZES, "single": {BEAM: single}}
        found: dict[str, dict[str, Any]]
        found, _ = call("ctranslate2_inference.translate", request, task.work)
        return found

    def command(search: str) -> processes.Usage:
        files = {"source": str(source), "output": str(task.work / "ctranslate2.txt")}
        request = {**shared, **files, "beam": BEAM_SIZES[search]}
        return call("ctranslate2_inference.command", request, task.work)[1]

    return System("CTranslate2 int8, Transformer", translate, command)
