"""Send random requests that /openapi.json allows and forbids to the server, and check every response against it.

    python scripts/verification/openapi_server.py --model RUN [--url URL] [--requests 5000] [--seed 1]
        [--work FOLDER] [--json FILE]

Schemathesis draws the requests: valid ones, and ones with invalid values, half of the requests each, the same number
for each operation. The document does not say which languages and numbers the server accepts, so most of the valid ones
get languages and numbers that it does; texts stay as they are drawn. A response fails if its status is 5xx, or if the
document does not have its status, content type, headers or body. Without --url a server is started, with small limits,
so that refusals are tested too.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.errors import NmtError
from nmt.reports.table import table
from scripts import reporting, server_process

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LIMITS = ["--max-characters", "2000", "--max-lines", "50", "--metrics"]
UNCHANGED_EVERY = 4
"""One of so many valid requests is sent as it was drawn."""
EXAMPLES = 3
"""Failures that are kept for each kind."""


@dataclass
class Tally:
    """The responses of an operation."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Responses by the kind of failure."""
    examples: list[str] = field(default_factory=list)


def make_acceptable(body: Any, languages: tuple[str, str]) -> None:
    """Replace the languages and numbers of a body of /translate or /v1/translate by ones that the server accepts."""
    if not isinstance(body, dict):
        return
    if "q" in body:
        body |= {"source": languages[0], "target": languages[1], "format": "text"}
    for side, language in zip(("source_language", "target_language"), languages, strict=True):
        if side in body:
            body[side] = language
    body.pop("model", None)
    if isinstance(body.get("beam_size"), int):
        body["beam_size"] = 4 + abs(body["beam_size"]) % 4
    for name in ("alternatives", "n_best"):
        if isinstance(body.get(name), int):
            body[name] = 1 + abs(body[name]) % 3


def check_operation(
    operation: Any, count: int, number: int, tally: Tally, languages: tuple[str, str], **transport: Any
) -> None:
    """Send `count` valid and `count` invalid requests of an operation and record the responses in `tally`.

    `number` is the seed. `languages` are a source and a target of the server. `transport` has the arguments of
    `Case.call`.
    """
    for mode in GenerationMode:

        @seed(number)
        @settings(
            max_examples=count,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), may_change=just(mode is GenerationMode.POSITIVE))
        def send(case: Any, may_change: bool) -> None:
            if may_change and tally.requests % UNCHANGED_EVERY:
                make_acceptable(case.body, languages)
            record(case, case.call(**transport), tally)

        try:
            send()
        except Unsatisfiable:  # an operation without parameters has no invalid requests
            continue


def record(case: Any, response: Any, tally: Tally) -> None:
    """Check a response and count it."""
    tally.requests += 1
    tally.statuses[response.status_code] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            kind = str(getattr(failure, "title", type(failure).__name__))
            tally.failures[kind] += 1
            if tally.failures[kind] <= EXAMPLES:
                tally.examples.append(f"{kind}: {failure}\n{case.as_curl_command()[:500]}")


def check_all(
    schema: Any, requests: int, number: int, languages: tuple[str, str], **transport: Any
) -> dict[str, Tally]:
    """Check every operation of a document with about `requests` requests together; return a tally for each.

    Operations without parameters get one request; the others get more in a second pass.
    """
    operations = [found.ok() for found in schema.get_all_operations()]
    found = {operation.label: Tally() for operation in operations}
    modes = len(GenerationMode)
    for step in range(2):
        left = requests - sum(tally.requests for tally in found.values())
        count = max(1, left // (len(operations) * modes))
        if left < len(operations) * modes:
            break
        for operation in operations:
            check_operation(operation, count, number + step, found[operation.label], languages, **transport)
        operations = [operation for operation in operations if found[operation.label].requests >= count]
    return found


def results(found: dict[str, Tally]) -> str:
    """Return a table with a row for each operation."""
    rows = [["operation", "requests", "failures", "statuses"]]
    for name, tally in found.items():
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(tally.statuses.items()))
        rows.append([name, f"{tally.requests:,}", str(tally.failures.total()), statuses])
    requests = sum(tally.requests for tally in found.values())
    failures = sum(tally.failures.total() for tally in found.values())
    return table([*rows, ["all", f"{requests:,}", str(failures), ""]], right=frozenset({1, 2}))


def run(options: argparse.Namespace, work: Path) -> None:
    """Test the server of --url, or a new one, and print a table."""
    arguments = ["--model", str(options.model.absolute()), *LIMITS] if options.model else []
    server = server_process.at(options.url) if options.url else server_process.start(arguments, work)
    try:
        url = f"http://{server.host}:{server.port}"
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        found = check_all(schema, options.requests, options.seed, server.languages(), base_url=url)
    finally:
        if server.process is not None:
            server.stop()
    for tally in found.values():
        for example in tally.examples:
            reporting.progress(example)
    print(results(found))
    reporting.write_json(options.json, {name: vars(tally) for name, tally in found.items()})
    if failures := sum(tally.failures.total() for tally in found.values()):
        raise NmtError(f"{failures} failures")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--model", type=Path, metavar="RUN", help="run folder, checkpoint or exported folder")
    add("--url", help="a running server (default: start one with --model)")
    add("--requests", type=int, default=5000, metavar="N", help="requests, about (default 5,000)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the requests (default %(default)s)")
    options = parser.parse_args()
    if (options.model is None) == (options.url is None):
        parser.error("give one of --model and --url")
    return reporting.run_in_folder(run, options)


if __name__ == "__main__":
    sys.exit(main())
