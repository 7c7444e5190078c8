"""Groups of sentences by length and rarity, and the worst and best translations."""

import itertools

import pytest

from nmt.evaluation.breakdown import BEST, SMALLEST_GROUP, WORST, break_down, length_groups, length_unit, rarity_groups


@pytest.mark.parametrize("lengths", [[3] * 50, list(range(1, 101)), [9, 1] * 30, [5], [1] * 99 + [80]])
def test_length_groups_hold_every_sentence_once_and_do_not_overlap(lengths: list[int]) -> None:
    groups = length_groups(lengths)
    assert sorted(row for _, rows in groups for row in rows) == list(range(len(lengths)))
    spans = [(min(lengths[n] for n in rows), max(lengths[n] for n in rows)) for _, rows in groups]
    assert all(left[1] < right[0] for left, right in itertools.pairwise(spans))
    assert [label for label, _ in groups] == [f"{low}" if low == high else f"{low}–{high}" for low, high in spans]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0] * 30, [("≥0", 30)]),
        ([0] * 30 + [3] * 30 + [7] * 30 + [50] * 30 + [1000] * 30,
         [("0", 30), ("1–4", 30), ("5–19", 30), ("20–99", 30), ("≥100", 30)]),
        ([0] + [3] * 30 + [7] * 5 + [50] * 30 + [1000] * 2, [("0–4", 31), ("≥5", 37)]),
        ([2] * 3, [("≥0", 3)]),
        ([], [("≥0", 0)]),
    ],
)  # fmt: skip
def test_rarity_groups_with_few_sentences_join_the_next(counts: list[int], expected: list[tuple[str, int]]) -> None:
    groups = rarity_groups(counts)
    assert [(label, len(rows)) for label, rows in groups] == expected
    assert sorted(row for _, rows in groups for row in rows) == list(range(len(counts)))


def test_breakdown_finds_where_translations_are_bad() -> None:
    short, long = [f"the cat number {n}" for n in range(SMALLEST_GROUP)], [f"a b c d e f g {n}" for n in range(40)]
    sources = references = short + long
    translations = short + ["x y z w"] * len(long)
    found = break_down(sources, translations, references, ("en", "de"), [0] * len(short) + [100] * len(long))
    assert found["by_length"][0][:2] == ["4", 20] and found["by_length"][0][2] == pytest.approx(100)
    assert [group[2] < 5 for group in found["by_length"]] == [False] + [True] * (len(found["by_length"]) - 1)
    assert [group[:2] for group in found["by_rarity"]] == [["0", 20], ["≥1", 40]]
    assert len(found["worst"]) == WORST and len(found["best"]) == BEST
    assert {row[3] for row in found["worst"]} == {"x y z w"} and all(row[0] > len(short) for row in found["worst"])
    for line, score, source, translation, reference in found["best"]:
        assert (score, source, reference) == (100, translation, references[line - 1])


def test_counts_of_another_text_are_not_used() -> None:
    assert break_down(["a"], ["b"], ["c"], ("en", "de"), [1, 2])["by_rarity"] == []
    assert break_down(["a"], ["b"], ["c"], ("en", "de"))["by_rarity"] == []


def test_languages_without_spaces_are_measured_in_characters() -> None:
    assert (length_unit("en"), length_unit("zh")) == ("words", "characters")
    assert break_down(["中文字"], ["x"], ["y"], ("zh", "en"))["by_length"][0][0] == "3"
