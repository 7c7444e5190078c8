"""The first of equal pairs is kept, for any number of buckets."""

from pathlib import Path

import numpy as np
import pytest

from nmt.data.deduplicate import Deduplicator


@pytest.mark.parametrize("per_bucket", [1, 10, 1000])
def test_the_first_of_equal_pairs_is_kept(per_bucket: int, tmp_path: Path) -> None:
    digests = np.random.default_rng(0).integers(0, 4, (100, 2), np.uint64)
    finder = Deduplicator(tmp_path / "d", 100, per_bucket)
    for part in np.array_split(digests, 7):
        finder.add(part)
    seen: set[tuple[int, int]] = set()
    expected = []
    for high, low in digests.tolist():
        expected.append((high, low) not in seen)
        seen.add((high, low))
    assert finder.find_first().tolist() == expected


def test_an_empty_corpus_has_no_duplicates(tmp_path: Path) -> None:
    assert Deduplicator(tmp_path / "d", 0).find_first().tolist() == []
