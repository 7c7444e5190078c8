"""Word alignments and copied words, against tables worked out by hand."""

import numpy as np
import pytest

from nmt.decoding.word_alignment import (
    align,
    original_word_numbers,
    replace_unknown,
    split_words,
    to_pharaoh,
    word_numbers,
    words_to_copy,
)


class TargetStub:
    """A target subword model with the vocabulary `PIECES`."""

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
def test_each_piece_has_the_number_of_its_word(pieces, expected):
    assert word_numbers(pieces) == expected


def test_original_word_numbers_follow_words_that_normalisation_splits():
    def split(word):
        return word.replace("…", ". .")

    assert original_word_numbers("a b", "A B", split) == [0, 1]
    assert original_word_numbers("10\tkm \u00a0 weit", "10 km weit", lambda word: " ".join(word.split())) == [0, 0, 2]
    assert original_word_numbers("a… b", "a. . b", split) == [0, 0, 1]


def test_align_sums_over_pieces_and_ignores_the_end_of_the_source():
    attention = np.array([[0.2, 0.3, 0.4, 0.1], [0.0, 0.1, 0.0, 0.9], [0.4, 0.3, 0.2, 0.1]], np.float32)
    assert align(attention, [0, 1, 1], [0, 0, 1]) == {0: 0, 1: 0}
    assert align(attention, [0, 1, 2], [0, 1, 2]) == {0: 2, 1: 1, 2: 0}
    assert align(attention[:0], [], [0, 0, 1]) == {}
    assert to_pharaoh([(2, 0), (1, 1)]) == "2-0 1-1"


def test_source_words_replace_unknown_words():
    ids = [4, 7, 1, 4]  # the <unk> the
    attention = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [1, 0, 0]], np.float32)
    copies = words_to_copy(ids, attention, [0, 1], ["le", "Łódź"])
    assert copies == {2: "Łódź"}
    assert words_to_copy(ids, attention, [0, 1], ["le", "Łódź"], {0}) == {2: "le"}
    assert replace_unknown(ids, TargetStub(), copies, [0, 1, 1, 2], True) == "the Łódź the"
    assert replace_unknown([9, 1, 9, 4], TargetStub(), {1: "Łódź"}, [0, 0, 0, 1], False) == "好Łódź好 the"
    assert replace_unknown([4, 5, 6], TargetStub(), {}, [0, 1, 1], True) == "the cat"
    prefix_pieces = ["▁the", "▁", "Ω"]
    found = replace_unknown([4, 7, 1, 4, 1], TargetStub(), {2: "x", 4: "y"}, [0, 1, 1, 2, 3], True, prefix_pieces)
    assert found == "the Ω the y"


def test_only_spaces_separate_words():
    assert split_words(" a  b\u00a0c ") == ["a", "b\u00a0c"]
