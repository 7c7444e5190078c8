"""Start `nmt serve` as a process of its own, for tests that talk to it as clients do."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hidden_packages import ROOT

START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    """Without a slash at the end."""
    models: tuple[Path, ...]
    process: subprocess.Popen[bytes]
    log: Path
    """What it writes to stdout and stderr."""


@contextmanager
def serve(folder: Path, *models: Path, options: tuple[str, ...] = ()) -> Iterator[Server]:
    """Start a server of the models on a free port, wait until it answers, and stop it at the end.

    Its log is written to `folder`.
    """
    port = free_port()
    names = [argument for model in models for argument in ("--model", str(model))]
    command = [sys.executable, "-m", "nmt", "serve", *names, "--port", str(port), *options]
    log = folder / f"server-{port}.log"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=file, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{port}", models, process, log)
    try:
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(server: Server) -> None:
    """Wait until the server answers. Raise RuntimeError with its log if it ends or does not answer in time."""
    end = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError(f"nmt serve does not answer: {server.log.read_text(encoding='utf-8', errors='replace')}")
