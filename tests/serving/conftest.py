"""A server for all tests that only send requests to it, and a subword model for toy translators."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli.tiny_run import make_run
from decoding_toys import train
from serving.server_process import Server, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from serving.page_driver import OpenPage


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an untrained network that translates from en to de."""
    return make_run(tmp_path_factory.mktemp("served") / "data")


@pytest.fixture(scope="session")
def running_server(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`nmt serve` with the model of `served_run`."""
    with serve(tmp_path_factory.mktemp("server"), served_run) as server:
        yield server


@pytest.fixture(scope="session")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A BPE model of a few words."""
    return train(tmp_path_factory.mktemp("subword"), "bpe")


@pytest.fixture(scope="module")
def tab() -> "Iterator[Page]":
    """A tab that all tests of a module use, since starting a browser takes seconds.

    Not of a session: while Playwright runs, other tests in the same thread cannot call asyncio.run.
    """
    from serving.page_driver import chromium_tab

    with chromium_tab() as page:
        yield page


@pytest.fixture
def open_page(tab: "Page", running_server: Server) -> "Iterator[OpenPage]":
    """Opens the page, see `page_opener`."""
    from serving.page_driver import page_opener

    with page_opener(tab, running_server.url) as open_page:
        yield open_page
