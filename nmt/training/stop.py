"""A request to stop training early; the trainer asks for it after each step and around each validation."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(Exception):
    """Training stopped because of a `StopRequest`; its state is saved."""


class StopRequest:
    """A request to stop training early. `on_event`, another thread or a signal handler makes it with `set`.

    Training finishes the step, saves a checkpoint and ends; it can be resumed with the same result as without the stop.
    A validation that runs at that time is completed. It is interrupted, and repeated when the run is resumed, if the
    thread that trains makes the request itself, which a signal handler of the main thread does.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._interruptible_thread: int | None = None

    def is_set(self) -> bool:
        """Return whether the request has been made."""
        return self._event.is_set()

    def set(self) -> None:
        """Make the request. It stays made, also for a later training that gets this object."""
        self._event.set()
        if self._interruptible_thread == threading.get_ident():
            raise Stopped

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a request, also an earlier one, raise `Stopped` in this block, whose results can be computed again."""
        self._interruptible_thread = threading.get_ident()
        try:
            if self.is_set():
                raise Stopped
            yield
        finally:
            self._interruptible_thread = None
