"""Measure the server: many clients, one client, a long time, and connections that could slow down the others.

    python scripts/benchmarks/serve.py --model RUN --source FILE [--url URL] [--clients 64] [--seconds 60]
        [--single 200] [--soak N] [--only PART ...] [--rounds 3] [--engine E] [--precision P] [--work FOLDER]
        [--json FILE]

It starts `nmt serve`, or measures the server at --url on this machine, which must have been started with --metrics,
without keys and without limits. Clients run in a process of their own and send a line of FILE each, in turn, to
/translate. The right answer is what the Python API returns for the line with split_sentences=True. The parts are:

load: --clients clients for --seconds. The CPU time of the server for each target token is compared with that of `nmt
translate --split-sentences` on a file of the same lines, with batches of the same mean size: --window is the number of
clients, which is the number of lines that the server can choose from, and --tokens-per-batch is the one for which
batches have the mean size that /metrics reports. The CPU time of `nmt translate` on an empty file is subtracted.
Target tokens are those of the right answers, with the ends of the sentences.

single: one client. For each line in turn, the latency of the request and of the Python API in this process.

slow: requests of a few clients while others read a long answer slowly, or keep idle connections open.

huge: requests of a few clients while another one translates 1,000 lines at a time.

soak: --soak requests of short lines with greedy search; the resident memory after every 10,000.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import nmt
from nmt.data.lines import read_lines
from nmt.decoding.memory_budget import cut_batches
from nmt.decoding.side_by_side import FEW
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.runtime.onnx_engine import BATCH_TOKENS
from nmt.storage.cores import requested_threads
from scripts import commands, reporting, server_process
from scripts.benchmarks import processes

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

UNLIMITED = ["--max-characters", "10000000", "--max-lines", "1000000", "--max-queue", "1000000", "--timeout", "600"]
"""Options of a server that refuses nothing."""
BATCH_SENTENCES = "nmt_batch_sentences"
"""The histogram of /metrics with the number of sentences in each batch."""
PARTS = ["load", "single", "slow", "huge", "soak"]
WARM_UP_SECONDS = 3.0
FEW_CLIENTS = 4
"""Clients whose latency is measured beside slow readers, idle connections and huge requests."""
IDLE, SLOW_READERS = 500, 8
HUGE_LINES = 1000
SHORT_WORDS = 8
"""The longest lines of the part `soak`, in words."""
SOAK_STEP = 10_000
LARGE_FILE = 40_000
"""Target tokens of the file for `nmt translate`, at least."""


@dataclass
class Task:
    """What all parts need."""

    options: argparse.Namespace
    server: server_process.Server
    translator: "Translator"
    languages: tuple[str, str]
    lines: list[str]
    expected: list[str]
    """The translation of each line by the Python API."""
    tokens: list[int]
    """The target tokens of each line."""
    work: Path

    def body(self, text: str) -> dict[str, Any]:
        """Return a request of /translate."""
        return {"q": text, "source": self.languages[0], "target": self.languages[1]}

    def clients(self, count: int, seconds: float, requests: int = 0, **changes: Any) -> dict[str, Any]:
        """Run clients in a process of their own and return what they measured; see serve_clients.py."""
        request = {
            "host": self.server.host,
            "port": self.server.port,
            "path": "/translate",
            "bodies": [self.body(line) for line in self.lines],
            "expected": self.expected,
            "clients": count,
            "seconds": seconds,
            "requests": requests,
        } | changes
        found: dict[str, Any]
        found, _ = processes.call("clients", Path(sys.executable), "serve_clients.load", request, self.work)
        return found

    def translated_tokens(self, found: dict[str, Any]) -> int:
        """Return the target tokens that the server translated for the clients."""
        return sum(count * tokens for count, tokens in zip(found["answered"], self.tokens, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of the values do not exceed; NaN if there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return requests, errors, differences and percentiles of the latency in milliseconds."""
    latencies = found["latencies"]
    percentiles = {f"p{percent}_ms": percentile(latencies, percent) for percent in (50, 90, 99)}
    errors = {"errors": sum(found["errors"].values()), "kinds_of_errors": found["errors"]}
    return {"requests": len(latencies), **errors, "different": len(found["differences"]), **percentiles}


# --- many clients ----------------------------------------------------------------------------------------------------


def batch_mean(lengths: Sequence[int], hypotheses: int, window: int, budget: int, threads: int) -> float:
    """Return the mean size of the batches of `nmt translate` for sentences with these source tokens."""
    count = 0
    for start in range(0, len(lengths), window):
        part = lengths[start : start + window]
        order = sorted(range(len(part)), key=part.__getitem__, reverse=True)
        batches = list(cut_batches(order, [(length + 1) * hypotheses for length in part], budget))
        is_cut = len(batches) < threads and len(max(batches, key=len)) > FEW  # see `work_side_by_side`
        count += threads if is_cut else len(batches)
    return len(lengths) / count


def budget_for(lengths: Sequence[int], hypotheses: int, window: int, size: float, threads: int) -> tuple[int, float]:
    """Return the tokens per batch for which the mean batch is nearest to `size` sentences, and that mean."""
    budgets = range(2 * hypotheses, BATCH_TOKENS + 1, hypotheses)
    means = {budget: batch_mean(lengths, hypotheses, window, budget, threads) for budget in budgets}
    best = min(means, key=lambda budget: abs(means[budget] - size))
    return best, means[best]


def translate_file(task: Task, arguments: Sequence[str]) -> tuple[float, float]:
    """Return CPU and elapsed seconds of `nmt translate` on the lines, for each target token, without the start."""
    copies = -(-LARGE_FILE // sum(task.tokens))
    source, empty = task.work / "lines.txt", task.work / "empty.txt"
    source.write_text("".join(f"{line}\n" for line in task.lines * copies), encoding="utf-8")
    empty.write_text("", encoding="utf-8")
    start = [*commands.NMT, "translate", "--model", str(task.options.model.absolute()), "--split-sentences"]
    start += [*machine_arguments(task.options), *arguments, "--output"]

    def run(name: str, path: Path) -> processes.Usage:
        output = task.work / f"{name}.out"
        output.unlink(missing_ok=True)
        return processes.run(name, [*start, str(output), "--input", str(path)], task.work / f"{name}.log")

    used = [(run("lines", source), run("empty", empty)) for _ in range(task.options.rounds)]
    cpu = statistics.median(full.cpu_seconds - none.cpu_seconds for full, none in used)
    seconds = statistics.median(full.seconds - none.seconds for full, none in used)
    return cpu / (copies * sum(task.tokens)), seconds / (copies * sum(task.tokens))


def measure_load(task: Task) -> dict[str, Any]:
    """Measure many clients, and compare the CPU time with that of `nmt translate`."""
    options = task.options
    before, cpu = task.server.metrics(), task.server.cpu_seconds()
    found = task.clients(options.clients, options.seconds)
    cpu = task.server.cpu_seconds() - cpu
    after = task.server.metrics()
    sentences, batches = (
        after[f"{BATCH_SENTENCES}_{key}"] - before.get(f"{BATCH_SENTENCES}_{key}", 0) for key in ("sum", "count")
    )
    tokens, beam = task.translated_tokens(found), task.translator.options.num_hypotheses
    window = options.window or options.clients
    lengths, threads = task.translator.count_tokens(task.lines), requested_threads()
    budget, mean = budget_for(lengths, beam, window, sentences / batches, threads)
    reporting.progress(
        f"server: {sentences / batches:.1f} sentences a batch; nmt translate: {mean:.1f}, {budget} tokens"
    )
    same = translate_file(task, ["--window", str(window), "--tokens-per-batch", str(budget)])
    default = translate_file(task, [])
    return summary(found) | {
        "clients": options.clients,
        "seconds": found["seconds"],
        "tokens_per_second": tokens / found["seconds"],
        "batch_sentences": sentences / batches,
        "server_cpu_ms_per_token": 1e3 * cpu / tokens,
        "client_cpu_ms_per_token": 1e3 * found["client_cpu_seconds"] / tokens,
        "same_batches": {"window": window, "tokens_per_batch": budget, "batch_sentences": mean},
        "file_cpu_ms_per_token": 1e3 * same[0],
        "cpu_ratio": cpu / tokens / same[0],
        "file_tokens_per_second": 1 / same[1],
        "default_batches_cpu_ms_per_token": 1e3 * default[0],
        "cpu_ratio_to_default_batches": cpu / tokens / default[0],
        "default_batches_tokens_per_second": 1 / default[1],
        "first_differences": found["differences"][:5],
    }


# --- one client ------------------------------------------------------------------------------------------------------


def measure_single(task: Task) -> dict[str, Any]:
    """Measure the latency of one request at a time, and that of the Python API, in turn."""
    connection = server_process.KeptAlive(task.server)
    requests, calls, different = [], [], 0
    for turn in range(task.options.single):
        number = turn % len(task.lines)
        start = time.perf_counter()
        text = connection.post("/translate", task.body(task.lines[number]))["translatedText"]
        middle = time.perf_counter()
        task.translator.translate(task.lines[number], split_sentences=True)
        requests.append(1e3 * (middle - start))
        calls.append(1e3 * (time.perf_counter() - middle))
        different += text != task.expected[number]
    connection.close()
    added = [request - call for request, call in zip(requests, calls, strict=True)]
    figures: dict[str, Any] = {"requests": len(requests), "different": different}
    for name, values in (("request", requests), ("python", calls), ("added", added)):
        figures |= {f"{name}_median_ms": statistics.median(values), f"{name}_p90_ms": percentile(values, 90)}
    return figures


# --- a long time -----------------------------------------------------------------------------------------------------


def measure_soak(task: Task) -> dict[str, Any]:
    """Send requests of short lines with greedy search, and read the resident memory between them."""
    lines = [line for line in task.lines if 0 < len(line.split()) <= SHORT_WORDS] or task.lines
    greedy = task.translator.translate(lines, method="greedy", split_sentences=True)
    source, target = task.languages
    search = {"source_language": source, "target_language": target, "method": "greedy", "split_sentences": True}
    bodies = [{"source": line, **search} for line in lines]
    changes = {"path": "/v1/translate", "bodies": bodies, "expected": [each.text for each in greedy]}
    memory, errors, different, done = [task.server.resident_mib()], 0, 0, [0]
    while done[-1] < task.options.soak:
        count = min(SOAK_STEP, task.options.soak - done[-1])
        figures = summary(task.clients(task.options.clients, 1e6, count, **changes))
        done.append(done[-1] + count)
        errors, different = errors + figures["errors"], different + figures["different"]
        memory.append(task.server.resident_mib())
        reporting.progress(f"{done[-1]:,} requests, {memory[-1]:.1f} MiB, p99 {figures['p99_ms']:.0f} ms")
    half = len(done) // 2  # the first half fills caches and the heap
    slope = statistics.linear_regression(done[half:], memory[half:]).slope if len(done) - half > 1 else math.nan
    growth = {"kib_per_10000_requests": 1e4 * 1024 * slope, "open_files": task.server.open_files()}
    return {"requests": done[-1], "errors": errors, "different": different, "resident_mib": memory, **growth}


# --- connections that could slow down the others ---------------------------------------------------------------------


def measure_slow(task: Task) -> dict[str, Any]:
    """Measure few clients alone, beside idle connections, beside half requests and beside slow readers."""
    text = [task.lines[number % len(task.lines)] for number in range(HUGE_LINES)]
    attention = {"attention": task.translator.has_attention}  # a long answer for little computation
    source, target = task.languages
    body = {"source": text, "source_language": source, "target_language": target, "method": "greedy", **attention}
    status, answer = task.server.fetch("POST", "/v1/translate", body, timeout=600)
    if status != 200:
        raise NmtError(f"/v1/translate has status {status} for {HUGE_LINES:,} lines: {answer[:200]!r}")
    situations: dict[str, dict[str, Any]] = {
        "alone": {},
        f"{IDLE} silent connections": {"silent": IDLE},
        f"{IDLE} half requests": {"half": IDLE},
        f"{SLOW_READERS} slow readers": {"slow": SLOW_READERS, "slow_request": ["/v1/translate", body]},
    }
    figures: dict[str, Any] = {"answer_mib": len(answer) / (1 << 20)}
    for name, burden in situations.items():
        found = task.clients(FEW_CLIENTS, task.options.seconds / 4, **burden)
        figures[name] = summary(found) | {"lost": found["burden"]["lost"], "bytes_read": found["burden"]["bytes_read"]}
    return figures


def measure_huge(task: Task) -> dict[str, Any]:
    """Measure few clients alone and beside requests of 1,000 lines, and the latter alone and beside the clients."""
    body = task.body("\n".join(task.lines[number % len(task.lines)] for number in range(HUGE_LINES)))
    start = time.perf_counter()
    status, _ = task.server.fetch("POST", "/translate", body, timeout=600)
    seconds = time.perf_counter() - start
    seconds_of_clients = max(task.options.seconds / 4, 3 * seconds)
    alone = summary(task.clients(FEW_CLIENTS, seconds_of_clients))
    found = task.clients(FEW_CLIENTS, seconds_of_clients, huge_request=["/translate", body])
    beside = found["burden"]["huge_seconds"]
    huge = {"lines": HUGE_LINES, "status": status, "alone_seconds": seconds, "beside_clients_seconds": beside}
    return {"small requests alone": alone, "small requests beside huge ones": summary(found), "huge": huge}


# --- the command line ------------------------------------------------------------------------------------------------

MEASURES: dict[str, Callable[[Task], dict[str, Any]]] = {
    "load": measure_load,
    "single": measure_single,
    "slow": measure_slow,
    "huge": measure_huge,
    "soak": measure_soak,
}


def machine_arguments(options: argparse.Namespace) -> list[str]:
    """Return the options of the engine for `nmt serve` and `nmt translate`."""
    return ["--engine", options.engine, "--device", "cpu", "--precision", options.precision]


@contextmanager
def opened(options: argparse.Namespace, work: Path) -> Iterator[Task]:
    """Start the server, load the same model in this process and translate the lines."""
    lines = [line for line in read_lines(options.source) if line.strip()][: options.lines]
    if not lines:
        raise NmtError(f"{options.source}: there is nothing to translate")
    translator = nmt.load(options.model, engine=options.engine, device="cpu", precision=options.precision)
    found = list(translator.translate(lines, split_sentences=True))
    tokens = [len(each.targets[0].token_log_probs) for each in found]
    arguments = ["--model", str(options.model.absolute()), *machine_arguments(options), "--metrics", *UNLIMITED]
    server = server_process.at(options.url) if options.url else server_process.start(arguments, work)
    try:
        languages = server.languages()
        task = Task(options, server, translator, languages, lines, [each.text for each in found], tokens, work)
        task.clients(FEW_CLIENTS, WARM_UP_SECONDS)
        yield task
    finally:
        if server.process is not None:
            server.stop()


def results(figures: dict[str, Any]) -> str:
    """Return all figures as a table of names and values; nested names are joined by commas."""
    rows: list[list[str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                add(f"{name}, {key}" if name else key, each)
        elif isinstance(value, list):
            rows.append([name, "  ".join(f"{each:,.2f}" if isinstance(each, float) else str(each) for each in value)])
        else:
            rows.append([name, f"{value:,.3f}" if isinstance(value, float) else str(value)])

    add("", figures)
    return table([["figure", "value"], *rows])


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="RUN", help="run folder, checkpoint or exported folder")
    add("--source", type=Path, required=True, metavar="FILE", help="text to translate")
    add("--lines", type=int, metavar="N", help="use only the first N lines")
    add("--url", help="a running server with this model and --metrics (default: start one)")
    add("--engine", choices=["auto", "onnx", "torch"], default="auto", help="engine of server and nmt translate")
    add("--precision", choices=["auto", "fp32", "bf16", "int8"], default="auto", help="precision of both")
    add("--clients", type=int, default=64, metavar="N", help="clients at the same time (default %(default)s)")
    add("--seconds", type=float, default=60, metavar="N", help="seconds of `load` (default %(default)s)")
    add("--window", type=int, metavar="N", help="--window of nmt translate (default: the number of clients)")
    add("--single", type=int, default=200, metavar="N", help="requests of `single` (default %(default)s)")
    add("--soak", type=int, default=200_000, metavar="N", help="requests of `soak` (default 200,000)")
    add("--rounds", type=int, default=3, metavar="N", help="runs of nmt translate (default %(default)s)")
    add("--only", nargs="+", choices=PARTS, default=PARTS[:-1], help="parts (default: all but `soak`)")
    return parser.parse_args()


def measure(options: argparse.Namespace, work: Path) -> None:
    """Measure and print the parts of --only."""
    figures: dict[str, Any] = {"model": str(options.model), "cpu": reporting.cpu_name()}
    with opened(options, work) as task:
        for name in options.only:
            figures[name] = MEASURES[name](task)
            reporting.progress(f"{name}: done")
    print(results(figures))
    reporting.write_json(options.json, figures)


if __name__ == "__main__":
    sys.exit(reporting.run_in_folder(measure, read_options()))
