"""A table of hostile and unusual requests, with the status that the server must answer each of them with."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from scripts.fault_injection.exchange import Answer
from scripts.http_client import request_bytes

BLOCK = 1 << 16
LARGE = 100_000_000
"""Bytes of a large body."""
JSON_TYPE = {"Content-Type": "application/json"}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDARY = "boundary"
MULTIPART_TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
CLOSED: tuple[int, ...] = ()
"""The server closes the connection without a response."""

Check = Callable[[Sequence[Answer]], str]
"""Returns what is wrong with the responses; an empty text if nothing is."""


def no_problem(answers: Sequence[Answer]) -> str:
    """Accept the responses."""
    return ""


@dataclass(frozen=True)
class Attack:
    """Bytes to send, and what the server must answer."""

    name: str
    blocks: Callable[[], Iterable[bytes]]
    expected: tuple[int, ...]
    """The statuses of all responses, in order; `CLOSED` if there is none."""
    shuts_down: bool = False
    """Whether the client closes its side of the connection after the last byte."""
    leaves: bool = False
    """Whether the client closes the connection after the last byte, without reading."""
    no_body: bool = False
    """Whether the responses have no body (HEAD)."""
    check: Check = no_problem


@dataclass(frozen=True)
class Reference:
    """A line that is translated correctly, and its languages."""

    line: str
    translation: str
    source: str
    target: str

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return a request of /translate with changed fields."""
        return {"q": self.line, "source": self.source, "target": self.target} | changes


def sent(name: str, data: bytes, *expected: int, **fields: Any) -> Attack:
    """Return an attack that sends these bytes."""
    return Attack(name, lambda: [data], expected, **fields)


def post(name: str, body: bytes, *expected: int, path: str = "/translate", **fields: Any) -> Attack:
    """Return an attack with a body that is declared as JSON; `headers` replace that."""
    headers = fields.pop("headers", JSON_TYPE)
    return sent(name, request_bytes("POST", path, body, headers), *expected, **fields)


def encoded(value: Any) -> bytes:
    """Return a JSON value as bytes, with escapes for all but ASCII."""
    return json.dumps(value).encode()


def repeated(head: bytes, block: bytes, total: int, tail: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """Return a function that yields a `head`, `total` bytes in blocks, and a `tail`."""

    def blocks() -> Iterator[bytes]:
        yield head
        for _ in range(total // len(block)):
            yield block
        if tail:
            yield tail

    return blocks


# --- bodies ----------------------------------------------------------------------------------------------------------


def large_bodies(reference: Reference) -> list[Attack]:
    """Return bodies that are larger than the limit."""
    head = request_bytes("POST", "/translate", None, JSON_TYPE | {"Content-Length": str(LARGE)})
    chunked = request_bytes("POST", "/translate", None, JSON_TYPE | {"Transfer-Encoding": "chunked"})
    file_head = request_bytes("POST", "/translate_file", None, MULTIPART_TYPE | {"Transfer-Encoding": "chunked"})
    chunk = f"{BLOCK:x}\r\n".encode() + b"a" * BLOCK + b"\r\n"
    start = part("file", "text", "a.txt")
    file_start = f"{len(start):x}\r\n".encode() + start + b"\r\n"
    lines = "\n".join(["a"] * 100_000)
    return [
        Attack("100 MB, declared", repeated(head, b"a" * BLOCK, LARGE), (413,)),
        Attack("100 MB, chunked", repeated(chunked, chunk, LARGE, b"0\r\n\r\n"), (413,)),
        Attack("100 MB, a file, chunked", repeated(file_head + file_start, chunk, LARGE, b"0\r\n\r\n"), (413,)),
        sent("100 MB, declared, never sent", head, 413),
        post("q of 100,000 lines", encoded(reference.body(q=lines)), 400),
        post("q of 100,000 strings", encoded(reference.body(q=["a"] * 100_000)), 400),
        post("100,000 lines, /v1", encoded({"source": ["a"] * 100_000}), 400, path="/v1/translate"),
        post("a word of 1 MB", encoded(reference.body(q="a" * 1_000_000)), 413),
        post("a word of 100,000 letters", encoded(reference.body(q="a" * 100_000)), 400),
        post("100,000 spaces", encoded(reference.body(q=" " * 100_000)), 400),
        post("100,000 line breaks", encoded(reference.body(q="\n" * 100_000)), 400),
        post("a word of 2,000 letters", encoded(reference.body(q="a" * 2000)), 200),
        post("49,000 spaces", encoded(reference.body(q=" " * 49_000)), 200),
        post("900 line breaks", encoded(reference.body(q="\n" * 900)), 200),
    ]


def malformed_json(reference: Reference) -> list[Attack]:
    """Return bodies that are not JSON, or not the JSON of a request."""
    bodies = malformed_bodies(encoded(reference.body()), b'"q"')
    own = malformed_bodies(encoded({"source": reference.line, "n_best": 1}), b'"source"')
    key = b'"unknown": 1, "q"'
    return [
        *(post(name, body, 400) for name, body in bodies.items()),
        *(post(f"/v1: {name}", body, 400, path="/v1/translate") for name, body in own.items()),
        post("10,000 unknown keys", encoded(reference.body() | dict.fromkeys(map(str, range(10_000)))), 200),
        post(
            "duplicate keys, of which the last counts", encoded(reference.body()).replace(b'"q"', b'"q": "x", "q"'), 200
        ),
        post("an unknown key", encoded(reference.body()).replace(b'"q"', key), 200),
    ]


def malformed_bodies(good: bytes, key: bytes) -> dict[str, bytes]:
    """Return bodies by their names, made from a `good` one; `key` is a key with a string value, with its quotes."""
    start = key + b': "'
    return {
        "no body": b"",
        "broken JSON": good[:-1],
        "text after the JSON value": good + b"x",
        "a list": b"[]",
        "a string": b'"q"',
        "null": b"null",
        "a number": b"1",
        "invalid UTF-8": good.replace(start, start + b"\xff\xfe"),
        "overlong UTF-8": good.replace(start, start + b"\xc0\xaf"),
        "surrogates in UTF-8": good.replace(start, start + b"\xed\xa0\x80"),
        "UTF-16": good.decode().encode("utf-16"),
        "NaN": good.replace(key, b'"n_best": NaN, ' + key),
        "Infinity": good.replace(key, b'"beam_size": -Infinity, ' + key),
        "a number of 10,000 digits": good.replace(key, b'"beam_size": ' + b"1" * 10_000 + b", " + key),
        "a large exponent": good.replace(key, b'"beam_size": 1e999, ' + key),
        "100,000 nested lists": b"{" + key + b": " + b"[" * 100_000,
        "100,000 nested and closed lists": b"{" + key + b": " + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "100,000 nested objects": (b"{" + key + b": ") * 50_000,
        "a control character in a string": good.replace(start, start + b"\x01"),
        "single quotes": b"{'q': 'a'}",
    }


def wrong_types(reference: Reference) -> list[Attack]:
    """Return requests with a wrong type or value of each field.

    LibreTranslate's routes take `1` for true and true for 1, as forms have only texts; /v1 does not.
    """
    texts: list[Any] = [None, 1, 1.5, True, {}, {"a": "b"}]
    booleans: list[Any] = [2, "maybe", [], {}, 0.5]
    numbers: list[Any] = ["x", 1.5, -1, 10**9, 10**30, [], {}]
    wrong = {
        "q": [*texts, [1], [["a"]], [None], {"q": "a"}],
        "source": [*texts, "", "zz", "x" * 100_000, ["en"], "en\0", "../en", "\ud800"],
        "target": [*texts, "", "zz", "x" * 100_000, ["de"], "auto"],
        "format": [1, True, {}, [], "html", "pdf"],
        "alternatives": numbers,
        "alignments": booleans,
        "score": booleans,
        "beam_size": [*numbers, 0],
        "n_best": [*numbers, 0],
    }
    attacks = [
        post(f"{key} = {encoded(value)[:40].decode()}", encoded(reference.body(**{key: value})), 400)
        for key, values in wrong.items()
        for value in values
    ]
    own = {
        "source": [*texts, [1], [["a"]]],
        "model": [*texts[1:], "unknown", "../../etc/passwd"],
        "source_language": [1, "zz", [], {}],
        "target_language": [1, "zz", [], {}],
        "prefixes": ["a", 1, [1], {}, ["a", "b"]],
        "split_sentences": [1, "true", *booleans],
        "attention": [1, "true", *booleans],
        "beam_size": [*numbers, 0, True],
        "n_best": [*numbers, 0, True],
        "method": [1, "x", []],
        "alignments": [1, "true", *booleans],
        "length_penalty": [1, "x"],
        "alpha": ["x", -1, 1e308, [], True],
        "temperature": ["x", -1, 0, []],
        "seed": ["x", 1.5, [], True],
        "tag": [1, [], {}],
        "window": [1],
        "tokens_per_batch": [1],
        "shortlist": [1],
        "unknown": [1],
    }
    attacks += [
        post(
            f"/v1: {key} = {encoded(value)[:40].decode()}",
            encoded({"source": reference.line, key: value}),
            400,
            path="/v1/translate",
        )
        for key, values in own.items()
        for value in values
    ]
    missing = [post(f"without {key}", encoded({k: v for k, v in reference.body().items() if k != key}), 400)
               for key in ("q", "source", "target")]  # fmt: skip
    detect = [post(f"/detect: q = {encoded(value).decode()}", encoded({"q": value}), 400, path="/detect")
              for value in (*texts, [1])]  # fmt: skip
    return [*attacks, *missing, *detect, post("/detect without q", b"{}", 400, path="/detect")]


def unusual_text(reference: Reference) -> list[Attack]:
    """Return valid requests with characters that are often handled wrongly."""

    def same_lines(answers: Sequence[Answer]) -> str:
        found = answers[0].json()["translatedText"]
        return "" if isinstance(found, str) and found.count("\n") == 2 else f"the lines differ: {found!r}"

    characters = {"NUL": "\0", "U+2028": "\u2028", "BOM": "\ufeff", "U+FFFF": "\uffff", "emoji": "👩‍👩‍👧",
                  "NEL": "\x85", "RTL": "\u202e", "combining": "a" + "\u0301" * 500, "form feed": "\f"}  # fmt: skip
    attacks = [
        post(f"q with {name}", encoded(reference.body(q=f"{reference.line} {character}\nb\n{character}")), 200,
             check=same_lines)
        for name, character in characters.items()
    ]  # fmt: skip
    form = urlencode(reference.body()).encode()
    return [
        *attacks,
        post("q with a lone surrogate", encoded(reference.body(q="a\ud800b")), 200),
        post("/v1: a lone surrogate", encoded({"source": "a\udfffb"}), 200, path="/v1/translate"),
        post("/detect: a lone surrogate", encoded({"q": "a\udfffb"}), 200, path="/detect"),
        post("an empty q", encoded(reference.body(q="")), 400),
        post("an empty list", encoded(reference.body(q=[])), 400),
        post("q of white space", encoded(reference.body(q=" \n\t\n ")), 200),
        post("a form", form, 200, headers=FORM_TYPE),
        post("a form with invalid UTF-8", form.replace(b"q=", b"q=%FF%FE"), 400, headers=FORM_TYPE),
        post("a form with a wrong percent sign", form.replace(b"q=", b"q=%zz%"), 200, headers=FORM_TYPE),
        post("a form with 100,000 fields", form + b"&a=1" * 100_000, 400, headers=FORM_TYPE),
        post("a form with two q, of which the last counts", b"q=x&" + form, 200, headers=FORM_TYPE),
    ]


# --- files -----------------------------------------------------------------------------------------------------------


def part(name: str, text: str, file_name: str | None = None) -> bytes:
    """Return a part of a multipart body."""
    file = "" if file_name is None else f'; filename="{file_name}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return (head + text + "\r\n").encode("utf-8", "surrogateescape")


def upload(name: str, reference: Reference, file_name: str, expected: int, text: str = "", **fields: Any) -> Attack:
    """Return the upload of a file with this name."""
    body = part("source", reference.source) + part("target", reference.target)
    body += part("file", text or reference.line, file_name) + f"--{BOUNDARY}--\r\n".encode()
    return post(name, body, expected, path="/translate_file", headers=MULTIPART_TYPE, **fields)


def safe_url(answers: Sequence[Answer]) -> str:
    """Return what is wrong with the URL of a translated file: its path must have three parts, the last without `..`."""
    url = str(answers[0].json()["translatedFileUrl"])
    path = url.partition("://")[2].partition("/")[2]
    parts = path.split("/")
    if len(parts) != 3 or parts[0] != "download_file" or ".." in parts or any(c in path for c in "\\\0\r\n\"'<> "):
        return f"an unsafe URL: {url[:200]!r}"
    return "" if len(path) < 500 else f"a URL of {len(path)} characters"


def file_names(reference: Reference) -> list[Attack]:
    """Return uploads and downloads with hostile file names."""
    good = {
        "parent folders": "../../../etc/passwd.txt",
        "an absolute path": "/etc/passwd.txt",
        "a path of Windows": "..\\..\\C:\\boot.txt",
        "percent signs": "%2e%2e%2fa%00.txt",
        "1,000 characters": "a" * 1000 + ".txt",
        "NUL": "a\0.txt",
        "Unicode": "файл 文件 👩.txt",
        "line breaks, escaped": "a%0d%0aSet-Cookie: x.txt",
        "markup": "<script>alert(1)</script>.txt",
        "only the extension": ".txt",
        "spaces": "  a  .txt",
        "upper case": "A.TXT",
    }
    attacks = [upload(f"file: {name}", reference, text, 200, check=safe_url) for name, text in good.items()]
    refused = {
        "none": "",
        "without extension": "passwd",
        "another extension": "a.exe",
        "a folder": "a.txt/",
        "dots": "..",
    }
    attacks += [upload(f"file: {name}", reference, text, 400) for name, text in refused.items()]
    attacks += [
        upload("file: 10,000 characters", reference, "a" * 10_000 + ".txt", 400),
        upload("file: invalid UTF-8", reference, "a.txt", 400, text="\udcff\udcfe"),
        upload("file: 100,000 lines", reference, "a.txt", 400, text="a\n" * 100_000),
    ]
    paths = [
        "../../etc/passwd", "/etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd",
        "a/../../../etc/passwd", "%00", "a/%00", "a/b%0d%0aX:%20y", "a" * 10_000, "a/" + "b" * 10_000, "a/b",
        quote("文件/файл"), "%ff%fe/%ff", "..\\..\\etc\\passwd", "%252e%252e/%252e%252e/etc/passwd", "",
    ]  # fmt: skip
    for start in ("/download_file/", "/static/", "/docs/", "/"):
        attacks += [
            sent(f"GET {start}{path[:40]}", request_bytes("GET", start + path), 404)
            for path in paths
            if start != "/" or path
        ]
    return attacks


def multiparts(reference: Reference) -> list[Attack]:
    """Return multipart bodies that are damaged or have many parts."""
    fields = b"".join(part(name, value) for name, value in reference.body().items())
    languages = part("source", reference.source) + part("target", reference.target)
    end = f"--{BOUNDARY}--\r\n".encode()
    many = b"".join(part(f"field{number}", "x") for number in range(2000))
    long_header = (
        f'--{BOUNDARY}\r\nX: {"a" * 100_000}\r\nContent-Disposition: form-data; name="q"\r\n\r\na\r\n'.encode()
    )
    no_boundary = {"Content-Type": "multipart/form-data"}
    long_boundary = {"Content-Type": f"multipart/form-data; boundary={'b' * 10_000}"}
    bodies = {
        "multipart without end": fields,
        "multipart, cut in a header": fields[:-90],
        "multipart without parts": end,
        "multipart, no body": b"",
        "multipart, garbage": b"\0\xff" * 1000,
        "multipart with 2,000 parts": many + fields + end,
        "multipart with a header of 100 kB": long_header + end,
        "multipart without a name": fields.replace(b'; name="q"', b"") + end,
        "multipart with invalid UTF-8": fields.replace(b'name="q"\r\n\r\n', b'name="q"\r\n\r\n\xff\xfe') + end,
        "multipart with q as a file": part("q", "a", "a.txt") + languages + end,
    }
    slow = part("q", "abcd-" + "9" * 500_000) + languages + end
    charsets = [post(f"multipart with charset {name}", slow, 400,
                     headers={"Content-Type": f"{MULTIPART_TYPE['Content-Type']}; charset={name}"})
                for name in ("punycode", "utf-7", "zip", "unknown", "unicode_escape")]  # fmt: skip
    attacks = [post(name, body, 400, headers=MULTIPART_TYPE) for name, body in bodies.items()]
    attacks += [post(f"/translate_file: {name}", body, 400, headers=MULTIPART_TYPE, path="/translate_file")
                for name, body in bodies.items()]  # fmt: skip
    return [
        *attacks,
        *charsets,
        post("multipart", fields + end, 200, headers=MULTIPART_TYPE),
        post("multipart without boundary", fields + end, 400, headers=no_boundary),
        post("multipart with a long boundary", fields + end, 400, headers=long_boundary),
        post("/translate_file with JSON", encoded(reference.body()), 400, path="/translate_file"),
    ]
