"""Translated files that wait for their download, in memory."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_AGE = 600.0
"""Seconds for which a file can be downloaded."""
MAX_BYTES = 64 << 20
"""Bytes of all files together; the oldest are removed first."""


@dataclass(frozen=True)
class TranslatedFile:
    """A file to download."""

    name: str
    content: bytes
    created: float


class TranslatedFiles:
    """Files by a random id, which only the client that sent the text knows."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, TranslatedFile] = OrderedDict()
        self._bytes = 0

    def add(self, name: str, content: bytes) -> str:
        """Keep a file, and return its id."""
        self._remove_old()
        file_id = secrets.token_urlsafe(24)
        self._files[file_id] = TranslatedFile(name, content, time.monotonic())
        self._bytes += len(content)
        while self._bytes > MAX_BYTES and len(self._files) > 1:
            self._remove_first()
        return file_id

    def find(self, file_id: str) -> TranslatedFile | None:
        """Return the file with an id; None if there is none any more."""
        self._remove_old()
        return self._files.get(file_id)

    def _remove_old(self) -> None:
        while self._files and next(iter(self._files.values())).created < time.monotonic() - MAX_AGE:
            self._remove_first()

    def _remove_first(self) -> None:
        _, removed = self._files.popitem(last=False)
        self._bytes -= len(removed.content)


def translated_name(name: str, target: str) -> str:
    """Return a name for the translation of the file `name`, without folders: notes_de.txt for notes.txt."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem = last[:-4] if last.lower().endswith(".txt") else last
    stem = "".join(c for c in stem if c.isalnum() or c in " ._-()").strip(" .")[:80]
    return f"{stem or 'translation'}_{target}.txt"
