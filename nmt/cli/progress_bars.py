"""Progress bars on a terminal, for preprocessing and training; one at a time."""

import signal
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBars:
    """Shows what `on_progress` receives as a bar, if standard error is a terminal.

    While this process trains subwords itself (`trains_subwords`), Ctrl-C ends it at once: the library computes for
    minutes without Python.
    """

    def __init__(self, trains_subwords: bool = False, is_silent: bool = False) -> None:
        self._trains_subwords = trains_subwords
        self._is_terminal = sys.stderr.isatty() and not is_silent
        self._bar: tqdm[Any] | None = None
        self._action = ""
        self._interruption = ExitStack()

    def __enter__(self) -> "ProgressBars":
        return self

    def __exit__(self, *error: object) -> None:
        self._interruption.close()
        self.close()

    def close(self) -> None:
        """Close the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def show(self, action: str, done: int, total: int) -> None:
        """Show `done` of `total`; a new `action` begins a new bar."""
        if action == "subwords":
            self._interruption.close()
            if done < total and self._trains_subwords:
                self._let_interrupts_end_the_process()
            return
        if self._is_terminal and action != self._action:
            self.close()
            self._bar = _open_bar(action, done, total)
        self._action = action
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if done >= total and action != "training":  # that bar stays until the end of training
                self.close()

    def set_figures(self, text: str) -> bool:
        """Show `text` behind the bar. Return False if there is no bar."""
        if self._bar is None:
            return False
        self._bar.set_postfix_str(text)
        return True

    def _let_interrupts_end_the_process(self) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if handler is signal.default_int_handler and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            self._interruption.callback(signal.signal, signal.SIGINT, handler)


def _open_bar(action: str, done: int, total: int) -> "tqdm[Any]":
    from tqdm import tqdm

    if action == "training":
        return tqdm(total=total, initial=done, unit="step", dynamic_ncols=True, file=sys.stderr)
    return tqdm(total=total, desc=action, unit=" pairs", unit_scale=True, leave=False, file=sys.stderr)
