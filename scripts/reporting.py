"""Report progress, write figures to JSON files, and turn errors into exit statuses; shared by all scripts."""

import argparse
import json
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt.errors import NmtError

SHARED_OPTIONS: dict[str, dict[str, Any]] = {
    "--work": {"metavar": "FOLDER", "help": "keep all files in this folder (default: a temporary folder)"},
    "--json": {"metavar": "FILE", "help": "write all figures to this file"},
}


def parser(description: str | None, *shared: str) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of the script; `shared` are keys of `SHARED_OPTIONS`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in shared:
        made.add_argument(name, type=Path, **SHARED_OPTIONS[name])
    return made


def progress(line: str) -> None:
    """Print a line about the progress of the work on stderr."""
    print(line, file=sys.stderr, flush=True)


def cpu_name() -> str:
    """Return the model name of the CPU, or its architecture if the system does not give the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def check_json_path(path: Path | None) -> None:
    """Raise NmtError if the file cannot be written, before hours of measuring."""
    if path is not None and not path.absolute().parent.is_dir():
        raise NmtError(f"{path}: no such folder; make it, or choose another --json")


@contextmanager
def work_folder(folder: Path | None) -> Iterator[Path]:
    """Return the absolute path of `folder`, which is created if it is missing, or of a temporary folder."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="nmt-script-") as name:
            yield Path(name)
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NmtError(f"{folder}: cannot be created: {error.strerror}") from None
        yield folder.absolute()


def write_json(path: Path | None, figures: Any) -> None:
    """Write the figures to the file of --json, if one was given."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def run_in_folder(work: Callable[[argparse.Namespace, Path], None], options: argparse.Namespace) -> int:
    """Call `work` with the options and the folder of --work, and return the exit status of the script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores SIGINT

    def work_in_folder() -> None:
        check_json_path(getattr(options, "json", None))
        with work_folder(options.work) as folder:
            work(options, folder)

    return exit_status(work_in_folder)


def exit_status(work: Callable[[], None]) -> int:
    """Call `work` and return 0, or print the message of an NmtError as one line and return 1."""
    try:
        work()
    except NmtError as error:
        progress(f"{Path(sys.argv[0]).name}: error: {error}")
        return 1
    return 0
