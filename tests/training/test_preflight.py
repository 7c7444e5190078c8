"""Errors that are found before training starts."""

from pathlib import Path

import pytest
from tiny_training import changed, tiny

from nmt import config
from nmt.cli.config import command
from nmt.errors import NmtError
from nmt.training.session import train

TEST = {"source": "test.src", "target": "test.tgt"}


def test_a_missing_test_file_is_reported_with_its_key(corpus_folder):
    Path("test.src").write_text("ba\n")
    with pytest.raises(NmtError) as caught:
        train(changed(tiny(), data={"test": {"flickr": TEST, "folder": {"tsv": str(corpus_folder)}}}))
    assert str(caught.value).split("\n") == [
        "data.test.flickr.target: no such file: test.tgt",
        f"data.test.folder.tsv: not a regular file: {corpus_folder}",
        f"paths are relative to the working directory, {corpus_folder}",
    ]
    assert not Path("prepared-False").exists() and not Path("runs").exists()


def test_all_missing_files_are_reported_at_once(corpus_folder):
    Path("train.src").unlink()
    Path("valid.tgt").unlink()
    with pytest.raises(
        NmtError, match=r"data\.train\.0\.source: no such file: train\.src\ndata\.valid\.target: no such"
    ):
        train(tiny())


def test_misaligned_text_is_found_before_training(corpus_folder):
    Path("test.src").write_text("ba\nbe\n")
    Path("test.tgt").write_text("BA\n")
    with pytest.raises(NmtError, match=r"data\.test\.flickr: test\.src has 2 lines but test\.tgt has 1"):
        train(changed(tiny(), data={"test": {"flickr": TEST}}))
    assert not Path("prepared-False").exists()


def test_a_run_is_resumed_without_its_test_files(corpus_folder, messages):
    train(tiny(max_steps=3))
    train(changed(tiny(), data={"test": {"flickr": TEST}}), resume=True)
    expected = "warning: nmt evaluate will miss:\ndata.test.flickr.source: no such file: test.src"
    assert any(expected in line for line in messages)


NORMALIZATIONS = {
    "lowercase": (True, "data.lowercase is false there and true here"),
    "normalization": ("nfkc", 'data.normalization is "nfc" there and "nfkc" here'),
    "collapse_whitespace": (False, "data.collapse_whitespace is true there and false here"),
}


def test_initial_weights_of_a_run_with_another_normalisation_are_rejected(corpus_folder, capsys, messages):
    first = train(tiny("first", max_steps=3))
    for key, (value, message) in NORMALIZATIONS.items():
        settings = changed(
            tiny("second", init_from=str(first.folder)), data={key: value, "prepared": "prepared-second"}
        )
        with pytest.raises(NmtError) as caught:
            train(settings)
        assert str(caught.value).startswith(f"training.init_from: runs/first/config.yaml: {message}; ")
        assert not settings.prepared.exists()
        Path("c.yaml").write_text(config.dump(settings))
        with pytest.raises(NmtError, match=r"c\.yaml: training\.init_from: runs/first/config\.yaml: data\."):
            command.main(["check", "-c", "c.yaml"], standalone_mode=False)
    # Its subword model alone may be reused, with a warning.
    settings = changed(settings, training={"init_from": None, "max_steps": 1}, subword={"reuse": str(first.folder)})
    Path("c.yaml").write_text(config.dump(settings))
    messages.clear()
    command.main(["check", "-c", "c.yaml"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("c.yaml: valid")
    assert any(f"subword.reuse: runs/first/config.yaml: {message}; " in line for line in messages)
    messages.clear()
    train(settings)
    assert ["subword.reuse: runs/first" in line for line in messages].count(True) == 1


INSIDE = {
    "runs/first/checkpoints/step-3/model.safetensors": (
        "is a file; name the run folder, runs/first, or a checkpoint folder, such as runs/first/checkpoints/step-3"
    ),
    "runs/first/config.yaml": "is a file; name the run folder, runs/first, or a checkpoint folder, such as ",
    "runs/first/checkpoints": "is not a run folder; name the run folder, runs/first, or a checkpoint folder, such",
    "runs/first/checkpoints/step-3/training": "is not a run folder; name the run folder, runs/first, or ",
    "runs/first/no": "no such file or folder; name the run folder, runs/first, or a checkpoint folder",
    "train.src": "is a file; name the folder of a run (runs/NAME) or of one of its checkpoints",
}


def test_a_file_or_folder_inside_a_run_is_not_accepted_as_a_run(corpus_folder):
    train(tiny("first", max_steps=3))
    for place, message in INSIDE.items():
        for prefix in ("", f"{corpus_folder}/"):
            with pytest.raises(NmtError) as caught:
                train(tiny("second", init_from=prefix + place))
            expected = message.replace("runs/first", f"{prefix}runs/first")
            assert str(caught.value).startswith(f"training.init_from: {prefix}{place}: {expected}")
