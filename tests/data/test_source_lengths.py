"""The lengths of the training sources are counted in tokens without tags, and kept in the run folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from text_files import write_lines

from nmt import config
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.source_lengths import measure_lengths, read_typical_length
from nmt.training.session import train


def made(folder: Path, sources: list[str], tag: str | None = None) -> tuple[Prepared, config.Config]:
    for name, lines in (("s", sources), ("t", ["x y"] * len(sources)), ("v", ["a b"])):
        write_lines(folder / name, lines)
    corpus = {"source": str(folder / "s"), "target": str(folder / "t"), **({"tag": tag} if tag else {})}
    valid = {"source": str(folder / "v"), "target": str(folder / "v"), **({"tag": tag} if tag else {})}
    data = {"train": corpus, "valid": valid, "prepared": str(folder / "prepared"), "workers": 1}
    subword = {"kind": "word", "vocab_size": 100, "user_symbols": [tag] if tag else []}
    values = config.parse({"name": "x", "data": data, "subword": subword, "training": {"max_tokens": 60}}, "test")
    return preprocess(values), values


def test_the_typical_length_is_not_exceeded_by_999_of_1000_lines(tmp_path: Path) -> None:
    sources = [" ".join("abcdefghij"[: 1 + i % 10]) + f" {'abcdefgh'[i % 8]}" for i in range(1998)]
    sources += [" ".join("a" * 50), " ".join("b" * 40), " ".join("c" * 61)]
    prepared, values = made(tmp_path, sources)
    path = tmp_path / "lengths.json"
    path.write_text(measure_lengths(prepared, values.data.train, values.training.max_tokens), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["max_tokens"] == 50, "the line of 61 tokens was not trained on"
    assert found["usual_tokens"] == read_typical_length(path) == 11


def test_tags_are_not_counted(tmp_path: Path) -> None:
    prepared, values = made(tmp_path, ["a b c", "a b"], "<2de>")
    assert json.loads(measure_lengths(prepared, values.data.train, 60))["max_tokens"] == 3


def test_a_missing_or_damaged_file_gives_no_typical_length(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    assert read_typical_length(path) is None
    for text in ("", "[]", "{}", '{"usual_tokens": "7"}', '{"usual_tokens": null}'):
        path.write_text(text, encoding="utf-8")
        assert read_typical_length(path) is None


def test_a_run_keeps_the_lengths_and_an_old_run_gets_them_when_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nmt.reports.report_page.write_report", lambda folder: None)  # it takes longer than the rest
    _, values = made(tmp_path, ["a b c", "a b"] * 20)
    small: dict[str, Any] = {"embedding": {"size": 4}, "encoder": {"size": 4}, "decoder": {"size": 4}}
    training = {"max_steps": 1, "validation_bleu": False, "metric": "loss"}
    values = config.parse(
        {**values.model_dump(mode="json"), "model": small, "training": training, "decoding": {"max_source_tokens": 1}},
        "test",
    )
    run = train(values)
    assert read_typical_length(run.lengths) == 3
    run.lengths.unlink()
    longer = values.model_copy(update={"training": values.training.model_copy(update={"max_steps": 2})})
    assert read_typical_length(train(longer, resume=True).lengths) == 3
