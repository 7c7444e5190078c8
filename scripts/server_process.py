"""Start `nmt serve` and read what its process uses; shared by the scripts that measure and attack the server."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nmt.errors import NmtError
from scripts import commands

HOST = "127.0.0.1"
START_SECONDS = 120.0
"""Time in which the server must answer after its start."""
STOP_SECONDS = 60.0
"""Time in which it must end after SIGTERM."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A server that answers: its address, and its process if there is one on this machine."""

    port: int
    host: str = HOST
    pid: int = 0
    log: Path = Path(os.devnull)
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads of the process, in user mode and in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        """Return the resident memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def open_files(self) -> int:
        """Return the number of open file descriptors, among them the connections."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 -- names only, and they vanish while they are read

    def fetch(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout: float = 60.0
    ) -> tuple[int, bytes]:
        """Send one request over a connection of its own, the body as JSON, and return the status and the body."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        content = None if body is None else json.dumps(body).encode()
        kind = {} if content is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, content, kind | dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Return the values of /metrics by name with labels."""
        status, body = self.fetch("GET", "/metrics")
        if status != 200:
            raise NmtError(f"/metrics has status {status}; start the server with --metrics and without keys")
        return parse_metrics(body.decode())

    def languages(self) -> tuple[str, str]:
        """Return source and target of the first direction of the first model."""
        status, body = self.fetch("GET", "/v1/models")
        if status != 200:
            raise NmtError(f"/v1/models has status {status}")
        direction = json.loads(body)["models"][0]["directions"][0]
        return direction["source"], direction["target"]

    def is_healthy(self) -> bool:
        """Return whether /health has status 200 now."""
        try:
            return self.fetch("GET", "/health", timeout=10.0)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """End the process with SIGTERM and return its exit status; kill it if that takes too long."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class KeptAlive:
    """One connection to a server, for one request after another."""

    def __init__(self, server: Server, timeout: float = 60.0) -> None:
        """Connect with the first request; `timeout` is in seconds."""
        self._connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)

    def post(self, path: str, body: Any) -> Any:
        """Send a JSON value and return that of the answer. Raise NmtError if the status is not 200."""
        self._connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise NmtError(f"{path}: status {response.status}: {content[:200].decode('utf-8', 'replace')}")
        return json.loads(content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def parse_metrics(text: str) -> dict[str, float]:
    """Return the values of a Prometheus text by name with labels."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def free_port() -> int:
    """Return a TCP port on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def start(arguments: Sequence[str], folder: Path, port: int | None = None) -> Server:
    """Start `nmt serve` with its working directory, log and TMPDIR in `folder`, and wait until it answers.

    Raise NmtError with the end of the log if it ends before, or does not answer in `START_SECONDS`.
    """
    port = port or free_port()
    log, temporary, working = folder / "serve.log", folder / "tmp", folder / "cwd"
    for each in (temporary, working):
        each.mkdir(parents=True, exist_ok=True)
    line = [*commands.NMT, "serve", *arguments, "--port", str(port)]
    environment = commands.ENVIRONMENT | {"TMPDIR": str(temporary)}
    with log.open("ab") as output:
        process = subprocess.Popen(line, cwd=working, env=environment, stdout=output, stderr=subprocess.STDOUT)
    server = Server(port, pid=process.pid, log=log, process=process)
    deadline = time.monotonic() + START_SECONDS
    while not server.is_healthy():
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            end = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
            raise NmtError(f"nmt serve did not start (status {process.returncode}): {end}")
        time.sleep(0.05)
    return server


@contextmanager
def running(arguments: Sequence[str], folder: Path) -> Iterator[Server]:
    """Return a server that is stopped at the end of the context."""
    server = start(arguments, folder)
    try:
        yield server
    finally:
        server.stop()


def at(url: str) -> Server:
    """Return the server at a URL, with its process if it listens on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise NmtError(f"{url}: not a URL such as http://127.0.0.1:5000")
    return Server(parts.port, parts.hostname, pid=listening_process(parts.port))


def listening_process(port: int) -> int:
    """Return the id of the process that listens on a TCP port of this machine; 0 if there is none."""
    tables = [path for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if path.exists()]
    rows = [line.split() for path in tables for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    listening = "0A"  # TCP_LISTEN
    sockets = {
        f"socket:[{row[9]}]" for row in rows if row[3] == listening and int(row[1].rpartition(":")[2], 16) == port
    }
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) in sockets:
                return int(link.parts[2])
        except OSError:
            continue
    return 0
