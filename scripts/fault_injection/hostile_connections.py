"""Hostile and unusual HTTP: headers, methods, lengths, and connections that end early; beside hostile_requests.py."""

from collections.abc import Sequence

from scripts.fault_injection.exchange import Answer
from scripts.fault_injection.hostile_requests import (
    CLOSED,
    FORM_TYPE,
    JSON_TYPE,
    Attack,
    Reference,
    encoded,
    post,
    sent,
)
from scripts.http_client import request_bytes

GET_ROUTES = ["/", "/languages", "/frontend/settings", "/health", "/metrics", "/docs", "/openapi.json", "/v1/models"]
POST_ROUTES = ["/translate", "/detect", "/translate_file", "/v1/translate"]
PIPELINED = 20
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(32)) + b"\0" + bytes(160)


def headers(reference: Reference) -> list[Attack]:
    """Return requests with too many, too long or wrong headers."""
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    body = encoded(reference.body())
    many = b"".join(b"X-%d: a\r\n" % number for number in range(10_000))
    wrong_types = {
        "JSON as text/plain": "text/plain",
        "JSON as XML": "application/xml",
        "JSON as a form": FORM_TYPE["Content-Type"],
        "a wrong type": "\xff\xfe/\xff",
        "a long type": "a/" + "b" * 10_000,
    }
    return [
        sent("10,000 headers", health + many + b"\r\n", 431),
        sent("a header of 1 MB", health + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
        sent("a header name of 1 MB", health + b"a" * 1_000_000 + b": x\r\n\r\n", 431),
        sent("a URL of 1 MB", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        sent("a query of 1 MB", b"GET /health?" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        sent("NUL in a header", health + b"X: a\0b\r\n\r\n", 400),
        sent("a header without a colon", health + b"abc\r\n\r\n", 400),
        sent("a header with a space in its name", health + b"a b: c\r\n\r\n", 400),
        sent("a folded header", health + b"X: a\r\n b\r\n\r\n", 400),
        sent("line feeds without carriage returns", b"GET /health HTTP/1.1\nHost: localhost\n\n", 400),
        sent("no Host", b"GET /health HTTP/1.1\r\n\r\n", 200),
        sent("an absolute URL", b"GET http://example.org/health HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        *(post(name, body, 400, headers={"Content-Type": value}) for name, value in wrong_types.items()),
        post("JSON without a type", body, 200, headers={}),
        post("JSON of another charset", body, 200, headers={"Content-Type": "application/json; charset=utf-16"}),
        post("a compressed body", b"\x1f\x8b" + body, 400, headers=JSON_TYPE | {"Content-Encoding": "gzip"}),
        post("a forged address", body, 200, headers=JSON_TYPE | {"X-Forwarded-For": "1.2.3.4, <script>"}),
        post("a long key", body, 200, headers=JSON_TYPE | {"Authorization": "Bearer " + "a" * 10_000}),
        sent("WebSocket", health + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYQ==\r\n\r\n", 200),
        sent("HTTP/2 by upgrade", health + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
             b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 200),
    ]  # fmt: skip


def methods(reference: Reference) -> list[Attack]:
    """Return methods that a route does not have, and paths that do not exist."""
    attacks = []
    for path in [*GET_ROUTES, *POST_ROUTES]:
        for method in ("PUT", "DELETE", "PATCH", "TRACE", "POST" if path in GET_ROUTES else "GET"):
            attacks.append(sent(f"{method} {path}", request_bytes(method, path), 405))
        head = 200 if path in GET_ROUTES else 405
        attacks.append(sent(f"HEAD {path}", request_bytes("HEAD", path), head, no_body=True))
        attacks.append(sent(f"OPTIONS {path}", request_bytes("OPTIONS", path), 204))
        preflight = {"Origin": "http://example.org", "Access-Control-Request-Method": "POST",
                     "Access-Control-Request-Headers": "content-type"}  # fmt: skip
        attacks.append(
            sent(f"preflight {path}", request_bytes("OPTIONS", path, None, preflight), 204, check=allows_all_origins)
        )
    attacks += [
        sent(f"GET {path}", request_bytes("GET", path), 404) for path in ("/x", "/v1", "/translate/", "//health")
    ]
    return [
        *attacks,
        sent("an unknown method", b"FOO /health HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        sent("CONNECT", b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 400),
        sent("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204),
    ]


def allows_all_origins(answers: Sequence[Answer]) -> str:
    """Return what is wrong with the response to a preflight request."""
    found = answers[0].headers.get("access-control-allow-origin")
    return "" if found == "*" else f"Access-Control-Allow-Origin is {found!r}"


def lengths(reference: Reference) -> list[Attack]:
    """Return bodies whose length is wrong, and several requests at once."""
    body = encoded(reference.body())

    def declared(length: str, *, more: str = "") -> bytes:
        head = f"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        return f"{head}{more}\r\n".encode() + body

    chunked = request_bytes("POST", "/translate", None, JSON_TYPE | {"Transfer-Encoding": "chunked"})
    one = request_bytes("POST", "/translate", body, JSON_TYPE)

    def right_order(answers: Sequence[Answer]) -> str:
        texts = [answer.json().get("translatedText") for answer in answers[::2]]
        return "" if texts == [reference.translation] * len(texts) else f"wrong responses: {texts!r}"

    return [
        Attack("a length that is too large", lambda: [declared(str(len(body) + 10))], CLOSED, shuts_down=True),
        sent("a length that is too small", declared(str(len(body) - 5)), 400),
        sent("a negative length", declared("-1"), 400),
        sent("a length that is no number", declared("x"), 400),
        sent("a length of 100 digits", declared("9" * 100), 400),
        sent("two lengths", declared(str(len(body)), more="Content-Length: 3\r\n"), 400),
        sent("a length and chunks", declared(str(len(body)), more="Transfer-Encoding: chunked\r\n"), 400),
        sent("a wrong size of a chunk", chunked + b"x\r\nabc\r\n0\r\n\r\n", 400),
        sent("a chunk that is too long", chunked + b"1\r\nabc\r\n0\r\n\r\n", 400),
        sent("chunks", chunked + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n", 200),
        Attack("chunks without end", lambda: [chunked + b"5\r\nabc"], CLOSED, shuts_down=True),
        sent("pipelined requests", (one + request_bytes("GET", "/health")) * (PIPELINED // 2), *[200] * PIPELINED,
             check=right_order),
        post("Expect: 100-continue", body, 200, headers=JSON_TYPE | {"Expect": "100-continue"}),
        post("Expect: something else", body, 200, headers=JSON_TYPE | {"Expect": "x"}),
        sent("HTTP/1.0", b"GET /health HTTP/1.0\r\n\r\n", 200),
        sent("HTTP/0.9", b"GET /health\r\n\r\n", 200),
        sent("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        sent("HTTP/9.9", b"GET /health HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        sent("TLS", TLS_HELLO, 400),
        sent("garbage", bytes(range(128, 256)) * 10, 400),
        sent("NUL bytes", b"\0" * 1000, 400),
        sent("empty lines, then a request", b"\r\n" * 100 + request_bytes("GET", "/health"), 200),
    ]  # fmt: skip


def early_ends(reference: Reference) -> list[Attack]:
    """Return connections that the client closes early; nothing can be answered."""
    long_text = request_bytes("POST", "/translate", encoded(reference.body(q=f"{reference.line}\n" * 200)), JSON_TYPE)
    one = request_bytes("POST", "/translate", encoded(reference.body()), JSON_TYPE)
    cut = {"nothing sent": b"", "in the request line": one[:9], "in the headers": one[:50], "in the body": one[:-9],
           "in the answer": long_text, "in pipelined answers": one * PIPELINED}  # fmt: skip
    return [Attack(f"closed: {name}", lambda data=data: [data], CLOSED, leaves=True)  # type: ignore[misc]
            for name, data in cut.items()]  # fmt: skip
