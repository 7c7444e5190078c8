"""Who may use the server, and how often: API keys from a file, and a limit of requests per minute."""

import hashlib
import hmac
import time
from collections import OrderedDict
from pathlib import Path

from nmt.data.lines import read_lines
from nmt.errors import NmtError
from nmt.serving.limits import ApiError

MAX_CLIENTS = 10_000
"""Clients whose requests are counted; those that were quiet for the longest time are forgotten."""


class ApiKeys:
    """The keys of a file, one per line; empty lines and lines that begin with # are ignored."""

    def __init__(self, path: Path) -> None:
        """Read the keys. Raise `NmtError` if the file cannot be read or has no key."""
        self._path = path
        self._digests: dict[int, bytes] = {}
        self.reload()

    def reload(self) -> None:
        """Read the file again. Raise `NmtError`, and keep the keys, if that fails."""
        found = {}
        for number, line in enumerate(read_lines(self._path), 1):
            key = line.strip()
            if not key or key.startswith("#"):
                continue
            if len(key) < 8 or len(key.split()) > 1:
                raise NmtError(f"{self._path}, line {number:,}: a key has at least 8 characters and no spaces")
            found[number] = _digest(key)
        if not found:
            raise NmtError(f"{self._path}: has no API key; write one per line (openssl rand -hex 16 makes one)")
        self._digests = found

    def check(self, key: str | None) -> str:
        """Return a name for a valid key, which logs may show. Raise `ApiError` for other keys.

        The time that this takes does not depend on the key (as far as Python allows).
        """
        if not key:
            raise ApiError(403, "Please contact the server operator to get an API key")
        given, found = _digest(key), 0
        for number, digest in self._digests.items():
            found = number if hmac.compare_digest(digest, given) else found
        if not found:
            raise ApiError(403, "Invalid API key")
        return f"key of line {found}"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


class RateLimit:
    """Allows each client a number of requests per minute, all at once or spread over the minute (token bucket)."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """The requests that each client may make, and when that was computed; the least recent client is first."""

    def check(self, client: str) -> None:
        """Count a request. Raise `ApiError` if the client has made too many."""
        if not self._rate:
            return
        now = time.monotonic()
        allowed, before = self._clients.pop(client, (float(self._rate), now))
        allowed = min(float(self._rate), allowed + (now - before) * self._rate / 60)
        is_allowed = allowed >= 1
        self._clients[client] = (allowed - is_allowed, now)
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        if not is_allowed:
            seconds = int((1 - allowed) * 60 / self._rate) + 1
            raise ApiError(429, f"Slowdown: {self._rate} per 1 minute", seconds)
