"""requirements/runtime.txt has all that translating and scoring import, serve.txt what serving adds, and no more."""

import ast
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nmt
from nmt.errors import INSTALL_COMMANDS

pytest.importorskip("tomllib", reason="lock_runtime.py needs Python 3.11")
import tomllib

from scripts import ROOT
from scripts.packaging.lock_runtime import (
    LOCK,
    PYTHONS,
    SERVE_LOCK,
    Package,
    close,
    direct_requirements,
    is_needed,
    merge,
    serve_requirements,
)

PYPROJECT = ROOT / "pyproject.toml"
CURRENT = f"{sys.version_info[0]}.{sys.version_info[1]}"


TRAINING = {"torch", "onnx", "matplotlib"}
LEFT_OUT = {*TRAINING, "py3langid"}
"""Requirements of nmt that runtime.txt leaves out; nmt init, doctor and serve need py3langid."""
"""Direct requirements of nmt that neither file has."""


def locked(path: Path, python: str) -> dict[str, str]:
    """Return the version of each package that a lock file selects for a version of Python."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
    found: dict[str, str] = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            (pin,) = requirement.specifier
            assert pin.operator == "==" and requirement.name not in found
            found[requirement.name] = pin.version
    return found


def third_party_imports() -> Iterator[tuple[str, str]]:
    """Yield each module of nmt with each package that it imports from elsewhere, also inside of functions."""
    package = Path(nmt.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in {name.split(".")[0] for name in names} - {"nmt", *sys.stdlib_module_names}:
                yield str(path.relative_to(package)), name


def both(python: str) -> dict[str, str]:
    """Return the version of each package of the two lock files."""
    return locked(LOCK, python) | locked(SERVE_LOCK, python)


@pytest.mark.parametrize("python", PYTHONS)
def test_versions_satisfy_pyproject(python: str) -> None:
    for versions, texts in (
        (locked(LOCK, python), direct_requirements(PYPROJECT, python)),
        (both(python), serve_requirements(PYPROJECT, python)),
    ):
        direct = [Requirement(text) for text in texts]
        assert {each.name for each in direct} <= versions.keys()
        assert [str(each) for each in direct if versions[each.name] not in each.specifier] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_that_only_training_and_drawing_need(python: str) -> None:
    assert both(python).keys() & {*TRAINING, "triton", "torchvision", "pillow"} == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_no_package_is_in_both_files(python: str) -> None:
    assert locked(LOCK, python).keys() & locked(SERVE_LOCK, python).keys() == set()
    assert {"fastapi", "uvicorn", "py3langid"} <= locked(SERVE_LOCK, python).keys()


def test_the_packages_that_are_left_out_are_requirements_of_nmt() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    direct = {Requirement(text).name for text in project["dependencies"]}
    served = {Requirement(text).name for text in project["optional-dependencies"]["serve"]}
    left_out = set(map(canonicalize_name, INSTALL_COMMANDS))
    assert direct & left_out == LEFT_OUT and served <= left_out
    assert left_out - direct - served == {"starlette", "tensorboardx", "ray"}, "of fastapi, and of extras"
    assert project["requires-python"] == f">={PYTHONS[0]}"


def test_locked_are_the_direct_requirements_and_their_requirements(torch_free_python: Path) -> None:
    code = "import json, sys; from importlib.metadata import requires; "
    code += "print(json.dumps({name: requires(name) for name in sys.argv[1:]}))"
    command = [str(torch_free_python), "-c", code, *both(CURRENT)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    packages = {name: Package("", tuple(map(Requirement, texts or ()))) for name, texts in found.items()}
    for path, texts in (
        (LOCK, direct_requirements(PYPROJECT, CURRENT)),
        (SERVE_LOCK, direct_requirements(PYPROJECT, CURRENT) + serve_requirements(PYPROJECT, CURRENT)),
    ):
        needed, missing = close(map(Requirement, texts), packages, CURRENT)
        assert missing == []
        assert needed == (locked(LOCK, CURRENT) if path == LOCK else both(CURRENT)).keys()


def test_everything_that_nmt_imports_is_locked_or_left_out() -> None:
    """`nmt.serving` imports what is in serve.txt, and the others do not."""
    distributions = importlib.metadata.packages_distributions()
    found = list(third_party_imports())
    assert {"numpy", "torch", "yaml", "click", "py3langid"} <= {name for _, name in found}
    others = {*locked(LOCK, CURRENT), *LEFT_OUT, "tensorboardx", "ray"}
    for is_serving, known in ((False, others), (True, set(both(CURRENT)))):
        modules = [(path, name) for path, name in found if path.startswith("serving/") == is_serving]
        assert [each for each in modules if not known & {*map(canonicalize_name, distributions[each[1]])}] == []


def test_requirements_are_those_of_the_given_version_of_python() -> None:
    """Not of the one that runs pip; also those of extras, which may be in a circle."""
    packages = {
        "a": Package("1", (Requirement("old>1; python_version < '3.11'"), Requirement("b[more]"))),
        "b": Package("1", (Requirement("c; extra == 'more'"), Requirement("d; extra == 'other'"))),
        "c": Package("1", (Requirement("A"), Requirement("new; python_full_version >= '3.12'"))),
        "unused": Package("1", ()),
    }
    assert close([Requirement("a")], packages, "3.11") == ({"a", "b", "c"}, [])
    assert close([Requirement("a")], packages, "3.10") == ({"a", "b", "c"}, ["old>1"])
    assert close([Requirement("a")], packages, "3.12") == ({"a", "b", "c"}, ["new"])
    assert close([Requirement("b")], packages, "3.11") == ({"b"}, [])
    assert is_needed(Requirement("x; python_version >= '3.10'"), "3.10")


def test_python_3_10_has_what_only_it_needs() -> None:
    assert "exceptiongroup" in locked(SERVE_LOCK, "3.10") and "exceptiongroup" not in locked(SERVE_LOCK, "3.11")


def test_merge_adds_markers_where_versions_differ() -> None:
    resolved = {
        "3.10": {"a": "1", "b": "1", "old": "1", "c": "1"},
        "3.11": {"a": "1", "b": "2", "c": "2"},
        "3.12": {"a": "1", "b": "2", "c": "3", "new": "1"},
    }
    assert merge(resolved) == [
        "a==1",
        "b==1; python_version < '3.11'",
        "b==2; python_version >= '3.11'",
        "c==1; python_version < '3.11'",
        "c==2; python_version >= '3.11' and python_version < '3.12'",
        "c==3; python_version >= '3.12'",
        "new==1; python_version >= '3.12'",
        "old==1; python_version < '3.11'",
    ]


def test_installed_from_the_lock_files_only_the_packages_left_out_are_missing(torch_free_python: Path) -> None:
    """pip also checks that the versions of the locked packages satisfy one another."""
    command = [str(torch_free_python), "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run([*command, "check"], capture_output=True, text=True, check=False)
    missing = [f"recurrent-nmt {nmt.__version__} requires {name}, which is not installed." for name in TRAINING]
    assert sorted(done.stdout.splitlines()) == sorted(missing)
    command += ["freeze", "--exclude", "recurrent-nmt"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    installed = [Requirement(line) for line in done.stdout.splitlines()]
    pins = {canonicalize_name(each.name): next(iter(each.specifier)).version for each in installed}
    assert pins == both(CURRENT)
