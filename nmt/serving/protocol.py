"""HTTP connections: uvicorn's protocol with limits on the headers and on the time that a request may take to arrive."""

import json
from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEADER_BYTES = 65_536
"""Bytes of the request line and the headers of a request."""
ARRIVAL_SECONDS = 60.0
"""Seconds in which a connection must begin its first request, and a request must arrive completely."""


class Protocol(HttpToolsProtocol):
    """Closes connections that send endless headers, or whose requests do not arrive in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._header_end = b""
        """The last bytes of the headers that have arrived: the empty line after them may be cut."""
        self._has_headers = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a block of bytes. Refuse the request if its headers are too long."""
        if not self._has_headers:
            block = self._header_end + data
            end = block.find(b"\r\n\r\n")
            self._header_bytes += len(data) if end < 0 else end + 4 - len(self._header_end)
            self._header_end = block[-3:]
            if self._header_bytes > MAX_HEADER_BYTES:
                if not self.transport.is_closing():
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers of the request are too large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Start the timer of a request."""
        super().on_message_begin()
        self._has_headers = False
        self._start_timer()

    def on_headers_complete(self) -> None:
        """Begin to answer the request."""
        self._has_headers, self._header_bytes, self._header_end = True, 0, b""
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the request has arrived."""
        self._stop_timer()
        self._has_headers = False
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Begin to answer a request. Nothing is written any more when the connection is closed.

        uvicorn notices this only for the last one of several requests that were sent at once, and uvloop raises errors.
        """

        async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            async def send_if_open(message: ASGISendEvent) -> None:
                cycle.disconnected = cycle.disconnected or self.transport.is_closing()
                await send(message)

            await app(scope, receive, send_if_open)

        super()._start_asgi_task(cycle, answer)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP, in the format of all errors."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer with an error, and close the connection."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # the answer to an earlier request is being written
            return
        body = json.dumps({"error": message}).encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(ARRIVAL_SECONDS, self._on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
