"""Connect to a Ray cluster or start a local one, wait for results, and turn what Ray reports into one line.

Ray repeats the work of a process or a node that is lost. What it does not do is bounded here: a cluster that cannot be
reached, or that has no node left, is an error after the times below.
"""

import io
import logging
import os
import re
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from nmt.errors import NmtError

REACH_SECONDS = 20.0
"""Time in which a cluster must answer at the start."""
HEAD_SECONDS = 30.0
"""Time after which a cluster whose head does not answer any more is given up; Ray ends the process after 60 s."""
NODE_SECONDS = 300.0
"""Time after which a cluster that has no node left that can do the work is given up; others may start nodes."""
QUIET_SECONDS = 300.0
"""Time without a result after which a message says that there is none."""
RETRIES = 10
"""How often Ray repeats a task whose process or node was lost, before that is an error."""
_POLL_SECONDS = 5.0
_MESSAGE_CHARACTERS = 200
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # otherwise Ray warns of a change to come
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # Ray's libraries write warnings to stderr
    "RAY_task_oom_retries": str(RETRIES),  # Ray repeats a task without end if memory runs out
}
"""What Ray reads when it is imported; what the user has set is kept."""
_HTTP2_SETTINGS = b"\x04"
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _HTTP2_SETTINGS + bytes(5)
"""What a client of HTTP/2 sends first: the preface and an empty SETTINGS frame, which the server answers by its own."""

logger = logging.getLogger(__name__)


def _cpus(node: dict[str, Any]) -> int:
    return int(node["Resources"].get("CPU", 0.0))


class Cluster:
    """A connection to a Ray cluster; `address` is the HOST:PORT by which its head is watched."""

    def __init__(self, ray: Any, address: str | None) -> None:
        self.ray = ray
        self.rooms: Callable[[dict[str, Any]], int] = _cpus
        """Returns how many tasks or actors fit on a node."""
        self._address = address
        self._began_to_fail: float | None = None
        self._last_result = time.monotonic()

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that are alive, as `ray.nodes()` describes them."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    @property
    def room(self) -> int:
        """How many tasks or actors fit on the living nodes, whether or not others use them."""
        return sum(map(self.rooms, self.nodes))

    def total(self, resource: str) -> float:
        """Return how much of a resource, such as GPU, the living nodes have together."""
        return float(sum(node["Resources"].get(resource, 0.0) for node in self.nodes))

    def get(self, reference: Any) -> Any:
        """Wait for a result and return it. Raise NmtError if the cluster is lost or Ray has given the task up."""
        while not self.wait([reference]):
            pass
        with translated_errors():
            return self.ray.get(reference)

    def wait(self, references: Sequence[Any]) -> list[Any]:
        """Wait some seconds for the first result, and return those of `references` that have one, perhaps none.

        Raise NmtError if the cluster is lost.
        """
        with translated_errors():
            ready: list[Any] = []
            if references:
                ready = self.ray.wait(list(references), num_returns=1, timeout=_POLL_SECONDS)[0]
            else:
                time.sleep(_POLL_SECONDS)
            if not ready:
                self._check()
        now = time.monotonic()
        if ready:
            self._last_result = now
        elif now - self._last_result > QUIET_SECONDS:
            self._last_result = now
            logger.info(f"no result for {QUIET_SECONDS:.0f} s; the cluster may be busy with other work")
        return ready

    def _check(self) -> None:
        """Raise NmtError if the head of the cluster has not answered, or no node could do the work, for too long."""
        problem, limit = None, HEAD_SECONDS
        if self._address is not None and not answers(self._address):
            problem = f"the head node of the Ray cluster ({self._address}) does not answer any more"
        elif not self.room:
            problem, limit = "no node of the Ray cluster that can do the work is alive", NODE_SECONDS
        now = time.monotonic()
        if problem is None:
            self._began_to_fail = None
        elif self._began_to_fail is None:
            self._began_to_fail = now
            logger.warning(f"{problem}; waiting {limit:.0f} s")
        elif now - self._began_to_fail > limit:
            raise NmtError(f"{problem}; restart the cluster, and give the same command again")


@contextmanager
def connected(address: str, cpus: int) -> Iterator[Cluster]:
    """Connect to the Ray cluster at `address` in the block; "local" starts one with `cpus` CPUs on this machine.

    Other addresses are those of Ray: auto, HOST:PORT, ray://HOST:PORT. An empty address is that of $RAY_ADDRESS, which
    Ray sets for submitted jobs, or "local". Raise NmtError if Ray is not installed, if there
    is no cluster, or if it runs another version of Ray or Python.
    """
    ray = _import_ray()
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if ray.is_initialized():  # by the program that uses nmt as a library, which also ends it
        yield Cluster(ray, None)
        return
    options: dict[str, Any] = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        options |= {"num_cpus": cpus, "include_dashboard": False}
    place = address.removeprefix("ray://")
    if ":" in place and not answers(place, REACH_SECONDS):
        raise NmtError(_no_cluster(address))
    with redirect_stdout(_LoggedOutput()):  # a thread of Ray prints there
        try:
            _initialize(ray, options)
            is_client = address.startswith("ray://")
            yield Cluster(ray, place if is_client else ray.get_runtime_context().gcs_address)
        finally:
            with suppress(Exception):  # the cluster may be gone
                ray.shutdown()


class _LoggedOutput(io.TextIOBase):
    """Logs what Ray prints, such as that a task is repeated, without colours and in short."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.info(f"Ray: {one_line(text)}")
        return len(text)


def _import_ray() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
    return ray


def _initialize(ray: Any, options: dict[str, Any]) -> None:
    """Call `ray.init`. Raise NmtError, one line, for what the user can correct."""
    address = options["address"]
    try:
        with warnings.catch_warnings(), _discarded_stderr():
            warnings.simplefilter("ignore")
            ray.init(**options)
    except ConnectionError:
        if ":" in address:  # something answers there
            raise NmtError(
                f"--ray {address}: the cluster does not accept this machine; if it needs a token, set RAY_AUTH_MODE="
                "token and RAY_AUTH_TOKEN_PATH, see Ray's documentation"
            ) from None
        raise NmtError(_no_cluster(address)) from None
    except RuntimeError as error:
        text = one_line(error)
        if "ersion mismatch" in text:
            raise NmtError(f"--ray {address}: {text}; install the versions of the cluster") from None
        raise NmtError(f"--ray {address}: the cluster cannot be used: {text}") from None
    except (ValueError, OSError, ray.exceptions.RayError) as error:
        raise NmtError(f"--ray {address}: the cluster cannot be used: {one_line(error)}") from None


@contextmanager
def _discarded_stderr() -> Iterator[None]:
    """Discard what Ray's libraries write to the file descriptor of stderr: a line for each attempt to connect."""
    sys.stderr.flush()
    with Path(os.devnull).open("wb") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _no_cluster(address: str) -> str:
    return (
        f"--ray {address}: no Ray cluster answers there (within {REACH_SECONDS:.0f} s); start one with 'ray start "
        "--head', or leave out the address to use this machine"
    )


def answers(address: str, seconds: float = _POLL_SECONDS) -> bool:
    """Return whether a gRPC server, as Ray's is one, answers at HOST:PORT within `seconds`.

    `ray.init` would wait for minutes for a server that is stopped or is none of Ray.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds) as connection:
            connection.sendall(_HTTP2_GREETING)
            return connection.recv(9, socket.MSG_WAITALL)[3:4] == _HTTP2_SETTINGS
    except (OSError, ValueError, OverflowError):
        return False


def one_line(error: BaseException | str) -> str:
    """Return the message of an error of Ray in short: its first paragraph, or the last line of a traceback."""
    text = _COLOUR.sub("", str(error)).strip()
    text = text.split("\n")[-1] if "raceback" in text else text.split("\n\n")[0]
    line = " ".join(text.split()) or type(error).__name__
    return f"{line[:_MESSAGE_CHARACTERS]}{'…' * (len(line) > _MESSAGE_CHARACTERS)}"


@contextmanager
def translated_errors(passed: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Turn the errors of Ray itself, such as a node that was lost too often, into an NmtError of one line.

    Errors of the type `passed` are raised as they are.
    """
    import ray

    try:
        yield
    except passed:
        raise
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ModuleNotFoundError):
            raise NmtError(f"a node of the Ray cluster cannot import {error.cause.name}: install nmt there") from None
        raise
    except ray.exceptions.OutOfMemoryError:
        raise NmtError(
            f"a node of the Ray cluster ran out of memory, also after {RETRIES} more attempts; use nodes with more "
            "memory, or start Ray there with fewer CPUs (ray start --num-cpus N)"
        ) from None
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise NmtError(
            f"the Ray cluster has given up a task, which it repeats {RETRIES} times if a process or a node is lost: "
            f"{one_line(error)}"
        ) from None
