"""CTranslate2 with the Transformer that transformer_peer.py trained, for bench_translate.py."""

import functools
import os
from pathlib import Path
from typing import Any

import peers
import transformer_peer
from translation_task import BEAM, GREEDY, System, Task


def ctranslate2_system(task: Task, python: Path, transformer: Path, single: int) -> System:
    """Return CTranslate2 with another network, a Transformer trained on the same pieces, in int8."""
    segmented = [line.removesuffix("</s>").rstrip() for line in task.segmented()]
    source, model = task.work / "source.ctranslate2", task.work / "ctranslate2"
    source.write_text("".join(f"{line}\n" for line in segmented), encoding="utf-8")
    ask = functools.partial(peers.ask, "CTranslate2", python, transformer_peer.__file__)
    ask("convert", {"from": str(transformer.absolute()), "to": str(model)}, task.work)
    shared = {"model": str(model), "threads": len(os.sched_getaffinity(0))}
    beams = {BEAM: 5, GREEDY: 1}

    def translate() -> dict[str, dict[str, Any]]:
        request = {**shared, "lines": segmented, "searches": beams, "single": {BEAM: single}}
        found: dict[str, dict[str, Any]]
        found, _ = ask("translate", request, task.work)
        return found

    def command(search: str) -> peers.Usage:
        files = {"source": str(source), "output": str(task.work / "ctranslate2.txt")}
        return ask("command", {**shared, **files, "beam": beams[search]}, task.work)[1]

    return System("CTranslate2 int8, Transformer", translate, command)
