"""The log of the server on standard error, as text or as JSON lines."""

import json
import logging
import sys
import time
from functools import lru_cache
from typing import Any, Literal

LogFormat = Literal["text", "json"]


class _Formatter(logging.Formatter):
    """One line per message: time, level, message, and the fields of a request."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._is_json = log_format == "json"

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        stamp = f"{_second(int(record.created))}.{int(record.msecs):03}Z"
        fields: dict[str, Any] = getattr(record, "fields", {})
        error = self.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
        if self._is_json:
            values = {"time": stamp, "level": record.levelname.lower(), "message": record.getMessage(), **fields}
            return json.dumps({**values, "traceback": error} if error else values, ensure_ascii=True)
        text = " ".join([record.getMessage(), *(f"{key}={_as_text(value)}" for key, value in fields.items())])
        return f"{stamp} {record.levelname.lower()}: {text}" + (f"\n{error}" if error else "")


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _as_text(value: Any) -> str:
    """Return a value as JSON if it would not be one printable word."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and " " not in text else json.dumps(value, ensure_ascii=True)


def show_server_log(log_format: LogFormat) -> None:
    """Show the messages of `nmt`, and errors of the libraries, on standard error in place of the log of commands."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(log_format))
    for name, level in (("nmt", logging.INFO), ("uvicorn", logging.ERROR), ("python_multipart", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
