"""Settings and fixtures for all tests."""

import functools
import gc
import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hidden_packages import ROOT, environment_without
from py3langid import langid

# One thread for each worker: two threads that wait for each other on one core take five times as long.
os.environ["OMP_NUM_THREADS"] = "1"
# The garbage collector visits all objects of torch and the other imports again and again. Without it the collection of
# the tests takes 10 s in place of 26 s.
gc.disable()


def pytest_collection_finish() -> None:
    """Enable the garbage collector for the tests; it leaves out what exists already."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Do not wait for the disk, which only a power cut needs, and load the tables of py3langid (0.7 s) once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(langid, "_load_model_file", functools.cache(langid._load_model_file))
        yield


class _ListHandler(logging.Handler):
    """Collects the messages in a list, a warning with the prefix "warning: " as on the command line."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.messages.append(f"warning: {text}" if record.levelno == logging.WARNING else text)


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """The log messages of `nmt` (level INFO and above) during a test, in order; `clear` it to start anew."""
    handler, logger = _ListHandler(), logging.getLogger("nmt")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.messages
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables for a child process of `sys.executable` in which torch is not installed."""
    return environment_without(tmp_path_factory.mktemp("without_torch"), "torch")


@pytest.fixture(scope="session")
def torch_free_python() -> Path:
    """The interpreter of .venv-runtime, which has nmt and the packages of requirements/runtime.txt only.

    The environment is created if it is missing or out of date; without a package index the test is skipped.
    """
    command = ["bash", "-c", "source scripts/environment.sh && runtime_environment"]
    variables = {**os.environ, "PIP_RETRIES": "0"}
    with FileLock(ROOT / ".venv-runtime.lock"):
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line.strip() for line in done.stderr.split("\n") if "ERROR" in line), done.stderr)
        pytest.skip(f".venv-runtime could not be created from requirements/runtime.txt: {reason}")
    return ROOT / ".venv-runtime" / "bin" / "python"
