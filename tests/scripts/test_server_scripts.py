"""The scripts that measure and attack the server find what is wrong with it."""

import asyncio
import contextlib
import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from nmt.data.sentences import Sentence
from nmt.errors import NmtError
from scripts import server_process
from scripts.benchmarks import serve as benchmark
from scripts.benchmarks import serve_clients
from scripts.fault_injection import exchange as raw
from scripts.fault_injection import serve as attacks
from scripts.fault_injection import server_signals
from scripts.fault_injection.hostile_requests import CLOSED, Attack, Reference
from scripts.fault_injection.server_signals import Record
from scripts.http_client import Response
from scripts.verification import openapi_server, paragraphs

REFERENCE = Reference("A dog.", "Ein Hund.", "en", "de")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextlib.contextmanager
def answering(*answers: bytes | None) -> Iterator[int]:
    """Listen on a port; answer each connection with the next of the bytes and close it, with None do not answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        open_connections = []

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                open_connections.append(connection)
                if answer is not None:
                    connection.recv(1 << 16)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        for connection in open_connections:
            connection.close()


@pytest.mark.parametrize(
    ("data", "statuses", "bodies", "rest"),
    [
        (OK, [200], [b"{}"], b""),
        (OK + OK[:20], [200], [b"{}"], OK[:20]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, [200], [b"{}"], b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + OK, [204, 200], [b"", b"{}"], b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", [200], [b"abc"], b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na", [], [], None),
        (OK[:-1], [], [], OK[:-1]),
    ],
)
def test_responses_are_taken_apart(data: bytes, statuses: list[int], bodies: list[bytes], rest: bytes | None) -> None:
    found = raw.Exchange()
    left = raw.parse(data, found)
    assert [answer.status for answer in found.answers] == statuses
    assert [answer.body for answer in found.answers] == bodies
    assert left == (data if rest is None else rest)


@pytest.mark.parametrize(
    ("answer", "count", "statuses", "was_closed", "timed_out"),
    [
        (OK, 1, [200], False, False),
        (OK, 2, [200], True, False),
        (b"", 0, [], True, False),
        (b"HTTP/1.0 400 Bad\r\n\r\nno length", 1, [400], True, False),
        (None, 1, [], False, True),
    ],
)
def test_an_exchange_ends_with_the_responses_the_connection_or_the_time(
    answer: bytes | None, count: int, statuses: list[int], was_closed: bool, timed_out: bool
) -> None:
    with answering(answer) as port:
        found = raw.exchange("127.0.0.1", port, [b"GET / HTTP/1.1\r\n\r\n"], count, 0.5)
    assert [each.status for each in found.answers] == statuses
    assert (found.was_closed, found.timed_out) == (was_closed, timed_out)


def test_a_cut_response_is_an_error() -> None:
    with answering(OK[:-1]) as port, pytest.raises(NmtError, match="in the middle of a response"):
        raw.exchange("127.0.0.1", port, [b"x"], 1, 5)


def answer(status: int, body: bytes = b"{}") -> raw.Answer:
    """Return a response with this body."""
    return raw.Answer(status, {}, body)


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ((200,), raw.Exchange([answer(200)]), ""),
        ((400,), raw.Exchange([answer(400, b'{"error": "x"}')]), ""),
        ((400,), raw.Exchange([answer(400, b"x")]), "not {'error': text}"),
        ((400,), raw.Exchange([answer(400, b'{"detail": "x"}')]), "not {'error': text}"),
        ((400,), raw.Exchange([answer(500)]), r"statuses \(500,\), not \(400,\)"),
        ((200, 200), raw.Exchange([answer(200)], was_closed=True), "statuses"),
        (CLOSED, raw.Exchange([answer(200)]), "statuses"),
        (CLOSED, raw.Exchange(was_closed=True), ""),
        ((200,), raw.Exchange(timed_out=True), "no end"),
    ],
)
def test_wrong_responses_to_an_attack_are_found(expected: tuple[int, ...], found: raw.Exchange, wrong: str) -> None:
    problems = attacks.problems(Attack("name", list, expected), found)
    assert bool(problems) == bool(wrong)
    assert all(re.search(wrong, problem) for problem in problems)


def test_the_check_of_an_attack_decides() -> None:
    attack = Attack("name", list, (200,), check=lambda answers: answers[0].json()["wrong"])
    assert attacks.problems(attack, raw.Exchange([answer(200, b'{"wrong": ""}')])) == []
    assert attacks.problems(attack, raw.Exchange([answer(200, b'{"wrong": "a"}')])) == ["a"]
    assert attacks.problems(attack, raw.Exchange([answer(200, b"x")]))[0].startswith("the response cannot be checked")


def test_every_attack_has_its_own_name() -> None:
    names = Counter(attack.name for attack in attacks.all_attacks(REFERENCE))
    assert len(names) > 400 and [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome"),
    [
        (200, {}, {"translatedText": "a"}, "right"),
        (200, {}, {"translatedText": "b"}, "WRONG: 'b'"),
        (503, {"retry-after": "5"}, {"error": "busy"}, "status 503"),
        (503, {}, {"error": "busy"}, "status 503 WITHOUT Retry-After"),
        (429, {"retry-after": "soon"}, {"error": "busy"}, "status 429 WITHOUT Retry-After"),
        (500, {}, {"detail": "x"}, "status 500 WITHOUT error text"),
        (500, {}, [], "status 500 WITHOUT error text"),
    ],
)
def test_the_outcome_of_a_request_is_named(status: int, headers: dict[str, str], body: object, outcome: str) -> None:
    assert server_signals.outcome_of(Response(status, headers, json.dumps(body).encode()), "a") == outcome


def test_only_requests_that_ran_at_the_signal_are_lost() -> None:
    before, running, right, after = (
        Record(0.0, 0.9, "connection closed"),
        Record(0.5, 1.5, "connection closed"),
        Record(0.5, 1.5, "right"),
        Record(1.1, 1.2, "connection refused"),
    )
    assert server_signals.lost_requests([before, running, right, after], at=1.0) == 1


def test_outcomes_that_are_not_allowed_are_problems() -> None:
    outcomes = Counter({"right": 5, "status 503": 2, "TIMEOUT": 1})
    assert server_signals.not_allowed(outcomes, "status 503") == ["1 x TIMEOUT"]
    assert server_signals.not_allowed(Counter({"status 503": 2}), "status 503") == ["no request was translated"]


def test_clients_count_errors_and_differences() -> None:
    def body(text: str) -> bytes:
        content = json.dumps({"translatedText": text}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(content), content)

    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}"
    with answering(body("a"), b"", body("x"), busy) as port:
        request = {
            "host": "127.0.0.1", "port": port, "path": "/translate", "bodies": [{"q": "a"}, {"q": "b"}],
            "expected": ["a", "b"], "clients": 1, "seconds": 10, "requests": 7,
        }  # fmt: skip
        found = asyncio.run(serve_clients.run_load(request))
    # Each connection is closed after an answer, so that every other request fails; so does the one without an answer.
    assert found["answered"] == [1, 1] and found["differences"] == [(1, "x")]
    assert found["errors"]["status 503"] == 1 and sum(found["errors"].values()) == 5


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (75, 3.0), (76, 4.0), (99, 4.0), (100, 4.0), (1, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert benchmark.percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_the_batches_of_nmt_translate_are_computed() -> None:
    lengths = [9] * 64
    assert benchmark.batch_mean(lengths, hypotheses=5, window=64, budget=5 * 10 * 16, threads=2) == 16
    assert benchmark.batch_mean(lengths, hypotheses=5, window=64, budget=5 * 10 * 64, threads=2) == 32  # cut in two
    assert benchmark.batch_mean(lengths, hypotheses=5, window=8, budget=5 * 10 * 64, threads=2) == 8
    budget, mean = benchmark.budget_for(lengths, hypotheses=5, window=64, size=16.3, threads=2)
    assert mean == 16 and 5 * 10 * 16 <= budget < 5 * 10 * 17


def test_metrics_are_read_by_name_and_labels() -> None:
    text = '# HELP a b\na_total{route="/x y",status="200"} 3.0\nb_sum 1e+02\n'
    assert server_process.parse_metrics(text) == {'a_total{route="/x y",status="200"}': 3.0, "b_sum": 100.0}


def test_a_process_that_listens_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert server_process.listening_process(port) == os.getpid()
        assert server_process.Server(port, pid=os.getpid()).resident_mib() > 10
    assert server_process.listening_process(port) == 0


PAIRS = [
    ("One. Two.", "Eins. Zwei."), ("Three.", "Drei."), ("A heading", "Titel"), ("Alone.", "Allein."), ("No", "Nein."),
    ("Four.", "Vier."), ("Five?", "Fünf?"), ("Six!", "Sechs!"), ("Seven.", "Sieben."),
]  # fmt: skip


def test_paragraphs_are_consecutive_lines_that_end_with_a_mark() -> None:
    found = list(paragraphs.paragraphs(PAIRS))
    assert [each.sources for each in found] == [("One. Two.", "Three."), ("Four.", "Five?", "Six!")]
    assert [each.is_simple for each in found] == [False, True]
    assert paragraphs.line_starts(found[1].sources, " ") == [0, 6, 12]


def test_boundaries_are_compared_with_those_of_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    examples: list[str] = []
    texts = list(paragraphs.paragraphs(PAIRS))
    found = paragraphs.count_boundaries(texts, "en", " ", examples)
    assert found == paragraphs.Boundaries(found=4, right=3, expected=3) and not examples
    assert (found.precision, found.recall) == (0.75, 1.0)
    monkeypatch.setattr(paragraphs, "split_sentences", lambda text, language: [Sentence("", 0), Sentence("", 7)])
    paragraphs.count_boundaries(texts[1:], "en", " ", examples)
    assert examples == [
        "missed: Four. |Five? Six!",
        "missed: Four. Five? |Six!",
        "not in the corpus: Four. F|ive? Six!",
    ]


def test_drawn_requests_get_languages_that_are_served() -> None:
    body = {"q": "x", "source": "?", "target": "?", "beam_size": -(10**30), "n_best": 17, "model": "?"}
    openapi_server.make_acceptable(body, ("en", "de"))
    assert (body["source"], body["target"], body["q"]) == ("en", "de", "x") and "model" not in body
    assert 1 <= body["n_best"] <= body["beam_size"] <= 8


def test_responses_that_the_openapi_document_does_not_have_are_counted() -> None:
    app = FastAPI()

    @app.get("/right")
    def right(number: int = 1) -> dict[str, int]:
        return {"number": number}

    @app.get("/wrong")
    def wrong(number: int = 1) -> JSONResponse:
        return JSONResponse({}, status_code=418)

    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = openapi_server.check_all(schema, 20, 1, ("en", "de"))
    assert not found["GET /right"].failures and found["GET /right"].requests > 5
    assert found["GET /wrong"].failures["Undocumented status code"] == found["GET /wrong"].statuses[418] > 5
    assert "Undocumented status code" in found["GET /wrong"].examples[0]
