"""Fuzz the file parsers of nmt with coverage guidance (libFuzzer); only clear errors are allowed.

    python scripts/fault_injection/parsers.py [--runs 20000] [--only TARGET ...] [--seed 1] [--keep FOLDER]
                                              [--work FOLDER]

Each target parses bytes as one kind of file. libFuzzer changes the bytes so that they reach new code; it is used
through Atheris (pip install atheris; Linux). A target may raise only NmtError. Inputs that fail are copied to --keep.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from scripts import ROOT, reporting

if TYPE_CHECKING:
    from nmt.data.subword import Subword

LONGEST = 4096
"""Maximum bytes of an input."""
FUZZ_FLAG = "--fuzz"
"""First argument of the process that fuzzes one target."""


def config(path: Path) -> None:
    """Parse a configuration."""
    from nmt import config

    config.dump(config.load(path))


def text(path: Path) -> None:
    """Read and normalise a corpus; normalising is idempotent, and a line stays one line."""
    from nmt.config import Data
    from nmt.data.lines import normalize, one_line, read_lines

    corpus = {"source": "a", "target": "b"}
    for lowercase in (False, True):
        data = Data.model_validate({"train": corpus, "valid": corpus, "lowercase": lowercase, "normalization": "nfkc"})
        for line in read_lines(path):
            once = normalize(line, data)
            assert normalize(once, data) == once, "normalize is not idempotent"
            assert "\n" not in one_line(line), "one_line returned two lines"
            one_line(line).encode()


def pairs(path: Path) -> None:
    """Read a corpus of tab-separated pairs."""
    from nmt.config import Corpus
    from nmt.data.corpus import read_pairs

    list(read_pairs(Corpus(tsv=path)))


def vectors(path: Path) -> None:
    """Read word vectors."""
    from nmt.data.word_vectors import read_vectors

    if not _subword:
        with tempfile.TemporaryDirectory() as name:
            _subword.append(small_subword(Path(name)))
    read_vectors(path, _subword[0], 3)


def log(path: Path) -> None:
    """Read the log of a run."""
    from nmt.storage.history import read_history

    read_history(path)


def checkpoint(path: Path) -> None:
    """Read the meta.json of a checkpoint."""
    from nmt.storage.checkpoint_meta import load_json

    load_json(path)


def subword(path: Path) -> None:
    """Load a subword model."""
    from nmt.data.subword import Subword

    Subword.load(path)


def graph(path: Path) -> None:
    """Check a graph; it may be refused."""
    from nmt.runtime.graph_check import check_graph

    with contextlib.suppress(ValueError):
        check_graph(path.read_bytes())


def description(path: Path) -> None:
    """Read the graphs.json of an exported model, and check the files that it lists."""
    from nmt.runtime.export import check_exported
    from nmt.storage.run_folder import Run

    folder = path.parent / "exported"
    folder.mkdir(exist_ok=True)
    (folder / "graphs.json").write_bytes(path.read_bytes())
    check_exported(Run(folder))


_subword: "list[Subword]" = []


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
    "log": (log, "nmt.storage.history"),
    "checkpoint": (checkpoint, "nmt.storage.checkpoint_meta"),
    "subword": (subword, "nmt.data.subword"),
    "graph": (graph, "nmt.runtime.graph_check"),
    "description": (description, "nmt.runtime.graph_files"),
}
"""The parser of each target, and the module whose coverage guides the fuzzer."""


def write_seeds(name: str, folder: Path) -> None:
    """Write valid inputs, from which the fuzzer starts."""
    seeds: dict[str, list[bytes]] = {
        "config": [path.read_bytes() for path in sorted((ROOT / "configs").rglob("*.yaml"))],
        "text": [(ROOT / "data" / "quickstart" / "test.zh").read_bytes()[:600], "İ ǅ ﬁ e\u0301 \u2028 ½".encode()],
        "pairs": [b"a dog\tein Hund\nx\ty\tz\n"],
        "vectors": [b"2 3\nthe 1 2 3\ndog 0.5 -1 1e3\n", b"the 1 2 3\n"],
        "log": [b'{"event": "train", "step": 1, "loss": 2.0}\n{"event": "valid", "step": 1, "loss": 2, "bleu": 1}\n'],
        "checkpoint": [b'{"step": 1, "format": 2}'],
    }
    if name in ("graph", "description"):
        seeds |= export_seeds()
    for number, data in enumerate(seeds.get(name, [])):
        (folder / f"{number}").write_bytes(data)
    if name == "subword":
        small_subword(folder)


def export_seeds() -> dict[str, list[bytes]]:
    """Return a small graph, and a description of an exported model."""
    from onnx import TensorProto, helper

    from nmt.runtime.graph_files import Description, Graphs

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 2]) for name in "xy")
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], bytes(8), raw=True)
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], "graph", [x], [y], [weight])
    content = helper.make_model(graph).SerializeToString()
    digest = "0" * 64
    about = Description("int8", "run", "step-1", digest, digest, {}, digest, 9, 9)
    with tempfile.TemporaryDirectory() as name:
        Graphs(content, content, about).save(Path(name))
        return {"graph": [content], "description": [(Path(name) / "graphs.json").read_bytes()]}


def fuzz(name: str, folder: str, arguments: list[str]) -> None:
    """Fuzz one target in this process; its input is written to `folder`. Does not return."""
    import atheris

    parse, module = TARGETS[name]
    with atheris.instrument_imports(include=["nmt", "yaml"]):
        importlib.import_module(module)
    path = Path(folder) / "file"

    def parse_bytes(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(NmtError):
            parse(path)

    atheris.Setup([sys.argv[0], *arguments], parse_bytes)
    atheris.Fuzz()


def run(options: argparse.Namespace, work: Path) -> None:
    """Fuzz every target and print a table."""
    names = options.only or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        raise NmtError(f"--only {unknown[0]!r}: no such target; there are: {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        raise NmtError("Atheris is not installed; install it with: pip install atheris")
    limits = [f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=4096"]
    rows, failures = [["target", "inputs", "result"]], 0
    for name in names:
        folder = work / name
        folder.mkdir(exist_ok=True)
        write_seeds(name, folder)
        line = [sys.executable, __file__, FUZZ_FLAG, name, str(work), f"-runs={options.runs}", f"-seed={options.seed}"]
        line += [*limits, f"-artifact_prefix={work}/{name}-", str(folder)]
        done = subprocess.run(line, capture_output=True, check=False)
        if done.returncode:
            failures += 1
            reporting.progress(done.stderr.decode("utf-8", "replace")[-3000:])
        rows.append([name, f"{options.runs:,}", f"status {done.returncode}" if done.returncode else "passed"])
        reporting.progress(f"{name}: {rows[-1][2]}")
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        for path in work.glob("*-*"):
            shutil.copy(path, options.keep)
    print(table(rows, right=frozenset({1})))
    if failures:
        raise NmtError(f"{failures} targets failed")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work")
    add = parser.add_argument
    add("--runs", type=int, default=20_000, metavar="N", help="inputs of each target (default 20,000)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the fuzzer (default %(default)s)")
    add("--only", nargs="+", metavar="TARGET", help=f"targets, of: {', '.join(TARGETS)}")
    add("--keep", type=Path, metavar="FOLDER", help="copy inputs that fail to this folder")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    if sys.argv[1:2] == [FUZZ_FLAG]:
        fuzz(sys.argv[2], sys.argv[3], sys.argv[4:])
    sys.exit(main())
