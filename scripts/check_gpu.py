"""Use every system of configs/systems on a pretended GPU, and compare with the processor.

python scripts/check_gpu.py [--only NAME ...] [--steps 4] [--lines 8] [--work FOLDER] [--json FILE]

A system trains some steps in fp32 on both, goes on from a checkpoint, translates by each search and scores pairs:
losses and scores must be the same but for rounding, and the text the same. It trains and translates in bf16 on the
device. So are the ways of training used that no system has. This finds tensors of both devices in one operation,
weights that cuDNN would not have so, wrong branches that only a GPU takes, and the lines that wait for it; not what
only CUDA itself knows (see `pretended_gpu.py`). Needs a C++ compiler.
"""

import argparse
import contextlib
import os
import sys
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import console
import pretended_gpu
from pretended_gpu import PretendedGpu

from nmt.cli.main import cli
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import Run, read_log

SYSTEMS = console.ROOT / "configs" / "systems"
WAYS: dict[str, tuple[str, list[str]]] = {
    "R-Drop, in parts, averages": (
        "bahdanau2015",
        ["training.r_drop=1", "training.accumulate=2", "training.ema_decay=0.9", "training.average_last=2"],
    ),
    "scheduled sampling": (
        "decoder-modes-attention",
        ["training.teacher_forcing=linear", "training.teacher_decay=4"],
    ),
    "minimum risk": (
        "bahdanau2015",
        [
            "training.objective=risk",
            "training.init_from=runs/bahdanau2015-cpu-fp32",
            "subword.reuse=runs/bahdanau2015-cpu-fp32",
        ],
    ),
    "dropped weights and words": ("gnmt2016", ["model.dropout.recurrent=0.2", "model.dropout.word=0.1"]),
}
"""What no system has: the system that it is tried with, and the keys. Minimum risk goes on from that one."""
SEARCHES = {
    "greedy": ["--greedy"],
    "beam": ["--beam-size", "4", "--n-best", "2"],
    "drawn": ["--sample", "--n-best", "2"],
    "penalties": ["--beam-size", "3", "--beam-prune", "1", "--length-penalty", "gnmt", "--min-length", "3"],
    "repetition": ["--beam-size", "3", "--no-repeat-ngram", "2", "--repetition-penalty", "1.2"],
    "shortlist": ["--beam-size", "2", "--shortlist", "8"],
}
NEAR = 1e-3
"""Losses and scores of both devices may be so far apart, as a part of themselves."""


@dataclass(frozen=True)
class Outcome:
    """What a system gave on one device."""

    numbers: list[float]
    """Losses of training, and scores of pairs."""
    lines: list[str]
    """All translations."""
    waits: Counter[str] = field(default_factory=Counter)


def use(log: Path, *words: str) -> None:
    """Run a command of nmt in this process, what it says going to the end of `log`; a warning is an error."""
    with log.open("a", encoding="utf-8") as file, contextlib.redirect_stderr(file), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        cli.main([*words], prog_name="nmt", standalone_mode=False)


def outcome(run: Run, system: str, keys: list[str], device: str, precision: str, steps: int) -> Outcome:
    """Use a system, with further keys, on one device."""
    log = Path(f"{run.folder.name}.log")
    budget = [
        f"name={run.folder.name}",
        f"data.prepared=prepared/{system}",
        f"training.device={device}",
        f"training.precision={precision}",
        f"training.max_steps={steps}",
        f"training.save_every={steps // 2}",
        f"training.validate_every={steps}",
        "training.validation_sentences=8",
        "decoding.max_length_ratio=1",
        "decoding.max_length_extra=2",
        "training.tokens_per_batch=100" if system == "lowresource2019" else "training.sentences_per_batch=8",
        "training.warmup_steps=1",
        "training.epsilon=0.001",  # else Adam makes steps of what is nothing but rounding
        "training.log_every=1",
    ]
    values = {key.partition("=")[0]: key for key in [*budget, *keys]}
    train = ["train", "--config", str(SYSTEMS / f"{system}.yaml"), *(f"--set={key}" for key in values.values())]
    use(log, *train)
    searches = {"beam": SEARCHES["beam"]}
    if precision == "fp32":
        use(log, *train, "--resume", "--checkpoint", f"step-{steps // 2}")
        searches = SEARCHES
    model = ["--model", str(run.folder), "--device", device, "--precision", precision]
    model += ["--tag", "<2de>"] if system == "zeroshot2017" else []
    lines: list[str] = []
    for options in searches.values():
        if system == "see2017" and "--shortlist" in options:
            continue  # refused, as it may copy any word
        use(log, "translate", *model, *options, "--input", "lines.txt", "--output", "found.txt")
        lines += read_lines(Path("found.txt"))
    use(log, "logprob", *model, "--source", "lines.txt", "--target", "lines.txt", "--output", "found.txt")
    losses = [entry["loss"] for entry in read_log(run.log) if entry["event"] == "train"]
    return Outcome([*losses, *map(float, read_lines(Path("found.txt")))], lines)


def compare(name: str, system: str, keys: list[str], steps: int) -> dict[str, Any]:
    """Return how far the devices are apart with a system, and where the processor waited."""
    waits: Counter[str] = Counter()
    found = {}
    for device, precision in (("cpu", "fp32"), ("cuda", "fp32"), ("cuda", "bf16")):
        run = Run(Path("runs") / f"{name.replace(' ', '-').replace(',', '')}-{device}-{precision}")
        with PretendedGpu() if device == "cuda" else contextlib.nullcontext() as gpu:
            found[device, precision] = outcome(run, system, keys, device, precision, steps)
        waits += Counter() if gpu is None else gpu.waits
    here, there = found["cpu", "fp32"], found["cuda", "fp32"]
    return {
        "apart": max(abs(a - b) / abs(a) for a, b in zip(here.numbers, there.numbers, strict=True)),
        "lines": sum(a != b for a, b in zip(here.lines, there.lines, strict=True)),
        "waits": waits,
    }


def examine(given: argparse.Namespace) -> None:
    """Compare with each, and tell."""
    cases = {path.stem: (path.stem, list[str]()) for path in sorted(SYSTEMS.glob("*.yaml"))} | WAYS
    unknown = [name for name in given.only or [] if name not in cases]
    if unknown:
        raise NmtError(f"--only {unknown[0]}: no such case; there are: {', '.join(cases)}")
    console.check_output(given.json)
    rows, waits, found = [["case", "numbers apart", "lines that differ", "wrong"]], Counter[str](), {}
    with console.workspace(given.work) as folder:
        os.chdir(folder)
        Path("data").symlink_to(console.ROOT / "data")
        lines = [*read_lines(Path("data/quickstart/test.en"))][: given.lines]
        Path("lines.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        for name in given.only or cases:
            try:
                result = compare(name, *cases[name], given.steps)
            except Exception as error:
                console.say(traceback.format_exc())
                row = ["", "", f"{type(error).__name__}: {error}".splitlines()[0]]
            else:
                waits += result["waits"]
                is_near = result["apart"] <= NEAR and not result["lines"]
                row = [f"{result['apart']:.0e}", str(result["lines"]), "" if is_near else "differs"]
            found[name] = row[-1]
            rows.append([name, *row])
            console.say("  ".join(rows[-1]))
    print(table(rows, right=frozenset([1, 2])))
    print()
    print(table([["waits", "at"], *([f"{count:,}", at] for at, count in waits.most_common())], right=frozenset([0])))
    console.write_json(given.json, {"wrong": found, "waits": waits})
    if wrong := [name for name, what in found.items() if what]:
        raise NmtError(f"{len(wrong)} of {len(found)} cases are wrong: {', '.join(wrong)}")


def main() -> int:
    """Run the command line, in a process that has the library of the pretended device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these systems or ways of training")
    parser.add_argument("--steps", type=int, default=4, help="to train, an even number (default 4)")
    parser.add_argument("--lines", type=int, default=8, help="to translate (default 8)")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    return pretended_gpu.conclude("check_gpu", lambda: examine(given))


if __name__ == "__main__":
    sys.exit(main())
