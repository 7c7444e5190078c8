"""A server for all tests that only send requests to it, and a subword model for toy translators."""

from collections.abc import Iterator
from typing import Any

import pytest
from cli.tiny_run import make_run
from decoding_toys import train
from serving.server_process import Server, serve


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`nmt serve` with an untrained model that translates from en to de."""
    folder = tmp_path_factory.mktemp("server")
    with serve(folder, make_run(folder / "data")) as server:
        yield server


@pytest.fixture(scope="session")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A BPE model of a few words."""
    return train(tmp_path_factory.mktemp("subword"), "bpe")
