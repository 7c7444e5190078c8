"""Attack the server, and stop, reload and overload it while clients use it.

    python scripts/fault_injection/serve.py --model RUN [--source FILE] [--only PART ...] [--attack TEXT]
        [--work FOLDER] [--json FILE]

attacks: each request of the tables in hostile_requests.py and hostile_connections.py must get exactly the status there,
and each error must be {"error": text}. After each, the server must answer /health and translate a line correctly. In
the end there must be no new file in its folders, no traceback in its log, and no more open files and hardly more memory
than before.

The other parts run under the load of 16 clients. Every translation must be right. A request that is not translated
must get a status that the part allows, or its connection must be closed; a request that gets nothing for a long time is
a failure. stop: after SIGTERM running requests are finished, and the status is 0. kill: a server that starts again on the
same port after SIGKILL answers. reload: SIGHUP 20 times, no request fails. damage: SIGHUP with damaged and missing
models, no request fails, and the log has an error. limits: a full queue, a rate limit and keys.

The parts use a copy of the model. Needs Linux.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
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
    with_reference = [
        requests.malformed_json, requests.wrong_types, requests.unusual_text, requests.file_names, requests.multiparts,
        connections.headers, connections.lengths, connections.early_ends, requests.large_bodies,
    ]  # fmt: skip
    return [*connections.methods(), *(attack for make in with_reference for attack in make(reference))]


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
        found = hostile_requests.json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and list(found) == ["error"] and isinstance(found["error"], str) and bool(found["error"])


def check_server(server: Server, reference: Reference) -> list[str]:
    """Return what is wrong with the server now."""
    try:
        if not server.is_healthy():
            return ["/health has not status 200 afterwards"]
        text = server_process.KeptAlive(server).post("/translate", reference.body())["translatedText"]
    except (OSError, server_process.http.client.HTTPException, NmtError) as error:
        return [f"the server does not translate afterwards: {error!r}"]
    return [] if text == reference.translation else [f"the server translates wrongly afterwards: {text!r}"]
