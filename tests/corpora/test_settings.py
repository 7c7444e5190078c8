"""Settings by the number of pairs: valid for the schema, and monotonic where they should be."""

import pytest

from nmt import config
from nmt.corpora.settings import TABLE, for_pairs


@pytest.mark.parametrize("pairs", [1, 16, 700, 2_000, 3_400, 5_000, 9_000, 29_000, 120_000, 10**6, 3 * 10**6, 10**9])
def test_steps_fit_the_corpus(pairs: int) -> None:
    found = for_pairs(pairs, 60, True)
    assert found.max_steps >= 100 and 20 <= found.max_steps / found.validate_every <= 30
    assert found.warmup_steps <= found.max_steps / 4
    batch = found.row.training.get("sentences_per_batch")
    if batch and pairs > 500:
        assert found.max_steps * batch / pairs == pytest.approx(found.row.epochs, rel=0.06)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.pairs))
def test_rows_are_valid(row) -> None:  # type: ignore[no-untyped-def]
    corpus = {"source": "a", "target": "b"}
    values = {
        "name": "x", "data": {"train": corpus, "valid": corpus}, "subword": {"sampling": row.sampling},
        "model": row.model, "training": row.training,
    }  # fmt: skip
    config.parse(values, "settings.py")
    assert ("sentences_per_batch" in row.training) != ("tokens_per_batch" in row.training)


def test_rows_are_sorted_and_their_own_nearest() -> None:
    assert [row.pairs for row in TABLE] == sorted(row.pairs for row in TABLE)
    for row in TABLE:
        assert for_pairs(row.pairs, 60, True).row == row
    assert TABLE[1].epochs <= for_pairs(3_000, 60, True).row.epochs <= TABLE[0].epochs
