"""The doors through which fault_input.py gives nmt bad input: what it makes, and what must come of it."""

import gzip
import json
import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import console
import fault_kill

PIPED = b"a\nb\n"
"""What comes out of a named pipe."""
writers: "list[subprocess.Popen[bytes]]" = []
"""Who writes into the pipes of a case."""
ROOT = console.ROOT
TAG = "<2de>"
MODEL = {"data.workers": 1, "subword.user_symbols": f"[{TAG!r}]", "data.train.tag": TAG, "data.valid.tag": TAG}
"""Of the model that is fed: it knows a tag."""
WORDS = (
    "the", "dog", "Haus", "schläft", "你好", "नमस्ते",
    "👩\u200d👩\u200d👧", "e\u0301", "\u200b", "\ufeff", "<2de>", "|||",
    "&#124;", "▁", "<s>", "</s>", "<unk>", "<0x0A>", "\u2028", "\x85", "\x0b", "\x00", "\x1b[31m", "\u202e", "\ufffe",
    "%s", "{}", "0", "1e400",
)  # fmt: skip
RAW = (
    b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\xaf",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\t", b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b" " * 5000,
    b"a" * 7000, b"\n" * 50,
)  # fmt: skip
LONG, OFTEN = b"a" * 70_000, 0.005
"""Put in now and then, as it takes minutes to translate."""
VALUES = (
    "null", "true", "-1", "0", "1", "1e309", ".nan", ".inf", "-.inf", "99999999999999999999", "''", "'x'", "[]", "{}",
    "[1, [2]]", "{a: {b: c}}", "!!python/object/apply:os.system [echo]", "!!binary aGk=", "2026-11-21", "&a [*a]",
    "0x10", "1_000", "../../../etc/passwd", "/dev/zero", "/dev/null", "/proc/self/mem", "~", "'a: b'", '"\\ud800"',
    "'\\u0000'", "none", "bpe",
)  # fmt: skip
SEARCHES: tuple[list[str], ...] = (
    [], ["--greedy"], ["--n-best", "2"], ["--sample", "--seed", "3"], ["--precision", "int8"], ["--shortlist", "8"],
    ["--alignments", "links"], ["--replace-unknown"], ["--tokens-per-batch", "1"], ["--window", "1"],
    ["--tag", TAG], ["--tag", "<2fr>"], ["--prefix", "Das"],
)  # fmt: skip


@dataclass
class Case:
    """A command line, what it reads on stdin, and what must hold where it ends with status 0."""

    arguments: list[str]
    stdin: bytes = b""
    check: Callable[[bytes], list[str]] = lambda out: []
    must_fail: bool = False
    closed: str = ""
    """stdin or stdout, which nobody holds at the other end."""


@dataclass
class Door:
    """Makes cases in a folder of their own, from what `setting` holds."""

    share: int
    """Of the cases, in parts."""
    make: Callable[[random.Random, Path, Path], Case]
    may_pass: bool = True
    """Whether there are good ones among them."""


def text(draw: random.Random, lines: int) -> bytes:
    """Return `lines` lines of words that may be hard to read."""
    return b"".join(
        " ".join(draw.choices(WORDS, k=draw.choice((0, 1, 3, 8, 20))))
        .replace("\n", " ")
        .encode("utf-8", "surrogatepass")
        + b"\n"
        for _ in range(lines)
    )


def spoiled(draw: random.Random, data: bytes) -> bytes:
    """Return `data` with some bytes changed, left out, doubled or put in, or cut off."""
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(6)
        if kind == 0 and place < len(data):
            data = data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        elif kind == 1:
            data = data[:place]
        elif kind == 2:
            data = data[:place] + (LONG if draw.random() < OFTEN else draw.choice(RAW)) + data[place:]
        elif kind == 3:
            data = data[:place] + data[place + draw.randrange(1, 40) :]
        elif kind == 4:
            data = data[:place] + data[max(0, place - draw.randrange(1, 60)) : place] + data[place:]
        else:
            data = data[:place] + draw.randbytes(draw.randrange(1, 9)) + data[place + 4 :]
    return data


def anything(draw: random.Random) -> bytes:
    """Return the bytes of a file somebody took for text."""
    data = text(draw, draw.randrange(12))
    kind = draw.randrange(8)
    if kind == 0:
        data = data.decode("utf-8", "replace").encode(draw.choice(("utf-16", "utf-32", "utf-7")))
    elif kind == 1:
        data = gzip.compress(data)
    elif kind == 2:
        data = spoiled(draw, gzip.compress(data))
    elif kind == 3:
        data = data.removesuffix(b"\n")
    elif kind < 7:
        data = spoiled(draw, data)
    return data


def count_lines(path: Path) -> int:
    """Return the lines of a file, plain or gzip; the last one counts with or without its end."""
    data = PIPED if path.is_fifo() else path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def strange_file(draw: random.Random, path: Path) -> None:
    """Put something else than a file of text at `path`."""
    kind = draw.randrange(6)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path.name)
    elif kind == 2:
        path.symlink_to("nowhere")
    elif kind == 3:
        os.mkfifo(path)
        writers.append(subprocess.Popen(["sh", "-c", f"printf 'a\\nb\\n' > {shlex.quote(str(path))}"]))
    elif kind == 4:
        path.symlink_to("/proc/self/mem")
    else:
        path.write_bytes(b"")


def a_file(draw: random.Random, path: Path) -> Path:
    """Make a file, most often of text of some kind, and return its path."""
    if draw.random() < 0.05:
        strange_file(draw, path)
    elif draw.random() < 0.98:
        path.write_bytes(anything(draw))
    return path


def configuration(draw: random.Random, folder: Path, setting: Path) -> Case:
    """A configuration that is damaged as text, or has a wrong value somewhere."""
    data = draw.choice(sorted((ROOT / "configs").rglob("*.yaml"))).read_bytes()
    if draw.random() < 0.5:
        data = spoiled(draw, data)
    else:
        lines = data.decode().split("\n")
        for _ in range(draw.randrange(1, 4)):
            row = draw.randrange(len(lines))
            key, colon, _ = lines[row].partition(":")
            lines[row] = draw.choice((f"{key}{colon} {draw.choice(VALUES)}", f"{key}x{colon} 1", "", f"  {lines[row]}"))
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
    (folder / "case.yaml").write_bytes(data)
    return Case(["config", draw.choice(("show", "check")), "--config", "case.yaml"])


def overrides(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Keys and values of --set."""
    keys = (
        "training.max_steps",
        "model.encoder.size",
        "data.train",
        "name",
        "decoding",
        "x",
        "training.betas",
        "",
        "a.b.c",
    )
    pairs = [f"--set={draw.choice(keys)}={draw.choice(VALUES)}" for _ in range(draw.randrange(1, 4))]
    return Case(["config", "show", "--config", str(ROOT / "configs" / "quickstart.yaml"), *pairs])


def corpora(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Two files to train on."""
    (folder / "data").symlink_to(ROOT / "data")  # where the validation text is
    good = [(ROOT / "data" / "quickstart" / f"train.{side}").read_bytes().split(b"\n")[:60] for side in ("en", "de")]
    for side, lines in zip(("source", "target"), good, strict=True):
        path = folder / side
        if draw.random() < 0.2:
            a_file(draw, path)
        else:
            data = b"\n".join(lines) + b"\n"
            path.write_bytes(spoiled(draw, data) if draw.random() < 0.7 else data)
    vocabulary = draw.choice(("400", "500", "600", "120", "3"))
    kind = draw.choice(("bpe", "unigram", "char", "word"))
    settings = [
        "data.train.source=source", "data.train.target=target", "data.prepared=prepared", "data.workers=1",
        f"subword.vocab_size={vocabulary}", f"subword.kind={kind}",
        f"subword.byte_fallback={kind in ('bpe', 'unigram')}",
    ]  # fmt: skip

    def check(out: bytes) -> list[str]:
        from nmt.data.store import Store

        counts = [count_lines(folder / side) for side in ("source", "target")]
        if counts[0] != counts[1]:
            return [f"took files of {counts[0]} and {counts[1]} lines for aligned"]
        stores = [path.parent for path in (folder / "prepared").rglob("store.json")]
        kept = max(len(Store(path)) for path in stores) if stores else 0
        return [] if kept else ["nothing was prepared"]

    config = str(ROOT / "configs" / "quickstart.yaml")
    return Case(["preprocess", "--config", config, *(f"--set={value}" for value in settings)], check=check)


def translation(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Text to translate, on stdin or in a file, with this or that option."""
    data = anything(draw)
    more = draw.choice(SEARCHES)
    factor = 2 if "--n-best" in more else 1
    line = ["translate", "--model", str(setting / "runs" / "model"), *more]
    if draw.random() < 0.3:
        path = a_file(draw, folder / "input")

        def check_file(out: bytes) -> list[str]:
            return wrong_count(out, factor * count_lines(path))

        return Case([*line, "--input", "input"], check=check_file)
    expected = factor * (data.count(b"\n") + (not data.endswith(b"\n") and data != b""))
    return Case(line, data, lambda out: wrong_count(out, expected), closed=draw.choice(("",) * 8 + ("stdin", "stdout")))


def wrong_count(out: bytes, expected: int) -> list[str]:
    """Return what is wrong with an output that should have `expected` lines, and no character that breaks one."""
    breaks = [char for char in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00" if char in out.decode("utf-8", "replace")]
    found = [f"{out.count(10)} lines out for {expected}"] if out.count(b"\n") != expected else []
    return found + ([f"output holds {breaks!r}"] if breaks else [])


def scoring(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Translations and references."""
    reference = a_file(draw, folder / "reference")
    hypotheses = a_file(draw, folder / "hypotheses")
    if draw.random() < 0.6 and reference.is_file():
        hypotheses = reference
    more = draw.choice(
        ([], ["--json"], ["--tokenize", "zh"], ["--metrics", "bleu"], ["--tokenize", "qqq"], ["--metrics", "x"])
    )

    def check(out: bytes) -> list[str]:
        counts = [count_lines(path) for path in (hypotheses, reference)]
        if counts[0] != counts[1] or not counts[0]:
            return [f"scored {counts[0]} lines against {counts[1]}"]
        if "--json" in more:
            json.loads(out)
        return [] if out else ["no score"]

    return Case(["score", "--reference", "reference", hypotheses.name, *more], check=check)


def log_probabilities(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Pairs whose probability is asked for."""
    source = a_file(draw, folder / "source")
    target = source if source.is_file() and draw.random() < 0.5 else a_file(draw, folder / "target")

    def check(out: bytes) -> list[str]:
        counts = [count_lines(path) for path in (source, target)]
        return wrong_count(out, counts[0]) if counts[0] == counts[1] else [f"{counts[0]} lines beside {counts[1]}"]

    return Case(["logprob", "--model", str(setting / "runs" / "model"), "-s", "source", "-t", target.name], check=check)


def damaged_run(draw: random.Random, folder: Path, setting: Path) -> Case:
    """A run folder in which one file is damaged; what has a checksum must be refused, by name."""
    shutil.copytree(setting / "runs" / "model", folder / "run")
    files = sorted(
        path for path in (folder / "run").rglob("*") if path.is_file() and path.suffix not in (".html", ".lock")
    )
    path = draw.choice(files)
    before = path.read_bytes()
    path.write_bytes(spoiled(draw, before))
    used = (
        folder
        / "run"
        / "checkpoints"
        / (folder / "run" / "checkpoints" / "best").read_bytes().decode("latin-1").strip()
    )
    is_checked = (
        path.parent == used and path.name in ("model.safetensors", "meta.json")
    ) or path.parent.name == "subword"
    data = text(draw, 3)
    case = Case(["translate", "--model", "run", "--greedy"], data, lambda out: wrong_count(out, 3))
    case.must_fail = is_checked and path.read_bytes() != before
    return case


def damaged_training(draw: random.Random, folder: Path, setting: Path) -> Case:
    """A run to go on with, in which a file of its last checkpoint is damaged."""
    shutil.copytree(setting / "runs", folder / "runs")
    shutil.copytree(setting / "prepared", folder / "prepared")
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "runs" / "model" / "finished.json").unlink()
    last = (
        folder
        / "runs"
        / "model"
        / "checkpoints"
        / (folder / "runs" / "model" / "checkpoints" / "last").read_text().strip()
    )
    path = draw.choice(sorted(path for path in last.rglob("*") if path.is_file()))
    before = path.read_bytes()
    path.write_bytes(spoiled(draw, before))
    line = fault_kill.training(MODEL, "model")
    return Case([*line, "--resume"], must_fail=path.read_bytes() != before)


def damaged_store(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Prepared data in which one file is damaged."""
    shutil.copytree(setting / "prepared", folder / "prepared")
    (folder / "data").symlink_to(ROOT / "data")
    path = draw.choice(sorted(path for path in (folder / "prepared").rglob("*") if path.is_file()))
    path.write_bytes(spoiled(draw, path.read_bytes()))
    line = fault_kill.training({**MODEL, "training.max_steps": 2, "training.validate_every": 2}, "new")
    return Case(line)


def logs(draw: random.Random, folder: Path, setting: Path) -> Case:
    """A log to draw."""
    (folder / "run").mkdir()
    data = (setting / "runs" / "model" / "log.jsonl").read_bytes()
    (folder / "run" / "log.jsonl").write_bytes(spoiled(draw, data))
    return Case(["plot", "run", "--output", "curves.svg"])


def vectors(draw: random.Random, folder: Path, setting: Path) -> Case:
    """Word vectors to begin with."""
    shutil.copytree(setting / "prepared", folder / "prepared")
    (folder / "data").symlink_to(ROOT / "data")
    rows = [f"{word} {' '.join(f'{draw.gauss(0, 1):.3f}' for _ in range(24))}" for word in draw.choices(WORDS, k=5)]
    data = "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")
    (folder / "vectors").write_bytes(spoiled(draw, data))
    changes = {
        **MODEL, "training.max_steps": 1, "training.validate_every": 1, "model.embedding.tie": "target",
        "model.embedding.source_vectors": "vectors",
    }  # fmt: skip
    return Case(fault_kill.training(changes, "new"))


DOORS = {
    "configuration": Door(30, configuration),
    "--set": Door(5, overrides),
    "corpora": Door(20, corpora),
    "text to translate": Door(20, translation),
    "translations to score": Door(10, scoring),
    "pairs for logprob": Door(5, log_probabilities),
    "files of a run": Door(6, damaged_run),
    "files to resume from": Door(1, damaged_training, may_pass=False),
    "prepared data": Door(1, damaged_store),
    "logs": Door(1, logs),
    "word vectors": Door(1, vectors),
}
