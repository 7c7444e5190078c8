"""Attack the server, and stop, reload and overload it while clients use it.

    python scripts/fault_injection/serve.py --model RUN [--source FILE] [--only PART ...] [--attack TEXT]
        [--work FOLDER] [--json FILE]

attacks: each request of the tables in hostile_requests.py and hostile_connections.py must get exactly the status there,
and each error must be {"error": text}. After each, the server must answer /health and translate a line correctly. In
the end there must be no new file in its folders, no traceback in its log, and no more open files and hardly more memory
than before.

The other parts run under the load of 16 clients. Every translation must be right. A request that is not translated
must get a status that the part allows, or its connection must be closed; one that gets nothing for a long time is a
failure. stop: after SIGTERM running requests are finished, and the status is 0. kill: a server that starts again on the
same port after SIGKILL answers. reload: SIGHUP 20 times, no request fails. damage: SIGHUP with damaged and missing
models, no request fails, and the log has an error. Three parts are for limits: a full queue, the rate, and keys.

The parts use a copy of the model. Needs Linux.
"""

import argparse
import http.client
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import nmt
from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.storage.run_folder import find_run
from scripts import ROOT, reporting, server_process
from scripts.fault_injection import hostile_connections, hostile_requests, server_signals
from scripts.fault_injection.exchange import Exchange, exchange
from scripts.fault_injection.hostile_requests import Attack, Reference
from scripts.http_client import json_request
from scripts.server_process import Server

ATTACK_SECONDS = 30.0
"""Time in which an attack must be answered."""
SETTLE_SECONDS = 15.0
"""Time in which the server must close the connections that are left."""
MORE_FILES, MORE_MIB = 4, 100.0
"""Open files and resident memory that the server may have in addition after all attacks."""


def all_attacks(reference: Reference) -> list[Attack]:
    """Return the attacks of all tables."""
    requests, connections = hostile_requests, hostile_connections
    tables = [
        requests.malformed_json, requests.wrong_types, requests.unusual_text, requests.file_names, requests.multiparts,
        connections.methods, connections.headers, connections.lengths, connections.early_ends, requests.large_bodies,
    ]  # fmt: skip
    return [attack for make in tables for attack in make(reference)]


def problems(attack: Attack, found: Exchange) -> list[str]:
    """Return what is wrong with the responses to an attack."""
    statuses = tuple(answer.status for answer in found.answers)
    if attack.leaves:
        return []
    if found.timed_out:
        return [f"no end after {ATTACK_SECONDS:g} s; statuses {statuses}"]
    if statuses != attack.expected:
        bodies = [answer.body[:100] for answer in found.answers]
        return [f"statuses {statuses}, not {attack.expected}: {bodies}"]
    for answer in found.answers:
        if answer.status >= 400 and not attack.no_body and not is_error(answer.body):
            return [f"an error that is not {{'error': text}}: {answer.body[:100]!r}"]
    try:
        wrong = attack.check(found.answers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"the response cannot be checked: {error!r}"]
    return [wrong] if wrong else []


def is_error(body: bytes) -> bool:
    """Return whether a body is {"error": text}."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return (
        isinstance(found, dict)
        and list(found) == ["error"]
        and isinstance(found["error"], str)
        and bool(found["error"])
    )


def check_server(server: Server, reference: Reference) -> list[str]:
    """Return what is wrong with the server now."""
    try:
        if not server.is_healthy():
            return ["/health has not status 200 afterwards"]
        text = server_process.KeptAlive(server).post("/translate", reference.body())["translatedText"]
    except (OSError, http.client.HTTPException, NmtError) as error:
        return [f"the server does not translate afterwards: {error!r}"]
    return [] if text == reference.translation else [f"the server translates wrongly afterwards: {text!r}"]


def run_attack(server: Server, attack: Attack) -> list[str]:
    """Return what is wrong with the responses of the server to an attack."""
    try:
        found = exchange(
            server.host,
            server.port,
            attack.blocks(),
            len(attack.expected),
            ATTACK_SECONDS,
            shuts_down=attack.shuts_down,
            leaves=attack.leaves,
            no_body=attack.no_body,
        )
    except (OSError, NmtError) as error:
        return [repr(error)]
    return problems(attack, found)


def run_attacks(server: Server, attacks: Sequence[Attack], reference: Reference) -> list[str]:
    """Run the attacks one after another and return what is wrong, each with the name of the attack."""
    wrong = []
    for attack in attacks:
        found = run_attack(server, attack) + check_server(server, reference)
        wrong += [f"{attack.name}: {problem}" for problem in found]
        for problem in found:
            reporting.progress(f"{attack.name}: {problem}")
    return wrong


def files_of(work: Path) -> set[Path]:
    """Return the files in the folders of the server, without its log."""
    return {path for folder in ("cwd", "tmp", "model") for path in (work / folder).rglob("*")}


def attack_server(scene: server_signals.Scene, text: str) -> tuple[int, list[str]]:
    """Run the attacks whose name contains a text; return their number and what is wrong."""
    attacks = [each for each in all_attacks(scene.reference) if text in each.name]
    with scene.started("--metrics") as server:
        wrong = check_server(server, scene.reference)
        files, open_files, memory = files_of(scene.work), server.open_files(), server.resident_mib()
        wrong += run_attacks(server, attacks, scene.reference)
        deadline = time.monotonic() + SETTLE_SECONDS
        while server.open_files() > open_files + MORE_FILES and time.monotonic() < deadline:
            time.sleep(0.2)
        note = f"open files {open_files} -> {server.open_files()}, MiB {memory:.0f} -> {server.resident_mib():.0f}"
        reporting.progress(note)
        if server.open_files() > open_files + MORE_FILES or server.resident_mib() > memory + MORE_MIB:
            wrong.append(f"left behind: {note}")
        if left := sorted(map(str, files_of(scene.work) - files)):
            wrong.append(f"left behind on disk: {', '.join(left[:10])}")
        if "Traceback" in server.log.read_text(encoding="utf-8", errors="replace"):
            wrong.append(f"a traceback in {server.log}")
    return len(attacks), wrong


def open_scene(options: argparse.Namespace, work: Path) -> server_signals.Scene:
    """Copy the model, and translate the lines that the clients send with the Python API."""
    run, checkpoint, _ = find_run(options.model)
    model = work / "model"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(run.folder, model, symlinks=True)
    lines = [line for line in read_lines(options.source) if line.strip()][: options.lines]
    translator = nmt.load(model)
    arguments = ["--model", str(model), *([] if run.is_exported else ["--checkpoint", checkpoint])]
    with server_process.running(arguments, work) as server:
        source, target = server.languages()
    translations = [each.text for each in translator.translate(lines, split_sentences=True)]
    reference = Reference(lines[0], translations[0], source, target)
    requests = []
    for start in range(len(lines)):
        several = [(start + number) % len(lines) for number in range(1 + start % 5)]
        body = reference.body(q="\n".join(lines[number] for number in several))
        requests.append((json_request("/translate", body), "\n".join(translations[number] for number in several)))
    return server_signals.Scene(model, requests, reference, arguments, work)


PARTS = ["attacks", *server_signals.SCENARIOS]


def run(options: argparse.Namespace, work: Path) -> None:
    """Run the parts of --only and print a table."""
    scene = open_scene(options, work / "server")
    rows, figures = [["part", "requests", "outcomes", "problems"]], {}
    for name in options.only:
        if name == "attacks":
            count, wrong = attack_server(scene, options.attack)
            outcomes = ""
        else:
            found, wrong = server_signals.SCENARIOS[name](scene)
            count, outcomes = found.total(), ", ".join(f"{number} {each}" for each, number in found.most_common())
            if "Traceback" in (text := (scene.work / "serve.log").read_text(encoding="utf-8", errors="replace")):
                wrong.append(f"a traceback in the log: {text.rpartition('Traceback')[2][-300:]}")
        for problem in wrong if name != "attacks" else []:
            reporting.progress(f"{name}: {problem}")
        rows.append([name, f"{count:,}", outcomes, str(len(wrong))])
        figures[name] = {"requests": count, "outcomes": outcomes, "problems": wrong}
        (scene.work / "serve.log").rename(scene.work / f"{name.replace(' ', '-')}.log")
    print(table(rows, right=frozenset({1, 3})))
    reporting.write_json(options.json, figures)
    if failed := [name for name, each in figures.items() if each["problems"]]:
        raise NmtError(f"failed: {', '.join(failed)}")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="RUN", help="run folder or exported folder; it is copied")
    add("--source", type=Path, default=ROOT / "data" / "quickstart" / "test.en", metavar="FILE",
        help="lines that clients send (default: the embedded test set)")  # fmt: skip
    add("--lines", type=int, default=100, metavar="N", help="use only the first N lines (default %(default)s)")
    add("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (default: all)")
    add("--attack", default="", metavar="TEXT", help="run only the attacks whose name contains this text")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
