"""scripts/experiments/tune.py with a stub in place of `nmt`."""

import argparse
import gzip
import json
from pathlib import Path

import pytest

from nmt.errors import NmtError
from scripts.experiments import tune

RESULT = {"metric": "BLEU", "sentences": 2, "before": 1.0, "after": 2.5, "p_value": 0.01, "signature": "s"}


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    monkeypatch.chdir(tmp_path)
    for folder, sets in (("captions", ("train", "val", "test_2016_flickr")), ("help", ("train", "valid", "test"))):
        Path(folder).mkdir()
        for name in sets:
            for language in ("en", "de"):
                text = "".join(f"{folder} {language} {n}\n" for n in range(9))
                Path(folder, f"{name}.{language}.gz").write_bytes(gzip.compress(text.encode()))
    return argparse.Namespace(
        captions=Path("captions"), help_texts=Path("help"), source="en", target="de", pairs=3, evaluated=None, steps=20,
        tune_steps=7, new_pairs=None, mix=[0.5, 1.0], new_subwords=None, seed=2, json=Path("out.json"),
    )  # fmt: skip


def test_each_model_is_adapted_to_the_other_domain(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[str, ...]] = []

    def stub(*arguments: str) -> str:
        calls.append(arguments)
        if arguments[0] == "tune":
            run = Path("runs") / arguments[arguments.index("--name") + 1]
            run.mkdir(parents=True)
            results = [{"test_set": name, **RESULT} for name in ("test", "old")]
            (run / "tuning.json").write_text(json.dumps(results))
        return ""

    monkeypatch.setattr(tune, "nmt", stub)
    monkeypatch.setattr(tune, "train_once", lambda config, name, seed, steps: Path("runs") / name)
    tune.run(options)
    rows = [line.split() for line in capsys.readouterr().out.split("\n")[1:9]]
    assert [row[:4] for row in rows] == [
        [old, new, mix, domain]
        for old, new in (("captions", "help"), ("help", "captions"))
        for mix in ("0.5", "1")
        for domain in (new, old)
    ]
    assert all(row[4:] == ["BLEU", "1.00", "2.50", "0.010"] for row in rows)
    tunes = [call for call in calls if call[0] == "tune"]
    assert len(tunes) == 4 and tunes[0][1:4] == ("runs/captions-3-seed2", "help-3.en", "help-3.de")
    assert tunes[0][tunes[0].index("--valid") + 1] == "help/valid.en.gz" and "seed=2" in tunes[0]
    drawn = [Path(f"help-3.{language}").read_text().split("\n")[:-1] for language in ("en", "de")]
    assert [line.replace("en", "de") for line in drawn[0]] == drawn[1] and len(drawn[0]) == 3
    before = len(calls)
    tune.run(options)  # nothing is adapted again
    assert [call[0] for call in calls[before:]] == ["init"] * 2
    assert len(json.loads(Path("out.json").read_text())) == 8


def test_sets_are_cut_for_quick_trials(options: argparse.Namespace) -> None:
    options.evaluated = 2
    domain = tune.Domain("help", Path("help"), "valid", "test")
    assert domain.evaluated(options) == [
        word for name in ("valid", "test") for side in ("en", "de") for word in (f"--{name}", f"help-{name}.{side}")
    ]
    assert Path("help-test.de").read_text() == "help de 0\nhelp de 1\n"


def test_too_many_pairs(options: argparse.Namespace) -> None:
    options.pairs = 10
    with pytest.raises(NmtError, match="--pairs 10: captions has 9"):
        tune.run(options)
