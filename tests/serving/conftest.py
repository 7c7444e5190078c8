"""A server for all tests that only send requests to it."""

from collections.abc import Iterator

import pytest
from cli.tiny_run import make_run
from serving.server_process import Server, serve


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`nmt serve` with an untrained model that translates from en to de."""
    folder = tmp_path_factory.mktemp("server")
    with serve(folder, make_run(folder / "data")) as server:
        yield server
