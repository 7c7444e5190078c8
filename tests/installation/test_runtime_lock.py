"""requirements/runtime.txt has all that translating, scoring and serving import, and nothing else."""

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
from scripts.packaging.lock_runtime import LOCK, PYTHONS, direct_requirements, merge

PYPROJECT = ROOT / "pyproject.toml"
CURRENT = f"{sys.version_info[0]}.{sys.version_info[1]}"


def locked(python: str) -> dict[str, str]:
    """Return the version of each package that the lock file selects for a version of Python."""
    lines = [line for line in LOCK.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
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


@pytest.mark.parametrize("python", PYTHONS)
def test_versions_satisfy_pyproject(python: str) -> None:
    versions = locked(python)
    direct = [Requirement(text) for text in direct_requirements(PYPROJECT, python)]
    assert {each.name for each in direct} <= versions.keys()
    assert [str(each) for each in direct if versions[each.name] not in each.specifier] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_that_only_training_and_drawing_need(python: str) -> None:
    assert locked(python).keys() & {*INSTALL_COMMANDS, "triton", "torchvision", "pillow"} == set()


def test_the_packages_that_are_left_out_are_requirements_of_nmt() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert {Requirement(text).name for text in project["dependencies"]} > INSTALL_COMMANDS.keys()
    assert project["requires-python"] == f">={PYTHONS[0]}"


def test_locked_are_the_direct_requirements_and_their_requirements(torch_free_python: Path) -> None:
    code = "import json, sys; from importlib.metadata import requires; "
    code += "print(json.dumps({name: requires(name) for name in sys.argv[1:]}))"
    command = [str(torch_free_python), "-c", code, *locked(CURRENT)]
    metadata = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    wanted = {Requirement(text).name for text in direct_requirements(PYPROJECT, CURRENT)}
    unread = list(wanted)
    while unread:
        requirements = map(Requirement, metadata[unread.pop()] or [])
        needed = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
        new = {canonicalize_name(each.name) for each in needed} - wanted
        wanted |= new
        unread += new
    assert locked(CURRENT).keys() == wanted


def test_everything_that_nmt_imports_is_locked_or_left_out() -> None:
    distributions = importlib.metadata.packages_distributions()
    known = {*locked(CURRENT), *INSTALL_COMMANDS}
    found = list(third_party_imports())
    assert {"numpy", "torch", "yaml", "click"} <= {name for _, name in found}
    assert [(path, name) for path, name in found if not known & {*map(canonicalize_name, distributions[name])}] == []


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


def test_installed_from_the_lock_file_only_the_packages_left_out_are_missing(torch_free_python: Path) -> None:
    """pip also checks that the versions of the locked packages satisfy one another."""
    command = [str(torch_free_python), "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run([*command, "check"], capture_output=True, text=True, check=False)
    missing = [f"recurrent-nmt {nmt.__version__} requires {name}, which is not installed." for name in INSTALL_COMMANDS]
    assert sorted(done.stdout.splitlines()) == sorted(missing)
    command += ["freeze", "--exclude", "recurrent-nmt"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    installed = [Requirement(line) for line in done.stdout.splitlines()]
    pins = {canonicalize_name(each.name): next(iter(each.specifier)).version for each in installed}
    assert pins == locked(CURRENT)
