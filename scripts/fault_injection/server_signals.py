"""Stop, kill, reload, damage and overload a server while clients use it."""

import asyncio
import contextlib
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nmt.storage.run_folder import Run
from scripts import server_process
from scripts.fault_injection.hostile_requests import Reference
from scripts.http_client import Connection, Response, json_request
from scripts.server_process import Server

CLIENTS = 16
TIME_LIMIT = 30.0
"""A request that gets neither a response nor a closed connection in this time is a failure."""
RETRY_DELAY = 0.02
"""Seconds until a client tries again after an error."""
STEADY_SECONDS = 2.0
"""Time in which the clients work without a disturbance, before it and after it."""
RELOADS, RELOAD_INTERVAL = 20, 0.5
LOG_SECONDS = 20.0
"""Time in which a line must appear in the log."""
RIGHT, REFUSED, CLOSED, TIMEOUT = "right", "connection refused", "connection closed", "TIMEOUT"


@dataclass(frozen=True)
class Record:
    """A request and its outcome."""

    start: float
    end: float
    """Values of `time.monotonic`."""
    outcome: str
    """`RIGHT`, a status, `REFUSED`, `CLOSED`, `TIMEOUT`, or what is wrong."""


@dataclass
class Clients:
    """Clients that send requests until they are told to stop."""

    server: Server
    requests: list[tuple[bytes, str]]
    """Requests of /translate and their right translations, sent in turn."""
    count: int = CLIENTS
    own_address: str | None = None
    records: list[Record] = field(default_factory=list)
    is_stopping: bool = False

    async def run_client(self, number: int) -> None:
        """Send one request after another; connect again after an error."""
        connection: Connection | None = None
        while not self.is_stopping:
            message, translation = self.requests[number % len(self.requests)]
            number += self.count
            start = time.monotonic()
            try:
                connection = connection or await Connection.open(
                    self.server.host, self.server.port, own_address=self.own_address
                )
                response = await asyncio.wait_for(connection.request(message), TIME_LIMIT)
                outcome = outcome_of(response, translation)
            except ConnectionRefusedError:
                outcome = REFUSED
            except (OSError, EOFError):
                outcome = CLOSED
            except asyncio.TimeoutError:
                outcome = TIMEOUT
            self.records.append(Record(start, time.monotonic(), outcome))
            if outcome != RIGHT:
                if connection is not None:
                    await connection.close()
                connection = None
                await asyncio.sleep(RETRY_DELAY)
        if connection is not None:
            await connection.close()

    async def run(self, disturb: Callable[[], None]) -> None:
        """Run the clients while `disturb` runs in a thread, and for some time before and after it."""
        tasks = [asyncio.create_task(self.run_client(number)) for number in range(self.count)]
        await asyncio.sleep(STEADY_SECONDS)
        try:
            await asyncio.to_thread(disturb)
            await asyncio.sleep(STEADY_SECONDS)
        finally:
            self.is_stopping = True
            await asyncio.gather(*tasks)

    def outcomes(self) -> Counter[str]:
        """Return how often each outcome occurred."""
        return Counter(record.outcome for record in self.records)


def outcome_of(response: Response, translation: str) -> str:
    """Return the outcome of a request that was answered; a refusal needs Retry-After and a text."""
    if response.status == 200:
        found = response.json()["translatedText"]
        return RIGHT if found == translation else f"WRONG: {found!r:.80}"
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status} WITHOUT error text"
    if response.status in (429, 503) and not response.headers.get("retry-after", "").isdecimal():
        return f"status {response.status} WITHOUT Retry-After"
    return f"status {response.status}" if isinstance(error, str) else f"status {response.status} WITHOUT error text"


def not_allowed(outcomes: Counter[str], *allowed: str) -> list[str]:
    """Return the outcomes that are neither `RIGHT` nor allowed; also say it if nothing was translated."""
    wrong = [f"{count} x {name}" for name, count in outcomes.items() if name not in (RIGHT, *allowed)]
    return wrong if outcomes[RIGHT] else [*wrong, "no request was translated"]


def lost_requests(records: list[Record], at: float) -> int:
    """Return how many requests that were running at a time were not translated.

    A request of the last milliseconds before may not have reached the server.
    """
    sent = 0.05
    return sum(record.start < at - sent and record.end > at and record.outcome != RIGHT for record in records)


@dataclass
class Scene:
    """What the parts need."""

    model: Path
    """A copy of the model, which may be damaged."""
    requests: list[tuple[bytes, str]]
    reference: Reference
    arguments: list[str]
    """Options of `nmt serve`."""
    work: Path

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[Server]:
        """Return a server, which is stopped in the end."""
        server = server_process.start([*self.arguments, *arguments], self.work)
        try:
            yield server
        finally:
            server.stop()


Result = tuple[Counter[str], list[str]]
"""The outcomes of the requests, and what is wrong."""


def stop(scene: Scene) -> Result:
    """SIGTERM: running requests are finished, new ones refused, and the status is 0."""
    with scene.started() as server:
        clients, problems, at = Clients(server, scene.requests), [], [0.0]

        def terminate() -> None:
            at[0] = time.monotonic()
            if status := server.stop():
                problems.append(f"status {status} after SIGTERM")

        asyncio.run(clients.run(terminate))
        if lost := lost_requests(clients.records, at[0]):
            problems.append(f"{lost} running requests were not translated")
        outcomes = clients.outcomes()
        return outcomes, problems + not_allowed(outcomes, "status 503", REFUSED, CLOSED)


def kill(scene: Scene) -> Result:
    """SIGKILL, and a new server on the same port."""
    with scene.started() as server:
        clients, second = Clients(server, scene.requests), []

        def restart() -> None:
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            second.append(server_process.start(scene.arguments, scene.work, server.port))

        began = time.monotonic()
        try:
            asyncio.run(clients.run(restart))
        finally:
            for each in second:
                each.stop()
        outcomes = clients.outcomes()
        problems = not_allowed(outcomes, REFUSED, CLOSED)
        if not any(
            record.outcome == RIGHT and record.start > began + STEADY_SECONDS + 0.5 for record in clients.records
        ):
            problems.append("no request was translated after the restart")
        return outcomes, problems


def wait_for_log(server: Server, text: str, count: int) -> bool:
    """Wait until the log has `count` lines with a text, whatever the case; return whether it has."""
    deadline = time.monotonic() + LOG_SECONDS
    while count_lines(server, text) < count:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def count_lines(server: Server, text: str) -> int:
    """Return the number of lines of the log that contain a text, whatever the case."""
    lines = server.log.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    return sum(text.lower() in line for line in lines)


RELOADED, NOT_RELOADED = "info: reloaded", "reloading failed"
"""Texts of the log after SIGHUP."""


def reload(scene: Scene) -> Result:
    """SIGHUP again and again: no request fails."""
    with scene.started() as server:
        clients, problems = Clients(server, scene.requests), []
        before = count_lines(server, RELOADED)

        def reload_often() -> None:
            for _ in range(RELOADS):
                server.signal(signal.SIGHUP)
                time.sleep(RELOAD_INTERVAL)
            if not wait_for_log(server, RELOADED, before + 1):
                problems.append(f"the log does not say {RELOADED!r}")

        asyncio.run(clients.run(reload_often))
        outcomes = clients.outcomes()
        return outcomes, problems + not_allowed(outcomes)


def damages(model: Path) -> dict[str, Callable[[], None]]:
    """Return functions that damage a run, by what they do. Each must be followed by `shutil.copytree` of a good one."""
    files = sorted(path for path in model.rglob("*") if path.is_file() and not path.is_symlink())
    largest = max(files, key=lambda path: path.stat().st_size)
    config = model / "config.yaml"

    def cut() -> None:
        for path in files:
            if path.suffix == largest.suffix or path.suffix == ".onnx":
                with path.open("r+b") as file:
                    file.truncate(path.stat().st_size // 2)

    def spoil_config() -> None:
        config.write_text("a: [", encoding="utf-8")

    return {
        "the weights are cut": cut,
        "the config is no YAML": spoil_config,
        "the config is missing": config.unlink,
        "the subword model is missing": lambda: shutil.rmtree(Run(model).subword),
        "the folder is missing": lambda: shutil.rmtree(model),
    }


def damage(scene: Scene) -> Result:
    """SIGHUP with a damaged model: the old one stays, and the log has an error; then with a good one."""
    good = scene.work / "good"
    shutil.copytree(scene.model, good, symlinks=True)
    with scene.started() as server:
        clients, problems = Clients(server, scene.requests), []

        def damage_often() -> None:
            for name, break_model in damages(scene.model).items():
                errors, reloads = count_lines(server, NOT_RELOADED), count_lines(server, RELOADED)
                break_model()
                server.signal(signal.SIGHUP)
                if not wait_for_log(server, NOT_RELOADED, errors + 1):
                    problems.append(f"{name}: the log does not say {NOT_RELOADED!r}")
                shutil.rmtree(scene.model, ignore_errors=True)
                shutil.copytree(good, scene.model, symlinks=True)
                server.signal(signal.SIGHUP)
                if not wait_for_log(server, RELOADED, reloads + 1):
                    problems.append(f"{name}: the log does not say {RELOADED!r} when it is good again")

        asyncio.run(clients.run(damage_often))
        outcomes = clients.outcomes()
        return outcomes, problems + not_allowed(outcomes)


def full_queue(scene: Scene) -> Result:
    """Requests that find the queue full get 503."""
    text = "\n".join([scene.reference.line] * 8)
    requests = [
        (json_request("/translate", scene.reference.body(q=text)), "\n".join([scene.reference.translation] * 8))
    ]
    with scene.started("--max-queue", "16") as server:
        clients = Clients(server, requests)
        asyncio.run(clients.run(lambda: None))
    outcomes = clients.outcomes()
    refused = [] if outcomes["status 503"] else ["no request was refused"]
    return outcomes, refused + not_allowed(outcomes, "status 503")


def rate(scene: Scene) -> Result:
    """Requests beyond the rate get 429, also if they claim other addresses.

    They come from another address than 127.0.0.1, where the server expects a proxy, whose X-Forwarded-For it believes.
    """
    requests = []
    for number in range(50):
        forged = {
            "X-Forwarded-For": f"10.0.0.{number}",
            "Forwarded": f"for=10.0.0.{number}",
            "X-Real-IP": f"10.1.0.{number}",
        }
        message = json_request("/translate", scene.reference.body(), forged)
        requests.append((message, scene.reference.translation))
    limit = 60
    with scene.started("--rate", str(limit)) as server:
        clients = Clients(server, requests, own_address="127.0.0.2")
        asyncio.run(clients.run(lambda: None))
    outcomes = clients.outcomes()
    wrong = [] if outcomes["status 429"] else ["no request was refused"]
    if outcomes[RIGHT] > limit + limit * 2 * STEADY_SECONDS / 60 + 1:
        wrong.append(f"{outcomes[RIGHT]} requests in {2 * STEADY_SECONDS:g} s with a limit of {limit} a minute")
    return outcomes, wrong + not_allowed(outcomes, "status 429")


def keys(scene: Scene) -> Result:
    """Requests without a key, or with an unknown one, get 403."""
    path = scene.work / "keys"
    path.write_text("secret-one\nsecret-two\n", encoding="utf-8")
    path.chmod(0o600)
    good, body = scene.reference.translation, scene.reference.body
    bearer = {"Authorization": "Bearer secret-two"}
    right = [
        json_request("/translate", body(api_key="secret-one")),
        json_request("/translate?api_key=secret-one", body()),
        json_request("/translate", body(), bearer),
    ]
    wrong = [
        json_request("/translate", body()),
        json_request("/translate", body(api_key="")),
        json_request("/translate", body(api_key="secret-on")),
        json_request("/translate", body(api_key="secret-one\0")),
        json_request("/translate", body(api_key="ключ")),
        json_request("/translate", body(), {"Authorization": "Bearer "}),
        json_request("/translate", body(), {"Authorization": "Basic c2VjcmV0LW9uZTo="}),
        json_request("/translate", body(), {"Authorization": "Bearer \xff\xfe"}),
    ]
    with scene.started("--api-keys", str(path)) as server:
        accepted, refused = (Clients(server, [(each, good) for each in messages]) for messages in (right, wrong))
        asyncio.run(accepted.run(lambda: None))
        asyncio.run(refused.run(lambda: None))
    found = refused.outcomes()
    problems = [f"{count} x {name} without a valid key" for name, count in found.items() if name != "status 403"]
    return accepted.outcomes() + found, problems + not_allowed(accepted.outcomes())


SCENARIOS: dict[str, Callable[[Scene], Result]] = {
    "stop": stop,
    "kill": kill,
    "reload": reload,
    "damage": damage,
    "full queue": full_queue,
    "rate": rate,
    "keys": keys,
}
