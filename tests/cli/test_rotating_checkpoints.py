"""A training run removes and replaces checkpoints while they are looked up and loaded."""

import shutil
from pathlib import Path

import pytest
from tiny_run import make_run

from nmt.decoding import loading
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.errors import NmtError
from nmt.storage.run_folder import Run

LOAD = loading.load_engines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("rotating"))


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "tiny")
    return tmp_path / "tiny"


def rotate(run: Path) -> None:
    """Do what a training run does: write a new checkpoint, move the pointer, remove the old checkpoint."""
    folder = run / "checkpoints"
    shutil.copytree(folder / "step-2", folder / "step-3")
    (folder / "last").write_text("step-3\n", encoding="utf-8")
    shutil.rmtree(folder / "step-2")


def before_loading(monkeypatch: pytest.MonkeyPatch, *actions) -> None:  # type: ignore[no-untyped-def]
    """Call one of the `actions` before each attempt to load weights."""
    remaining = list(actions)

    def load(*given, **named):  # type: ignore[no-untyped-def]
        if remaining:
            remaining.pop(0)()
        return LOAD(*given, **named)

    monkeypatch.setattr(loading, "load_engines", load)


@pytest.mark.parametrize("others", [0, 1])
def test_a_checkpoint_that_is_removed_is_looked_up_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str], others: int
) -> None:
    before_loading(monkeypatch, lambda: rotate(run))
    found = [*find_checkpoints([run / "checkpoints" / "step-1"], None)] * others
    loaded = load_translator([*found, *find_checkpoints([run], "last")], "torch", "cpu", "fp32")
    assert [each.folder.name for each in loaded.checkpoints] == ["step-1"] * others + ["step-3"]
    assert len(loaded.weights) == others + 1 and any("step-3" in line for line in messages[-2:])


def test_loading_waits_for_a_checkpoint_that_is_being_replaced(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run / "checkpoints"
    pauses: list[float] = []

    def move_back(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            (folder / "away").rename(folder / "step-2")

    monkeypatch.setattr(loading.time, "sleep", move_back)
    before_loading(monkeypatch, lambda: (folder / "step-2").rename(folder / "away"))
    with pytest.raises(NmtError, match="damaged or missing"):  # it is the same folder: it was not replaced
        load_translator(find_checkpoints([run], "step-2"), "torch", "cpu", "fp32")
    assert len(pauses) == 2

    def replace() -> None:
        shutil.copytree(folder / "step-2", folder / "new")
        shutil.rmtree(folder / "step-2")

    pauses.clear()
    before_loading(monkeypatch, replace)
    monkeypatch.setattr(loading.time, "sleep", lambda seconds: (folder / "new").rename(folder / "step-2"))
    assert load_translator(find_checkpoints([run], "step-2"), "torch", "cpu", "fp32").weights


def test_a_removed_checkpoint_is_not_reported_as_damaged(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "RETRY_DELAY", 0.0)
    before_loading(monkeypatch, lambda: rotate(run))
    with pytest.raises(NmtError, match="no checkpoint 'step-2'; there are: step-1, step-3"):
        load_translator(find_checkpoints([run], "step-2"), "torch", "cpu", "fp32")


def test_a_damaged_checkpoint_is_reported(run: Path) -> None:
    weights = run / "checkpoints" / "step-2" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    with pytest.raises(NmtError, match=r"step-2/model.safetensors: damaged or missing"):
        load_translator(find_checkpoints([run], "last"), "torch", "cpu", "fp32")


def test_a_pointer_is_read_again_if_its_checkpoint_is_removed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_text
    pointer = run / "checkpoints" / "last"

    def read_before(path: Path, *given, **named) -> str:  # type: ignore[no-untyped-def]
        text = read(path, *given, **named)
        if path == pointer and text == "step-2\n":
            rotate(run)
        return text

    monkeypatch.setattr(Path, "read_text", read_before)
    assert Run(run).checkpoint("last").name == "step-3"
    shutil.rmtree(run / "checkpoints" / "step-3")
    with pytest.raises(NmtError, match="no checkpoint 'last'; there are: step-1"):
        Run(run).checkpoint("last")
