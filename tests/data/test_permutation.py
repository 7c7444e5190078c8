"""A computed permutation is one for every size, is repeated by its seed, and is as random as a drawn one."""

from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmt.data.permutation import Permutation


@given(st.integers(1, 300), st.integers(0, 1 << 40), st.booleans())
@example(65_536, 1, False)
@example(65_537, 1, False)
@settings(max_examples=30, deadline=None)
def test_every_number_comes_once(size: int, seed: int, is_computed: bool) -> None:
    with mock.patch("nmt.data.permutation._MAX_DRAWN", 0) if is_computed else nullcontext():
        assert sorted(Permutation(size, seed, "x")(np.arange(size)).tolist()) == list(range(size))


def test_the_numbers_depend_on_the_seed_and_the_names_and_not_on_how_they_are_asked_for() -> None:
    size = 10**12
    places = np.array([0, 1, 17, size - 1])
    made = Permutation(size, 1, "blocks", 3)
    numbers = made(places)
    assert ((numbers >= 0) & (numbers < size)).all()
    assert [int(made(places[i : i + 1])[0]) for i in range(4)] == numbers.tolist()
    others = [Permutation(size, *key)(places).tolist() for key in ((2, "blocks", 3), (1, "x", 3), (1, "blocks", 4))]
    assert numbers.tolist() not in others


def deviations(counts: np.ndarray) -> float:
    """Return by how many standard deviations chi-square of a square table of counts is off, if all cells are alike."""
    expected = counts.sum() / counts.size
    freedom = (len(counts) - 1) ** 2
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom))


@pytest.mark.parametrize(("size", "largest_drawn"), [(5, 5), (30, 0), (60, 0)])
def test_every_number_is_at_every_place_equally_often(
    size: int, largest_drawn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.data.permutation._MAX_DRAWN", largest_drawn)
    counts, steps = np.zeros((size, size)), np.zeros((size, size))
    for seed in range(800):
        numbers = Permutation(size, seed)(np.arange(size))
        counts[np.arange(size), numbers] += 1
        steps[numbers[:-1], numbers[1:]] += 1
    assert abs(deviations(counts)) < 4
    # After each number every other one follows equally often.
    np.fill_diagonal(steps, steps.sum() / (size * (size - 1)))
    assert abs(deviations(steps)) < 4
