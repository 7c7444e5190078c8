"""Compare the translation speed of nmt, OpenNMT-py and CTranslate2 on the CPU.

    python scripts/benchmarks/translate.py --model RUN [--opennmt PYTHON] [--source FILE [--reference FILE]]
        [--ctranslate2 PYTHON --transformer FILE] [--rounds 3] [--lines N] [--single 100] [--kind KIND ...]
        [--shortlist N] [--beam-prune NATS] [--tokenize none] [--work FOLDER] [--json FILE]

OpenNMT-py uses the same weights: they are converted to a checkpoint of OpenNMT-py, which must be able to build the
network of RUN (as in configs/benchmark/input-feeding.yaml). CTranslate2 uses the Transformer of transformer.py. Each
system translates the same sentences with the same length penalty; the systems alternate (A B A B ...). The speed
counts target subwords, without the ends of sentences, per second of translation with a loaded and warm model. PYTHON
is bin/python of a toolkit's virtual environment; docs/benchmarks.md says how to create it.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.config import load_run_config
from nmt.data.corpus import read_pairs
from nmt.data.lines import read_lines
from nmt.data.subword import Vocabularies
from nmt.errors import NmtError
from nmt.evaluation.metrics import tokenizers
from nmt.reports.table import table
from nmt.storage.run_folder import find_run
from scripts import commands, reporting
from scripts.benchmarks import processes, toolkits
from scripts.benchmarks.ctranslate2_system import ctranslate2_system
from scripts.benchmarks.opennmt_system import opennmt_system
from scripts.benchmarks.search_timing import time_search
from scripts.benchmarks.translation_systems import BEAM, GREEDY, SEARCHES, Round, System, Task

KINDS = ["torch fp32", "torch bf16", "torch int8", "onnx fp32", "onnx int8"]
"""Engines and precisions of nmt."""
PENALTIES = ["--length-penalty", "average", "--alpha", "1", "--coverage-penalty", "0"]


# --- nmt -------------------------------------------------------------------------------------------------------------


def translate_with_nmt(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` with a checkpoint and each search; return `time_search` of each."""
    from nmt.cli.load import load
    from nmt.decoding.loading import find_checkpoints

    machine = {"engine": request["engine"], "device": "cpu", "precision": request["precision"]}
    translator = load(find_checkpoints([Path(request["checkpoint"])], None), machine, request["shortlist"]).translator
    changes = {"beam_prune": request["prune"], "shortlist": request["shortlist"]}
    beam = translator.options.changed(beam_size=5, **changes)
    result = {}
    for name, search in {BEAM: beam, GREEDY: beam.changed(method="greedy")}.items():

        def translate(lines: list[str], search: Any = search) -> list[Any]:
            return [translation.targets[0] for translation in translator.translate(lines, options=search)]

        result[name] = time_search(
            translate,
            lambda target: (list(target.pieces), target.log_prob),
            request["lines"],
            request["single"].get(name, 0),
        )
    return result


def nmt_system(task: Task, kind: str, single: int, shortlist: int = 0, prune: float = 0.0) -> System:
    """Return the nmt system of a `kind`, engine and precision: `onnx int8`.

    It may have a shortlist of target words per source word, and a pruned beam.
    """
    engine, precision = kind.split()
    name = f"nmt {kind}" + f", shortlist {shortlist}" * bool(shortlist) + f", prune {prune:g}" * bool(prune)
    checkpoint = str(task.checkpoint.absolute())
    request = {
        "checkpoint": checkpoint,
        "engine": engine,
        "precision": precision,
        "shortlist": shortlist,
        "prune": prune,
        "lines": task.lines,
        "single": {BEAM: single},
    }
    shared = ["--model", checkpoint, "--engine", engine, "--precision", precision, "--device", "cpu", *PENALTIES]
    shared += ["--shortlist", str(shortlist)]
    searches = {BEAM: ["--beam-size", "5", "--beam-prune", str(prune)], GREEDY: ["--greedy"]}
    files = ["--input", str(task.work / "source.txt"), "--output", str(task.work / "nmt.txt")]

    def translate() -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]]
        found, _ = processes.call(name, Path(sys.executable), "translate.translate_with_nmt", request, task.work)
        return found

    def command(search: str) -> processes.Usage:
        line = [*commands.NMT, "translate", *shared, *files, *searches[search]]
        return processes.run(name, line, task.work / "nmt.log")

    return System(name, translate, command)


# --- the table -------------------------------------------------------------------------------------------------------


def measure(systems: Sequence[System], rounds: int) -> None:
    """Translate once with every system in every round."""
    for number in range(rounds):
        for system in systems:
            found = system.translate()
            system.rounds.append(Round(found, {search: system.command(search) for search in SEARCHES}))
            speed = f"{system.rate(BEAM):,.0f} tokens/s with {BEAM}"
            reporting.progress(f"round {number + 1}/{rounds}  {system.name}: {speed}")


def agreement(one: System, other: System, search: str) -> tuple[float, float]:
    """Return the share of lines with equal translations, and the largest difference of their log-probabilities."""
    a, b = one.rounds[0].found[search], other.rounds[0].found[search]
    pairs = zip(a["pieces"], b["pieces"], a["log_probs"], b["log_probs"], strict=True)
    gaps = [abs(p - q) for first, second, p, q in pairs if first == second]
    return len(gaps) / len(a["pieces"]), max(gaps, default=0.0)


def figures(systems: Sequence[System], task: Task, tokenize: str) -> list[dict[str, Any]]:
    """Return the figures of each system; the lines are compared with those of the first system."""
    return [
        {
            "system": system.name,
            "tokens_per_second": {s: system.rate(s) for s in SEARCHES},
            "single_ms": system.median(lambda each: statistics.median(each.found[BEAM]["single"])) * 1e3,
            "process_seconds": {s: system.median(lambda each, s=s: each.commands[s].seconds) for s in SEARCHES},  # type: ignore[misc]
            "peak_mib": system.median(lambda each: each.commands[BEAM].peak_mib),
            "bleu": {s: task.bleu(system.rounds[0].found[s]["pieces"], tokenize) for s in SEARCHES},
            "same_lines": {s: agreement(systems[0], system, s)[0] for s in SEARCHES},
            "largest_log_prob_gap": {s: agreement(systems[0], system, s)[1] for s in SEARCHES},
            "rounds": [
                {
                    "seconds": {s: each.found[s]["seconds"] for s in SEARCHES},
                    "process_seconds": {s: each.commands[s].seconds for s in SEARCHES},
                }
                for each in system.rounds
            ],
        }
        for system in systems
    ]


def results(found: Sequence[dict[str, Any]]) -> str:
    """Return `figures` as a table, and below it the differences of the log-probabilities."""
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


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="RUN", help="run folder, or a checkpoint in one")
    add("--opennmt", type=Path, metavar="PYTHON", help="bin/python of the virtual environment of OpenNMT-py")
    add("--ctranslate2", type=Path, metavar="PYTHON", help="bin/python of the virtual environment of CTranslate2")
    add("--transformer", type=Path, metavar="FILE", help="checkpoint that transformer.py trained, for CTranslate2")
    add("--source", type=Path, metavar="FILE", help="text to translate (default: the first test set of the run)")
    add("--reference", type=Path, metavar="FILE", help="reference translation of --source, for BLEU")
    add("--lines", type=int, metavar="N", help="translate only the first N lines")
    add("--single", type=int, default=100, metavar="N", help="lines translated one by one (default %(default)s)")
    add("--kind", nargs="+", choices=KINDS, default=KINDS, help="engines and precisions of nmt (default: all)")
    add("--shortlist", type=int, default=0, metavar="N", help="also measure the last kind with a shortlist")
    add("--beam-prune", type=float, default=0.0, metavar="NATS", help="also measure it with a pruned beam")
    add("--tokenize", choices=tokenizers(), default="none", help="sacreBLEU tokenizer (default %(default)s)")
    add("--rounds", type=int, default=3, help="measurements of each system (default %(default)s)")
    options = parser.parse_args()
    if (options.ctranslate2 is None) != (options.transformer is None):
        parser.error("--ctranslate2 and --transformer must be given together")
    if options.rounds < 1 or options.single < 1 or (options.lines is not None and options.lines < 1):
        parser.error("--rounds, --single and --lines must be at least 1")
    return options


def open_task(options: argparse.Namespace, work: Path) -> Task:
    """Read the run and the text."""
    run, checkpoint, _ = find_run(options.model)
    config = load_run_config(run)
    references = None
    if options.source is not None:
        lines = list(read_lines(options.source))
        if options.reference is not None:
            references = list(read_lines(options.reference))
            if len(references) != len(lines):
                raise NmtError(f"{options.reference} has {len(references):,} lines, {options.source} {len(lines):,}")
    elif config.data.test:
        pairs = list(read_pairs(next(iter(config.data.test.values()))))
        lines, references = [source for source, _ in pairs], [target for _, target in pairs]
    else:
        raise NmtError(f"{run.config_file}: no data.test; give the text with --source FILE")
    lines, references = lines[: options.lines], references and references[: options.lines]
    if not lines:
        raise NmtError("there is nothing to translate")
    (work / "source.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Task(run, run.checkpoint(checkpoint), config, Vocabularies.load(run.subword), lines, references, work)


def compare(options: argparse.Namespace, work: Path) -> None:
    """Measure and print what the command line asks for."""
    opennmt, ctranslate2 = processes.checked_python(options.opennmt), processes.checked_python(options.ctranslate2)
    task = open_task(options, work)
    systems = []
    if opennmt is not None:
        toolkits.check_supported(task.config, str(task.run.config_file))
        systems.append(opennmt_system(task, opennmt, options.single))
    systems += [nmt_system(task, kind, options.single) for kind in options.kind]
    if options.shortlist:
        systems.append(nmt_system(task, options.kind[-1], options.single, options.shortlist))
    if options.beam_prune:
        systems.append(nmt_system(task, options.kind[-1], options.single, prune=options.beam_prune))
    if ctranslate2 is not None:
        systems.append(ctranslate2_system(task, ctranslate2, options.transformer, options.single))
    measure(systems, options.rounds)
    found = figures(systems, task, options.tokenize)
    print(results(found))
    reporting.write_json(options.json, found)


if __name__ == "__main__":
    if sys.argv[1:2] == [processes.CHILD_FLAG]:
        processes.answer_call({"translate_with_nmt": translate_with_nmt})
    else:
        sys.exit(reporting.run_in_folder(compare, read_options()))
