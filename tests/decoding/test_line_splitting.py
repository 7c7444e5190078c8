"""Long lines are split between sentences, and no part of them is lost."""

import pytest

from nmt.decoding.long_lines import sentence_ends, split_long_line


@pytest.mark.parametrize(
    ("pieces", "limit", "expected"),
    [
        ("a b c", 3, [3]),
        ("a b c d", 3, [3, 1]),
        ("▁a b ▁c d e", 4, [2, 3]),
        ("▁a b . ▁c d ▁e f", 5, [3, 4]),
        ("a 。 b c d", 4, [2, 3]),
        ("。 b c d e", 4, [1, 4]),
        ("▁A . ▁b ▁c ▁d ▁e ▁f ▁g", 6, [6, 2]),
        ("▁An . ▁B ▁c ▁d ▁e ▁f ▁g", 6, [2, 6]),
        ("▁A ▁b , ▁c ▁d e f", 6, [3, 4]),
        ("▁a ▁b", 1, [1, 1]),
        ("▁up ▁by ▁3 . 5 ▁in ▁May", 5, [5, 2]),
        ("abc d e f", 2, [2, 2]),
        ("▁a ▁b x x x x x x", 6, [1, 6, 1]),
        ("▁he ▁said . <0xE2> <0x80> <0x9D> ▁no ▁yes", 7, [6, 2]),
        ("▁a ▁b <0xE3> <0x80> <0x82> ▁c d", 6, [5, 2]),
    ],
)
def test_a_line_is_split_at_the_best_position(pieces: str, limit: int, expected: list[int]) -> None:
    given = pieces.split(" ")
    slices = split_long_line(given, limit)
    assert [len(given[s]) for s in slices] == expected
    assert [piece for s in slices for piece in given[s]] == given


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "Mr. Smith went.",
            " He (the man) left.)",
            ' "Go!" he said.',
            ' "Stop."',
            " Then z. B. he ate 3.14 kg.",
            " Ok",
        ],
        ["Er kam am 3. Mai.", " Das war z.B. gut usw. und schlecht.", " Siehe Nr. 500.", " Ja!"],
        ["He said no.", " The U.S. left J. Doe at 5 p.m. sharp?!", " Yes... and no…", " Fine."],
        ["他来了。", "“好！”", "她说：「走。」", "三点１．５。", "完"],
        ["क्या।", " हाँ।", " ठीक"],
        ["هل؟", " نعم.", " لا، ربما"],
        ["a man .", " a woman ?", " a dog"],
        ["他说 3.5 元。", "Ja."],
        ["no marks, at all"],
        ["Wait" + "." * 50, " Yes"],
    ],
)
def test_sentence_ends_are_found(sentences: list[str]) -> None:
    text = "".join(sentences)
    ends = sentence_ends(text)
    assert [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)] == sentences


def test_a_part_contains_as_many_whole_sentences_as_fit() -> None:
    sentence = ["▁Some", "▁dog", "s", "▁run", "."]
    line = sentence * 60
    slices = split_long_line(line, 13)
    assert [s.stop - s.start for s in slices] == [10] * 30


def test_a_huge_line_is_split_in_linear_time() -> None:
    for line in (["▁ab", ".", "▁Cd"] * 100_000, ["."] * 100_000, ["▁"] * 100_000, ["x"] * 100_000):
        assert sum(s.stop - s.start for s in split_long_line(line, 256)) == len(line)
