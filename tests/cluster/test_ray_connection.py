"""What is wrong with a cluster or a node is said in one line, in a bounded time, and without a cluster."""

import logging
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from text_files import write_lines

from nmt.cli.main import cli
from nmt.cli.preprocess import command
from nmt.cluster import connection, node_checks
from nmt.cluster.actors import ActorSize, RayActors
from nmt.cluster.connection import Cluster, answers, connected, one_line
from nmt.cluster.node_checks import Question, find_difference, versions
from nmt.errors import NmtError, missing_package

ray = pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def stored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the variables that `connected` sets."""
    for name, value in connection._ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("translate --input x --ray", "--ray needs --output-folder FOLDER"),
        ("translate --input x --output-folder y --ray-cpus 2", "--ray-cpus needs --ray"),
        ("translate --input x --output-folder y --ray-gpus 0.5", "--ray-gpus needs --ray"),
        ("translate --input x --output-folder y --ray auto --shard 1/2", "--ray and --shard exclude each other"),
        ("preprocess --ray --config a --ray b", "--ray may be given once, and has the values '' and 'b'"),
        ("preprocess --ray", "Missing option '-c' / '--config'"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(line: str, message: str) -> None:
    done = CliRunner().invoke(cli, line.split(), prog_name="nmt")
    assert (done.exit_code, done.stdout) == (2, "") and message in done.stderr


@pytest.mark.parametrize(("words", "address"), [(["--ray"], ""), (["--ray", "auto"], "auto"), (["--ray=h:1"], "h:1")])
def test_the_address_may_be_left_out(words: list[str], address: str) -> None:
    for line in ([*words, "--config", "a"], ["--config", "a", *words]):
        assert command.make_context("nmt", list(line)).params["ray"] == address


def test_a_missing_cluster_is_an_error_within_the_stated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REACH_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:1", "127.0.0.1:99999", "host:x"):
            began = time.monotonic()
            with pytest.raises(NmtError, match=r"^--ray \S+: no Ray cluster answers there"), connected(address, 1):
                pass
            assert time.monotonic() - began < 5
        assert not answers(f"127.0.0.1:{port}", 0.1)


def test_an_address_that_is_none_is_an_error() -> None:
    with (
        pytest.raises(NmtError, match=r"--ray garbage: .* cannot be used: .*garbage"),
        connected("garbage", 1),
    ):
        pass


class RefusingRay:
    """Raises an error when it is to connect."""

    exceptions = ray.exceptions

    def __init__(self, error: Exception) -> None:
        self._error = error

    def init(self, **options: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "address", "message"),
    [
        (
            RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.7\nThis"),
            "h:1",
            "--ray h:1: Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.11.7 This; install the "
            "versions of the cluster",
        ),
        (ConnectionError("x"), "h:1", "--ray h:1: the cluster does not accept this machine; if it needs a token, set "),
        (ConnectionError("x"), "auto", "--ray auto: no Ray cluster answers there (within 20 s); start one with "),
        (ValueError("a\n b"), "auto", "--ray auto: the cluster cannot be used: a b"),
    ],
)
def test_what_ray_refuses_is_said_in_one_line(error: Exception, address: str, message: str) -> None:
    with pytest.raises(NmtError) as raised:
        connection._initialize(RefusingRay(error), {"address": address})
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


def test_the_error_without_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError) as raised, connected("", 1):
        pass
    assert "pip install '.[ray]'" in (missing_package(raised.value) or "")


class FakeRay:
    """Has the nodes that it is given, and no results."""

    def __init__(self, nodes: list[dict[str, Any]]) -> None:
        self._nodes = nodes

    def nodes(self) -> list[dict[str, Any]]:
        return self._nodes

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return [], references


def node(is_alive: bool = True, **resources: float) -> dict[str, Any]:
    """Return the description of a node."""
    return {"Alive": is_alive, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "address", "message"),
    [
        ([node(CPU=4)], "127.0.0.1:1", r"the head node of the Ray cluster \(127\.0\.0\.1:1\) does not answer any more"),
        ([node(False, CPU=4), node(GPU=1)], None, "no node of the Ray cluster that can do the work is alive"),
    ],
)
def test_a_lost_cluster_is_an_error_after_a_warning(
    nodes: list[dict[str, Any]],
    address: str | None,
    message: str,
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "_POLL_SECONDS", 0.01)
    for name in ("HEAD_SECONDS", "NODE_SECONDS"):
        monkeypatch.setattr(connection, name, 0.05)
    cluster = Cluster(FakeRay(nodes), address)
    with pytest.raises(NmtError, match=message):
        cluster.get("reference")
    assert [line.split(";")[0].startswith("warning: ") for line in messages] == [True]


def test_a_cluster_that_is_only_busy_is_waited_for(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "QUIET_SECONDS", 0.0)
    cluster = Cluster(FakeRay([node(CPU=4)]), None)
    for _ in range(2):
        assert cluster.wait(["reference"]) == []
    assert cluster.room == 4
    assert len(messages) == 2 and "the cluster may be busy" in messages[0]


@pytest.mark.parametrize(
    ("size", "resources", "expected"),
    [
        (ActorSize(), {"CPU": 4.0}, 4),
        (ActorSize(3), {"CPU": 7.0}, 2),
        (ActorSize(1, 0.1), {"CPU": 64.0, "GPU": 1.0}, 10),
        (ActorSize(1, 0.5), {"CPU": 3.0, "GPU": 4.0}, 3),
        (ActorSize(1, 1), {"CPU": 8.0}, 0),
    ],
)
def test_actors_are_counted_by_what_they_need(size: ActorSize, resources: dict[str, float], expected: int) -> None:
    assert size.count(node(**resources)) == expected


def test_actors_that_would_give_other_results_are_an_error() -> None:
    actors = RayActors[int, int](Cluster(ray, None), lambda: pytest.fail("not made here"), ActorSize())
    actors._check_identity({"model": "m", "arithmetic": "int8"}, "first")
    actors._check_identity({"model": "m", "arithmetic": "int8"}, "second")
    with pytest.raises(NmtError, match=r"node third .* other results \(arithmetic: bf16, and on other nodes int8\)"):
        actors._check_identity({"model": "m", "arithmetic": "bf16"}, "third")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Version  mismatch:\n  a", "Version mismatch: a"),
        ("first\n\nsecond", "first"),
        ("\x1b[33m(raylet)\x1b[0m gone", "(raylet) gone"),
        ("Traceback (most recent call last):\n  x\nValueError: y\n", "ValueError: y"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_messages_of_ray_become_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_what_ray_prints_is_logged(messages: list[str]) -> None:
    logging.getLogger("nmt").setLevel(logging.INFO)
    print("\x1b[33m(raylet)\x1b[0m Task failed", file=connection._LoggedOutput())
    assert messages == ["Ray: (raylet) Task failed"]


def test_a_node_says_what_it_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "VISIBLE_SECONDS", 0.1)
    file, here = write_lines(tmp_path / "x", ["a"]), versions()
    token = write_lines(tmp_path / "token", ["t"])
    questions = [
        (Question(here, {file: 2, tmp_path: None}, {token: "t\n"}), None),
        (Question(here | {"numpy": "0.1"}, {}, {}), "has numpy .*, and this machine has 0.1"),
        (Question(here | {"nmt's code": "0"}, {}, {}), "has nmt's code .*, and this machine has 0"),
        (Question({"torch-next": "3"}, {}, {}), "has torch-next not at all"),
        (Question(here, {tmp_path / "y": 1}, {}), f"does not see {tmp_path / 'y'}"),
        (Question(here, {file: 3}, {}), "sees another file as .*x"),
        (Question(here, {}, {token: "other"}), f"does not see the folder {tmp_path} of this machine"),
        (Question(here, {}, {tmp_path / "none" / "t": ""}), "does not see the folder .*none of this machine"),
    ]
    for question, expected in questions:
        found = find_difference(question)
        assert (found is None) if expected is None else re.search(expected, found or ""), found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["token", "x"]
