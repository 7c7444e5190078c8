"""Check at the start that all nodes of a Ray cluster have the same code and see the same files as the driver."""

import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nmt
from nmt.cluster.connection import Cluster, one_line
from nmt.errors import NmtError
from nmt.storage import checksums

ANSWER_SECONDS = 60.0
"""Time in which every node must answer; its first process imports nmt."""
VISIBLE_SECONDS = 10.0
"""Time in which a node must see a file that another node has written; NFS caches folders for some seconds."""
LIBRARIES = ("sentencepiece", "numpy", "onnxruntime", "torch")
"""Packages whose version can change results."""


@dataclass(frozen=True)
class Question:
    """What a node has to check."""

    versions: dict[str, str]
    """The versions of the driver, see `versions`."""
    inputs: dict[Path, int | None]
    """The size of each input file; None for a folder."""
    tokens: dict[Path, str]
    """A file in each output folder, and what is in it."""


def check_nodes(cluster: Cluster, inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Raise NmtError, which names the node, if a node has other code or does not see these files and folders.

    The `outputs` are folders that exist; a file is written to each for a moment. Nodes without CPUs do no work and are
    not checked.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray, nodes = cluster.ray, [node for node in cluster.nodes if node["Resources"].get("CPU")]
    if not nodes:
        raise NmtError("the Ray cluster has no node with a CPU; start one with 'ray start --address HEAD'")
    sizes = {Path.cwd() / path: path.stat().st_size if path.is_file() else None for path in inputs}
    with _tokens(Path.cwd() / path for path in outputs) as tokens:
        question = Question(versions(), sizes, tokens)
        asked = {}
        for node in nodes:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = ray.remote(num_cpus=0, max_retries=2, scheduling_strategy=strategy)(find_difference)
            asked[remote.remote(question)] = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
        if late:
            names = ", ".join(asked[reference] for reference in late)
            raise NmtError(f"the Ray cluster has nodes that do not answer within {ANSWER_SECONDS:.0f} s: {names}")
        for reference in ready:
            if (difference := _answer(ray, reference)) is not None:
                raise NmtError(f"the node {asked[reference]} of the Ray cluster {difference}")


def _answer(ray: Any, reference: Any) -> str | None:
    """Return what differs on a node; None if nothing does."""
    try:
        found: str | None = ray.get(reference)
        return found
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ModuleNotFoundError):
            return f"cannot import {error.cause.name}: install nmt {nmt.__version__} there"
        return f"cannot run nmt: {one_line(error.cause)}"
    except ray.exceptions.RayError as error:
        return f"was lost while it was checked: {one_line(error)}"


def versions() -> dict[str, str]:
    """Return what the results depend on: the versions of nmt and its libraries, and a hash of nmt's code."""
    found = {"nmt": nmt.__version__}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"nmt's code": checksums.of_code()}


def find_difference(question: Question) -> str | None:
    """Return what differs on this node from the driver, in words; None if nothing does."""
    here = versions()
    for name, wanted in question.versions.items():
        if (found := here.get(name)) != wanted:
            return f"has {name} {found or 'not at all'}, and this machine has {wanted}: install the same version"
    for path, size in question.inputs.items():
        if not path.exists():
            return f"does not see {path}: put it on a file system that all nodes see"
        if size is not None and path.stat().st_size != size:
            return f"sees another file as {path} (of another size): put it on a file system that all nodes see"
    for path, token in question.tokens.items():
        if not _appears(path, token):
            return f"does not see the folder {path.parent} of this machine: choose one on a file system that all see"
        try:
            trial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            trial.write_text(token, encoding="utf-8")
            trial.unlink()
        except OSError as error:
            return f"cannot write to {path.parent}: {error.strerror}"
    return None


def _appears(path: Path, token: str) -> bool:
    """Wait until the file `path` with the content `token` is seen. Return False if it is not."""
    end = time.monotonic() + VISIBLE_SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            if path.read_text(encoding="utf-8") == token:
                return True
        if not path.parent.is_dir():
            return False
        time.sleep(0.1)
    return False


@contextmanager
def _tokens(folders: Iterable[Path]) -> Iterator[dict[Path, str]]:
    """Write a file with a random content to each folder, and yield the contents; remove the files at the end."""
    tokens = {}
    try:
        for folder in dict.fromkeys(folders):
            path = folder / f".nmt-{uuid.uuid4().hex}"
            tokens[path] = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
            path.write_text(tokens[path], encoding="utf-8")
        yield tokens
    finally:
        for path in tokens:
            path.unlink(missing_ok=True)
