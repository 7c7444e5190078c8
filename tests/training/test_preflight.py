"""What is found before hours go into a run."""

from pathlib import Path

import pytest
from tiny_training import run, tiny

from nmt import config
from nmt.cli.config import command
from nmt.errors import NmtError
from nmt.training.session import train


def with_data(name="run", **data):
    values = tiny(name).model_dump(mode="json")
    values["data"] |= data
    return values


TEST = {"source": "test.src", "target": "test.tgt"}


def test_a_missing_test_file_is_named_before_training_with_its_key(here):
    Path("test.src").write_text("ba\n")
    values = with_data(test={"flickr": TEST, "folder": {"tsv": str(here)}})
    with pytest.raises(NmtError) as caught:
        run(config.parse(values, "test"))
    assert str(caught.value).split("\n") == [
        "data.test.flickr.target: no such file: test.tgt",
        f"data.test.folder.tsv: not a regular file: {here}",
        f"paths are relative to the working directory, {here}",
    ]
    assert not Path("prepared-False").exists() and not Path("runs").exists()


def test_all_files_of_a_run_are_looked_for_at_once(here):
    Path("train.src").unlink()
    Path("valid.tgt").unlink()
    with pytest.raises(
        NmtError, match=r"data\.train\.0\.source: no such file: train\.src\ndata\.valid\.target: no such"
    ):
        run(tiny())


def test_misaligned_text_is_found_before_training(here):
    Path("test.src").write_text("ba\nbe\n")
    Path("test.tgt").write_text("BA\n")
    with pytest.raises(NmtError, match=r"data\.test\.flickr: test\.src has 2 lines but test\.tgt has 1"):
        run(config.parse(with_data(test={"flickr": TEST}), "test"))
    assert not Path("prepared-False").exists()


def test_a_run_that_has_begun_goes_on_without_its_test_files(here):
    run(tiny(max_steps=3))
    values = with_data(test={"flickr": TEST})
    heard = []
    train(config.parse(values, "test"), True, heard.append)
    assert any("nmt evaluate will miss:\ndata.test.flickr.source: no such file: test.src" in line for line in heard)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lowercase", True, "data.lowercase is false there and true here"),
        ("normalization", "nfkc", 'data.normalization is "nfc" there and "nfkc" here'),
        ("collapse_whitespace", False, "data.collapse_whitespace is true there and false here"),
    ],
)
def test_weights_of_a_run_that_normalised_its_text_otherwise_are_refused(here, key, value, message, capsys):
    first = run(tiny("first", max_steps=3))
    values = with_data("second", **{key: value, "prepared": "prepared-second"})
    values["training"]["init_from"] = str(first.folder)
    settings = config.parse(values, "test")
    with pytest.raises(NmtError) as caught:
        run(settings)
    assert str(caught.value).startswith(f"training.init_from: runs/first/config.yaml: {message}; ")
    assert not settings.prepared.exists()
    Path("c.yaml").write_text(config.dump(settings))
    with pytest.raises(NmtError, match=r"c\.yaml: training\.init_from: runs/first/config\.yaml: data\."):
        command.main(["check", "-c", "c.yaml"], standalone_mode=False)
    # The subword model alone may be taken, with a warning.
    values["training"]["init_from"] = None
    values["subword"]["reuse"] = str(first.folder)
    values["training"]["max_steps"] = 1
    settings = config.parse(values, "test")
    Path("c.yaml").write_text(config.dump(settings))
    capsys.readouterr()
    command.main(["check", "-c", "c.yaml"], standalone_mode=False)
    out, err = capsys.readouterr()
    assert out.startswith("c.yaml: valid") and f"warning: subword.reuse: runs/first/config.yaml: {message}; " in err
    heard = []
    train(settings, False, heard.append)
    assert [line.startswith("warning: subword.reuse: ") for line in heard].count(True) == 1


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "runs/first/checkpoints/step-3/model.safetensors",
            "is a file; name the run folder, runs/first, or a checkpoint folder, such as runs/first/checkpoints/step-3",
        ),
        ("runs/first/config.yaml", "is a file; name the run folder, runs/first, or a checkpoint folder, such as "),
        (
            "runs/first/checkpoints",
            "is not a run folder; name the run folder, runs/first, or a checkpoint folder, such",
        ),
        ("runs/first/checkpoints/step-3/training", "is not a run folder; name the run folder, runs/first, or "),
        ("runs/first/no", "no such file or folder; name the run folder, runs/first, or a checkpoint folder"),
        ("train.src", "is a file; name the folder of a run (runs/NAME) or of one of its checkpoints"),
    ],
)
def test_what_lies_inside_a_run_is_not_taken_for_a_run(here, place, message):
    run(tiny("first", max_steps=3))
    for prefix in ("", f"{here}/"):
        with pytest.raises(NmtError) as caught:
            run(tiny("second", init_from=prefix + place))
        expected = message.replace("runs/first", f"{prefix}runs/first")
        assert str(caught.value).startswith(f"training.init_from: {prefix}{place}: {expected}")
