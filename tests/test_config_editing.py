"""Values of a configuration file are replaced in its text; comments and other keys stay as they are."""

from pathlib import Path
from typing import Any

import pytest

from nmt.config import load, resolve
from nmt.config.editing import edited
from nmt.errors import NmtError

DATA = "name: x\ndata:\n  train: {source: a, target: b}\n  valid: {source: a, target: b}\n"
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "values": (
        "decoding:\n  beam_size: 3  # narrow\n  alpha: 0.5 # low\n\n# end\n",
        {"alpha": 0.6, "beam_size": 12},
        "decoding:\n  beam_size: 12  # narrow\n  alpha: 0.6 # low\n\n# end\n",
    ),
    "new key": (
        "# before\ndecoding:\n    # narrow\n    beam_size: 3\n# after\n",
        {"length_penalty": "gnmt"},
        "# before\ndecoding:\n    # narrow\n    length_penalty: gnmt\n    beam_size: 3\n# after\n",
    ),
    "new section": ("# end", {"alpha": 0.00001}, "# end\ndecoding:\n  alpha: 1.0e-05\n"),
    "flow": (
        "decoding: {beam_size: 3}  # x\n",
        {"alpha": 2, "beam_size": 1},
        "decoding: {alpha: 2, beam_size: 1}  # x\n",
    ),
    "empty flow": ("decoding: {}\n", {"alpha": 2.0}, "decoding: {alpha: 2.0}\n"),
    "quoted": (
        "decoding:\n  length_penalty: 'gnmt'\n",
        {"length_penalty": "none"},
        "decoding:\n  length_penalty: none\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "values", "expected"), CASES.values(), ids=CASES)
def test_only_the_values_change(tmp_path: Path, text: str, values: dict[str, Any], expected: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(DATA + text, encoding="utf-8")
    assert edited(path, "decoding", values) == DATA + expected


@pytest.mark.parametrize(
    "text", ["decoding:\n  beam_size: &a 3\n  no_repeat_ngram: *a\n", "decoding: {alpha: 1.0}\n...\n"]
)
def test_the_result_is_right_even_where_the_text_cannot_be_edited(tmp_path: Path, text: str) -> None:
    path, new = tmp_path / "config.yaml", tmp_path / "new.yaml"
    path.write_text(DATA + text, encoding="utf-8")
    new.write_text(edited(path, "decoding", {"no_repeat_ngram": 4, "alpha": 0.5}), encoding="utf-8")
    assert load(new) == resolve(path, {"decoding.no_repeat_ngram": 4, "decoding.alpha": 0.5})


def test_an_invalid_result_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(DATA, encoding="utf-8")
    with pytest.raises(NmtError, match="beam_size"):
        edited(path, "decoding", {"beam_size": 0})
