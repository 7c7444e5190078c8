"""Hostile requests get the documented status; scripts/fault_injection/serve.py sends more of them, and larger ones."""

import json

import pytest
from cli.tiny_run import make_run
from serving.server_process import serve

from scripts.fault_injection import hostile_connections, hostile_requests
from scripts.fault_injection.hostile_requests import Reference
from scripts.fault_injection.serve import run_attack

LINE = "the cat"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with metrics, and what it translates."""
    folder = tmp_path_factory.mktemp("attacked")
    with serve(folder, make_run(folder / "data"), options=("--metrics",)) as found:
        body = Reference(LINE, "", "en", "de").body()
        status, answer = found.fetch("POST", "/translate", body)
        assert status == 200
        yield found, Reference(LINE, json.loads(answer)["translatedText"], "en", "de")
        assert found.is_healthy() and "Traceback" not in found.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "make",
    [
        hostile_requests.malformed_json,
        hostile_requests.wrong_types,
        hostile_requests.unusual_text,
        hostile_requests.file_names,
        hostile_requests.multiparts,
        hostile_connections.headers,
        hostile_connections.methods,
        hostile_connections.lengths,
        hostile_connections.early_ends,
    ],
)
def test_hostile_requests_get_the_documented_status(server, make):
    found, reference = server
    problems = {attack.name: run_attack(found, attack) for attack in make(reference)}
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}
