"""Compare the translation speed of a run of nmt with that of OpenNMT-py, on the processor and with the same weights.

python scripts/bench_translate.py --model RUN [--opennmt PYTHON] [--source FILE [--reference FILE]] [--rounds 3]
                                  [--lines N] [--precision P ...] [--work FOLDER] [--json FILE]

The run's weights are written into a checkpoint of OpenNMT-py, so its network must be one that OpenNMT-py can build
(configs/benchmark/input-feeding.yaml). Each system translates the same sentences with the same length penalty, in
turns (A B A B ...). Tokens are subwords of the translations, ends of sentences not counted; their time is that of
translating alone, the model loaded and warm. --opennmt is the Python of its virtual environment; docs/benchmarks.md
says how to make it.
"""

import argparse
import dataclasses
import functools
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import console
import peers
from console import say

from nmt.config import Config
from nmt.data.corpus import read_pairs
from nmt.data.lines import normalize, read_lines
from nmt.data.subword import EOS, PAD, UNK, Subword, Vocabularies
from nmt.errors import NmtError
from nmt.evaluation.metrics import TOKENIZERS, corpus_scores
from nmt.reports.table import table
from nmt.runs import Run, find_run

if TYPE_CHECKING:
    from torch import Tensor

SEARCHES = BEAM, GREEDY = "beam 5", "greedy"
NMT_SEARCHES = {BEAM: ["--beam-size", "5"], GREEDY: ["--greedy"]}
OPENNMT_SEARCHES = {BEAM: ["-beam_size", "5"], GREEDY: ["-beam_size", "1"]}
PENALTIES = ["--length-penalty", "average", "--alpha", "1", "--coverage-penalty", "0"]
OPENNMT_SPECIALS = {"<blank>": PAD, "<unk>": UNK, "<s>": 2, "</s>": EOS}


@dataclass(frozen=True)
class Task:
    """What is translated, and with what."""

    run: Run
    checkpoint: Path
    config: Config
    vocabularies: Vocabularies
    lines: list[str]
    references: list[str] | None
    work: Path

    def segmented(self) -> list[str]:
        """Return the lines as pieces, the end of the sentence included: OpenNMT-py's sources have none of their own."""
        ids = self.vocabularies.source.encode([normalize(line, self.config.data) for line in self.lines])
        return [" ".join([*self.vocabularies.source.pieces(line), "</s>"]) for line in ids]

    def bleu(self, pieces: Sequence[Sequence[str]], tokenize: str) -> float | None:
        """Return BLEU of translations, None without references."""
        if self.references is None:
            return None
        subword = self.vocabularies.target
        known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))}
        texts = [subword.decode([known.get(piece, UNK) for piece in line]) for line in pieces]
        return corpus_scores(texts, [self.references], ["bleu"], tokenize)[0].value


@dataclass(frozen=True)
class Round:
    """One turn of one system."""

    found: dict[str, dict[str, Any]]
    """What `translate_with_nmt` or its like answered, by search."""
    processes: dict[str, peers.Usage]
    """What the whole command took, by search."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    translate: Callable[[], dict[str, dict[str, Any]]]
    """Translates in a process of its own, with every search."""
    command: Callable[[str], peers.Usage]
    """Runs the system's own command with a search."""
    rounds: list[Round] = field(default_factory=list)

    def median(self, value: Callable[[Round], float]) -> float:
        """Return the median of `value` over the rounds."""
        return statistics.median(map(value, self.rounds))

    def rate(self, search: str) -> float:
        """Return target tokens a second."""
        return self.median(lambda turn: sum(map(len, turn.found[search]["pieces"])) / turn.found[search]["seconds"])


# --- ours ------------------------------------------------------------------------------------------------------------


def translate_with_nmt(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` with a checkpoint and every search, and the first `single` of them one by one.

    Returns, by search, `seconds` and `single` (a list of seconds), and of each line its `pieces` and the natural log of
    their probability, `log_probs`.
    """
    from nmt.decoding.hypothesis import Options
    from nmt.decoding.translator import Settings, Translator
    from nmt.models.device import keep_freed_memory

    run = Run.open(Path(request["run"]))
    checkpoint = Path(request["checkpoint"])
    keep_freed_memory()
    translator = Translator.load([(run, checkpoint)], "cpu", request["precision"], request["shortlist"])
    lines, result = request["lines"], {}
    for name, options in {BEAM: Options(beam_size=5), GREEDY: Options(method="greedy")}.items():
        settings = dataclasses.replace(Settings.of(run.config.decoding), search=options)
        list(translator.translate(lines[: peers.WARM_UP], settings))
        began = time.perf_counter()
        targets = [translation.targets[0] for translation in translator.translate(lines, settings)]
        seconds = time.perf_counter() - began
        single = []
        for line in lines[: request["single"].get(name, 0)]:
            began = time.perf_counter()
            list(translator.translate([line], settings))
            single.append(time.perf_counter() - began)
        result[name] = {
            "seconds": seconds,
            "single": single,
            "pieces": [translator.vocabularies.target.pieces(target.tokens) for target in targets],
            "log_probs": [target.log_prob for target in targets],
        }
    return result


def nmt_system(task: Task, precision: str, single: int, shortlist: int = 0) -> System:
    """Return our system in an arithmetic, with a shortlist of so many words for each word or none."""
    name = f"nmt {precision}" + f", shortlist {shortlist}" * bool(shortlist)
    request = {
        "run": str(task.run.folder.absolute()),
        "checkpoint": str(task.checkpoint.absolute()),
        "precision": precision,
        "shortlist": shortlist,
        "lines": task.lines,
        "single": {BEAM: single},
    }
    shared = ["--model", str(task.checkpoint.absolute()), "--precision", precision, "--device", "cpu", *PENALTIES]
    shared += ["--shortlist", str(shortlist)]
    files = ["--input", str(task.work / "source.txt"), "--output", str(task.work / "nmt.txt")]

    def translate() -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]]
        found, _ = peers.ask(name, Path(sys.executable), __file__, "translate_with_nmt", request, task.work)
        return found

    def command(search: str) -> peers.Usage:
        line = [sys.executable, "-m", "nmt", "translate", *shared, *files, *NMT_SEARCHES[search]]
        return peers.run(name, line, task.work / "nmt.log")

    return System(name, translate, command)


# --- OpenNMT-py ------------------------------------------------------------------------------------------------------


def opennmt_weights(
    weights: "dict[str, Tensor]", source: Sequence[int], target: Sequence[int]
) -> "tuple[dict[str, Tensor], dict[str, Tensor]]":
    """Return our weights as OpenNMT-py's, those of the network and of its generator.

    `source` and `target` give our id for each entry of its vocabularies. Its attention scores (W q) . h where ours
    scores q . (W h), and its readout reads [c; h] where ours reads [h; c].
    """
    import torch

    rows = {"source": torch.tensor(source), "target": torch.tensor(target)}
    model = {
        "encoder.embeddings.make_embedding.emb_luts.0.weight": weights["source_embedding.table.weight"][rows["source"]],
        "decoder.embeddings.make_embedding.emb_luts.0.weight": weights["target_embedding.table.weight"][rows["target"]],
        "decoder.attn.linear_in.weight": weights["decoder.attention.score.key.weight"].t().contiguous(),
    }
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        model[f"encoder.rnn.{kind}_l0"] = weights[f"encoder.layers.0.forwards.network.{kind}_l0"]
        model[f"encoder.rnn.{kind}_l0_reverse"] = weights[f"encoder.layers.0.backwards.network.{kind}_l0"]
        model[f"decoder.rnn.layers.0.{kind}"] = weights[f"decoder.layers.0.network.{kind}_l0"]
    readout = weights["decoder.readout.weight"]
    width = model["decoder.rnn.layers.0.weight_hh"].shape[1]
    model["decoder.attn.linear_out.weight"] = torch.cat([readout[:, width:], readout[:, :width]], dim=1)
    model["decoder.attn.linear_out.bias"] = weights["decoder.readout.bias"]
    generator = {name: weights[f"output.{name}"][rows["target"]] for name in ("weight", "bias")}
    return model, generator


def our_ids(tokens: Sequence[str], subword: Subword) -> list[int]:
    """Return our id for each of OpenNMT-py's vocabulary entries; raises `NmtError` where one is not ours."""
    known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))} | OPENNMT_SPECIALS
    if len(tokens) != subword.size or not known.keys() >= set(tokens):
        raise NmtError(f"OpenNMT-py made {len(tokens):,} vocabulary entries of our {subword.size:,}, or others")
    return [known[token] for token in tokens]


def convert(request: dict[str, str]) -> None:
    """Overwrite all weights of the OpenNMT-py checkpoint `template` with those of ours, and write it to `output`."""
    import torch
    from safetensors.torch import load_file

    vocabularies = Vocabularies.load(Path(request["subword"]))
    checkpoint = torch.load(request["template"], weights_only=False)
    words = checkpoint["vocab"]
    source, target = our_ids(words["src"], vocabularies.source), our_ids(words["tgt"], vocabularies.target)
    model, generator = opennmt_weights(load_file(request["weights"]), source, target)
    for name, tensor in {**checkpoint["model"], **checkpoint["generator"]}.items():
        ours = {**model, **generator}.get(name)
        if ours is None or ours.shape != tensor.shape:
            raise NmtError(f"OpenNMT-py's weight {name} {tuple(tensor.shape)} has no like in ours")
    torch.save({**checkpoint, "model": model, "generator": generator, "optim": None}, request["output"])


def opennmt_checkpoint(task: Task, python: Path, segmented: Sequence[str]) -> Path:
    """Let OpenNMT-py make a checkpoint of the same network, and put our weights into it."""
    peers.write_vocabularies(task.work, task.vocabularies.source, task.vocabularies.target)
    for side in ("source", "target"):
        (task.work / f"train.{side}").write_text(f"{segmented[0]}\n", encoding="utf-8")
    text = peers.Text(task.work, 1, task.vocabularies.source.size, task.vocabularies.target.size)
    settings = {**peers.opennmt_settings(task.config, text, task.work, 1, 1), "batch_size": 1}
    path = peers.write_yaml(task.work / "template.yaml", settings)
    peers.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], task.work / "template.log")
    output = task.work / "opennmt.pt"
    request = {
        "template": str(task.work / "model_step_1.pt"),
        "subword": str(task.run.subword.absolute()),
        "weights": str((task.checkpoint / "model.safetensors").absolute()),
        "output": str(output),
    }
    peers.ask("conversion", Path(sys.executable), __file__, "convert", request, task.work)
    return output


def opennmt_system(task: Task, python: Path, single: int) -> System:
    """Return OpenNMT-py with our weights."""
    segmented = task.segmented()
    checkpoint = opennmt_checkpoint(task, python, segmented)
    source = task.work / "source.pieces"
    source.write_text("".join(f"{line}\n" for line in segmented), encoding="utf-8")
    shared = ["-model", str(checkpoint), "-src", str(source), "-output", str(task.work / "opennmt.txt")]
    shared += ["-batch_size", "64", "-length_penalty", "avg", "-max_length_ratio", "2"]
    searches = {name: [*shared, *arguments] for name, arguments in OPENNMT_SEARCHES.items()}
    ask = functools.partial(peers.ask, "OpenNMT-py", python, peers.__file__)

    def translate() -> dict[str, dict[str, Any]]:
        request = {"lines": segmented, "searches": searches, "single": {BEAM: single}}
        found: dict[str, dict[str, Any]]
        found, _ = ask("translate_with_opennmt", request, task.work)
        return found

    def command(search: str) -> peers.Usage:
        return ask("opennmt_command", searches[search], task.work)[1]

    return System("OpenNMT-py fp32", translate, command)


# --- the table -------------------------------------------------------------------------------------------------------


def measure(systems: Sequence[System], rounds: int) -> None:
    """Translate with every system in every round, in turns."""
    for number in range(rounds):
        for system in systems:
            found = system.translate()
            system.rounds.append(Round(found, {search: system.command(search) for search in SEARCHES}))
            say(f"round {number + 1}/{rounds}  {system.name}: {system.rate(BEAM):,.0f} tokens/s with {BEAM}")


def same(one: System, other: System, search: str) -> tuple[float, float]:
    """Return the share of lines that two systems translate alike, and the largest difference of their log p."""
    a, b = one.rounds[0].found[search], other.rounds[0].found[search]
    pairs = zip(a["pieces"], b["pieces"], a["log_probs"], b["log_probs"], strict=True)
    gaps = [abs(p - q) for mine, theirs, p, q in pairs if mine == theirs]
    return len(gaps) / len(a["pieces"]), max(gaps, default=0.0)


def figures(systems: Sequence[System], task: Task, tokenize: str) -> list[dict[str, Any]]:
    """Return the figures of each system; the first one is what the others' lines are compared with."""
    return [
        {
            "system": system.name,
            "tokens_per_second": {s: system.rate(s) for s in SEARCHES},
            "single_ms": system.median(lambda turn: statistics.median(turn.found[BEAM]["single"])) * 1e3,
            "process_seconds": {s: system.median(lambda turn, s=s: turn.processes[s].seconds) for s in SEARCHES},  # type: ignore[misc]
            "peak_mib": system.median(lambda turn: turn.processes[BEAM].peak_mib),
            "bleu": {s: task.bleu(system.rounds[0].found[s]["pieces"], tokenize) for s in SEARCHES},
            "same_lines": {s: same(systems[0], system, s)[0] for s in SEARCHES},
            "largest_log_prob_gap": {s: same(systems[0], system, s)[1] for s in SEARCHES},
            "rounds": [
                {
                    "seconds": {s: turn.found[s]["seconds"] for s in SEARCHES},
                    "process_seconds": {s: turn.processes[s].seconds for s in SEARCHES},
                }
                for turn in system.rounds
            ],
        }
        for system in systems
    ]


def results(found: Sequence[dict[str, Any]]) -> str:
    """Return `figures` as a table, and below it how near the systems' probabilities are."""
    columns = [
        ("tokens/s", "tokens_per_second", "{:,.0f}"),
        ("process s", "process_seconds", "{:.2f}"),
        ("BLEU", "bleu", "{:.2f}"),
        ("same lines", "same_lines", "{:.1%}"),
    ]
    heads = [f"{title}, {search}" for title, _, _ in columns for search in SEARCHES]
    rows = [["system", *heads, "one by one, ms", "peak MiB"]]
    for line in found:
        cells = [(line[key][search], form) for _, key, form in columns for search in SEARCHES]
        cells += [(line["single_ms"], "{:.1f}"), (line["peak_mib"], "{:,.0f}")]
        rows.append([line["system"], *("-" if value is None else form.format(value) for value, form in cells)])
    notes = [
        f"{line['system']}: log p of the same lines differs from that of {found[0]['system']} by at most "
        + ", ".join(f"{gap:.1g} ({search})" for search, gap in line["largest_log_prob_gap"].items())
        for line in found[1:]
    ]
    return "\n".join([table(rows, right=frozenset(range(1, len(rows[0])))), *notes])


# --- the command line ------------------------------------------------------------------------------------------------


def precisions() -> list[str]:
    """Return what `nmt translate --precision` offers, but `auto`, which is one of the others."""
    from nmt.cli.translate import command

    kind = next(option.type for option in command.params if option.name == "precision")
    assert isinstance(kind, click.Choice)
    return [choice for choice in kind.choices if choice != "auto"]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="run folder, or a checkpoint in one")
    parser.add_argument("--opennmt", type=Path, metavar="PYTHON", help="bin/python of a virtual environment")
    parser.add_argument("--source", type=Path, metavar="FILE", help="text (default: the first test set of the run)")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="its translation; without it there is no BLEU")
    parser.add_argument("--lines", type=int, metavar="N", help="translate only the first N")
    parser.add_argument("--single", type=int, default=100, metavar="N", help="so many one by one (default 100)")
    parser.add_argument("--precision", nargs="+", choices=precisions(), default=precisions(), help="default: all")
    parser.add_argument(
        "--shortlist", type=int, default=0, metavar="N", help="also the last precision with a shortlist"
    )
    parser.add_argument("--tokenize", choices=TOKENIZERS, default="none", help="sacreBLEU's (default none)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each system (default 3)")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    if given.rounds < 1 or given.single < 1 or (given.lines is not None and given.lines < 1):
        parser.error("--rounds, --single and --lines must be at least 1")
    return given


def open_task(given: argparse.Namespace, work: Path) -> Task:
    """Read the run and the text."""
    run, checkpoint, _ = find_run(given.model)
    config = run.config
    references = None
    if given.source is not None:
        lines = list(read_lines(given.source))
        if given.reference is not None:
            references = list(read_lines(given.reference))
            if len(references) != len(lines):
                raise NmtError(f"{given.reference} has {len(references):,} lines, {given.source} {len(lines):,}")
    elif config.data.test:
        pairs = list(read_pairs(next(iter(config.data.test.values()))))
        lines, references = [source for source, _ in pairs], [target for _, target in pairs]
    else:
        raise NmtError(f"{run.config_file}: no data.test; give the text with --source FILE")
    lines, references = lines[: given.lines], references and references[: given.lines]
    if not lines:
        raise NmtError("there is nothing to translate")
    (work / "source.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Task(run, run.checkpoint(checkpoint), config, Vocabularies.load(run.subword), lines, references, work)


def compare(given: argparse.Namespace, work: Path) -> None:
    """Measure what is asked for and print it."""
    python = peers.peer_python(given.opennmt)
    task = open_task(given, work)
    systems = []
    if python is not None:
        peers.check_shared(task.config, str(task.run.config_file))
        systems.append(opennmt_system(task, python, given.single))
    systems += [nmt_system(task, precision, given.single) for precision in given.precision]
    if given.shortlist:
        systems.append(nmt_system(task, given.precision[-1], given.single, given.shortlist))
    measure(systems, given.rounds)
    found = figures(systems, task, given.tokenize)
    print(results(found))
    console.write_json(given.json, found)


def main() -> int:
    """Run the command line."""
    given = options()

    def work() -> None:
        console.check_output(given.json)
        with console.workspace(given.work) as folder:
            compare(given, folder)

    return console.conclude("bench_translate", work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        peers.answer({"translate_with_nmt": translate_with_nmt, "convert": convert})
    else:
        sys.exit(main())
