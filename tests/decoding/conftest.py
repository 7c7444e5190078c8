"""Subword models for a toy translator."""

import pytest
from toy_translator import train


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return train(tmp_path_factory.mktemp("subword"), "bpe")


@pytest.fixture(scope="module")
def characters(tmp_path_factory):
    return train(tmp_path_factory.mktemp("subword"), "char")
