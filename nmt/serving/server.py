"""Run the server: sockets, signals, start and end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from nmt.errors import NmtError
from nmt.serving.access import ApiKeys
from nmt.serving.application import create_application
from nmt.serving.limits import Limits
from nmt.serving.metrics import Metrics
from nmt.serving.models import ModelLoader
from nmt.serving.protocol import Protocol
from nmt.serving.server_log import LogFormat, show_server_log
from nmt.serving.service import Service

logger = logging.getLogger(__name__)

KEEP_ALIVE = 75
"""Seconds for which a connection without a request stays open after an answer."""
LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True)
class ServerSettings:
    """What the command line says about the server."""

    host: str = "127.0.0.1"
    port: int = 5000
    """0 for any free port."""
    api_keys: Path | None = None
    limits: Limits = field(default_factory=Limits)
    with_metrics: bool = False
    log_format: LogFormat = "text"
    log_text: bool = False


def serve(loader: ModelLoader, settings: ServerSettings) -> None:
    """Load the models and serve them until SIGTERM or SIGINT arrives.

    SIGTERM finishes the requests that have arrived and refuses new connections. SIGHUP loads the models and the API
    keys anew. Raise `NmtError` if a model cannot be loaded or the port cannot be used.
    """
    show_server_log(settings.log_format)
    keys = None if settings.api_keys is None else ApiKeys(settings.api_keys)
    listener = _listen(settings.host, settings.port)
    try:
        service = Service(loader, settings.limits, keys, Metrics())
    except BaseException:
        listener.close()
        raise
    application = create_application(service, settings.with_metrics, settings.log_text)
    config = uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.limits.timeout) + 5,
        backlog=2048,
    )
    host, port = listener.getsockname()[:2]
    if not settings.host.startswith(LOOPBACK) and keys is None:
        logger.warning(
            f"listening on {settings.host} without API keys: everyone who reaches this port can use the server; "
            "give --api-keys FILE, or --host 127.0.0.1"
        )
    logger.info(f"listening on http://{f'[{host}]' if ':' in host else host}:{port} (Ctrl-C stops)")
    try:
        _Server(config, service).run(sockets=[listener])
    finally:
        service.close()
    logger.info("stopped")


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raise `NmtError` if the address cannot be used."""
    try:
        [*_, (family, kind, protocol, _, address)] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[:1]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise NmtError(f"--host {host}: {error.strerror or error}") from None
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NmtError(f"cannot listen on {host}, port {port}: {reason}; choose another --port") from None
    return listener


class _Server(uvicorn.Server):
    """Handles the signals itself: uvicorn would end the process by the signal, not with status 0."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._reload_lock = threading.Lock()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server`."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop}
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self._reload
        with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C ends the process
            for number, handler in handlers.items():
                loop.add_signal_handler(number, handler)
        yield

    def _stop(self) -> None:
        """Stop after the requests that have arrived; at once if it is asked for twice."""
        if self.should_exit:
            self.force_exit = True
        else:
            logger.info("stopping: finishing the requests that have arrived")
            self.should_exit = True

    def _reload(self) -> None:
        """Load the models anew in a thread; one reload at a time, and one more if it is asked for meanwhile."""
        logger.info("SIGHUP: loading models and API keys anew")
        threading.Thread(target=self._reload_in_thread, name="nmt-reload", daemon=True).start()

    def _reload_in_thread(self) -> None:
        with self._reload_lock:
            self._service.reload()
