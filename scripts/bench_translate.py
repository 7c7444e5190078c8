"""Compare the translation speed of a run of nmt with that of OpenNMT-py, on the processor and with the same weights.

python scripts/bench_translate.py --model RUN [--opennmt PYTHON] [--source FILE [--reference FILE]] [--rounds 3]
                                  [--lines N] [--precision P ...] [--shortlist N] [--beam-prune NATS] [--work FOLDER]
                                  [--json FILE]

The run's weights are written into a checkpoint of OpenNMT-py, so its network must be one that OpenNMT-py can build
(configs/benchmark/input-feeding.yaml). Each system translates the same sentences with the same length penalty, in
turns (A B A B ...). Tokens are subwords of the translations, ends of sentences not counted; their time is that of
translating alone, the model loaded and warm. --opennmt is the Python of its virtual environment; docs/benchmarks.md
says how to make it.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import console
import peers
from console import say
from ctranslate2_peer import ctranslate2_system
from opennmt_peer import opennmt_system
from translation_task import BEAM, GREEDY, SEARCHES, Round, System, Task

from nmt.config import load_run_config
from nmt.data.corpus import read_pairs
from nmt.data.lines import read_lines
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.evaluation.metrics import TOKENIZERS
from nmt.reports.table import table
from nmt.storage.run_folder import Run, find_run

PENALTIES = ["--length-penalty", "average", "--alpha", "1", "--coverage-penalty", "0"]


# --- ours ------------------------------------------------------------------------------------------------------------


def translate_with_nmt(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` with a checkpoint and every search, and the first `single` of them one by one.

    Returns, by search, `seconds` and `single` (a list of seconds), and of each line its `pieces` and the natural log of
    their probability, `log_probs`.
    """
    from nmt.decoding.search_options import SearchOptions
    from nmt.decoding.translator import Translator
    from nmt.kernels.allocator import keep_freed_memory

    run = Run.open(Path(request["run"]))
    checkpoint = Path(request["checkpoint"])
    keep_freed_memory()
    translator = Translator.load([(run, checkpoint)], "cpu", request["precision"], request["shortlist"])
    lines, result = request["lines"], {}
    options = SearchOptions.of(load_run_config(run)).changed(beam_size=5, beam_prune=request["prune"])
    for name, settings in {BEAM: options, GREEDY: options.changed(method="greedy")}.items():
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
            "pieces": [list(target.pieces) for target in targets],
            "log_probs": [target.log_prob for target in targets],
        }
    return result


def nmt_system(task: Task, precision: str, single: int, shortlist: int = 0, prune: float = 0.0) -> System:
    """Return our system in an arithmetic; with a shortlist of so many words for each word, with a pruned beam."""
    name = f"nmt {precision}" + f", shortlist {shortlist}" * bool(shortlist) + f", prune {prune:g}" * bool(prune)
    request = {
        "run": str(task.run.folder.absolute()),
        "checkpoint": str(task.checkpoint.absolute()),
        "precision": precision,
        "shortlist": shortlist,
        "prune": prune,
        "lines": task.lines,
        "single": {BEAM: single},
    }
    shared = ["--model", str(task.checkpoint.absolute()), "--precision", precision, "--device", "cpu", *PENALTIES]
    shared += ["--shortlist", str(shortlist)]
    searches = {BEAM: ["--beam-size", "5", "--beam-prune", str(prune)], GREEDY: ["--greedy"]}
    files = ["--input", str(task.work / "source.txt"), "--output", str(task.work / "nmt.txt")]

    def translate() -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]]
        found, _ = peers.ask(name, Path(sys.executable), __file__, "translate_with_nmt", request, task.work)
        return found

    def command(search: str) -> peers.Usage:
        line = [*console.NMT, "translate", *shared, *files, *searches[search]]
        return peers.run(name, line, task.work / "nmt.log")

    return System(name, translate, command)


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
    parser.add_argument("--ctranslate2", type=Path, metavar="PYTHON", help="bin/python of a virtual environment")
    parser.add_argument("--transformer", type=Path, metavar="FILE", help="what transformer_peer.py trained")
    parser.add_argument("--source", type=Path, metavar="FILE", help="text (default: the first test set of the run)")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="its translation; without it there is no BLEU")
    parser.add_argument("--lines", type=int, metavar="N", help="translate only the first N")
    parser.add_argument("--single", type=int, default=100, metavar="N", help="so many one by one (default 100)")
    parser.add_argument("--precision", nargs="+", choices=precisions(), default=precisions(), help="default: all")
    parser.add_argument(
        "--shortlist", type=int, default=0, metavar="N", help="also the last precision with a shortlist"
    )
    parser.add_argument(
        "--beam-prune", type=float, default=0.0, metavar="NATS", help="also the last precision with a pruned beam"
    )
    parser.add_argument("--tokenize", choices=TOKENIZERS, default="none", help="sacreBLEU's (default none)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each system (default 3)")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep all files here (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    given = parser.parse_args()
    if (given.ctranslate2 is None) != (given.transformer is None):
        parser.error("--ctranslate2 and --transformer are given together")
    if given.rounds < 1 or given.single < 1 or (given.lines is not None and given.lines < 1):
        parser.error("--rounds, --single and --lines must be at least 1")
    return given


def open_task(given: argparse.Namespace, work: Path) -> Task:
    """Read the run and the text."""
    run, checkpoint, _ = find_run(given.model)
    config = load_run_config(run)
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
    python, other = peers.peer_python(given.opennmt), peers.peer_python(given.ctranslate2)
    task = open_task(given, work)
    systems = []
    if python is not None:
        peers.check_shared(task.config, str(task.run.config_file))
        systems.append(opennmt_system(task, python, given.single))
    systems += [nmt_system(task, precision, given.single) for precision in given.precision]
    if given.shortlist:
        systems.append(nmt_system(task, given.precision[-1], given.single, given.shortlist))
    if given.beam_prune:
        systems.append(nmt_system(task, given.precision[-1], given.single, prune=given.beam_prune))
    if other is not None:
        systems.append(ctranslate2_system(task, other, given.transformer, given.single))
    measure(systems, given.rounds)
    found = figures(systems, task, given.tokenize)
    print(results(found))
    console.write_json(given.json, found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        peers.answer({"translate_with_nmt": translate_with_nmt})
    else:
        sys.exit(console.compare("bench_translate", compare, options()))
