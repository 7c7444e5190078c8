"""Run the tests of models and search with the oldest torch that pyproject.toml accepts, in a virtual environment.

    python scripts/verification/oldest_torch.py [--version 2.6.0] [--index-url URL] [--work FOLDER] [TEST ...]

Creates a virtual environment in FOLDER (default: build/oldest-torch, which is reused), installs a CPU wheel of torch
and the test dependencies, and runs the tests. Before it downloads anything, it asks pip for the metadata of the wheel,
and stops if the wheel is a CUDA build. PyPI has CPU wheels of torch for macOS, Windows and Linux on ARM, but not for
Linux on x86-64. There give an index that has them:

    python scripts/verification/oldest_torch.py --index-url https://download.pytorch.org/whl/cpu
"""

import argparse
import json
import re
import subprocess
import sys
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from scripts import ROOT
from scripts.reporting import exit_status, parser, progress

TESTS = ["tests/models", "tests/decoding", "tests/test_devices.py"]
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"


def oldest_version() -> str:
    """Return the oldest torch version of pyproject.toml, such as 2.6.0."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'"torch>=([\d.]+)"', text)
    if found is None:
        raise NmtError('pyproject.toml: no requirement "torch>=VERSION"')
    return ".".join([*found[1].split("."), "0", "0"][:3])


def run(command: list[str | Path], problem: str) -> str:
    """Run a command and return its standard output; raise NmtError with `problem` if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, encoding="utf-8")
    if done.returncode:
        raise NmtError(f"{problem} (status {done.returncode})")
    return done.stdout


def check_wheel(pip: list[str | Path], version: str, index: list[str]) -> str:
    """Return the URL of the torch wheel that pip would install; raise NmtError if it is not a CPU build."""
    command = [*pip, "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", *index]
    report = json.loads(
        run([*command, f"torch=={version}"], f"pip finds no wheel of torch {version} for this Python and index")
    )
    [wheel] = report["install"]
    url: str = wheel["download_info"]["url"]
    requirements = wheel["metadata"].get("requires_dist", [])
    # Such a requirement has a marker for the platforms on which the wheel is a CUDA build.
    is_here = sys.platform == "linux" and "x86_64" in url
    if is_here and any(each.startswith(("nvidia-", "cuda-")) for each in requirements):
        raise NmtError(
            f"{url.rpartition('/')[2]} is a CUDA build of several GB, and this index has no CPU wheel of torch "
            f"{version} for this machine; give an index that has one, such as "
            "--index-url https://download.pytorch.org/whl/cpu"
        )
    return url


def test(options: argparse.Namespace) -> None:
    """Create the environment and run the tests."""
    version = options.version or oldest_version()
    index = ["--index-url", options.index_url] if options.index_url else []
    folder = options.work.absolute()
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        progress(f"creating {folder} with Python {sys.version.split()[0]}")
        venv.create(folder, with_pip=True)
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
    installed = subprocess.run([python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    if installed.stdout.partition("+")[0].strip() != version:
        url = check_wheel(pip, version, index)
        progress(f"installing {url}")
        run([*pip, "install", "--quiet", *index, f"torch=={version}"], "torch cannot be installed")
    others = [line for line in CONSTRAINTS.read_text(encoding="utf-8").split("\n") if not line.startswith("torch")]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([*others, f"torch=={version}"]) + "\n", encoding="utf-8")
    run([*pip, "install", "--quiet", "-c", constraints, "-e", f"{ROOT}[dev]"], "nmt cannot be installed")
    tests = options.tests or TESTS
    progress(f"torch {version}: pytest {' '.join(tests)}")
    if subprocess.run([python, "-m", "pytest", "-p", "no:cacheprovider", *tests], cwd=ROOT).returncode:
        raise NmtError(f"the tests failed with torch {version}")


def main() -> int:
    """Run the command line."""
    arguments = parser(__doc__)
    add = arguments.add_argument
    add("tests", nargs="*", metavar="TEST", help=f"tests to run (default: {' '.join(TESTS)})")
    add("--version", help="version of torch (default: the oldest of pyproject.toml)")
    add("--index-url", metavar="URL", help="package index with CPU wheels of torch (default: that of pip)")
    add("--work", type=Path, default=ROOT / "build" / "oldest-torch", metavar="FOLDER", help="virtual environment")
    options = arguments.parse_args()
    return exit_status(lambda: test(options))


if __name__ == "__main__":
    sys.exit(main())
