"""Fixtures of the tests of training."""

import pytest
from tiny_training import do_not_draw, write_corpus


@pytest.fixture(scope="module", autouse=True)
def _no_figures():
    with pytest.MonkeyPatch.context() as patch:
        do_not_draw(patch)
        yield


@pytest.fixture
def corpus_folder(tmp_path, monkeypatch):
    """Change to an empty folder with a corpus."""
    monkeypatch.chdir(tmp_path)
    write_corpus()
    return tmp_path
