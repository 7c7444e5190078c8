"""Start `nmt serve` as a process of its own, for tests that talk to it as clients do."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.server_process import Server, start

__all__ = ["Server", "serve"]


@contextmanager
def serve(folder: Path, *models: Path, options: tuple[str, ...] = ()) -> Iterator[Server]:
    """Start a server of the models, with a folder of its own in `folder`, and stop it at the end.

    Fail if it does not end after SIGTERM.
    """
    names = [argument for model in models for argument in ("--model", str(model))]
    server = start([*names, *options], Path(tempfile.mkdtemp(dir=folder)))
    try:
        yield server
    finally:
        assert server.stop() != -signal.SIGKILL, "the server did not end after SIGTERM"
