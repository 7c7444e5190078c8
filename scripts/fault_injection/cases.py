"""Run one nmt command in a forked process with limited time and memory, and find what is wrong with its result."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CPU_SECONDS, CLOCK_SECONDS = 180, 1800
"""Limits of a case: CPU time and elapsed time."""
MEMORY = 4 << 30
"""Limit of a case: address space in bytes."""
CRASHED = 70
"""Status of a case that ends with an exception."""


@dataclass
class Case:
    """A command, its standard input, and the check of its output if it ends with status 0."""

    arguments: list[str]
    stdin: bytes = b""
    check: Callable[[bytes], list[str]] = lambda out: []
    """Returns what is wrong with the standard output."""
    must_fail: bool = False
    must_succeed: bool = False
    closed: str = ""
    """The stream, stdin or stdout, whose other end is closed."""


def preload() -> None:
    """Import what nmt needs, once for all forked processes."""
    import torch

    import nmt.cli.config
    import nmt.cli.logprob
    import nmt.cli.score
    import nmt.cli.translate
    import nmt.decoding.loading
    import nmt.decoding.translate_lines
    import nmt.evaluation.metrics
    import nmt.reports.learning_curves
    import nmt.reports.report_page
    import nmt.runtime.network
    import nmt.runtime.onnx_engine
    import nmt.training.session  # noqa: F401

    torch.set_num_threads(1)


def run_case(case: Case, folder: Path) -> tuple[int, bytes, bytes]:
    """Run a case in a forked process; return its status (negative: the signal that ended it), stdout and stderr."""
    (folder / "stdin").write_bytes(case.stdin)
    child = os.fork()
    if child == 0:
        status = CRASHED
        try:
            status = _run_nmt(case, folder)
        finally:
            os._exit(status)
    deadline = time.monotonic() + CLOCK_SECONDS
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGALRM, b"", b"timeout"
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(status), (folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()


def _run_nmt(case: Case, folder: Path) -> int:
    """Run `nmt` with the arguments of the case in this process, and return its status."""
    from nmt.__main__ import main

    os.setsid()
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    modes = {"stdin": os.O_RDONLY, "stdout": os.O_WRONLY | os.O_CREAT, "stderr": os.O_WRONLY | os.O_CREAT}
    for number, (name, mode) in enumerate(modes.items()):
        handle = os.open(name, mode, 0o600)
        if case.closed == name:
            read_end, write_end = os.pipe()
            os.close(read_end if name == "stdout" else write_end)
            handle = write_end if name == "stdout" else read_end
        os.dup2(handle, number)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115  # as Python opens it
    sys.argv = ["nmt", *case.arguments]
    status = 0
    try:
        main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = CRASHED
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or 1
    return status


def problems(case: Case, status: int, out: bytes, err: bytes) -> list[str]:
    """Return what is wrong with the result of a case."""
    message = err.decode("utf-8", "replace").strip()
    if status < 0:
        return [f"ended by {signal.Signals(-status).name}"]
    if b"Traceback" in err or status not in (0, 1, 2):
        return [f"status {status}: {message[-300:]}"]
    if b"out of memory" in err:
        return ["used more memory than is allowed"]
    if case.closed == "stdout":
        return []
    if status == 0:
        if case.must_fail:
            return ["accepted a damaged file"]
        try:
            return case.check(out) if case.closed != "stdin" else output_problems(out, 0)
        except Exception as error:
            return [f"the output cannot be checked: {error!r}"]
    if case.must_succeed:
        return [f"status {status}: {message[-200:]}"]
    start = b"nmt: error: " if status == 1 else b"Error: "
    if not any(line.startswith(start) for line in err.split(b"\n")):
        return [f"status {status} without a clear error message: {message[-200:]}"]
    return []


def output_problems(out: bytes, expected: int) -> list[str]:
    """Return what is wrong with an output that must have `expected` lines, and no other line breaks within them."""
    breaks = [char for char in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00" if char in out.decode("utf-8", "replace")]
    count = out.count(b"\n")
    found = [f"{count} lines, not {expected}"] if count != expected else []
    return found + ([f"the output contains {breaks!r}"] if breaks else [])
