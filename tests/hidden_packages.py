"""Hide installed packages from a child process, to test what nmt does where they are not installed."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITECUSTOMIZE = """
import sys
from importlib.machinery import PathFinder


class Finder(PathFinder):
    \"\"\"Finds what PathFinder finds, without the hidden packages, which then raise ModuleNotFoundError as usual.\"\"\"

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {hidden} else PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def environment_without(folder: Path, *packages: str) -> dict[str, str]:
    """Return environment variables with which Python finds this repository, and does not find `packages`.

    Write the sitecustomize module, which Python imports when it starts, to the existing `folder`.
    """
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE.replace("{hidden}", repr(packages)), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
