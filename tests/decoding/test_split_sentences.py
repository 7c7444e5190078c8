"""`split_sentences`: each sentence of a line is translated on its own, and the line stays one line."""

import math

import pytest
from toy_model import ToyModel
from toy_translator import make

from nmt.decoding.search_options import SearchOptions
from nmt.decoding.source_lines import InputLine
from nmt.errors import NmtError

LINES = ["the cat sat.  the mat sat? a cat!", "on a mat", "", "the cat sat. the cat sat."]


def options(method="beam", **rest):
    return SearchOptions(method=method, beam_size=3, split_sentences=True, **rest)


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_a_line_is_the_translations_of_its_sentences(bpe, method):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    found = list(translator.translate(LINES, options(method, with_alignment=True)))
    assert [len(each.sentences) for each in found] == [3, 1, 1, 2]
    for line, translation in zip(LINES, found, strict=True):
        assert translation.source == line
        sentences = [each.source for each in translation.sentences]
        alone = list(translator.translate(sentences, options(method).changed(split_sentences=False)))
        assert [each.text for each in translation.sentences] == [each.text for each in alone]
        assert translation.text.split() == [word for each in alone for word in each.text.split()]
        assert math.isclose(translation.log_prob, sum(each.log_prob for each in alone), abs_tol=1e-6)
        assert math.isclose(translation.score, sum(each.score for each in alone) / len(alone), abs_tol=1e-6)
        pieces = [piece for each in alone for piece in each.source_pieces]
        assert list(translation.source_pieces) == pieces


def test_white_space_between_sentences_is_kept(bpe):
    """The echo model translates each word by itself."""
    line = "the cat sat.  the mat sat?\ta cat! on a mat"
    assert make(bpe).translate(line, options("greedy")).text == line
    assert make(bpe, language="zh").translate("the cat. a mat.  the mat.", options("greedy")).text == (
        "the cat.a mat.  the mat."
    )


def test_words_of_alignments_are_numbered_over_the_whole_line(bpe):
    line = "the cat sat.  the mat sat? a cat!"
    translation = make(bpe).translate(line, options("greedy", with_alignment=True))
    assert translation.alignment == tuple((word, word) for word in range(8))
    assert [len(each.alignment) for each in translation.sentences] == [3, 3, 2]
    assert translation.sentences[1].alignment[0] == (0, 0)
    assert translation.targets[0].attention is None


def test_a_tag_holds_for_all_sentences_and_a_prefix_for_the_first(characters):
    translator = make(characters, tags=("<2de>", "<2fr>"))
    with pytest.raises(NmtError, match="several translation directions"):
        translator.translate("the cat. a mat.", options("greedy"))
    tagged = translator.translate("<2fr>  the cat. a mat.", options("greedy", with_alignment=True))
    assert [each.source for each in tagged.sentences] == ["the cat.", "a mat."]
    [encoded] = translator.lines.encode([InputLine("<2fr> the cat. a mat.", prefix="on")], options("greedy"))
    assert len({tuple(sentence.tag_ids) for sentence in encoded.sentences}) == 1 and encoded.sentences[0].tag_ids
    assert [bool(sentence.prefix_ids) for sentence in encoded.sentences] == [True, False]
    assert {source for source, _ in tagged.alignment} == {1, 2, 3, 4}  # word 0 is the tag


def test_a_sentence_with_fewer_translations_repeats_its_last_one(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=3.0))
    translation = translator.translate(LINES[0], options(n_best=3))
    counts = [len(each.targets) for each in translation.sentences]
    assert len(translation.targets) == max(counts)
    for rank, target in enumerate(translation.targets):
        texts = [each.targets[min(rank, len(each.targets) - 1)].text for each in translation.sentences]
        assert target.text.split() == " ".join(texts).split()


def test_sentences_of_a_line_are_drawn_independently(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=1.0))
    drawn = translator.translate("the cat sat. the cat sat.", options("sample"))
    assert drawn.sentences[0].source == drawn.sentences[1].source
    assert drawn.sentences[0].text != drawn.sentences[1].text


def test_long_sentences_are_still_cut(bpe):
    line = "the cat sat on a mat and the cat sat on a mat. the cat."
    translation = make(bpe).translate(line, options("greedy", max_source_tokens=6))
    assert translation.text == line
    assert len(translation.sentences) == 2


def test_one_line_in_one_line_out(bpe):
    lines = ["", "  ", "...", "a.\u2028b.", "\ud800. x.", ". . .", "a.\x00b. c.", "cat. " * 300]
    found = list(make(bpe).translate(lines, options("greedy")))
    assert [each.number for each in found] == list(range(len(lines)))
    assert all("\n" not in each.text and len(each.text.splitlines()) <= 1 for each in found)
