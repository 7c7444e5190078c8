"""Send any bytes to an HTTP server over a socket, and read every response that it sends until it closes."""

import json
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nmt.errors import NmtError

READ_SIZE = 1 << 16
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which the kernel resets a connection when it is closed."""


@dataclass(frozen=True)
class Answer:
    """A response of the server."""

    status: int
    headers: dict[str, str]
    """With lower-case names."""
    body: bytes

    def json(self) -> Any:
        """Return the body as a JSON value. Raise ValueError if it is none."""
        return json.loads(self.body)


@dataclass
class Exchange:
    """What happened on a connection."""

    answers: list[Answer] = field(default_factory=list)
    """Complete responses, without interim ones (100 Continue)."""
    interim: list[int] = field(default_factory=list)
    """The statuses of interim responses."""
    was_closed: bool = False
    """Whether the server closed the connection."""
    timed_out: bool = False


def exchange(
    host: str,
    port: int,
    blocks: Iterable[bytes],
    count: int,
    seconds: float,
    *,
    shuts_down: bool = False,
    leaves: bool = False,
    no_body: bool = False,
) -> Exchange:
    """Send `blocks` and read until `count` responses have arrived, the server closes, or `seconds` have passed.

    The server may answer and close before everything is sent. With `shuts_down` the client closes its side after the
    last byte; with `leaves` it resets the connection then, and reads nothing. `no_body` is for responses to HEAD. With
    `count` 0 the server must close the connection.
    """
    found, received, to_send = Exchange(), b"", b""
    unsent: Iterator[bytes] | None = iter(blocks)
    deadline = time.monotonic() + seconds
    with socket.create_connection((host, port), timeout=seconds) as client:
        client.setblocking(False)
        while not found.was_closed and not (unsent is None and 0 < count <= len(found.answers)):
            if unsent is not None and not to_send:
                to_send = next(unsent, b"")
                if not to_send:
                    unsent = None
                    if leaves:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                        break
                    if shuts_down:
                        client.shutdown(socket.SHUT_WR)
            left = deadline - time.monotonic()
            readable, writable, _ = select.select([client], [client] if to_send else [], [], max(0.0, left))
            if left <= 0:
                found.timed_out = True
                break
            if readable:
                try:
                    data = client.recv(READ_SIZE)
                except OSError:  # the server closed while bytes were on their way to it
                    data = b""
                found.was_closed = not data
                received = parse(received + data, found, no_body)
            elif writable:
                try:
                    to_send = to_send[client.send(to_send) :]
                except OSError:
                    to_send, unsent = b"", None  # the response may have arrived before
    if found.was_closed and received and not parse_until_close(received, found):
        raise NmtError(f"the server closed in the middle of a response: {received[:200]!r}")
    return found


def parse(data: bytes, found: Exchange, no_body: bool = False) -> bytes:
    """Move complete responses from the `data` to `found` and return the rest."""
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        if status < 200:
            found.interim.append(status)
            data = rest
            continue
        if no_body or status in (204, 304):
            length = 0
        elif headers.get("transfer-encoding") == "chunked":
            complete = unchunk(rest)
            if complete is None:
                return data
            found.answers.append(Answer(status, headers, complete[0]))
            data = complete[1]
            continue
        elif "content-length" in headers:
            length = int(headers["content-length"])
        else:
            return data  # until the connection is closed
        if len(rest) < length:
            return data
        found.answers.append(Answer(status, headers, rest[:length]))
        data = rest[length:]
    return data


def parse_until_close(data: bytes, found: Exchange) -> bool:
    """Add a response that ends with the connection; return False if the data are not one."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    status, headers = parse_head(head) if separator else (0, {})
    if not status or "content-length" in headers or "transfer-encoding" in headers:
        return False
    found.answers.append(Answer(status, headers, rest))
    return True


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of a response. Raise NmtError if it is not HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdecimal():
        raise NmtError(f"not a response of HTTP/1: {first[:80]!r}")
    return int(words[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def unchunk(data: bytes) -> tuple[bytes, bytes] | None:
    """Return a body without its chunked encoding, and what follows it; None if its end has not arrived."""
    body = b""
    while b"\r\n" in data:
        size_text, _, data = data.partition(b"\r\n")
        size = int(size_text.split(b";")[0], 16)
        if len(data) < size + 2:
            return None
        body, data = body + data[:size], data[size + 2 :]
        if size == 0:
            return body, data
    return None
