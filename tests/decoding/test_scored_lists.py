"""The format `scored`: a line of hypotheses with their scores, which `nmt augment` writes and reads."""

import dataclasses

import pytest

from nmt.decoding.output_formats import parse_scored, render
from nmt.decoding.translation import EMPTY_TARGET, Translation


def target(text: str, log_prob: float, tokens: int):
    return dataclasses.replace(
        EMPTY_TARGET, text=text, log_prob=log_prob, token_log_probs=(log_prob / tokens,) * tokens
    )


def test_hypotheses_are_read_back_with_their_scores_per_token() -> None:
    targets = (target('ä "b" ||| [c]\u2028\x85', -3.0, 2), target("d", -1.0, 3), EMPTY_TARGET)
    line = render(Translation(0, "x", (), targets), "scored", 3, with_alignment=False)
    assert line.endswith("]]\n") and len(line.splitlines()) == 1
    assert parse_scored(line.removesuffix("\n")) == [('ä "b" ||| [c]\u2028\x85', -1.5), ("d", -0.3333), ("", 0.0)]


@pytest.mark.parametrize("line", ["", "{", "1", "null", "[1]", '[["a"]]', '[["a", "b"]]', '[["a", null]]', '{"a": 1}'])
def test_other_lines_are_errors(line: str) -> None:
    with pytest.raises(ValueError):
        parse_scored(line)
