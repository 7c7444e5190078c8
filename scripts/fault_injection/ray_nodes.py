"""Start and kill nodes of a Ray cluster on this machine, and find the processes that work on them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from nmt.cluster.connection import answers
from nmt.errors import NmtError
from scripts import commands

_START_SECONDS = 60.0
_OBJECT_STORE_BYTES = 100 << 20


def cluster_environment(folder: Path) -> dict[str, str]:
    """Return the environment of the nodes and of the commands that use them, with a token that is kept in `folder`."""
    token = folder / "token"
    token.write_text(secrets.token_hex(32), encoding="utf-8")
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    return commands.ENVIRONMENT | variables | {"OMP_NUM_THREADS": "1"}


class Node:
    """A node with one CPU, started by `ray start`: a head, or a member of the cluster at `address`."""

    def __init__(self, log: Path, environment: dict[str, str], address: str | None = None) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", "1"]
        command += ["--object-store-memory", str(_OBJECT_STORE_BYTES)]
        if address is None:
            port = _free_port()
            self.address = f"127.0.0.1:{port}"
            command += ["--head", "--node-ip-address", "127.0.0.1", "--port", str(port)]
            command += ["--include-dashboard", "false", "--temp-dir", str(log.parent / "ray")]
        else:
            self.address = address
            command += ["--address", address, "--node-ip-address", "127.0.0.1"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + _START_SECONDS
        while not (answers(self.address) and self.raylet is not None):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise NmtError(f"the Ray node did not start; see {log}")
            time.sleep(0.2)

    @property
    def raylet(self) -> int | None:
        """The process that starts the workers of the node; None if there is none."""
        return next((pid for pid in descendants(self._process.pid) if "raylet/raylet" in command_line(pid)), None)

    @property
    def workers(self) -> list[int]:
        """The processes that work on tasks or are actors now."""
        raylet = self.raylet
        found = [] if raylet is None else descendants(raylet)
        return [pid for pid in found if command_line(pid).startswith(("ray::_run", "ray::_Actor"))]

    def kill(self) -> None:
        """End all processes of the node at once, as if the machine had lost its power."""
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on (Linux)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found, rest = [], [pid]
    while rest:
        new = children.get(rest.pop(), [])
        found += new
        rest += new
    return found


def command_line(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
