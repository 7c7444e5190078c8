"""Sets share no sentence, whatever links the pairs, and do not depend on the order of the lines."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.corpora.facts import collect_facts
from nmt.corpora.near_duplicates import near_duplicate_key
from nmt.corpora.scan import scan_pairs
from nmt.corpora.sets import split_corpus
from nmt.corpora.split import LEFT_OUT, TEST, TRAIN, VALID, link_pairs, set_size
from nmt.errors import NmtError

Pairs = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Don't go!", "don 't go .", True),
        ("ＡＢＣ 1", "abc1", True),
        ("Straße", "STRASSE", True),
        ("it &apos;s", "It's", True),
        ("a 1", "a 2", False),
        ("ไม่", "ไม", False),
        ("?!", "?", False),
        ("...", " ... ", True),
    ],
)
def test_near_duplicates(one: str, other: str, is_same: bool) -> None:
    assert (near_duplicate_key(one) == near_duplicate_key(other)) == is_same


@pytest.mark.parametrize(
    ("pairs", "size"), [(10, 1), (20, 2), (400, 50), (2_000, 100), (10_000, 500), (20_000, 1_000), (3_000_000, 1_000)]
)
def test_set_size(pairs: int, size: int) -> None:
    assert set_size(pairs) == size


def split(pairs: Pairs, folder: Path, own: Pairs | None = None) -> dict[int, Pairs]:
    """Return the pairs of each part."""
    scan = scan_pairs(((i, *pair) for i, pair in enumerate(pairs, 1)), folder / "text")
    given = {} if own is None else {"valid": scan_pairs(((1, *pair) for pair in own), folder / "own")}
    found = split_corpus(scan, collect_facts(scan, ("xx", "yy")), given)
    return {part: list(scan.read(found.parts == part)) for part in (TRAIN, VALID, TEST, LEFT_OUT)}


def keys(pairs: Pairs, side: int) -> set[str]:
    return {near_duplicate_key(pair[side]) for pair in pairs} - {""}


sides = st.text("abAB .", max_size=4) | st.integers(0, 60).map("satz {}".format)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=150), st.randoms(use_true_random=False))
def test_no_sentence_is_in_two_sets(
    tmp_path_factory: pytest.TempPathFactory, pairs: Pairs, chance: random.Random
) -> None:
    folder = tmp_path_factory.getbasetemp()
    clean = [(" ".join(a.split()), " ".join(b.split())) for a, b in pairs]
    try:
        parts = split(clean, folder)
    except NmtError:
        return  # all pairs are linked
    assert sum(map(len, parts.values())) == len(pairs)
    for one, other in ((TRAIN, VALID), (TRAIN, TEST), (VALID, TEST)):
        for side in (0, 1):
            assert not keys(parts[one], side) & keys(parts[other], side)
    shuffled = chance.sample(clean, len(clean))
    again = split(shuffled, folder)
    assert again[VALID] == parts[VALID] or sorted(again[VALID]) == sorted(parts[VALID])
    assert sorted(again[TEST]) == sorted(parts[TEST]) and sorted(again[TRAIN]) == sorted(parts[TRAIN])


def test_chains_are_one_group_and_giants_stay_in_training(tmp_path: Path) -> None:
    chain = [("a", "b"), ("c", "B!"), ("C.", "d"), ("e", "f"), ("", "f"), ("", "x"), ("", "y")]
    scan = scan_pairs(((i, *pair) for i, pair in enumerate(chain)), tmp_path / "text")
    groups = link_pairs(scan).tolist()
    assert groups[0] == groups[1] == groups[2] != groups[3] == groups[4]
    assert len(set(groups)) == 4  # empty sides link nothing
    pairs = [(f"source {i}", f"target {i}") for i in range(700)] + [(f"question {i}", "yes") for i in range(300)]
    parts = split(pairs, tmp_path)
    assert len(parts[VALID]) == len(parts[TEST]) == set_size(1000) and not parts[LEFT_OUT]
    assert sum(target == "yes" for _, target in parts[TRAIN]) == 300


def test_given_sets_reserve_their_sentences(tmp_path: Path) -> None:
    pairs = [(f"source {i}", f"target {i}") for i in range(100)]
    parts = split(pairs, tmp_path, own=[("Source 3!", "other"), ("other", "TARGET 4")])
    assert parts[LEFT_OUT] == [pairs[3], pairs[4]] and not parts[VALID] and len(parts[TEST]) == set_size(100)


def test_sample_is_bounded_and_independent_of_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.corpora.scan.SAMPLE_PAIRS", 50)
    pairs = [(i, f"source {i}", f"target {i}") for i in range(2000)]
    one = scan_pairs(pairs, tmp_path / "text")
    other = scan_pairs(pairs[::-1], tmp_path / "text")
    assert 50 <= len(one.sample) <= 100
    assert {pair[1:] for pair in one.sample} & {pair[1:] for pair in other.sample}
    assert np.array_equal(one.pairs, other.pairs[::-1])
