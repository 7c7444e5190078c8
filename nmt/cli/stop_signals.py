"""What happens on SIGINT, SIGTERM and SIGHUP: the command requests that training stops, and exits after that."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nmt.training.stop import StopRequest

HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""None on Windows."""


class StopSignals:
    """Turns the first signal into a `StopRequest`."""

    def __init__(self) -> None:
        self.request = StopRequest()
        self.number: int | None = None
        """The signal; None if none has arrived."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let the first signal in this block make the request; the second one raises `KeyboardInterrupt`.

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
        self.request.set()
