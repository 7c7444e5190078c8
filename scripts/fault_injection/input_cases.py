"""Generate invalid inputs for every place where nmt reads something: one random case of each kind."""

import gzip
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scripts import ROOT
from scripts.fault_injection.cases import Case, output_problems
from scripts.fault_injection.small_run import CONFIG, train_arguments

PIPE_CONTENT = b"a\nb\n"
"""What is written to a named pipe."""
pipe_writers: "list[subprocess.Popen[bytes]]" = []
"""Processes that write to the named pipes of a case; `bad_input` ends them."""
TAG = "<2de>"
MODEL_SETTINGS = {
    "data.workers": 1,
    "subword.user_symbols": f"[{TAG!r}]",
    "data.train.tag": TAG,
    "data.valid.tag": TAG,
    "decoding.shortlist": 8,
}
"""Settings of the model that the cases use: it knows a tag and has a lexicon."""
WORDS = (
    "the", "dog", "Haus", "schläft", "你好", "नमस्ते",
    "👩\u200d👩\u200d👧", "e\u0301", "\u200b", "\ufeff", "<2de>", "|||",
    "&#124;", "▁", "<s>", "</s>", "<unk>", "<0x0A>", "\u2028", "\x85", "\x0b", "\x00", "\x1b[31m", "\u202e", "\ufffe",
    "%s", "{}", "0", "1e400",
)  # fmt: skip
BYTES = (
    b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\xaf",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\t", b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b" " * 5000,
    b"a" * 7000, b"\n" * 50,
)  # fmt: skip
LONG_LINE, LONG_LINE_CHANCE = b"a" * 70_000, 0.005
"""Rarely inserted, because its translation takes minutes."""
VALUES = (
    "null", "true", "-1", "0", "1", "1e309", ".nan", ".inf", "-.inf", "99999999999999999999", "''", "'x'", "[]", "{}",
    "[1, [2]]", "{a: {b: c}}", "!!python/object/apply:os.system [echo]", "!!binary aGk=", "2026-11-21", "&a [*a]",
    "0x10", "1_000", "../../../etc/passwd", "/dev/zero", "/dev/null", "/proc/self/mem", "~", "'a: b'", '"\\ud800"',
    "'\\u0000'", "none", "bpe",
)  # fmt: skip
KEYS = (
    "training.max_steps", "model.encoder.size", "data.train", "name", "decoding", "x", "training.betas", "", "a.b.c",
)  # fmt: skip
SEARCHES: tuple[list[str], ...] = (
    [], ["--greedy"], ["--n-best", "2"], ["--sample", "--seed", "3"], ["--precision", "int8"], ["--shortlist", "0"],
    ["--alignments", "links"], ["--replace-unknown"], ["--tokens-per-batch", "1"], ["--window", "1"],
    ["--tag", TAG], ["--tag", "<2fr>"], ["--prefix", "Das"],
)  # fmt: skip


@dataclass
class Kind:
    """A kind of input."""

    share: int
    """Relative number of cases."""
    make: Callable[[random.Random, Path, Path], Case]
    """Makes a case in the folder of the case, with the folder of the model as the last argument."""
    may_succeed: bool = True
    """Whether some cases are valid."""


def random_text(draw: random.Random, lines: int) -> bytes:
    """Return `lines` lines of words, some of which are difficult to read."""
    return b"".join(
        " ".join(draw.choices(WORDS, k=draw.choice((0, 1, 3, 8, 20))))
        .replace("\n", " ")
        .encode("utf-8", "surrogatepass")
        + b"\n"
        for _ in range(lines)
    )


def corrupted(draw: random.Random, data: bytes) -> bytes:
    """Return `data` with bits flipped, or bytes cut off, inserted, removed, repeated or replaced."""
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at = draw.randrange(len(data) + 1)
        change = draw.randrange(6)
        if change == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        elif change == 1:
            data = data[:at]
        elif change == 2:
            data = data[:at] + (LONG_LINE if draw.random() < LONG_LINE_CHANCE else draw.choice(BYTES)) + data[at:]
        elif change == 3:
            data = data[:at] + data[at + draw.randrange(1, 40) :]
        elif change == 4:
            data = data[:at] + data[max(0, at - draw.randrange(1, 60)) : at] + data[at:]
        else:
            data = data[:at] + draw.randbytes(draw.randrange(1, 9)) + data[at + 4 :]
    return data


def random_content(draw: random.Random) -> bytes:
    """Return text that may be corrupted, compressed, or in another encoding."""
    data = random_text(draw, draw.randrange(12))
    change = draw.randrange(8)
    if change == 0:
        data = data.decode("utf-8", "replace").encode(draw.choice(("utf-16", "utf-32", "utf-7")))
    elif change == 1:
        data = gzip.compress(data)
    elif change == 2:
        data = corrupted(draw, gzip.compress(data))
    elif change == 3:
        data = data.removesuffix(b"\n")
    elif change < 7:
        data = corrupted(draw, data)
    return data


def line_count(data: bytes) -> int:
    """Return the number of lines; the last line counts with or without its line feed."""
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def count_lines(path: Path) -> int:
    """Return the number of lines of a file, plain or gzip."""
    data = PIPE_CONTENT if path.is_fifo() else path.read_bytes()
    return line_count(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)


def special_file(draw: random.Random, path: Path) -> None:
    """Create a folder, a broken or special link, a named pipe or an empty file at `path`."""
    kind = draw.randrange(6)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path.name)
    elif kind == 2:
        path.symlink_to("nowhere")
    elif kind == 3:
        os.mkfifo(path)
        pipe_writers.append(subprocess.Popen(["sh", "-c", f"printf 'a\\nb\\n' > {shlex.quote(str(path))}"]))
    elif kind == 4:
        path.symlink_to("/proc/self/mem")
    else:
        path.write_bytes(b"")


def random_file(draw: random.Random, path: Path) -> Path:
    """Create a file, mostly of text, or rarely none, and return its path."""
    if draw.random() < 0.05:
        special_file(draw, path)
    elif draw.random() < 0.98:
        path.write_bytes(random_content(draw))
    return path


def corrupt_file(draw: random.Random, path: Path) -> bool:
    """Corrupt a file and return whether its content has changed."""
    before = path.read_bytes()
    path.write_bytes(corrupted(draw, before))
    return path.read_bytes() != before


def link_data(folder: Path) -> None:
    """Create the link `data`, which configurations of the embedded corpus need."""
    (folder / "data").symlink_to(ROOT / "data")


def configuration(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A configuration that is corrupted as text, or has wrong values."""
    data = draw.choice(sorted((ROOT / "configs").rglob("*.yaml"))).read_bytes()
    if draw.random() < 0.5:
        data = corrupted(draw, data)
    else:
        lines = data.decode().split("\n")
        for _ in range(draw.randrange(1, 4)):
            row = draw.randrange(len(lines))
            key, colon, _ = lines[row].partition(":")
            lines[row] = draw.choice((f"{key}{colon} {draw.choice(VALUES)}", f"{key}x{colon} 1", "", f"  {lines[row]}"))
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
    (folder / "case.yaml").write_bytes(data)
    return Case(["config", draw.choice(("show", "check")), "--config", "case.yaml"])


def overrides(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """Keys and values of --set."""
    pairs = [f"--set={draw.choice(KEYS)}={draw.choice(VALUES)}" for _ in range(draw.randrange(1, 4))]
    return Case(["config", "show", "--config", CONFIG, *pairs])


def corpora(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A training corpus of two files."""
    link_data(folder)
    valid = [(ROOT / "data" / "quickstart" / f"train.{side}").read_bytes().split(b"\n")[:60] for side in ("en", "de")]
    for side, lines in zip(("source", "target"), valid, strict=True):
        path = folder / side
        if draw.random() < 0.2:
            random_file(draw, path)
        else:
            data = b"\n".join(lines) + b"\n"
            path.write_bytes(corrupted(draw, data) if draw.random() < 0.7 else data)
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
            return [f"accepted files of {counts[0]} and {counts[1]} lines as aligned"]
        stores = [path.parent for path in (folder / "prepared").rglob("store.json")]
        kept = max(len(Store(path)) for path in stores) if stores else 0
        return [] if kept else ["nothing was prepared"]

    return Case(["preprocess", "--config", CONFIG, *(f"--set={value}" for value in settings)], check=check)


def translation(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """Text to translate, on standard input or in a file, with a random option."""
    data = random_content(draw)
    more = draw.choice(SEARCHES)
    factor = 2 if "--n-best" in more else 1
    line = ["translate", "--model", str(model_folder / "runs" / "model"), *more]
    if draw.random() < 0.3:
        path = random_file(draw, folder / "input")
        return Case([*line, "--input", "input"], check=lambda out: output_problems(out, factor * count_lines(path)))
    expected = factor * line_count(data)
    closed = draw.choice(("",) * 8 + ("stdin", "stdout"))
    return Case(line, data, lambda out: output_problems(out, expected), closed=closed)


def scoring(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """Translations and references."""
    reference = random_file(draw, folder / "reference")
    hypotheses = random_file(draw, folder / "hypotheses")
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


def log_probabilities(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """Sentence pairs for nmt logprob."""
    source = random_file(draw, folder / "source")
    target = source if source.is_file() and draw.random() < 0.5 else random_file(draw, folder / "target")

    def check(out: bytes) -> list[str]:
        counts = [count_lines(path) for path in (source, target)]
        if counts[0] != counts[1]:
            return [f"scored {counts[0]} lines with {counts[1]} targets"]
        return output_problems(out, counts[0])

    line = ["logprob", "--model", str(model_folder / "runs" / "model"), "-s", "source", "-t", target.name]
    return Case(line, check=check)


def damaged_run(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A run folder with one damaged file; nmt must name a damaged file that has a checksum."""
    run = folder / "run"
    shutil.copytree(model_folder / "runs" / "model", run)
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.suffix not in (".html", ".lock"))
    used = run / "checkpoints" / (run / "checkpoints" / "best").read_text(encoding="utf-8").strip()
    path = draw.choice(files)
    is_changed = corrupt_file(draw, path)
    is_checked = path.parent.name == "subword" or path in (used / "model.safetensors", used / "meta.json")
    case = Case(["translate", "--model", "run", "--greedy"], random_text(draw, 3), lambda out: output_problems(out, 3))
    case.must_fail = is_checked and is_changed
    return case


def translate_some(draw: random.Random, model: str) -> Case:
    """A translation of three lines with the graphs of a model."""
    line = ["translate", "--model", model, "--greedy", "--engine", "onnx", "--precision", "int8"]
    return Case(line, random_text(draw, 3), lambda out: output_problems(out, 3))


def damaged_export(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """An exported model with one damaged file; nmt must name a damaged file that it reads."""
    shutil.copytree(model_folder / "exported", folder / "exported")
    path = draw.choice(sorted(path for path in (folder / "exported").rglob("*") if path.is_file()))
    is_changed = corrupt_file(draw, path)
    case = translate_some(draw, "exported")
    case.must_fail = is_changed and path.name not in ("graphs.json", "README.md")
    return case


def hostile_export(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """An exported model with a damaged file and its checksum: somebody has changed it on purpose."""
    exported = folder / "exported"
    shutil.copytree(model_folder / "exported", exported)
    description = json.loads((exported / "graphs.json").read_text(encoding="utf-8"))
    name = draw.choice(("encoder.onnx", "decoder.onnx", draw.choice(sorted(description["files"]))))
    corrupt_file(draw, exported / name)
    content = (exported / name).read_bytes()
    description["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (exported / "graphs.json").write_text(json.dumps(description), encoding="utf-8")
    return translate_some(draw, "exported")


def damaged_graphs(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A run with a damaged file in the graphs of its best checkpoint; nmt must make them again."""
    shutil.copytree(model_folder / "runs" / "model", folder / "run")
    corrupt_file(draw, draw.choice(sorted((folder / "run").glob("checkpoints/*/graphs-int8/*"))))
    case = translate_some(draw, "run")
    case.must_succeed = True
    return case


def damaged_training(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A run to resume, with a damaged file in its last checkpoint."""
    for name in ("runs", "prepared"):
        shutil.copytree(model_folder / name, folder / name)
    link_data(folder)
    run = folder / "runs" / "model"
    (run / "finished.json").unlink()
    last = run / "checkpoints" / (run / "checkpoints" / "last").read_text(encoding="utf-8").strip()
    is_changed = corrupt_file(draw, draw.choice(sorted(path for path in last.rglob("*") if path.is_file())))
    return Case([*train_arguments(MODEL_SETTINGS, "model"), "--resume"], must_fail=is_changed)


def damaged_store(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """Prepared data with one damaged file."""
    shutil.copytree(model_folder / "prepared", folder / "prepared")
    link_data(folder)
    corrupt_file(draw, draw.choice(sorted(path for path in (folder / "prepared").rglob("*") if path.is_file())))
    return Case(train_arguments({**MODEL_SETTINGS, "training.max_steps": 2, "training.validate_every": 2}, "new"))


def damaged_log(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A damaged training log for nmt plot."""
    (folder / "run").mkdir()
    data = (model_folder / "runs" / "model" / "log.jsonl").read_bytes()
    (folder / "run" / "log.jsonl").write_bytes(corrupted(draw, data))
    return Case(["plot", "run", "--output", "curves.svg"])


def word_vectors(draw: random.Random, folder: Path, model_folder: Path) -> Case:
    """A damaged file of pretrained word vectors."""
    shutil.copytree(model_folder / "prepared", folder / "prepared")
    link_data(folder)
    rows = [f"{word} {' '.join(f'{draw.gauss(0, 1):.3f}' for _ in range(24))}" for word in draw.choices(WORDS, k=5)]
    data = "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")
    (folder / "vectors").write_bytes(corrupted(draw, data))
    changes = {
        **MODEL_SETTINGS, "training.max_steps": 1, "training.validate_every": 1, "model.embedding.tie": "target",
        "model.embedding.source_vectors": "vectors",
    }  # fmt: skip
    return Case(train_arguments(changes, "new"))


KINDS = {
    "configuration": Kind(30, configuration),
    "--set": Kind(5, overrides),
    "corpora": Kind(20, corpora),
    "text to translate": Kind(20, translation),
    "translations to score": Kind(10, scoring),
    "pairs for logprob": Kind(5, log_probabilities),
    "files of a run": Kind(6, damaged_run),
    "files of an exported model": Kind(4, damaged_export),
    "hostile exported models": Kind(6, hostile_export),
    "graphs of a checkpoint": Kind(2, damaged_graphs),
    "files to resume from": Kind(1, damaged_training, may_succeed=False),
    "prepared data": Kind(1, damaged_store),
    "logs": Kind(1, damaged_log),
    "word vectors": Kind(1, word_vectors),
}
