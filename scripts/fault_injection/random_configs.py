"""Draw random configurations from everything that the schema allows, and use each from training to evaluation.

    python scripts/fault_injection/random_configs.py [--cases 500] [--seed 1] [--keep FOLDER] [--work FOLDER]
                                                     [--json FILE]

Each configuration is used in forked processes. Its `unroll` must equal its `step`, with and without padding. It is
trained for some steps, sometimes a second time from its own weights or by minimum risk. Text is translated in every
precision, with one line of output for each line of input, and a test set is evaluated. A command fails as in
`bad_input.py`. A configuration that the schema accepts but a command refuses is listed with the reason. Needs Linux.
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq
from scripts import ROOT, reporting
from scripts.fault_injection.cases import Case, output_problems, preload, problems, run_case

SMALL: dict[str, Any] = {
    "subword.vocab_size": 400,
    "model.embedding.size": 8,
    "model.encoder.size": 8,
    "model.decoder.size": 8,
    "training.max_steps": 4,
    "training.sentences_per_batch": 8,
    "training.validate_every": 2,
    "training.save_every": 2,
    "training.log_every": 1,
    "training.warmup_steps": 1,
}
CHOICES: dict[str, tuple[Any, ...]] = {
    "subword.kind": ("unigram", "char", "word"),
    "subword.joint": (False,),
    "subword.byte_fallback": (False,),
    "subword.sampling": (0.2,),
    "model.embedding.size": (8, 12),
    "model.embedding.tie": ("none", "all"),
    "model.encoder.cell": ("gru", "rnn"),
    "model.encoder.layers": (2, 3),
    "model.encoder.size": (8, 12),
    "model.encoder.residual": (True,),
    "model.encoder.residual_from": (2, 3),
    "model.encoder.layer_norm": (True,),
    "model.encoder.gate_norm": (True,),
    "model.encoder.transitions": (2, 3),
    "model.encoder.heads": (1, 2),
    "model.encoder.feed_forward": (12,),
    "model.encoder.bidirectional": (False,),
    "model.encoder.bidirectional_layers": (1, 2),
    "model.encoder.merge": ("sum", "mul", "average"),
    "model.encoder.reverse": (True,),
    "model.encoder.summary": ("mean", "max"),
    "model.attention.score": ("none", "none", "additive", "additive", "concat", "dot", "location"),
    "model.attention.scaled": (False,),
    "model.attention.size": (6, 12),
    "model.attention.heads": (2, 3),
    "model.attention.local": ("monotonic", "predictive"),
    "model.attention.window": (1, 3),
    "model.attention.positions": (300,),
    "model.attention.coverage": (True,),
    "model.decoder.cell": ("gru", "rnn"),
    "model.decoder.layers": (1, 3),
    "model.decoder.size": (8, 12),
    "model.decoder.residual": (True,),
    "model.decoder.residual_from": (2, 3),
    "model.decoder.layer_norm": (True,),
    "model.decoder.gate_norm": (True,),
    "model.decoder.transitions": (2, 3),
    "model.decoder.heads": (1, 2),
    "model.decoder.feed_forward": (12,),
    "model.decoder.context_to": (
        "output",
        "next_input",
        "all_layers",
        "same_step",
        "conditional",
        "start",
        "every_step",
    ),
    "model.decoder.feedback": (False,),
    "model.decoder.start": ("last", "mean", "zero"),
    "model.decoder.readout": ("deep", "maxout", "none", "state"),
    "model.decoder.copy_source": (True,),
    "model.dropout.embedding": (0.0,),
    "model.dropout.layer": (0.0, 0.5),
    "model.dropout.output": (0.0,),
    "model.dropout.recurrent": (0.3,),
    "model.dropout.word": (0.2,),
    "model.dropout.mask": ("sentence",),
    "training.accumulate": (3,),
    "training.optimizer": ("adamw",),
    "training.weight_decay": (0.01,),
    "training.schedule": ("constant", "inverse_sqrt", "plateau"),
    "training.plateau_patience": (1,),
    "training.clip_norm": (0.0,),
    "training.label_smoothing": (0.0,),
    "training.r_drop": (2.0,),
    "training.coverage_loss": (0.5,),
    "training.coverage_after": (0.5,),
    "training.teacher_forcing": ("linear", "inverse_sigmoid"),
    "training.teacher_decay": (3,),
    "training.teacher_floor": (0.0,),
    "training.precision": ("fp32", "bf16"),
    "training.ema_decay": (0.9,),
    "training.average_last": (2,),
    "training.validation_bleu": (False,),
    "training.metric": ("loss",),
    "training.patience": (1,),
    "training.max_tokens": (40,),
    "decoding.beam_size": (1, 3),
    "decoding.length_penalty": ("none", "gnmt"),
    "decoding.alpha": (0.5,),
    "decoding.coverage_penalty": (0.3,),
    "decoding.beam_prune": (1.0,),
    "decoding.max_repeats": (0, 3),
    "decoding.no_repeat_ngram": (1, 3),
    "decoding.repetition_penalty": (1.3,),
    "decoding.shortlist": (4,),
    "decoding.replace_unknown": (True, False),
    "decoding.max_length_ratio": (1.0,),
    "decoding.max_source_tokens": (10,),
    "decoding.tokens_per_batch": (1, 64),
}
SEARCHES: tuple[list[str], ...] = (
    ["--precision", "int8"],
    ["--precision", "bf16", "--greedy"],
    ["--precision", "fp32", "--n-best", "2", "--beam-size", "3"],
    ["--precision", "int8", "--greedy"],
    ["--sample", "--seed", "1"],
    ["--alignments", "links"],
)
TEXT = "The doctor sees the dog.\n\nzzz 你好 the\nthe the the the the the the the the the the the the the the\n"
PAIRS = {"train": 60, "valid": 6}
LINES = TEXT.count("\n")
VOCABULARY = 19
BASES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"model.decoder.context_to": "same_step", "model.attention.score": "additive"},
    {"model.decoder.context_to": "conditional"},
    {"model.decoder.context_to": "all_layers"},
    {"model.decoder.residual": True, "model.encoder.residual": True, "model.encoder.layers": 3},
    {"model.decoder.context_to": "next_input", "model.attention.score": "additive", "model.attention.coverage": True},
    {"model.attention.score": "none", "model.decoder.context_to": "start"},
    {"model.attention.score": "none", "model.decoder.context_to": "every_step", "model.encoder.summary": "mean"},
    {"model.attention.score": "location", "model.attention.positions": 300},
    {"model.attention.score": "additive", "model.attention.heads": 2, "model.attention.size": 6},
    {"model.attention.score": "dot", "model.attention.heads": 3, "model.attention.size": 6},
    {"model.decoder.kind": "transformer", "model.decoder.heads": 2, "model.decoder.feed_forward": 12},
    {"model.encoder.kind": "transformer", "model.encoder.heads": 2, "model.encoder.feed_forward": 12},
    {"model.decoder.copy_source": True},
    {"model.decoder.copy_source": True, "subword.kind": "word"},
    {"training.teacher_forcing": "linear", "training.teacher_decay": 3},
    {"model.encoder.size": 12, "model.decoder.size": 12, "model.decoder.start": "last"},
)
"""Starting points of the random walk; some keys are only allowed together."""
WALK_STEPS = 150
"""Changes that are tried."""


def draw_config(draw: random.Random) -> tuple[config.Config, dict[str, Any], Counter[str]]:
    """Return a configuration at the end of a random walk through everything that the schema accepts.

    Also return its keys as nested sections, as in a file, and the reasons why the schema refused other configurations.
    """
    corpora = {part: {side: f"{part}.{side}" for side in ("source", "target")} for part in PAIRS}
    data = {**corpora, "test": {"test": corpora["valid"]}, "workers": 1}
    refusals: Counter[str] = Counter()
    values = {**SMALL, **draw.choice(BASES)}
    parsed = config.Config.model_validate({**nested(values), "data": data})
    for _ in range(WALK_STEPS):
        changed = dict(values)
        for key in draw.sample(list(CHOICES), draw.choice((1, 1, 2, 3))):
            changed.pop(key, None)
            if key in SMALL or draw.random() < 0.7:
                changed[key] = draw.choice(CHOICES[key])
        try:
            parsed = config.Config.model_validate({**nested(changed), "data": data})
            values = changed
        except ValidationError as error:
            refusals[error.errors()[0]["msg"]] += 1
    return parsed, {**nested(values), "data": data}, refusals


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return dotted keys as nested sections, with the name of a run."""
    result: dict[str, Any] = {"name": "run"}
    for name, value in values.items():
        *sections, key = name.split(".")
        section = result
        for each in sections:
            section = section.setdefault(each, {})
        section[key] = value
    return result


def compare_unroll_and_step(model: config.Model) -> list[str]:
    """Return the differences between `unroll` and `step`, and between a sentence alone and in a padded batch."""
    torch.manual_seed(1)
    network = Seq2Seq(model, VOCABULARY, VOCABULARY).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.4)
        lengths = torch.tensor([7, 4, 2])
        source = torch.randint(4, VOCABULARY, (3, 7))
        source[torch.arange(7) >= lengths.unsqueeze(1)] = 0
        previous = torch.randint(2, VOCABULARY, (3, 5))
        together = _unrolled(network, source, lengths, previous)
        memory = network.encode(source, lengths)
        state = network.start(memory, 1)
        steps = []
        for t in range(previous.shape[1]):
            state, output = network.step(previous[:, t], state, memory)
            steps.append(output.logits)
        alone = [
            _unrolled(network, source[i : i + 1, :length], lengths[i : i + 1], previous[i : i + 1])
            for i, length in enumerate(lengths.tolist())
        ]
    differences = {
        "unroll and step": (torch.stack(steps, 1) - together).abs().max().item(),
        "a sentence alone and in a batch": (torch.cat(alone) - together).abs().max().item(),
    }
    return [f"{name} differ by {value:g}" for name, value in differences.items() if not value < 1e-4]


def _unrolled(network: Any, source: torch.Tensor, lengths: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
    """Return what `step` calls logits, (B, T, V)."""
    found = network(source, lengths, previous)
    logits: torch.Tensor = network.output(found.readout)
    if network.copy_gate is None:
        return logits
    copied = source.repeat_interleave(previous.shape[1], dim=0)
    rows = (part.flatten(0, 1) for part in (logits, found.readout, found.alignment))
    mixed: torch.Tensor = network.copy_gate.mix(*rows, copied)
    return mixed.view(logits.shape)


def make_cases(draw: random.Random, values: dict[str, Any], folder: Path) -> list[Case]:
    """Return the commands that use a configuration, in their order, and write its file."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    train = ["train", "--config", "config.yaml"]
    cases, name = [Case(train)], "run"
    if draw.random() < 0.4:
        second = {"name": "second", "training.init_from": "runs/run", "subword.reuse": "runs/run"}
        if draw.random() < 0.6:
            for key in ("r_drop", "teacher_forcing", "teacher_decay", "teacher_floor"):
                values["training"].pop(key, None)
            path.write_text(yaml.safe_dump(values), encoding="utf-8")
            second |= {"training.objective": "risk", "training.risk_samples": "2"}
        cases.append(Case([*train, *(f"--set={key}={value}" for key, value in second.items())]))
        name = draw.choice(("run", "second"))
    for search in draw.sample(SEARCHES, 3):
        cases.append(Case(["translate", "--model", f"runs/{name}", *search], TEXT.encode()))
        if "--n-best" not in search:
            cases[-1].check = lambda out: output_problems(out, LINES)
    return [*cases, Case(["evaluate", "--model", f"runs/{name}", "--split", "test"])]


def write_corpora(folder: Path) -> None:
    """Write the training and validation text of a configuration."""
    for side, language in (("source", "en"), ("target", "de")):
        lines = (ROOT / "data" / "quickstart" / f"train.{language}").read_text(encoding="utf-8").split("\n")
        for part, pairs in PAIRS.items():
            (folder / f"{part}.{side}").write_text("".join(f"{line}\n" for line in lines[:pairs]), encoding="utf-8")


def run_cases(cases: list[Case], folder: Path, refused: Counter[str]) -> tuple[int, list[str]]:
    """Run commands until training fails; return their number and problems, and count clear errors in `refused`."""
    found: list[str] = []
    for number, case in enumerate(cases, 1):
        for stream in ("stdin", "stdout", "stderr"):
            (folder / stream).unlink(missing_ok=True)
        status, out, err = run_case(case, folder)
        wrong = problems(case, status, out, err)
        found += [f"{' '.join(case.arguments)}: {line}" for line in wrong]
        if status and not wrong:
            reason = [line for line in err.decode("utf-8", "replace").split("\n") if "rror: " in line][-1]
            refused[f"{case.arguments[0]}: {reason}"] += 1
            if case.arguments[0] == "train":
                return number, found
    return len(cases), found


def run(options: argparse.Namespace, work: Path) -> None:
    """Use all configurations and report what went wrong."""
    os.environ["OMP_NUM_THREADS"] = "1"
    preload()
    folder = work / "case"
    wrong: list[str] = []
    refused_in_use: Counter[str] = Counter()
    refused_by_schema: Counter[str] = Counter()
    commands, start = 0, time.monotonic()
    for number in range(options.cases):
        draw = random.Random(f"{options.seed} {number}")
        parsed, values, refusals = draw_config(draw)
        refused_by_schema += refusals
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        write_corpora(folder)
        found = compare_unroll_and_step(parsed.model)
        count, problems_in_use = run_cases(make_cases(draw, values, folder), folder, refused_in_use)
        commands += count
        found += problems_in_use
        for line in found:
            wrong.append(f"case {number}: {line}")
            reporting.progress(wrong[-1])
        if found and options.keep is not None:
            shutil.copytree(folder, options.keep / str(number), dirs_exist_ok=True, symlinks=True)
        if (number + 1) % 50 == 0:
            seconds = time.monotonic() - start
            reporting.progress(f"{number + 1:,} configurations, {len(wrong)} wrong, {seconds:.0f} s")
    draws = f"{refused_by_schema.total():,} draws refused by the schema"
    print(f"{options.cases:,} configurations, {commands:,} commands, {len(wrong)} wrong; {draws}")
    for line, count in refused_in_use.most_common():
        print(f"{count:6,}  refused in use: {line}")
    refused = {"refused_in_use": refused_in_use, "refused_by_schema": refused_by_schema}
    reporting.write_json(options.json, {"commands": commands, "wrong": wrong, **refused})
    if wrong:
        raise NmtError(f"{len(wrong)} problems")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--cases", type=int, default=500, metavar="N", help="configurations (default %(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the configurations (default %(default)s)")
    add("--keep", type=Path, metavar="FOLDER", help="copy the files of failed configurations to this folder")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
