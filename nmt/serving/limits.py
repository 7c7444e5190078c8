"""The limits of the server, and the errors that it answers with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server accepts."""

    max_characters: int = 50_000
    """Characters of the texts of a request."""
    max_lines: int = 1000
    """Lines of the texts of a request."""
    max_queue: int = 20_000
    """Sentences that wait for translation."""
    max_beam: int = 16
    """Beam size, and number of translations of a text."""
    timeout: float = 60.0
    """Seconds until a translation is given up."""
    rate: int = 0
    """Requests per minute of each API key, or of each address if there are no keys; 0 for no limit."""

    @property
    def max_body(self) -> int:
        """Bytes of a request. JSON takes up to 12 bytes for a character."""
        return 12 * self.max_characters + 65_536


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        """Answer with an HTTP `status` and a `message`; the client may try again after `retry_after` seconds."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


def invalid(reason: str) -> ApiError:
    """Return the error for an invalid request."""
    return ApiError(400, f"Invalid request: {reason}")


class OverloadedError(ApiError):
    """More sentences wait than the server accepts."""

    def __init__(self, retry_after: int = 5) -> None:
        super().__init__(503, "The server is busy: too many sentences are waiting; try again later", retry_after)
