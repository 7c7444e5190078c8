"""Length and coverage penalties, compared with values calculated by hand."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from nmt.config import Decoding
from nmt.decoding.penalties import coverage_penalty, length_divisor


@pytest.mark.parametrize(
    ("penalty", "alpha", "length", "expected"),
    [
        ("none", 1.0, 7, 1.0),
        ("average", 1.0, 7, 7.0),
        ("average", 0.5, 16, 4.0),
        ("average", 0.0, 9, 1.0),
        ("gnmt", 1.0, 7, 2.0),
        ("gnmt", 0.5, 19, 2.0),
        ("gnmt", 1.0, 1, 1.0),
    ],
)
def test_length_divisor(penalty, alpha, length, expected):
    assert length_divisor(penalty, alpha, length) == pytest.approx(expected)


def test_coverage_penalty():
    cumulated = np.array([[0.5, 2.0, 0.25], [1.0, 1.0, 0.0]], np.float32)
    is_real = np.array([[True, True, True], [True, True, False]])
    assert coverage_penalty(cumulated, is_real).tolist() == pytest.approx([math.log(0.5) + math.log(0.25), 0.0])


def test_the_coverage_penalty_of_a_word_without_attention_is_finite():
    assert math.isfinite(float(coverage_penalty(np.zeros((1, 2), np.float32), np.ones((1, 2), np.bool_))[0]))


def test_the_divisor_for_the_largest_alpha_is_finite():
    for penalty in ("average", "gnmt"):
        assert math.isfinite(length_divisor(penalty, 10.0, 10**9))
    with pytest.raises(ValidationError):
        Decoding(alpha=10.1)
