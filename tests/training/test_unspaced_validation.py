"""Validation BLEU of languages written without spaces, and the hint if the language code is missing."""

from pathlib import Path

import pytest

from nmt import config
from nmt.evaluation.metrics import sentence_scorer, validation_bleu
from nmt.storage.run_folder import read_log
from nmt.training.session import train
from nmt.training.validation import bleu_hint

TEXT = {
    "th": "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะ",
    "cmn": "今天天气很好我们去公园散步",
    "yue_Hant": "今日天氣好好我哋去公園行下",
    "jpn": "今日は天気がいいので公園へ散歩に行きます",
    "khm": "មនុស្សទាំងអស់កើតមកមានសេរីភាព",
    "my": "လူတိုင်းသည်တူညီလွတ်လပ်သောဂုဏ်သိက္ခာ",
    "lao": "ມະນຸດທຸກຄົນເກີດມາມີອິດສະຫຼະພາບ",
    "dz": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་",
}


def settings(language: str, **training: object) -> config.Config:
    corpus = {"source": "x.src", "target": "x.tgt"}
    values = {"max_steps": 1, "validate_every": 1, "threads": 1, **training}
    return config.parse(
        {
            "name": "run",
            "data": {"train": corpus, "valid": corpus, "target_language": language, "workers": 1},
            "subword": {"kind": "char", "vocab_size": 60},
            "model": {"embedding": {"size": 4}, "encoder": {"size": 4}, "decoder": {"size": 4}},
            "training": values,
        },
        "test",
    )


@pytest.mark.parametrize("code", TEXT)
def test_bleu_with_one_wrong_letter_is_not_0(code: str) -> None:
    reference = TEXT[code]
    assert 50 < validation_bleu([reference[:-1]], [reference], code) < 100
    assert 50 < sentence_scorer(code)(reference[:-1], reference) < 100


@pytest.mark.parametrize(
    ("language", "training", "is_shown"),
    [
        ("tgt", {}, True),
        ("tgt", {"validation_bleu": False, "metric": "loss"}, False),
        ("tgt", {"validation_bleu": False, "metric": "loss", "objective": "risk", "init_from": "other"}, True),
        ("th", {}, False),
    ],
)
def test_the_hint_is_given_if_bleu_is_used(language: str, training: dict[str, object], is_shown: bool) -> None:
    assert (bleu_hint(settings(language, **training), [TEXT["th"]]) is not None) == is_shown


@pytest.mark.parametrize(("language", "is_shown"), [("tgt", True), ("tha_Thai", False)])
def test_training_shows_the_hint_at_its_start(
    language: str, is_shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix, line in (("src", "a b c d"), ("tgt", TEXT["th"])):
        Path(f"x.{suffix}").write_text(f"{line}\n" * 8, encoding="utf-8")
    run = train(settings(language))
    shown = [line for line in messages if "set data.target_language to its code, e.g. th" in line]
    assert len(shown) == is_shown
    assert any("bleu" in entry for entry in read_log(run.log))
