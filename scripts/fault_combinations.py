"""Draw whole configurations at random from all that the schema allows, and use each from training to translation.

python scripts/fault_combinations.py [--cases 500] [--seed 1] [--keep FOLDER] [--work FOLDER] [--json FILE]

Each is used in processes of its own: its `unroll` must equal its `step`, padding or not; it trains some steps,
now and then a second time from its own weights or by minimum risk; text is translated in every precision, with one line
out for each line in; a test set is evaluated. Wrong is what `fault_input.py` calls wrong; and a configuration that the
schema takes but is refused in use is listed with the reason. Needs Linux.
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

import console
import fault_input
import torch
import yaml
from fault_doors import Case, wrong_count
from pydantic import ValidationError

from nmt import config
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq

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
"""Where the walk through the schema begins, as some keys go only with others."""
WALK = 150
"""Changes that are tried on the way."""


def draw_config(draw: random.Random) -> tuple[config.Config, dict[str, Any], Counter[str]]:
    """Return a configuration at the end of a random walk through what the schema takes; and why it refused others.

    The keys come nested, too, as in a file.
    """
    corpora = {part: {side: f"{part}.{side}" for side in ("source", "target")} for part in PAIRS}
    data = {**corpora, "test": {"test": corpora["valid"]}, "workers": 1}
    refusals: Counter[str] = Counter()
    given = {**SMALL, **draw.choice(BASES)}
    whole = config.Config.model_validate({**nested(given), "data": data})
    for _ in range(WALK):
        changed = dict(given)
        for key in draw.sample(list(CHOICES), draw.choice((1, 1, 2, 3))):
            changed.pop(key, None)
            if key in SMALL or draw.random() < 0.7:
                changed[key] = draw.choice(CHOICES[key])
        try:
            whole = config.Config.model_validate({**nested(changed), "data": data})
            given = changed
        except ValidationError as error:
            refusals[error.errors()[0]["msg"]] += 1
    return whole, {**nested(given), "data": data}, refusals


def nested(given: dict[str, Any]) -> dict[str, Any]:
    """Return dotted keys as sections, with a name."""
    values: dict[str, Any] = {"name": "run"}
    for name, value in given.items():
        *sections, key = name.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    return values


def compare_unroll_and_step(model: config.Model) -> list[str]:
    """Return what differs between one call over all tokens, and one call a token; and between padded and not."""
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
        "a sentence alone and among others": (torch.cat(alone) - together).abs().max().item(),
    }
    return [f"{name} differ by {value:g}" for name, value in differences.items() if not value < 1e-4]


def _unrolled(network: Any, source: torch.Tensor, lengths: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
    """Return what the steps call logits, (B, T, V)."""
    found = network(source, lengths, previous)
    logits: torch.Tensor = network.output(found.readout)
    if network.copy_gate is None:
        return logits
    copied = source.repeat_interleave(previous.shape[1], dim=0)
    rows = (part.flatten(0, 1) for part in (logits, found.readout, found.alignment))
    mixed: torch.Tensor = network.copy_gate.mix(*rows, copied)
    return mixed.view(logits.shape)


def cases_of(draw: random.Random, values: dict[str, Any], folder: Path) -> list[Case]:
    """Return the commands that use a configuration, one after the other; writes what they read."""
    (folder / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    cases = [Case(["train", "--config", "config.yaml"])]
    name = "run"
    if draw.random() < 0.4:
        more = {"name": "second", "training.init_from": "runs/run", "subword.reuse": "runs/run"}
        if draw.random() < 0.6:
            values["training"].pop("r_drop", None)
            for key in ("teacher_forcing", "teacher_decay", "teacher_floor"):
                values["training"].pop(key, None)
            (folder / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
            more |= {"training.objective": "risk", "training.risk_samples": "2"}
        cases.append(
            Case(["train", "--config", "config.yaml", *(f"--set={key}={value}" for key, value in more.items())])
        )
        name = draw.choice(("run", "second"))
    for search in draw.sample(SEARCHES, 3):
        line = ["translate", "--model", f"runs/{name}", *search]
        cases.append(Case(line, TEXT.encode()))
        if "--n-best" not in search:
            cases[-1].check = _a_line_each
    cases.append(Case(["evaluate", "--model", f"runs/{name}", "--split", "test"]))
    return cases


def _a_line_each(out: bytes) -> list[str]:
    return wrong_count(out, LINES)


def work(given: argparse.Namespace, folder: Path) -> None:
    """Try all cases and tell what went wrong."""
    os.environ["OMP_NUM_THREADS"] = "1"
    fault_input.load()
    place = folder / "case"
    wrong: list[str] = []
    late: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    uses = 0
    began = time.monotonic()
    for number in range(given.cases):
        draw = random.Random(f"{given.seed} {number}")
        whole, values, refusals = draw_config(draw)
        refused += refusals
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for side, language in (("source", "en"), ("target", "de")):
            lines = (console.ROOT / "data" / "quickstart" / f"train.{language}").read_text(encoding="utf-8").split("\n")
            for part, pairs in PAIRS.items():
                (place / f"{part}.{side}").write_text("".join(f"{line}\n" for line in lines[:pairs]), encoding="utf-8")
        found = compare_unroll_and_step(whole.model)
        for case in cases_of(draw, values, place):
            for stream in ("stdin", "stdout", "stderr"):
                (place / stream).unlink(missing_ok=True)
            status, out, err = fault_input.run_case(case, place)
            uses += 1
            lines_wrong = fault_input.judge(case, status, out, err)
            found += [f"{' '.join(case.arguments)}: {line}" for line in lines_wrong]
            if not lines_wrong and status:
                reason = [line for line in err.decode("utf-8", "replace").split("\n") if "rror: " in line][-1]
                late[f"{case.arguments[0]}: {reason}"] += 1
                if case.arguments[0] == "train":
                    break
        for line in found:
            wrong.append(f"case {number}: {line}")
            console.say(wrong[-1])
        if found and given.keep is not None:
            shutil.copytree(place, given.keep / str(number), dirs_exist_ok=True, symlinks=True)
        if (number + 1) % 50 == 0:
            console.say(f"{number + 1:,} configurations, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    print(f"{given.cases:,} configurations, {uses:,} commands, {len(wrong)} wrong; {refused.total():,} draws refused")
    for line, count in late.most_common():
        print(f"{count:6,}  refused in use: {line}")
    console.write_json(given.json, {"uses": uses, "wrong": wrong, "late": late, "refused": refused})
    if wrong:
        raise NmtError(f"{len(wrong)} went wrong")


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, metavar="N", help="configurations (default 500)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the cases that went wrong here")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="work here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(console.compare("fault_combinations", work, options()))
