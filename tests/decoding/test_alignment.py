"""From pieces to words, against tables worked out by hand."""

import numpy as np
import pytest

from nmt.decoding.word_alignment import align, copied_words, pharaoh, raw_numbers, replace_unknown, word_numbers, words


class Spelled:
    """A target whose ids index `PIECES`."""

    PIECES = ("<pad>", "<unk>", "<s>", "</s>", "▁the", "▁ca", "t", "▁", "sat", "好")

    def pieces(self, ids):
        return [self.PIECES[i] for i in ids]

    def decode(self, ids):
        return "".join("⁇" if i == 1 else self.PIECES[i].replace("▁", " ") for i in ids).removeprefix(" ")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["▁the", "▁ca", "t"], [0, 1, 1]),
        (["the", "▁cat"], [0, 1]),
        (["▁", "the", "▁", "cat", "▁"], [0, 0, 1, 1, 2]),
        (["▁", "▁the"], [0, 0]),
        (["▁a▁b", "c", "▁d"], [0, 1, 2]),
        (["<0xE4>", "<0xBD>"], [0, 0]),
        ([], []),
    ],
)
def test_word_numbers(pieces, expected):
    assert word_numbers(pieces) == expected


def test_raw_numbers_follow_the_words_a_normalisation_splits():
    def split(word):
        return word.replace("…", ". .")

    assert raw_numbers("a b", "A B", split) == [0, 1]
    assert raw_numbers("10\tkm \u00a0 weit", "10 km weit", lambda word: " ".join(word.split())) == [0, 0, 2]
    assert raw_numbers("a… b", "a. . b", split) == [0, 0, 1]


def test_align_sums_pieces_and_leaves_the_end_of_the_source_out():
    attention = np.array([[0.2, 0.3, 0.4, 0.1], [0.0, 0.1, 0.0, 0.9], [0.4, 0.3, 0.2, 0.1]], np.float32)
    assert align(attention, [0, 1, 1], [0, 0, 1]) == {0: 0, 1: 0}
    assert align(attention, [0, 1, 2], [0, 1, 2]) == {0: 2, 1: 1, 2: 0}
    assert align(attention[:0], [], [0, 0, 1]) == {}
    assert pharaoh([(2, 0), (1, 1)]) == "2-0 1-1"


def test_unknown_words_are_copied():
    ids = [4, 7, 1, 4]  # the <unk> the
    attention = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [1, 0, 0]], np.float32)
    copies = copied_words(ids, attention, [0, 1], ["le", "Łódź"])
    assert copies == {2: "Łódź"}
    assert copied_words(ids, attention, [0, 1], ["le", "Łódź"], {0}) == {2: "le"}
    assert replace_unknown(ids, Spelled(), copies, [0, 1, 1, 2], True) == "the Łódź the"
    assert replace_unknown([9, 1, 9, 4], Spelled(), {1: "Łódź"}, [0, 0, 0, 1], False) == "好Łódź好 the"
    assert replace_unknown([4, 5, 6], Spelled(), {}, [0, 1, 1], True) == "the cat"
    forced = ["▁the", "▁", "Ω"]
    assert replace_unknown([4, 7, 1, 4, 1], Spelled(), {2: "x", 4: "y"}, [0, 1, 1, 2, 3], True, forced) == "the Ω the y"


def test_words_are_what_spaces_separate():
    assert words(" a  b\u00a0c ") == ["a", "b\u00a0c"]
