"""The number of threads to compute with."""

import pytest

from nmt.storage import cores


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 4), ("", 4), ("1", 1), ("3", 3), ("9", 4), ("0", 4), ("2,1", 2), ("many", 4)]
)
def test_omp_num_threads_limits_the_threads(value, expected, monkeypatch):
    monkeypatch.setattr(cores, "available_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert cores.requested_threads() == expected
