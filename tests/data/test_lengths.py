"""How long the training sources were is measured as translation counts tokens."""

import json
from pathlib import Path
from typing import Any

import pytest

from nmt import config
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.source_lengths import measure, read_usual
from nmt.training.session import train


def made(folder: Path, sources: list[str], tag: str | None = None) -> tuple[Prepared, config.Config]:
    for name, lines in (("s", sources), ("t", ["x y"] * len(sources)), ("v", ["a b"])):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    corpus = {"source": str(folder / "s"), "target": str(folder / "t"), **({"tag": tag} if tag else {})}
    valid = {"source": str(folder / "v"), "target": str(folder / "v"), **({"tag": tag} if tag else {})}
    data = {"train": corpus, "valid": valid, "prepared": str(folder / "prepared"), "workers": 1}
    subword = {"kind": "word", "vocab_size": 100, "user_symbols": [tag] if tag else []}
    values = config.parse({"name": "x", "data": data, "subword": subword, "training": {"max_tokens": 60}}, "test")
    return preprocess(values, lambda line: None), values


def test_the_usual_length_is_what_999_of_1000_do_not_exceed(tmp_path: Path) -> None:
    sources = [" ".join("abcdefghij"[: 1 + i % 10]) + f" {'abcdefgh'[i % 8]}" for i in range(1998)]
    sources += [" ".join("a" * 50), " ".join("b" * 40), " ".join("c" * 61)]
    prepared, values = made(tmp_path, sources)
    path = tmp_path / "lengths.json"
    path.write_text(measure(prepared, values.data.train, values.training.max_tokens), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["max_tokens"] == 50, "the line of 61 tokens was not trained on"
    assert found["usual_tokens"] == read_usual(path) == 11


def test_tags_do_not_count(tmp_path: Path) -> None:
    prepared, values = made(tmp_path, ["a b c", "a b"], "<2de>")
    assert json.loads(measure(prepared, values.data.train, 60))["max_tokens"] == 3


def test_a_file_that_is_missing_or_damaged_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lengths.json"
    assert read_usual(path) is None
    for text in ("", "[]", "{}", '{"usual_tokens": "7"}', '{"usual_tokens": null}'):
        path.write_text(text, encoding="utf-8")
        assert read_usual(path) is None


def test_a_run_keeps_them_and_an_old_one_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, values = made(tmp_path, ["a b c", "a b"] * 20)
    small: dict[str, Any] = {"embedding": {"size": 4}, "encoder": {"size": 4}, "decoder": {"size": 4}}
    training = {"max_steps": 1, "validation_bleu": False, "metric": "loss"}
    values = config.parse(
        {**values.model_dump(mode="json"), "model": small, "training": training, "decoding": {"max_source_tokens": 1}},
        "test",
    )
    said: list[str] = []
    run = train(values, False, said.append)
    assert read_usual(run.lengths) == 3
    run.lengths.unlink()
    longer = values.model_copy(update={"training": values.training.model_copy(update={"max_steps": 2})})
    assert read_usual(train(longer, True, said.append).lengths) == 3
