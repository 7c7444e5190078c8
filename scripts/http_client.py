"""A client for HTTP/1.1 over asyncio streams that uses little CPU time, and sends whatever bytes it is given."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Response:
    """A response: the status, the headers with lower-case names, and the body without the chunked encoding."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as a JSON value. Raise ValueError if it is none."""
        return json.loads(self.body)


class Connection:
    """A connection that is kept alive. Every method raises OSError or EOFError if the server closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use an open connection; `open` makes one."""
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(
        cls, host: str, port: int, receive_buffer: int | None = None, own_address: str | None = None
    ) -> "Connection":
        """Connect to a server from `own_address`; `receive_buffer` is the size of the buffer of the kernel in bytes."""
        if receive_buffer is None:
            local = None if own_address is None else (own_address, 0)
            return cls(*await asyncio.open_connection(host, port, local_addr=local))
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # before the window is negotiated
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, (host, port))
        return cls(*await asyncio.open_connection(sock=client, limit=receive_buffer))

    async def request(self, message: bytes) -> Response:
        """Send a request, as `request_bytes` makes it, and return its response."""
        self.writer.write(message)
        await self.writer.drain()
        return await self.read_response()

    async def read_response(self, has_body: bool = True) -> Response:
        """Return the next response, without interim ones (100 Continue)."""
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            status = int(first.split(" ", 2)[1])
            if status >= 200:
                break
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Response(status, headers, await self._read_body(headers) if has_body else b"")

    async def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                chunks.append(await self.reader.readexactly(size))
                await self.reader.readexactly(2)
            await self.reader.readuntil(b"\r\n")
            return b"".join(chunks)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read()

    async def close(self) -> None:
        """Close the connection, also one that the server has reset."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def request_bytes(method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request with Host, and with Content-Length if it has a body."""
    values = {"Host": "localhost"} | ({} if body is None else {"Content-Length": str(len(body))}) | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b"")


def json_request(path: str, value: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a POST request with a JSON body."""
    return request_bytes(
        "POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"} | dict(headers or {})
    )
