"""The words of the training sources: found in text of each script, kept in the run, compared with other text."""

import json
from pathlib import Path
from typing import Any

import pytest
from text_files import write_lines

from nmt import config
from nmt.data import training_words
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.training_words import count_words, read_training_words, split_words, words_file
from nmt.training.session import train

TRAIN = ["The Cat sleeps .", "the dog runs .", "caf\u00e9 \ufb01sh"] * 2


def made(folder: Path, sources: list[str], name: str = "x", **sections: Any) -> tuple[Prepared, config.Config]:
    for file, lines in ((f"{name}.s", sources), (f"{name}.t", ["x y"] * len(sources)), ("v", ["the bird sleeps"])):
        write_lines(folder / file, lines)
    data = {
        "source_language": "en", "target_language": "de", "workers": 1, "prepared": str(folder / f"prepared-{name}"),
        "train": {"source": str(folder / f"{name}.s"), "target": str(folder / f"{name}.t")},
        "valid": {"source": str(folder / "v"), "target": str(folder / "v")},
    }  # fmt: skip
    values = {"name": name, "data": data, "subword": {"kind": "word", "vocab_size": 100}, **sections}
    parsed = config.parse(values, "test")
    return preprocess(parsed), parsed


def written(folder: Path, prepared: Prepared, values: config.Config, *others: Path) -> Path:
    path = folder / "words.json"
    path.write_text(words_file(prepared, values, *count_words(prepared, "en"), others), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "language", "words"),
    [
        ("The cat's dog, 7!", "en", ["The", "cat", "s", "dog", "7"]),
        ("中文。A", "zh", ["中", "文", "A"]),
        ("हिन्दी में पानी।", "hi", ["हिन्दी", "में", "पानी"]),
        ("", "en", []),
    ],
)
def test_words_are_found(line: str, language: str, words: list[str]) -> None:
    assert split_words(line, language) == words


@pytest.mark.parametrize("sampling", [0.0, 0.1])
def test_unseen_words_are_found_whatever_their_case(tmp_path: Path, sampling: float) -> None:
    prepared, values = made(tmp_path, TRAIN, subword={"kind": "unigram", "vocab_size": 300, "sampling": sampling})
    known = read_training_words([written(tmp_path, prepared, values)], "en")
    assert known is not None and known.sampled_pairs is None
    assert known.unseen("THE Cafe\u0301 fish, mice and 12 x2 dogs!") == (6, ["mice", "and", "dogs"])
    assert known.usual_share == pytest.approx(2 / 3, abs=1e-4)  # twice the share of the validation set: bird
    assert known.unseen("") == (0, [])


def test_models_of_an_ensemble_and_earlier_runs_add_their_words(tmp_path: Path) -> None:
    first = written(tmp_path, *made(tmp_path, TRAIN))
    first.rename(tmp_path / "first.json")
    second = written(tmp_path, *made(tmp_path, ["a bird sings"] * 2, "y"))
    both = read_training_words([tmp_path / "first.json", second], "en")
    assert both is not None and both.unseen("the cat sings loud") == (4, ["loud"])
    tuned = read_training_words([written(tmp_path, *made(tmp_path, ["b c"], "z"), tmp_path / "first.json")], "en")
    assert tuned is not None and tuned.unseen("the cat b sings") == (4, ["sings"])


def test_of_a_large_text_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_words, "MAX_PAIRS", 100)
    found = read_training_words([written(tmp_path, *made(tmp_path, [*TRAIN * 40, "rare"]))], "en")
    assert found is not None and found.sampled_pairs == 128 and found.unseen("rare cat") == (2, ["rare"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hashes": 7, "unseen_share": 0, "pairs": 1, "pairs_read": 1}'])
def test_a_missing_or_damaged_file_gives_no_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "words.json"
    assert read_training_words([path], "en") is None
    path.write_text(text, encoding="utf-8")
    assert read_training_words([path], "en") is None


def test_a_run_keeps_its_words_and_those_of_the_run_it_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small: dict[str, Any] = {"embedding": {"size": 4}, "encoder": {"size": 4}, "decoder": {"size": 4}}
    training = {"max_steps": 1, "validation_bleu": False, "metric": "loss"}
    _, values = made(tmp_path, TRAIN, model=small, training=training, subword={"kind": "unigram", "vocab_size": 300})
    first = train(values)
    reuse = {"reuse": str(first.folder)}
    _, values = made(
        tmp_path, ["new"] * 2, "y", model=small, training={**training, "init_from": str(first.folder)}, subword=reuse
    )
    second = train(values)
    for run, unseen in ((first, ["new"]), (second, [])):
        found = read_training_words([run.words], "en")
        assert found is not None and found.unseen("the dog new") == (3, unseen)
    assert sorted(json.loads(second.words.read_text(encoding="utf-8"))) == [
        "hashes",
        "pairs",
        "pairs_read",
        "unseen_share",
    ]
