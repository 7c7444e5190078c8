"""What happens on SIGINT, SIGTERM and SIGHUP: training finishes the step, saves a checkpoint and exits."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""None on Windows."""


class Interrupted(Exception):
    """A signal stopped the run; its state is saved."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class StopSignal:
    """Records the signal that asks the run to stop."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal; None if none has arrived."""
        self._is_interruptible = False

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal, also an earlier one, raise `Interrupted` in this block, whose results can be computed again."""
        self._is_interruptible = True
        try:
            if self.number is not None:
                raise Interrupted(self.number)
            yield
        finally:
            self._is_interruptible = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record the first signal in this block; the second one raises `KeyboardInterrupt`.

        Listens to SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP.
        """
        numbers = [signal.SIGINT, signal.SIGTERM]
        if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:
            numbers.append(HANGUP)
        previous = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                is_hung_up = number == HANGUP == self.number  # a second SIGHUP may still arrive
                signal.signal(number, signal.SIG_IGN if is_hung_up else handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if number == HANGUP:  # a closed terminal sends two: one from the shell, and one from the kernel
                return
            raise KeyboardInterrupt
        self.number = number
        if self._is_interruptible:
            raise Interrupted(number)
