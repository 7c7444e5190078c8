"""Fixtures of the tests of training."""

import pytest
from tiny_training import tiny, validate_as, write_corpus

from nmt.storage.run_folder import Run
from nmt.training.session import train

VALIDATIONS = {4: (2.0, 10.0), 8: (1.5, 20.0), 12: (3.0, 5.0)}
"""Loss and BLEU of each validation of `judged_run`."""


@pytest.fixture
def corpus_folder(tmp_path, monkeypatch):
    """Change to an empty folder with a corpus."""
    monkeypatch.chdir(tmp_path)
    write_corpus()
    return tmp_path


def train_whole(folder, validations=None):
    """Train the run `tiny()` in `folder` without an interruption and return it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if validations is not None:
            validate_as(patch, validations)
        write_corpus()
        train(tiny("whole"))
    return Run(folder / "runs" / "whole")


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """The finished run `tiny()`, which was never interrupted; tests compare other runs with it and do not change it."""
    return train_whole(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def judged_run(tmp_path_factory):
    """As `whole_run`, with the results `VALIDATIONS` of its validations."""
    return train_whole(tmp_path_factory.mktemp("judged"), VALIDATIONS)
