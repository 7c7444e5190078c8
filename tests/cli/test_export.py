"""`nmt export`: the folder translates as the run does, wherever a run can be named, and is refused if it is damaged."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hidden_packages import environment_without
from text_files import write_lines
from tiny_run import SOURCE, make_run

from nmt.cli.main import cli
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.errors import NmtError
from nmt.runtime import export as exporting
from nmt.runtime.export import export
from nmt.runtime.graph_files import Graphs
from nmt.storage.run_folder import Run, find_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    made = make_run(tmp_path_factory.mktemp("export"))
    (made / "lengths.json").write_text('{"usual_tokens": 7}\n', encoding="utf-8")
    words = {"pairs": 4, "pairs_read": 4, "unseen_share": 0.0, "hashes": [7]}
    (made / "words.json").write_text(json.dumps(words), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def made(run: Path) -> Path:
    """A folder that the run was exported to in int8."""
    return export(run, None, "int8", run.parent.parent / "made", force=False).folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the exported folder."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def nmt(*arguments: object, stdin: str = "") -> str:
    """Run `nmt` with these arguments and return what it prints on stdout."""
    words = [str(argument) for argument in arguments]
    done = CliRunner().invoke(cli, words, input=stdin, catch_exceptions=False, standalone_mode=False)
    return done.stdout


def lines() -> str:
    return "".join(f"{line}\n" for line in SOURCE)


def change(folder: Path, **values: object) -> None:
    """Change values of graphs.json."""
    path = folder / "graphs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values), encoding="utf-8")


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_an_exported_folder_translates_as_the_run_does(run: Path, tmp_path: Path, precision: str) -> None:
    found = nmt("export", run / "checkpoints" / "step-2", "--precision", precision, "-o", tmp_path / "deep" / "folder")
    assert found == f"{tmp_path / 'deep' / 'folder'}\n"
    (tmp_path / "deep").rename(tmp_path / "moved")
    folder = tmp_path / "moved" / "folder"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]
    options = ["--precision", precision, "--engine", "onnx", "--format", "json", "--n-best", "2"]
    expected = nmt("translate", "-m", run, "--checkpoint", "step-2", *options, stdin=lines())
    assert nmt("translate", "-m", folder, "--format", "json", "--n-best", "2", stdin=lines()) == expected
    assert len(expected.split("\n")) == len(SOURCE) + 1
    assert json.loads((folder / "graphs.json").read_text())["checkpoint"] == "step-2"
    assert json.loads((folder / "graphs.json").read_text())["precision"] == precision


def test_every_file_is_listed(made: Path) -> None:
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    listed = json.loads((made / "graphs.json").read_text())["files"]
    assert names == listed.keys() | {"graphs.json"}
    assert names >= {
        "config.yaml",
        "subword/joint.model",
        "lexicon.safetensors",
        "lengths.json",
        "words.json",
        "README.md",
    }
    assert all((made / name).stat().st_size == file["bytes"] for name, file in listed.items())


def test_neither_torch_nor_onnx_is_needed(made: Path, tmp_path: Path) -> None:
    variables = environment_without(tmp_path, "torch", "onnx")
    command = [sys.executable, "-m", "nmt", "translate", "-m", made]
    done = subprocess.run(command, input=lines(), env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == nmt("translate", "-m", made, stdin=lines())
    assert done.stderr.startswith(f"model {made} (as requested), checkpoint step-1\nloaded in ")


def test_all_commands_that_translate_accept_the_folder(
    run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines("source", SOURCE)
    pair = ["-s", "source", "-t", "source"]
    assert nmt("logprob", "-m", folder, *pair) == nmt("logprob", "-m", run, "--engine", "onnx", *pair)
    search = ["--shortlist", "8"]
    expected = nmt("translate", "-m", run, "--engine", "onnx", *search, stdin=lines())
    assert nmt("translate", "-m", folder, *search, stdin=lines()) == expected
    monkeypatch.setenv("NMT_MODEL", str(folder))
    assert nmt("attention", "-o", "maps", stdin=lines()).split() == [f"maps/{number}.png" for number in (1, 2, 3, 4)]
    [result] = json.loads(nmt("evaluate", "--json"))
    assert result["models"] == ["tiny/step-1"] and result["arithmetic"] == "onnx cpu int8"
    assert Path(result["hypotheses"]).parent == folder / "evaluations"
    [other] = json.loads(nmt("evaluate", "--json", "-o", "results"))
    assert Path(other["hypotheses"]).parent == Path("results") and other["scores"] == result["scores"]


def test_ensembles_of_exported_folders_and_runs(run: Path, made: Path, tmp_path: Path) -> None:
    other = export(run, "step-2", "int8", tmp_path / "other", force=False).folder
    expected = nmt("translate", "-m", run, "-m", run / "checkpoints" / "step-2", "--engine", "onnx", stdin=lines())
    assert nmt("translate", "-m", made, "-m", other, stdin=lines()) == expected
    assert nmt("translate", "-m", run, "-m", other, stdin=lines()) == expected
    assert nmt("translate", "-m", made, "-m", run / "checkpoints" / "step-2", stdin=lines()) == expected
    fp32 = export(run, "step-2", "fp32", tmp_path / "fp32", force=False).folder
    with pytest.raises(NmtError, match=f"{made} and {fp32} have different precisions"):
        nmt("translate", "-m", made, "-m", fp32)


def test_what_a_translation_depends_on_is_known(run: Path, made: Path) -> None:
    found = [load_translator(find_checkpoints([model], None), "onnx", "cpu", "auto", 8) for model in (run, made)]
    assert found[0].identity() == found[1].identity()
    assert found[0].typical_length == found[1].typical_length == 7
    assert found[0].training_words == found[1].training_words is not None


def test_interrupted_translations_are_resumed(made: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "source", SOURCE)
    nmt("translate", "-m", made, "-i", source, "-o", tmp_path / "out", "--resume")
    assert (tmp_path / "out").read_text(encoding="utf-8") == nmt("translate", "-m", made, stdin=lines())


def test_exported_folders_are_not_the_default(run: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NMT_MODEL", raising=False)
    monkeypatch.chdir(run.parent.parent)
    shutil.copytree(made, run.parent / "exported")
    with pytest.raises(NmtError, match="no finished run in"):
        find_run(None)
    (run / "finished.json").touch()
    assert find_run(None)[0].folder == Path("runs/tiny")
    assert nmt("export", "-o", "of-the-default") == "of-the-default\n"
    assert find_run(Path("runs/exported"))[1:] == ("best", "as requested")


NOT_A_RUN: dict[str, tuple[list[str], str]] = {
    "export": (["export", "{folder}", "-o", "new"], "to export it again, give the run"),
    "plot": (["plot", "{folder}"], "to draw learning curves, give the run"),
    "plot --html": (["plot", "{folder}", "--html", "-o", "curves.svg"], "to draw learning curves, give the run"),
    "checkpoint": (["translate", "-m", "{folder}", "--checkpoint", "last"], "one checkpoint only; leave out"),
    "torch": (["translate", "-m", "{folder}", "--engine", "torch"], "leave out --engine torch"),
    "cuda": (["translate", "-m", "{folder}", "--device", "cuda"], "leave out --engine torch, --device cuda"),
    "fp32": (["translate", "-m", "{folder}", "--precision", "fp32"], "was exported in int8: leave out --precision"),
    "config": (["config", "show", "-c", "{folder}"], "is a folder; give a YAML file"),
    "train": (["train", "-c", "{folder}/config.yaml"], "runs/tiny is an exported model, which cannot be trained"),
    "resume": (["train", "-c", "{folder}/config.yaml", "--resume"], "is an exported model, which cannot be trained"),
    "init_from": (
        ["train", "-c", "{folder}/config.yaml", "--set=name=x", "--set=training.init_from={folder}"],
        "training.init_from: .*to start with its weights, give the run",
    ),
    "file": (["translate", "-m", "{folder}/graphs.json"], "is a file; name the folder of a run"),
}


@pytest.mark.parametrize(("arguments", "message"), NOT_A_RUN.values(), ids=NOT_A_RUN)
def test_what_an_exported_folder_cannot_do_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("runs").mkdir()
    shutil.copytree(folder, "runs/tiny")
    before = sorted(Path("runs").rglob("*"))
    with pytest.raises(NmtError, match=message) as caught:
        nmt(*(argument.format(folder=folder) for argument in arguments))
    assert "\n" not in str(caught.value)
    assert sorted(Path("runs").rglob("*")) == before


def test_an_existing_folder_is_replaced_only_by_the_same_model(run: Path, folder: Path, messages: list[str]) -> None:
    other = ["export", run, "--checkpoint", "step-2", "-o", folder]
    with pytest.raises(NmtError, match=r"has another exported model \(tiny, step-1, int8\); .* --force"):
        nmt(*other)
    with pytest.raises(NmtError, match="has another exported model"):
        nmt("export", run, "--precision", "fp32", "-o", folder)
    (folder / "decoder.onnx").write_bytes(b"damaged")
    nmt("export", run, "-o", folder)
    nmt("translate", "-m", folder, stdin=lines())
    (folder / "README.md").write_text("Licence: CC BY 4.0\n", encoding="utf-8")
    nmt("translate", "-m", folder, stdin=lines())
    with pytest.raises(NmtError, match=r"'nmt export' did not write: README.md"):
        nmt(*other, "--force")
    (folder / "README.md").unlink()
    (folder / "notes").touch()
    with pytest.raises(NmtError, match="'nmt export' did not write: notes"):
        nmt(*other, "--force")
    (folder / "notes").unlink()
    nmt(*other, "--force")
    nmt("translate", "-m", folder, stdin=lines())
    assert f"model {folder} (as requested), checkpoint step-2" in messages
    assert [path.name for path in folder.parent.iterdir()] == ["copy"]


def test_other_files_and_folders_are_not_overwritten(run: Path, made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "link").symlink_to(made)
    for name, message in {"file": "is not a folder", "full": "has files", "link": "is not a folder"}.items():
        with pytest.raises(NmtError, match=f"{tmp_path / name}: {message}.* choose another folder with --output"):
            nmt("export", run, "-o", tmp_path / name, "--force")
    for output in (run, run / "checkpoints"):
        with pytest.raises(NmtError, match="has files, and is not an exported model"):
            nmt("export", run, "-o", output, "--force")
    nmt("export", run, "-o", tmp_path / "empty")
    change(tmp_path / "empty", format="new")
    with pytest.raises(NmtError, match=r"graphs.json: has format 'new', .*; remove the folder, or choose another"):
        nmt("export", run, "-o", tmp_path / "empty", "--force")


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), NmtError, "No space left on device; free disk space, or"),
        (KeyboardInterrupt(), click.Abort, None),
    ],
)
def test_an_export_that_ends_early_leaves_nothing(
    run: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
    message: str | None,
) -> None:
    save = Graphs.save

    def fail(graphs: Graphs, partial: Path) -> None:
        save(graphs, partial)
        raise error

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(Graphs, "save", fail)
    for output in (folder, folder.parent / "new"):
        with pytest.raises(raised, match=message):
            nmt("export", run, "-o", output)
    assert {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()} == before


def test_a_run_that_cannot_be_exported_is_explained(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.runtime.network.MAX_BYTES", 1000)
    with pytest.raises(NmtError, match=r"step-1/model.safetensors: .* an ONNX file holds at most 2 GiB"):
        nmt("export", run, "-o", tmp_path / "new")
    monkeypatch.undo()
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "checkpoints" / "step-1" / "meta.json").write_text('{"format": 3, "vocabularies": "x"}', encoding="utf-8")
    with pytest.raises(NmtError, match=r"is not the subword model that .*step-1 was trained with"):
        nmt("export", copy, "-o", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_checkpoint_that_is_removed_is_looked_up_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, make = shutil.copytree(run, tmp_path / "run"), exporting.make_graphs

    def remove_first(run: Run, checkpoint: Path, *others: Any) -> Graphs:
        if checkpoint.name == "step-1":
            (copy / "checkpoints" / "best").write_text("step-2\n", encoding="utf-8")
            shutil.rmtree(checkpoint)
        return make(run, checkpoint, *others)

    monkeypatch.setattr(exporting, "make_graphs", remove_first)
    nmt("export", copy, "-o", tmp_path / "new")
    assert json.loads((tmp_path / "new" / "graphs.json").read_text())["checkpoint"] == "step-2"
    with pytest.raises(NmtError, match="no checkpoint 'step-1'; there are: step-2"):
        nmt("export", copy / "checkpoints" / "step-1", "-o", tmp_path / "other")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "changed": flip,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "a link in a circle": lambda path: (path.unlink(), path.symlink_to(path.name)),
}
FILES = (
    "config.yaml", "decoder.onnx", "encoder.onnx", "lengths.json", "lexicon.safetensors", "subword/joint.model",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named(folder: Path, name: str, damage: Callable[[Path], object]) -> None:
    damage(folder / name)
    with pytest.raises(NmtError) as caught:
        nmt("translate", "-m", folder, stdin=lines())
    text = str(caught.value)
    if name == "config.yaml" and not (folder / name).is_file():
        assert text.startswith(f"{folder}: not a run folder (no config.yaml or checkpoints/)")
    else:
        assert text.startswith(f"{folder / name}: ") and text.endswith("export the run again with 'nmt export'")
    assert "\n" not in text


WRONG_DESCRIPTIONS: dict[str, Callable[[str], str]] = {
    "not JSON": lambda text: text[:-5],
    "empty": lambda text: "",
    "a list": lambda text: "[]",
    "nested": lambda text: "[" * 100_000,
    "no files": lambda text: text.replace('"files"', '"others"'),
    "files is a list": lambda text: json.dumps(json.loads(text) | {"files": ["encoder.onnx"]}),
    "a negative size": lambda text: text.replace('"bytes": ', '"bytes": -'),
    "a large size": lambda text: text.replace('"bytes": ', '"bytes": 99999999999999'),
    "a large number": lambda text: text.replace('"target_size": ', '"target_size": ' + "9" * 5000),
    "a size that is text": lambda text: json.dumps(json.loads(text) | {"source_size": "33"}),
    "precision": lambda text: text.replace('"int8"', '"int4"'),
    "checkpoint": lambda text: text.replace('"step-1"', '"../step-1"'),
    "run": lambda text: text.replace('"tiny"', '"tiny\\n"'),
    "weights": lambda text: text.replace('"weights": "', '"weights": "x'),
    "above the folder": lambda text: text.replace("lengths.json", "../lengths.json"),
    "from the root": lambda text: text.replace("lengths.json", "/etc/passwd"),
    "of Windows": lambda text: text.replace("lengths.json", "..\\\\lengths.json"),
    "a drive": lambda text: text.replace("lengths.json", "c:lengths.json"),
    "a NUL": lambda text: text.replace("lengths.json", "lengths\\u0000.json"),
    "huge": lambda text: text + " " * 2_000_000,
}


@pytest.mark.parametrize("damage", WRONG_DESCRIPTIONS.values(), ids=WRONG_DESCRIPTIONS)
def test_a_damaged_description_is_named(folder: Path, damage: Callable[[str], str]) -> None:
    path = folder / "graphs.json"
    assert damage(path.read_text()) != path.read_text()
    path.write_text(damage(path.read_text()), encoding="utf-8")
    with pytest.raises(NmtError) as caught:
        nmt("translate", "-m", folder, stdin=lines())
    assert str(caught.value).startswith(f"{path}: damaged: not the description of graphs; export the run again")


def test_a_newer_format_is_refused(folder: Path) -> None:
    change(folder, format=2)
    with pytest.raises(NmtError, match=r"has format 2, which needs another version of nmt \(this one reads format 1\)"):
        nmt("translate", "-m", folder)


def test_links_that_lead_outside_are_refused(folder: Path) -> None:
    (folder / "subword").rename(folder.parent / "elsewhere")
    (folder / "subword").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(NmtError, match=r"joint.model: is a link to a file outside the folder; replace it by the file"):
        nmt("translate", "-m", folder)
    (folder.parent / "link").symlink_to(folder)
    (folder / "subword").unlink()
    (folder.parent / "elsewhere").rename(folder / "subword")
    assert nmt("translate", "-m", folder.parent / "link", stdin=lines()) != ""


def test_files_that_are_not_listed_are_not_read(folder: Path) -> None:
    listed = json.loads((folder / "graphs.json").read_text())["files"]
    for name in ("lexicon.safetensors", "config.yaml"):
        change(folder, files={key: value for key, value in listed.items() if key != name})
        with pytest.raises(NmtError, match=f"{name}: is not a file of this|it does not list {name}"):
            nmt("translate", "-m", folder, "--shortlist", "8")
    change(folder, files=listed)
    shutil.copy(folder / "subword" / "joint.model", folder / "subword" / "source.model")
    with pytest.raises(NmtError, match=r"source.model: is not a file of this exported model"):
        nmt("translate", "-m", folder)


def test_swapped_graphs_are_refused(folder: Path) -> None:
    listed = json.loads((folder / "graphs.json").read_text())["files"]
    encoder, decoder = ((folder / f"{name}.onnx").read_bytes() for name in ("encoder", "decoder"))
    (folder / "encoder.onnx").write_bytes(decoder)
    (folder / "decoder.onnx").write_bytes(encoder)
    swapped = {"encoder.onnx": listed["decoder.onnx"], "decoder.onnx": listed["encoder.onnx"]}
    change(folder, files=listed | swapped)
    with pytest.raises(NmtError, match=r"the graphs of the model are wrong: .* is not an input of the encoder"):
        nmt("translate", "-m", folder)
