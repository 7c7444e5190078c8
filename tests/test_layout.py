"""The layout of the code: direction of imports, sizes of modules and functions, depth of the call stack."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import nmt
import nmt.__main__
from nmt.runtime.library import onnxruntime

PACKAGE = Path(nmt.__file__).parent
ORDER = (
    "cli", "serving", "training", "reports", "diagnosis", "evaluation", "decoding", "runtime",
    "models", "kernels", "corpora", "data", "cluster", "config", "storage", "errors",
)  # fmt: skip
"""Packages from top to bottom; a package may import only from those below it."""
MAX_LINES, MAX_FUNCTION_LINES, MAX_FRAMES = 400, 60, 10
QUICKSTART = PACKAGE.parent / "data" / "quickstart"


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the packages of `nmt` that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nmt":
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else (alias.name for alias in node.names)


def test_packages_import_only_from_packages_below() -> None:
    upward = [
        f"{path} imports nmt.{name}"
        for path, tree in modules()
        if (package := path.split("/")[0]) in ORDER
        for name in imported(tree)
        if name in ORDER and ORDER.index(name) < ORDER.index(package)
    ]
    assert upward == []


def test_modules_and_functions_are_short() -> None:
    long = [path for path, _ in modules() if len((PACKAGE / path).read_text().split("\n")) - 1 > MAX_LINES]
    long += [
        f"{path}: {node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_models_import_no_preprocessing() -> None:
    code = "import sys, torch; before = set(sys.modules); import nmt.models.seq2seq; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith(("sentencepiece", "sacrebleu", "tqdm", "nmt.data.prep"))] == []


class Depth:
    """Wraps functions of torch and records the deepest stack of frames inside the package below which they ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.deepest: list[str] = []

    def wrap(self, owner: Any, name: str) -> None:
        """Replace `owner.name` by a function that records the stack and calls the original."""
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            frames: list[str] = []
            frame: FrameType | None = sys._getframe(1)
            while frame is not None:
                if frame.f_code.co_filename.startswith(str(PACKAGE)):
                    frames.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
                frame = frame.f_back
            if len(frames) > len(self.deepest):
                self.deepest = frames[::-1]
            return original(*args, **kwargs)

        self._monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("system", ["upper_layers", "next_input", "same_step"])
def test_few_frames_from_the_commands_to_the_kernels(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nmt train` to nn.LSTM, and `nmt translate` to the graphs in ONNX Runtime."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "valid"):
        for side in ("en", "de"):
            lines = (QUICKSTART / f"{name}.{side}").read_text(encoding="utf-8").split("\n")[:40]
            Path(f"{name}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Path("c.yaml").write_text(
        f"""
name: tiny
data:
  workers: 1
  train: {{source: train.en, target: train.de}}
  valid: {{source: valid.en, target: valid.de}}
subword: {{vocab_size: 400}}
model:
  embedding: {{size: 8}}
  encoder: {{size: 8}}
  decoder: {{size: 8, context_to: {system}}}
training: {{max_steps: 1, validation_bleu: false, metric: loss}}
""",
        encoding="utf-8",
    )

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["nmt", *arguments])
        nmt.__main__.main()

    with monkeypatch.context() as patch:
        training = Depth(patch)
        training.wrap(torch.nn.LSTM, "forward")
        run("train", "--config", "c.yaml")
    translation = Depth(monkeypatch)
    translation.wrap(onnxruntime.InferenceSession, "run")
    run("translate", "--model", "runs/tiny", "--input", "valid.en", "--output", "out.txt", "--quiet")
    for found in (training.deepest, translation.deepest):
        assert 5 < len(found) <= MAX_FRAMES, " > ".join(found)
