"""`import nmt` is lazy, and its names are those that type checkers see."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nmt

SOURCE = Path(nmt.__file__).read_text(encoding="utf-8")


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import nmt; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["nmt"]


def test_events_and_errors_are_imported_without_torch() -> None:
    code = "import sys, nmt; nmt.NmtError, nmt.StepLogged, nmt.StopRequest; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_type_checkers_see_the_names_that_are_imported_when_used() -> None:
    [block] = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.If) and not node.orelse][:1]
    found = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert found == nmt._MODULES
    assert {*found, "__version__"} == set(nmt.__all__) <= set(dir(nmt))
    assert (Path(nmt.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("name", nmt.__all__)
def test_each_public_name_exists(name: str) -> None:
    assert getattr(nmt, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nmt' has no attribute 'trian'"):
        _ = nmt.trian  # type: ignore[attr-defined]
