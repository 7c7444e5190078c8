"""Word vectors are read in the formats of word2vec and GloVe."""

import gzip

import numpy as np
import pytest

from nmt import config
from nmt.data.subword import Subword
from nmt.data.word_vectors import read_vectors
from nmt.errors import NmtError


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "w.model"
    return Subword.train(["the cat sat"] * 3, path, config.Subword(kind="word"), 20)


def test_vectors_of_word2vec_and_glove_are_read(words, tmp_path):
    lines = "cat 1 2 3\n. . . 9 9 9\nunseen 4 5 6\nthe -1 0.5 1e-3 \ncat 7 8 9\n"
    (tmp_path / "glove.txt").write_text(lines)
    with gzip.open(tmp_path / "word2vec.txt.gz", "wt") as file:
        file.write("5 3\n" + lines)
    for name in ("glove.txt", "word2vec.txt.gz"):
        ids, vectors = read_vectors(tmp_path / name, words, 3)
        assert [words.decode([i]) for i in ids] == ["cat", "the"]
        np.testing.assert_allclose(vectors, [[1, 2, 3], [-1, 0.5, 1e-3]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 1 2\n", "line 1 has 2 numbers after its word, but model.embedding.size is 3"),
        ("cat 1 2 3 4 5\n", "line 1 has 5 numbers after its word, but model.embedding.size is 3"),
        ("2 4\ncat 1 2 3 4\n", "line 2 has 4 numbers after its word, but model.embedding.size is 3"),
        ("the 1 2 3\ncat 1 x 3\n", "line 2: 'cat' is not followed by 3 numbers"),
        ("the 0.1\ncat 1 2 3\n", "line 1 has 1 numbers after its word, but model.embedding.size is 3"),
        ("unseen 1 2 3\n", "none of its words is a token of the vocabulary"),
        ("", "none of its words is a token of the vocabulary"),
        ("the 1 2 3\ncat 1 nan 3\n", "line 2: the vector of 'cat' is not finite"),
    ],
)
def test_the_error_for_a_bad_line_names_the_line(words, tmp_path, text, message):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(NmtError, match=message):
        read_vectors(tmp_path / "v.txt", words, 3)
