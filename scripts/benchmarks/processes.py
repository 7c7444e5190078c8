"""Run child processes, measure their time, CPU time and peak memory, and call functions in other Python environments.

OpenNMT-py's and CTranslate2's own Python import this module too, so it needs only the standard library and NmtError.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from scripts import ROOT

CHILD_FLAG = "--child"
"""First argument of a module that `call` runs in a child process."""


@dataclass(frozen=True)
class Usage:
    """Time and memory that a process used."""

    seconds: float
    """From its start to its end."""
    peak_mib: float
    """Largest resident memory of the process, or of a process that it started and waited for.

    Linux never reports less than the parent used when it started the child, so the scripts do not import torch.
    """
    cpu_seconds: float
    """Of all its threads, in user mode and in the kernel."""


def run(name: str, command: Sequence[str | Path], log: Path) -> Usage:
    """Run `command` in the folder of `log`, which gets its output; raise NmtError if it fails."""
    cores = str(len(os.sched_getaffinity(0)))
    settings = {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", cores),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
        raise NmtError(f"{name} failed with status {process.returncode}: {lines[-1]} (--work FOLDER keeps {log.name})")
    return Usage(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def call(name: str, python: Path, function: str, request: Any, folder: Path) -> tuple[Any, Usage]:
    """Call `function`, MODULE.NAME, in a child process; the request and the returned value are JSON values."""
    module, _, task = function.rpartition(".")
    question, reply = folder / f"{task}.request.json", folder / f"{task}.answer.json"
    question.write_text(json.dumps(request), encoding="utf-8")
    command: list[str | Path] = [python, "-m", f"scripts.benchmarks.{module}", CHILD_FLAG, task, question, reply]
    usage = run(name, command, folder / f"{task}.log")
    return json.loads(reply.read_text(encoding="utf-8")), usage


def answer_call(functions: Mapping[str, Callable[[Any], Any]]) -> None:
    """Call the function that `call` named on the command line, and write its value."""
    task, question, reply = sys.argv[2:]
    value = functions[task](json.loads(Path(question).read_text(encoding="utf-8")))
    Path(reply).write_text(json.dumps(value), encoding="utf-8")


def checked_python(path: Path | None) -> Path | None:
    """Return the absolute path of another toolkit's Python; raise NmtError if it is not an executable file."""
    if path is not None and not (path.is_file() and os.access(path, os.X_OK)):
        raise NmtError(f"{path}: no such Python; give bin/python of the toolkit's virtual environment")
    return None if path is None else path.absolute()
