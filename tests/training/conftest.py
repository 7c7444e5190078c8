"""Fixtures of the tests of training."""

import pytest
from tiny_training import write_corpus


@pytest.fixture
def corpus_folder(tmp_path, monkeypatch):
    """Change to an empty folder with a corpus."""
    monkeypatch.chdir(tmp_path)
    write_corpus()
    return tmp_path
