"""Modules that translate, score or read a configuration import no torch, onnx or matplotlib at their top."""

import subprocess
import sys
from pathlib import Path

import pytest

import nmt

PACKAGE = Path(nmt.__file__).parent
TORCH_FREE = (
    "cli", "cluster", "config", "corpora", "data", "decoding", "diagnosis", "evaluation", "reports", "runtime",
    "serving", "storage",
)  # fmt: skip
"""Packages that import no torch."""
RUNS_GRAPHS = {
    f"nmt.runtime.{name}"
    for name in ("checkpoint_graphs", "graph_check", "graph_files", "graph_interface", "library", "onnx_engine")
}
"""Modules of nmt.runtime that run graphs; the others build them, and import onnx."""
SERVING = "fastapi starlette uvicorn prometheus_client py3langid"
"""Packages that only the server needs."""
DRAWING = {
    f"nmt.reports.{name}" for name in ("attention_maps", "comparison_page", "figure", "fonts", "learning_curves")
}
"""Modules that import matplotlib."""
CODE = """
import importlib, sys
libraries, modules = sys.argv[1].split(), sys.argv[2:]
for module in modules:
    importlib.import_module(module)
    if loaded := [library for library in libraries if library in sys.modules]:
        sys.exit(f"{module} imports {loaded}")
"""


def modules(package: str) -> list[str]:
    """Return the names of all modules of nmt.PACKAGE."""
    paths = sorted((PACKAGE / package).rglob("*.py"))
    return [".".join(("nmt", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in paths]


def imported(libraries: str, names: list[str]) -> str:
    """Return the first module of `names` that imports one of `libraries`, and which; empty if there is none."""
    if not names:
        return ""
    command = [sys.executable, "-c", CODE, libraries, *names]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()


@pytest.mark.parametrize("package", TORCH_FREE)
def test_packages_without_torch_and_without_the_packages_of_serving(package: str) -> None:
    names = modules(package)
    building = set(names) - RUNS_GRAPHS if package == "runtime" else set()
    others = [name for name in names if name not in DRAWING | building]
    libraries = "torch onnx matplotlib" if package in ("serving", "runtime") else f"torch onnx matplotlib {SERVING}"
    assert len(others) > 3 and imported(libraries, others) == ""
    assert imported("torch onnx", [name for name in names if name in DRAWING]) == ""
    assert imported("torch matplotlib", [name for name in names if name in building]) == ""


def test_scoring_imports_little() -> None:
    """`nmt score` starts without numpy and the configuration schema, and its help without sacreBLEU."""
    assert imported("numpy pydantic sacrebleu", ["nmt.cli.score"]) == ""
    assert imported("numpy pydantic", ["nmt.evaluation.scored_files", "nmt.reports.score_tables"]) == ""


def test_imports_are_found() -> None:
    """The test above fails if a module imports one of the libraries."""
    assert imported("numpy torch", ["nmt.errors", "nmt.randomness"]) == "nmt.randomness imports ['numpy']"
