"""Work on a Ray cluster of two nodes gives the same bytes as on this machine, also if processes and a node are lost."""

import errno
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster_tasks import Make, double, fail
from text_files import write_lines
from tiny_run import make_run

from nmt import config
from nmt.cli.translate import command as translate_command
from nmt.cluster import node_checks
from nmt.cluster.actors import ActorSize, RayActors
from nmt.cluster.connection import Cluster, connected
from nmt.cluster.node_checks import check_nodes
from nmt.cluster.tasks import RayTasks
from nmt.data.preprocess import preprocess
from nmt.errors import NmtError

cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning"),  # Ray leaves files and sockets open
    pytest.mark.skipif(os.name == "nt", reason="Ray's clusters of several nodes need Unix"),
]
NODE = {"num_cpus": 1, "object_store_memory": 78643200}


@dataclass
class Nodes:
    """A cluster that `nmt` is connected to, and its second node."""

    cluster: Any
    second: Any
    connection: Cluster


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Start two nodes with one CPU each. nmt connects once: `connected` then uses this connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), str(Path.cwd())]))
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
        try:
            second = cluster.add_node(wait=False, **NODE)
            with connected(cluster.address, 2) as connection:
                cluster.wait_for_nodes()
                yield Nodes(cluster, second, connection)
        finally:
            cluster.shutdown()


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_prepared_data_is_the_same(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"line {i % 1000} of the {'long ' * (i % 7)}text" for i in range(2100)]
    write_lines("a.s", lines)
    Path("a.t.gz").write_bytes(gzip.compress("".join(f"{line.upper()}\n" for line in lines).encode()))
    write_lines("b.tsv", (f"{line}\t{line} b" for line in lines[:20]))
    train = [{"source": "a.s", "target": "a.t.gz"}, {"tsv": "b.tsv"}]
    monkeypatch.setattr("nmt.data.cleaning.PAIRS_PER_CHUNK", 1024)  # three chunks

    def prepare(name: str, ray: str | None) -> dict[str, bytes]:
        data = {"train": train, "valid": {"tsv": "b.tsv"}, "prepared": name, "workers": 1}
        sections = {"data": data | {"filters": {"duplicates": True}}, "subword": {"vocab_size": 300, "joint": False}}
        preprocess(config.parse({"name": "small", **sections}, "test"), ray=ray)
        return content(Path(name))

    assert prepare("on-the-cluster", "auto") == prepare("here", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.s", "a.t.gz", "b.tsv", "here", "on-the-cluster"]


def check_translations_are_the_same(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write_lines("in/a", ['{"source": "a dog runs"}', '{"source": ""}'] * 5)
    Path("in/b.gz").write_bytes(gzip.compress(b'{"source": "two women"}\n'))
    write_lines("in/bad", ["{"])

    def translate(name: str, *more: str) -> dict[str, bytes]:
        given = ["--model", "runs/tiny", "--input", "in/*", "--output-folder", name, "--part-lines", "4"]
        with pytest.raises(NmtError, match=r"1 file could not be translated(.|\n)*in/bad, line 1"):
            translate_command.main([*given, "--input-format", "json", "--engine", "onnx", *more], standalone_mode=False)
        return content(Path(name))

    assert translate("on-the-cluster", "--ray", "auto") == translate("here")


def check_a_task_is_repeated_if_its_process_is_killed(nodes: Nodes, tmp_path: Path) -> None:
    tasks = RayTasks(nodes.connection)
    assert tasks.count == 2
    assert list(tasks.map(double, ((str(tmp_path), i) for i in range(6)))) == [0, 2, 4, 6, 8, 10]


def check_errors_of_tasks_are_raised_and_name_the_node_of_a_full_disk(nodes: Nodes) -> None:
    tasks = RayTasks(nodes.connection)
    with pytest.raises(NmtError, match=r"^train\.de: too short$"):
        list(tasks.map(fail, [NmtError("train.de: too short")]))
    with pytest.raises(OSError, match=r"No space left on device \(on the node .+\)") as raised:
        list(tasks.map(fail, [OSError(errno.ENOSPC, "No space left on device", "/data/x")]))
    assert raised.value.filename == "/data/x" and raised.value.errno == errno.ENOSPC


def check_a_node_with_other_code_or_without_the_files_is_named(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_nodes(nodes.connection, [write_lines(tmp_path / "x", ["a"])], [tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    monkeypatch.setattr(node_checks, "versions", lambda: {"nmt": "0.0.1"})
    with pytest.raises(
        NmtError, match=r"the node \S+ \(\S+\) of the Ray cluster has nmt .*, and this machine has 0\.0"
    ):
        check_nodes(nodes.connection, [], [tmp_path])


def check_a_lost_process_and_a_lost_node_lose_and_repeat_no_result(
    nodes: Nodes, tmp_path: Path, messages: list[str]
) -> None:
    """The first process kills itself; then the second node is killed."""
    with RayActors[int, int](nodes.connection, Make(tmp_path), ActorSize()) as actors:
        assert actors.identity() == {"model": "m"}
        results = []
        for result in actors.map(range(12), 2):
            results.append(result)
            if len(results) == 4:
                nodes.cluster.remove_node(nodes.second, allow_graceful=False)
    assert sorted(results) == [2 * i for i in range(12)]
    assert sum("was lost; its work is done again" in line for line in messages) >= 2


def test_work_on_a_cluster_gives_the_same_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    """One test, as it takes seconds to start a cluster, and the last check removes a node."""
    folders = [tmp_path / str(number) for number in range(5)]
    for folder in folders:
        folder.mkdir()
    with two_nodes() as nodes:
        with monkeypatch.context() as patch:
            check_prepared_data_is_the_same(nodes, folders[0], patch)
        with monkeypatch.context() as patch:
            check_translations_are_the_same(nodes, folders[1], patch)
        check_a_task_is_repeated_if_its_process_is_killed(nodes, folders[2])
        check_errors_of_tasks_are_raised_and_name_the_node_of_a_full_disk(nodes)
        with monkeypatch.context() as patch:
            check_a_node_with_other_code_or_without_the_files_is_named(nodes, folders[3], patch)
        check_a_lost_process_and_a_lost_node_lose_and_repeat_no_result(nodes, folders[4], messages)
