"""`Translator` with a model that copies its source: lines in, lines out, alignments, copied words and scores."""

import dataclasses
import itertools
import json
import random

import numpy as np
import pytest
from toy_model import EchoModel, ToyModel
from toy_translator import WORDS, data, make

from nmt import config
from nmt.data.lines import normalize, one_line
from nmt.data.subword import Subword
from nmt.decoding import translator as translator_module
from nmt.decoding.output_formats import render, render_alignments
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError

HOSTILE = [
    "",
    "   ",
    "\u2028",
    "the\u2028cat",
    "a\x0cb\x85c",
    "nul\x00nul",
    "cr\rcr",
    "\ufffd\ufffd",
    "tab\tand\u00a0space",
    "\x1c\x1d\x1e",
    "😀 \u200b zero width",
    "\ud800",
    "the cat",
]


def make_options(method="greedy", **rest):
    return SearchOptions(method=method, beam_size=2, with_alignment=True, **rest)


def test_any_line_gives_exactly_one_line(bpe):
    for model in (EchoModel(bpe.size), ToyModel(bpe.size, end=3.0)):
        found = list(make(bpe, model).translate(HOSTILE, make_options()))
        assert [t.number for t in found] == list(range(len(HOSTILE)))
        for line, translation in zip(HOSTILE, found, strict=True):
            printed = render(translation, "text", 1, True)
            assert printed.endswith("\n") and len(printed[:-1].splitlines()) <= 1
            printed.encode()
            parsed = json.loads(render(translation, "json", 1, False))
            assert parsed["source"] == one_line(line)
            assert len(render(translation, "json", 1, False).splitlines()) == 1
            if not normalize(line, data()):
                assert translation.targets[0].text == ""


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("window", "budget"), [(1, 1), (3, 20), (100, 4096)])
def test_translations_have_the_order_of_the_lines(bpe, live, window, budget):
    chosen = random.Random(1)
    lines = [" ".join(chosen.choices(WORDS, k=chosen.randrange(12))) for _ in range(40)]
    translator = make(bpe)
    options = make_options("beam", window=window, tokens_per_batch=budget)
    windows = translator.windows(lines, options, live=live)
    assert [t.text for t in itertools.chain.from_iterable(windows)] == lines


def test_windows_with_many_characters_have_few_lines_and_are_read_one_by_one(bpe, monkeypatch):
    """Little work is lost when a translation is interrupted. Results do not depend on it."""
    monkeypatch.setattr(translator_module, "MAX_CHARACTERS", 40)
    taken = []
    lines = (taken.append(line) or line for line in ["the cat sat"] * 7)
    found = []
    for window in make(bpe).windows(lines, make_options("beam", window=100), first=10):
        assert len(taken) == len(found) + min(2, 7 - len(found))  # two hypotheses of 22 characters
        found += window
    assert [t.number for t in found] == list(range(10, 17))


def test_on_batch_is_called_with_the_finished_lines_of_each_batch(bpe):
    told = []
    lines = ["the cat", "", "a mat and the cat. " * 9, "a mat"]
    translator = make(bpe)
    options = make_options(tokens_per_batch=1, max_source_tokens=20)
    found = list(translator.translate(lines, options, on_batch=lambda lines, tokens: told.append((lines, tokens))))
    assert told[0] == (1, 0) and sum(lines for lines, _ in told) == 4 and len(told) > 4
    assert sum(tokens for _, tokens in told) == sum(len(t.targets[0].token_log_probs) for t in found)


def test_the_model_is_not_called_for_empty_lines(bpe):
    model = EchoModel(bpe.size)
    assert [t.targets[0].text for t in make(bpe, model).translate(["", " "], make_options())] == ["", ""]
    assert model.calls == []


def test_batches_have_at_most_tokens_per_batch(bpe):
    model = EchoModel(bpe.size)
    list(make(bpe, model).translate(["the cat sat."] * 50 + ["a"] * 50, make_options(tokens_per_batch=30)))
    assert max(rows * width for rows, width in model.calls) <= 30
    assert len(model.calls) < 40


@pytest.mark.parametrize("language", ["de", "zh"])
def test_long_lines_are_split_and_joined(bpe, language):
    chosen = random.Random(2)
    long = " ".join(" ".join(chosen.choices(WORDS, k=9)) + "." for _ in range(60))
    model = EchoModel(bpe.size)
    found = list(make(bpe, model, language).translate(["the cat", long, "a mat"], make_options(max_source_tokens=40)))
    assert [t.targets[0].text for t in (found[0], found[2])] == ["the cat", "a mat"]
    assert max(width for _, width in model.calls) <= 41
    text = found[1].targets[0].text
    assert text.replace(" ", "") == long.replace(" ", "")
    if language == "de":
        assert text == long
        assert found[1].targets[0].alignment == tuple((i, i) for i in range(len(long.split(" "))))


def test_alignments_refer_to_printed_words(bpe):
    line = "  the\u00a0cat  sat on a mat."
    translation = next(make(bpe).translate([line], make_options("beam")))
    target = translation.targets[0]
    assert target.text == "the cat sat on a mat."
    # The no-break space separates words after normalisation, but not in the input.
    assert target.alignment == ((0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5))
    assert target.attention.shape == (len(target.pieces), len(translation.source_pieces) + 1)
    assert render(translation, "text", 1, True) == "the cat sat on a mat. ||| 0-0 0-1 1-2 2-3 3-4 4-5\n"
    assert render_alignments(translation, "text", 1) == "0-0 0-1 1-2 2-3 3-4 4-5\n"


def test_single_unknown_characters_are_copied_from_a_source_without_spaces(characters):
    line = "猫坐在龘垫子上"
    for language in ("zh", "zh-CN", "zh_Hant", "cmn", "tha_Thai", "bo", "JPN"):
        translator = make(characters, language=language, source=language)
        assert next(translator.translate([line], make_options(replace_unknown=True))).targets[0].text == line


def test_unknown_words_of_a_prefix_are_kept(characters):
    line, prefix = "the cat sat", "the Ωmet cat"
    for options in (make_options(), make_options("beam", replace_unknown=True)):
        for found in make(characters).translate([line, line], options, prefixes=[prefix, ""]):
            assert found.targets[0].text.startswith(prefix if found.number == 0 else "the cat")


def test_with_a_copying_model_only_unknown_source_words_are_copied(characters):
    class ShiftedAttention(EchoModel):
        """Attends to the word to the left."""

        def step(self, token, state, memory, wanted):
            state, prediction = super().step(token, state, memory, wanted)
            return state, dataclasses.replace(prediction, alignment=np.roll(prediction.alignment, -4, -1))

    line = "cat Ωmet"
    options = make_options(replace_unknown=True)
    pairs = ((False,), (True, False))  # whether the models of an ensemble copy
    makers = [make(characters, ShiftedAttention(characters.size), copies=copies) for copies in pairs]
    found = [next(translator.translate([line], options)) for translator in makers]
    assert [translation.targets[0].text for translation in found] == ["cat cat", "cat Ωmet"]


def test_lines_for_a_model_with_several_tags_need_a_tag(bpe):
    model = EchoModel(bpe.size)
    assert [
        t.targets[0].text for t in make(bpe, model, tags=["the"]).translate(["cat", "the mat"], make_options())
    ] == [
        "the cat",
        "the mat",
    ]
    several = make(bpe, model, tags=["the", "a"])
    assert [t.targets[0].text for t in several.translate(["a cat", ""], make_options())] == ["a cat", ""]
    assert next(several.translate(["cat"], make_options(tag="a"))).targets[0].text == "a cat"
    with pytest.raises(NmtError, match=r"line 2: .*--tag, or begin the line with one of the tags the, a"):
        list(several.translate(["the cat", "cat"], make_options()))
    with pytest.raises(NmtError, match=r"pair 1: .*--tag"):
        list(several.token_log_probs([("cat", "mat")], 100))
    assert next(make(bpe, model, tags=["the", None]).translate(["cat"], make_options())).targets[0].text == "cat"


def test_unknown_words_are_replaced_by_source_words(characters):
    line = "the Ωmet cat ξ."
    plain = next(make(characters).translate([line], make_options()))
    assert plain.targets[0].text == "the ⁇met cat ⁇."
    for method in ("greedy", "beam"):
        copied = next(make(characters).translate([line], make_options(method, replace_unknown=True)))
        assert copied.targets[0].text == "the Ωmet cat ξ."
        assert copied.targets[0].alignment == ((0, 0), (1, 1), (2, 2), (3, 3))


def test_translations_begin_with_their_prefixes(bpe):
    translator = make(bpe, ToyModel(bpe.size))
    lines, prefixes = ["the cat", "a mat", ""], ["on a", "", "on"]
    for method in ("greedy", "beam", "sample"):
        found = list(translator.translate(lines, make_options(method, window=2), prefixes=prefixes))
        assert found[0].targets[0].text.startswith("on a")
        assert list(found[0].targets[0].pieces[:2]) == bpe.pieces(bpe.encode(["on a"])[0][:2])
        assert found[2].targets[0].text == ""


def test_samples_depend_only_on_the_line_number(bpe):
    translator = make(bpe, ToyModel(bpe.size))
    lines = ["the cat", "a mat", "the cat", "sat on a mat and"]
    texts = [
        [t.targets[0].text for t in translator.translate(lines, make_options("sample", window=w, tokens_per_batch=b))]
        for w, b in ((1, 1), (2, 50), (10, 1000))
    ]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0][0] != texts[0][2]


def test_forced_decoding_gives_the_log_prob_of_the_search(bpe):
    translator = make(bpe, ToyModel(bpe.size, end=2.0))
    lines = ["the cat sat", "a mat", "", "and"]
    for translation in translator.translate(lines, make_options("beam", n_best=2)):
        for target in translation.targets:
            if not target.pieces or bpe.pieces(bpe.encode([target.text])[0]) != list(target.pieces):
                continue
            (pieces, values) = next(translator.token_log_probs([(translation.source, target.text)], 100))
            assert pieces[-1] == "</s>" and len(pieces) == len(values)
            assert values == pytest.approx(target.token_log_probs, abs=1e-5)
    many = [(a, b) for a in lines for b in lines]
    whole = list(translator.token_log_probs(many, 10, window=3))
    for pair, (pieces, values) in zip(many, whole, strict=True):
        alone = next(translator.token_log_probs([pair], 100))
        assert alone[0] == pieces and alone[1] == pytest.approx(values, abs=1e-5)


def test_output_formats(bpe):
    translation = next(make(bpe).translate(["the cat"], make_options("beam", n_best=2)))
    text = render(translation, "text", 2, False).split("\n")
    assert text[0] == "the cat" and len(text) == 3 and text[2] == ""
    moses = render(translation, "moses", 2, False).split("\n")
    target = translation.targets[0]
    assert moses[0] == f"0 ||| the cat ||| F0= {target.log_prob:.6f} ||| {target.score:.6f}"
    assert moses[1].startswith("0 ||| ")
    parsed = json.loads(render(translation, "json", 2, False))
    assert parsed["source"] == "the cat"
    assert [h["text"] for h in parsed["hypotheses"]] == [t.text for t in translation.targets]
    assert parsed["hypotheses"][0]["alignment"] == [[0, 0], [1, 1]]
    empty = next(make(bpe).translate([""], make_options("beam", n_best=2)))
    assert render(empty, "text", 2, False) == "\n\n"
    assert render(empty, "moses", 2, False) == "0 |||  ||| F0= 0.000000 ||| 0.000000\n"
    assert render_alignments(empty, "text", 2) == "\n\n"


@pytest.fixture(scope="module")
def word_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    return Subword.train(["the cat sees a dog"] * 5, folder / "word.model", config.Subword(kind="word"), 400)


@pytest.mark.parametrize("replaces", [True, False])
def test_out_of_vocabulary_words_are_copied_unchanged(word_model, replaces):
    line = "Zora sees the Kuno and Zora 's Kuno dog"
    copying = make(word_model, EchoModel(word_model.size + 5), copies=(True,))
    options = make_options(replace_unknown=replaces)
    [found] = copying.translate([line], options)
    assert found.targets[0].text == line
    assert found.targets[0].pieces == found.source_pieces == tuple(f"▁{word}" for word in line.split())
    assert found.targets[0].alignment == tuple((i, i) for i in range(9))
    [cut] = copying.translate([line], options.changed(max_source_tokens=3))
    assert cut.targets[0].text == line
    [known, begun] = copying.translate(["the cat", line], options, prefixes=["Kuno", "Kuno Ida a"])
    assert known.targets[0].text == "Kuno cat" and begun.targets[0].text.startswith("Kuno Ida a Kuno and")
    plain = make(word_model, EchoModel(word_model.size), copies=(True, False))
    [found] = plain.translate([line], make_options(replace_unknown=False))
    assert found.targets[0].text == "⁇ sees the ⁇ ⁇ ⁇ ⁇ ⁇ dog"
    assert found.targets[0].pieces == found.source_pieces == ("▁⁇", "▁sees", "▁the", *["▁⁇"] * 5, "▁dog")


def test_probabilities_depend_on_the_copied_word(word_model):
    copying = make(word_model, EchoModel(word_model.size + 2), copies=(True,))
    right, wrong = copying.token_log_probs(
        [("Zora sees Kuno", "Zora sees Kuno"), ("Zora sees Kuno", "Kuno sees Zora")], 64
    )
    assert right[0] == ["▁Zora", "▁sees", "▁Kuno", "</s>"] and wrong[0] == ["▁Kuno", "▁sees", "▁Zora", "</s>"]
    assert right[1][0] > wrong[1][0] + 5 and right[1][1] == wrong[1][1]
