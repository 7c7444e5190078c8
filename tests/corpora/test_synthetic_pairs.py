"""Pairs of lines and hypotheses: which are dropped, for which reason, and what is counted."""

import pytest

from nmt.corpora.synthetic_pairs import Hypothesis, KnownPairs, Limits, PairCounts, closest, make_pairs, reason_to_drop

STRICT = Limits(min_score=-1.0, max_ratio=2.0)


@pytest.mark.parametrize(
    ("line", "text", "score", "limits", "reason"),
    [
        ("a b", "c d", -0.5, STRICT, None),
        ("a b", "", -0.5, Limits(), "empty"),
        ("a b", "  ", -0.5, Limits(), "empty"),
        ("", "c d", -0.5, Limits(), "empty"),
        ("a b", "c \ufffd", -0.5, Limits(), "not UTF-8"),
        ("a \ufffd", "c d", -0.5, Limits(), "not UTF-8"),
        ("a b", "c d", -1.0, STRICT, None),
        ("a b", "c d", -1.01, STRICT, "score"),
        ("a b", "c d", -9.0, Limits(), None),
        ("abc", "abcdef", -0.5, STRICT, None),
        ("abc", "abcdefg", -0.5, STRICT, "ratio"),
        ("abcdefg", "abc", -0.5, STRICT, "ratio"),
        ("abcdefg", "a", -0.5, Limits(), None),
        ("a b", "a b", -0.5, Limits(), "copy"),
        ("a b", "a b", -0.5, Limits(keeps_copies=True), None),
        ("abc", "abcdefg", -9.0, STRICT, "score"),
    ],
)
def test_filters(line: str, text: str, score: float, limits: Limits, reason: str | None) -> None:
    assert reason_to_drop(line, Hypothesis(text, score), limits) == reason


def test_hypotheses_are_on_the_synthetic_side_and_every_drop_is_counted() -> None:
    lines = [
        ("a", [Hypothesis("A", -0.1), Hypothesis("AA", -0.2), Hypothesis("", -0.3)]),
        ("b", [Hypothesis("B", -0.1), Hypothesis("b", -0.2)]),
        ("a", [Hypothesis("AA", -0.4)]),
    ]
    for synthetic, original, expected in (
        ("target", ("a", "A"), [("a", "AA"), ("b", "B")]),
        ("source", ("A", "a"), [("AA", "a"), ("B", "b")]),
    ):
        counts = PairCounts()
        assert list(make_pairs(lines, synthetic, Limits(), counts, KnownPairs([original]))) == expected
        assert (counts.lines, counts.hypotheses, counts.kept) == (3, 6, 2)
        dropped = {reason: count for reason, count in counts.dropped.items() if count}
        assert dropped == {"empty": 1, "copy": 1, "original": 1, "duplicate": 1}
        assert PairCounts(**counts.to_json()) == counts


def test_duplicates_are_found_over_all_corpora_and_kept_if_nothing_is_known() -> None:
    lines = [("a", [Hypothesis("A", -0.1)])]
    known = KnownPairs()
    found = [list(make_pairs(lines, "target", Limits(), PairCounts(), known)) for _ in range(2)]
    assert found == [[("a", "A")], []]
    assert all(list(make_pairs(lines, "target", Limits(), PairCounts())) == [("a", "A")] for _ in range(2))


def test_the_pair_with_the_sides_exchanged_is_another_pair() -> None:
    known = KnownPairs([("a", "b")])
    assert [known.add(pair) for pair in (("a", "b"), ("b", "a"), ("b", "a"))] == ["original", None, "duplicate"]


def test_the_closest_hypothesis_is_the_first_of_the_best() -> None:
    hypotheses = [Hypothesis(text, -float(number)) for number, text in enumerate(("x", "abc", "abd", "abc"))]
    found = closest(
        hypotheses, "abc", lambda text, reference: sum(a == b for a, b in zip(text, reference, strict=False))
    )
    assert found is hypotheses[1]
