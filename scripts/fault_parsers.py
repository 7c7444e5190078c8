"""Search for input on which what reads files in nmt fails other than with a clear error, guided by coverage.

python scripts/fault_parsers.py [--runs 20000] [--only TARGET ...] [--seed 1] [--keep FOLDER]

Each target reads bytes as one kind of file: libFuzzer, by way of Atheris (pip install atheris, for Linux), changes them
towards code that has not run yet. Only `NmtError` may come out. What fails is kept in --keep.
"""

import argparse
import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import console

from nmt.errors import NmtError
from nmt.reports.table import table

if TYPE_CHECKING:
    from nmt.data.subword import Subword

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 4096
"""Bytes of an input."""


def config(path: Path) -> None:
    """A configuration."""
    from nmt import config

    config.dump(config.load(path))


def text(path: Path) -> None:
    """A corpus: what is cleaned twice is as what is cleaned once, and a line stays a line."""
    from nmt.config import Data
    from nmt.data.lines import normalize, one_line, read_lines

    corpus = {"source": "a", "target": "b"}
    for lowercase in (False, True):
        data = Data.model_validate({"train": corpus, "valid": corpus, "lowercase": lowercase, "normalization": "nfkc"})
        for line in read_lines(path):
            once = normalize(line, data)
            assert normalize(once, data) == once, "cleaning twice is not cleaning once"
            assert "\n" not in one_line(line), "a line became two"
            one_line(line).encode()


def pairs(path: Path) -> None:
    """A corpus of tab-separated pairs."""
    from nmt.config import Corpus
    from nmt.data.corpus import read_pairs

    list(read_pairs(Corpus(tsv=path)))


def vectors(path: Path) -> None:
    """Word vectors."""
    from nmt.data.word_vectors import read_vectors

    if not _known:
        with tempfile.TemporaryDirectory() as name:
            _known.append(small_subword(Path(name)))
    read_vectors(path, _known[0], 3)


def log(path: Path) -> None:
    """The log of a run."""
    from nmt.reports.history import read_history

    read_history(path)


def checkpoint(path: Path) -> None:
    """The description of a checkpoint."""
    from nmt.models.weights import load_json

    load_json(path)


def subword(path: Path) -> None:
    """A subword model."""
    from nmt.data.subword import Subword

    Subword.load(path)


_known: "list[Subword]" = []


def small_subword(folder: Path) -> "Subword":
    """Return a small subword model of words, written to `folder`/0."""
    from nmt.config import Subword as Settings
    from nmt.data.subword import Subword

    settings = Settings(kind="word", vocab_size=30, byte_fallback=False)
    return Subword.train(iter(["the dog runs", "a cat sleeps"] * 20), folder / "0", settings, 30)


TARGETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "config": (config, "nmt.config"),
    "text": (text, "nmt.data.lines"),
    "pairs": (pairs, "nmt.data.corpus"),
    "vectors": (vectors, "nmt.data.word_vectors"),
    "log": (log, "nmt.reports.history"),
    "checkpoint": (checkpoint, "nmt.models.weights"),
    "subword": (subword, "nmt.data.subword"),
}
"""What reads the bytes, and the module whose coverage guides the search."""


def seeds(name: str, folder: Path) -> None:
    """Write files to begin with."""
    first: dict[str, list[bytes]] = {
        "config": [path.read_bytes() for path in sorted((ROOT / "configs").rglob("*.yaml"))],
        "text": [(ROOT / "data" / "quickstart" / "test.zh").read_bytes()[:600], "İ ǅ ﬁ e\u0301 \u2028 ½".encode()],
        "pairs": [b"a dog\tein Hund\nx\ty\tz\n"],
        "vectors": [b"2 3\nthe 1 2 3\ndog 0.5 -1 1e3\n", b"the 1 2 3\n"],
        "log": [b'{"event": "train", "step": 1, "loss": 2.0}\n{"event": "valid", "step": 1, "loss": 2, "bleu": 1}\n'],
        "checkpoint": [b'{"step": 1, "format": 2}'],
    }
    for number, data in enumerate(first.get(name, [])):
        (folder / f"{number}").write_bytes(data)
    if name == "subword":
        small_subword(folder)


def fuzz(name: str, folder: str, arguments: list[str]) -> None:
    """Be the fuzzer of one target, which writes its input into `folder`; does not return."""
    import atheris

    with atheris.instrument_imports(include=["nmt", "yaml"]):
        importlib.import_module(TARGETS[name][1])
    read = TARGETS[name][0]
    place = Path(folder) / "file"

    def one(data: bytes) -> None:
        place.write_bytes(data)
        with contextlib.suppress(NmtError):
            read(place)

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def work(given: argparse.Namespace, folder: Path) -> None:
    """Run the fuzzer on every target and print a table."""
    names = given.only or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        raise NmtError(f"--only {unknown[0]!r}: no such target; there are: {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        raise NmtError("Atheris is not installed: pip install atheris")
    rows = [["target", "inputs", "result"]]
    failures = 0
    for name in names:
        place = folder / name
        place.mkdir(exist_ok=True)
        seeds(name, place)
        options = [
            f"-runs={given.runs}",
            f"-seed={given.seed}",
            f"-max_len={LONGEST}",
            "-timeout=20",
            "-rss_limit_mb=4096",
        ]
        line = [
            sys.executable,
            __file__,
            "--be",
            name,
            str(folder),
            *options,
            f"-artifact_prefix={folder}/{name}-",
            str(place),
        ]
        done = subprocess.run(line, capture_output=True, check=False)
        said = done.stderr.decode("utf-8", "replace")
        if done.returncode:
            failures += 1
            console.say(said[-3000:])
        rows.append(
            [name, f"{given.runs:,}", "as it should be" if done.returncode == 0 else f"status {done.returncode}"]
        )
        console.say(f"{name}: {rows[-1][2]}")
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*-*"):
            shutil.copy(path, given.keep)
    print(table(rows, right=frozenset({1})))
    if failures:
        raise NmtError(f"{failures} targets failed")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000, metavar="N", help="inputs for each target")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--only", nargs="+", metavar="TARGET")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="work here (default: a temporary folder)")
    parser.set_defaults(json=None)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--be"]:
        fuzz(sys.argv[2], sys.argv[3], sys.argv[4:])
    sys.exit(console.compare("fault_parsers", work, options()))
