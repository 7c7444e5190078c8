"""Write requirements/runtime.txt and serve.txt: pinned versions of the packages that translating and serving need.

    python scripts/packaging/lock_runtime.py

The direct requirements of runtime.txt are those of pyproject.toml without the packages that only training and drawing
need (`nmt.errors.INSTALL_COMMANDS`). serve.txt has what the extra `serve` needs besides. pip resolves them for each
version of Python in `PYTHONS`, and installs nothing. The newest versions that fit are written; run it again to update
them. It needs a package index (PyPI) and Python 3.11.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nmt.errors import INSTALL_COMMANDS, NmtError
from scripts import ROOT
from scripts.reporting import exit_status, parser, progress

LOCK = ROOT / "requirements" / "runtime.txt"
SERVE_LOCK = ROOT / "requirements" / "serve.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Consecutive versions of Python; the first is the oldest that nmt supports."""
WRITTEN = """\
# Written by scripts/packaging/lock_runtime.py for Linux on x86-64; do not edit.
# There are no hashes: with them pip would demand a hash for nmt itself (the dot), and a folder has none.
"""
HEADERS = {
    LOCK: f"""\
# What nmt needs to translate and score, without torch. Install it together with nmt itself:
#     pip install --no-deps -r requirements/runtime.txt .
{WRITTEN}""",
    SERVE_LOCK: f"""\
# What `nmt serve` needs besides runtime.txt. Install both together with nmt itself:
#     pip install --no-deps -r requirements/runtime.txt -r requirements/serve.txt .
{WRITTEN}""",
}


@dataclass(frozen=True)
class Package:
    """A package that pip would install."""

    version: str
    requirements: tuple[Requirement, ...]


def direct_requirements(pyproject: Path, python: str) -> list[str]:
    """Return the requirements of nmt for a version of Python, without those that only training and drawing need."""
    dependencies = _read_project(pyproject)["dependencies"]
    return [text for text in _select(dependencies, python) if Requirement(text).name not in INSTALL_COMMANDS]


def serve_requirements(pyproject: Path, python: str) -> list[str]:
    """Return the requirements of the extra `serve` for a version of Python."""
    return _select(_read_project(pyproject)["optional-dependencies"]["serve"], python)


def _read_project(pyproject: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return project


def _select(texts: Iterable[str], python: str) -> list[str]:
    """Return the requirements that hold for a version of Python, without their markers."""
    found = filter(lambda requirement: is_needed(requirement, python), map(Requirement, texts))
    return [f"{requirement.name}{requirement.specifier}" for requirement in found]


def is_needed(requirement: Requirement, python: str, extras: Iterable[str] = ()) -> bool:
    """Return whether the marker of a requirement holds for a version of Python and one of the `extras`, or for none."""
    variables = {"python_version": python, "python_full_version": f"{python}.0"}
    return requirement.marker is None or any(
        requirement.marker.evaluate(variables | {"extra": extra}) for extra in ("", *extras)
    )


def resolve(requirements: Sequence[str], python: str) -> dict[str, str]:
    """Return the name and version of each package that `requirements` need with a version of Python.

    pip evaluates the markers of requirements for the Python that runs it. This adds what only the other version needs
    (exceptiongroup for Python 3.10), and removes what it does not need. Raises `NmtError` with the last line of pip's
    messages if it fails.
    """
    wanted = list(requirements)
    while True:
        packages = _run_pip(wanted, python)
        needed, missing = close(map(Requirement, requirements), packages, python)
        if not missing:
            return {name: packages[name].version for name in needed}
        wanted += missing


def close(
    requirements: Iterable[Requirement], packages: Mapping[str, Package], python: str
) -> tuple[set[str], list[str]]:
    """Return the names of the packages that `requirements` need, and the requirements that no package satisfies."""
    needed: set[str] = set()
    missing: list[str] = []
    unread, read = list(requirements), set()
    while unread:
        requirement = unread.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in read:
            continue
        read.add((name, extras))
        if name in packages:
            needed.add(name)
            unread += [each for each in packages[name].requirements if is_needed(each, python, extras)]
        else:
            missing.append(f"{requirement.name}{requirement.specifier}")
    return needed, missing


def _run_pip(requirements: Sequence[str], python: str) -> dict[str, Package]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--ignore-installed", "--only-binary=:all:", "--python-version", python, "--target", folder]
        command = [*pip, *options, "--report", str(report), *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or "no message").split("\n")[-1]
            raise NmtError(f"pip cannot resolve the requirements for Python {python}: {reason}")
        found = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {
        canonicalize_name(each["name"]): Package(
            each["version"], tuple(map(Requirement, each.get("requires_dist", ())))
        )
        for each in found
    }


def merge(resolved: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the lines of the lock file, sorted by name.

    `resolved` has the packages for each version of Python, in ascending order. A line has a marker if its version does
    not hold for all of them. The last range is open, so that later versions of Python get a version, too.
    """
    pythons = list(resolved)
    lines = []
    for name in sorted(set().union(*resolved.values())):
        versions = [resolved[python].get(name) for python in pythons]
        for version, group in itertools.groupby(range(len(pythons)), key=versions.__getitem__):
            numbers = list(group)
            lower = f"python_version >= '{pythons[numbers[0]]}'" if numbers[0] else ""
            upper = f"python_version < '{pythons[numbers[-1] + 1]}'" if numbers[-1] + 1 < len(pythons) else ""
            marker = " and ".join(filter(None, (lower, upper)))
            if version is not None:
                lines.append(f"{name}=={version}" + (f"; {marker}" if marker else ""))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser(__doc__).parse_args(arguments)
    return exit_status(write_lock)


def write_lock() -> None:
    """Resolve the requirements and write both files. Raises `NmtError` if pip cannot resolve them."""
    pyproject = ROOT / "pyproject.toml"
    resolved: dict[Path, dict[str, dict[str, str]]] = {LOCK: {}, SERVE_LOCK: {}}
    for python in PYTHONS:
        progress(f"resolving for Python {python}")
        runtime = resolve(direct_requirements(pyproject, python), python)
        pins = [f"{name}=={version}" for name, version in runtime.items()]
        both = resolve([*pins, *serve_requirements(pyproject, python)], python)
        resolved[LOCK][python] = runtime
        resolved[SERVE_LOCK][python] = {name: version for name, version in both.items() if name not in runtime}
    for path, versions in resolved.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEADERS[path] + "\n".join(merge(versions)) + "\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    sys.exit(main())
