"""Write requirements/runtime.txt: pinned versions of all packages that translating, scoring and serving need.

    python scripts/packaging/lock_runtime.py

The direct requirements are those of pyproject.toml without the packages that only training and drawing need
(`nmt.errors.INSTALL_COMMANDS`). pip resolves them for each version of Python in `PYTHONS`, and installs nothing.
The newest versions that fit are written; run it again to update them. It needs a package index (PyPI) and Python 3.11.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomllib

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nmt.errors import INSTALL_COMMANDS, NmtError
from scripts import ROOT
from scripts.reporting import exit_status, parser, progress

LOCK = ROOT / "requirements" / "runtime.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Consecutive versions of Python; the first is the oldest that nmt supports."""
HEADER = """\
# What nmt needs to translate, score and serve, without torch. Install it together with nmt itself:
#     pip install --no-deps -r requirements/runtime.txt .
# Written by scripts/packaging/lock_runtime.py for Linux on x86-64; do not edit.
# There are no hashes: with them pip would demand a hash for nmt itself (the dot), and a folder has none.
"""


def direct_requirements(pyproject: Path, python: str) -> list[str]:
    """Return the requirements of nmt for a version of Python, without those that only training and drawing need."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    found = []
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in INSTALL_COMMANDS:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            found.append(f"{requirement.name}{requirement.specifier}")
    return found


def resolve(requirements: Sequence[str], python: str) -> dict[str, str]:
    """Return the name and version of each package that pip would install for `requirements`.

    Raises `NmtError` with the last line of pip's messages if it fails.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--ignore-installed", "--only-binary=:all:", "--python-version", python, "--target", folder]
        command = [*pip, *options, "--report", str(report), *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or "no message").split("\n")[-1]
            raise NmtError(f"pip cannot resolve the requirements for Python {python}: {reason}")
        packages = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {canonicalize_name(package["name"]): package["version"] for package in packages}


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
    """Resolve the requirements and write the lock file. Raises `NmtError` if pip cannot resolve them."""
    resolved = {}
    for python in PYTHONS:
        progress(f"resolving for Python {python}")
        resolved[python] = resolve(direct_requirements(ROOT / "pyproject.toml", python), python)
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text(HEADER + "\n".join(merge(resolved)) + "\n", encoding="utf-8")
    print(LOCK)


if __name__ == "__main__":
    sys.exit(main())
