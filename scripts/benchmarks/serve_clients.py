"""Clients of a server that run in a process of their own, so that they do not share the interpreter of the benchmark.

Each client sends one request after another over a connection that it keeps open.
"""

import asyncio
import itertools
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.benchmarks import processes
from scripts.http_client import Connection, Response, json_request, request_bytes

REQUEST_SECONDS = 120.0
"""A request that is not answered in this time is an error."""
SLOW_BYTES = 10
"""Bytes that a slow reader reads each second."""
SLOW_BUFFER = 4096
"""Size of its receive buffer in bytes; the rest of the answer stays with the server."""
HALF_REQUEST = request_bytes("POST", "/translate", b"0123456789")[:-10]
"""A request whose body never arrives."""


@dataclass
class Load:
    """What the clients send, and what they have measured."""

    host: str
    port: int
    path: str
    bodies: list[Any]
    """The JSON bodies, which are sent in turn."""
    expected: list[str]
    """The right translation for each body."""
    deadline: float
    """Value of `time.perf_counter` after which no request begins."""
    requests: int
    """Requests after which the clients stop."""
    sent: "itertools.count[int]" = field(default_factory=itertools.count)
    latencies: list[float] = field(default_factory=list)
    """Milliseconds of each answered request."""
    answered: Counter[int] = field(default_factory=Counter)
    """Answered requests by the number of the body."""
    errors: Counter[str] = field(default_factory=Counter)
    differences: list[tuple[int, str]] = field(default_factory=list)
    """Number of the body and translation, of each answer that is not as expected."""

    async def run_client(self) -> None:
        """Send requests until the time or the number of requests is reached; connect again after an error."""
        messages = [json_request(self.path, body) for body in self.bodies]
        connection: Connection | None = None
        while time.perf_counter() < self.deadline:
            turn = next(self.sent)
            if turn >= self.requests:
                break
            number = turn % len(messages)
            start = time.perf_counter()
            try:
                connection = connection or await Connection.open(self.host, self.port)
                response = await asyncio.wait_for(connection.request(messages[number]), REQUEST_SECONDS)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.errors[type(error).__name__] += 1
                if connection is not None:
                    await connection.close()
                connection = None
                continue
            self.record(number, 1e3 * (time.perf_counter() - start), response)
        if connection is not None:
            await connection.close()

    def record(self, number: int, milliseconds: float, response: Response) -> None:
        """Count a response, and compare its translation with the expected one."""
        if response.status != 200:
            self.errors[f"status {response.status}"] += 1
            return
        self.latencies.append(milliseconds)
        self.answered[number] += 1
        text = translation_of(response)
        if text != self.expected[number]:
            self.differences.append((number, text))


def translation_of(response: Response) -> str:
    """Return the first translation of an answer of /translate or /v1/translate."""
    found = response.json()
    return str(found["translatedText"] if "translatedText" in found else found["translations"][0]["text"])


@dataclass
class Burden:
    """Connections that shall not slow down the clients: idle ones, slow readers, and a client with huge requests."""

    host: str
    port: int
    connections: list[Connection] = field(default_factory=list)
    tasks: "list[asyncio.Task[None]]" = field(default_factory=list)
    bytes_read: int = 0
    """Bytes that the slow readers have read."""
    huge_seconds: list[float] = field(default_factory=list)
    huge_statuses: Counter[int] = field(default_factory=Counter)

    async def open_idle(self, count: int, sent: bytes) -> None:
        """Open connections and send the beginning of a request, which may be empty."""
        for _ in range(count):
            connection = await Connection.open(self.host, self.port)
            connection.writer.write(sent)
            self.connections.append(connection)

    async def open_slow_readers(self, count: int, message: bytes) -> None:
        """Send requests, wait until each is being answered, and then read a few bytes each second."""
        readers = [await Connection.open(self.host, self.port, SLOW_BUFFER) for _ in range(count)]
        self.connections += readers
        for reader in readers:
            reader.writer.write(message)
        await asyncio.gather(*(reader.reader.readexactly(1) for reader in readers))
        self.tasks += [asyncio.create_task(self._read_slowly(reader)) for reader in readers]

    async def _read_slowly(self, connection: Connection) -> None:
        while data := await connection.reader.read(SLOW_BYTES):
            self.bytes_read += len(data)
            await asyncio.sleep(1)

    async def _send_huge(self, message: bytes) -> None:
        connection = await Connection.open(self.host, self.port)
        self.connections.append(connection)
        while True:
            start = time.perf_counter()
            response = await connection.request(message)
            self.huge_seconds.append(time.perf_counter() - start)
            self.huge_statuses[response.status] += 1

    def send_huge(self, message: bytes) -> None:
        """Send the same request again and again, in the background."""
        self.tasks.append(asyncio.create_task(self._send_huge(message)))

    async def end(self) -> dict[str, Any]:
        """Close all connections and return what was measured; `lost` counts the ones that the server had closed."""
        failed = [task for task in self.tasks if task.done() and task.exception() is not None]
        lost = sum(connection.reader.at_eof() for connection in self.connections) + len(failed)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self.connections:
            await connection.close()
        statuses = {str(status): count for status, count in self.huge_statuses.items()}
        figures = {"bytes_read": self.bytes_read, "huge_seconds": self.huge_seconds, "huge_statuses": statuses}
        return {"lost": lost, **figures}


async def run_load(request: dict[str, Any]) -> dict[str, Any]:
    """Run the clients of a `request` and return what they measured."""
    host, port, burden = request["host"], request["port"], Burden(request["host"], request["port"])
    await burden.open_idle(request.get("silent", 0), b"")
    await burden.open_idle(request.get("half", 0), HALF_REQUEST)
    if "slow" in request:
        path, body = request["slow_request"]
        await burden.open_slow_readers(request["slow"], json_request(path, body))
    if "huge_request" in request:
        path, body = request["huge_request"]
        burden.send_huge(json_request(path, body))
    start, cpu = time.perf_counter(), time.process_time()
    limit = request["requests"] or sys.maxsize
    load = Load(host, port, request["path"], request["bodies"], request["expected"], start + request["seconds"], limit)
    await asyncio.gather(*(load.run_client() for _ in range(request["clients"])))
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "client_cpu_seconds": time.process_time() - cpu,
        "latencies": [round(value, 3) for value in load.latencies],
        "answered": [load.answered[number] for number in range(len(load.bodies))],
        "errors": dict(load.errors),
        "differences": load.differences,
        "burden": await burden.end(),
    }


def load(request: dict[str, Any]) -> dict[str, Any]:
    """See `run_load`; this function is called in a child process."""
    return asyncio.run(run_load(request))


if __name__ == "__main__":
    processes.answer_call({"load": load})
