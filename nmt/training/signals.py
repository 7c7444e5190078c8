"""Stopping a run by a signal: the step is finished, a validation is broken off, and the state is saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none


class Interrupted(Exception):
    """A signal asked the run to stop; its state is saved."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stop:
    """Whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal; None where none has come."""
        self._is_breakable = False

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Let a signal raise `Interrupted` at once in this context, which computes nothing that must be kept."""
        self._is_breakable = True
        try:
            yield
        finally:
            self._is_breakable = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of the first signal; the second one raises `KeyboardInterrupt`.

        SIGINT, SIGTERM, and SIGHUP unless it is ignored (nohup).
        """
        numbers = [signal.SIGINT, signal.SIGTERM]
        if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:
            numbers.append(HANGUP)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                is_lost = number == HANGUP and self.number == HANGUP  # the second may come at the very end
                signal.signal(number, signal.SIG_IGN if is_lost else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number == HANGUP:  # a lost terminal sends two: one from its shell, and one at its own end
                return
            raise KeyboardInterrupt
        self.number = number
        if self._is_breakable:
            raise Interrupted(number)
