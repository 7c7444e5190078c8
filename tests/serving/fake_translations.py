"""Answers to the browser's requests, for tests of the page that need certain translations, errors or languages.

A translation has the words of the sentence in reversed order and in capital letters, so that target word j of n is
aligned to source word n - 1 - j.
"""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Route

SETTINGS: dict[str, Any] = {
    "apiKeys": True,
    "keyRequired": False,
    "charLimit": 20_000,
    "frontendTimeout": 500,
    "language": {"source": {"code": "en", "name": "English"}, "target": {"code": "de", "name": "German"}},
    "suggestions": False,
    "filesTranslation": True,
    "supportedFilesFormat": [".txt"],
}
LANGUAGES = [
    {"code": "en", "name": "English", "targets": ["de", "ar"]},
    {"code": "de", "name": "German", "targets": ["en"]},
    {"code": "ar", "name": "Arabic", "targets": []},
]
_MODEL = {"name": "tiny", "checkpoint": "step-1", "has_attention": True, "beam_size": 8, "precision": "int8"}
MODELS: dict[str, Any] = {"models": [{**_MODEL, "directions": [{"source": "en", "target": "de", "tag": ""}]}]}
_PAIRS = ("en", "de"), ("de", "en"), ("en", "ar")
MODELS_BOTH = {"models": [{**_MODEL, "directions": [{"source": s, "target": t, "tag": ""} for s, t in _PAIRS]}]}
DETECTED = [{"confidence": 98.2, "language": "en"}, {"confidence": 1.0, "language": "de"}]


class FakeTranslations:
    """Answers the browser's requests for translations, and remembers their bodies."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.failures: list[Callable[[Route], None]] = []
        """What happens to the next requests; those after them are answered."""

    def handle(self, route: Route) -> None:
        """Answer a request."""
        self.bodies.append(route.request.post_data_json)
        self.headers.append(route.request.headers)
        if self.failures:
            self.failures.pop(0)(route)
        else:
            route.fulfill(json=answer(self.bodies[-1]))


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of `v1/translate`."""
    translations = []
    for line in body["source"]:
        sentences = re.split(r"(?<=\.)\s+", line) if body.get("split_sentences") else [line]
        parts = [reverse(sentence, body) for sentence in sentences]
        whole = {"source": line, "text": " ".join(part["text"] for part in parts), "alignment": []}
        translations.append({**whole, "targets": [whole], "sentences": parts} if len(parts) > 1 else parts[0])
    return {"model": "tiny", "source_language": "en", "target_language": "de", "translations": translations}


def reverse(sentence: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a translated sentence."""
    words = sentence.split()
    n = len(words)
    best = {"text": " ".join(words[::-1]).upper(), "alignment": [[n - 1 - j, j] for j in range(n)]}
    others = [{**best, "text": f"{best['text']} {i}"} for i in range(1, body["n_best"])]
    result: dict[str, Any] = {"source": sentence, **best}
    if not body.get("split_sentences") or n == len(body["source"][0].split()):
        result["targets"] = [best, *others]
    if body.get("attention"):
        # Each row's largest value is that of the aligned word; the last column is that of the end of the source.
        attention = [[0.8 if s == n - 1 - t else 0.1 for s in range(n + 1)] for t in range(n)]
        result |= {"source_pieces": words, "pieces": best["text"].split(), "attention": attention}
    return result


def fail(status: int, message: str, **headers: str) -> Callable[[Route], None]:
    """Return a function that answers a request with an error."""
    return lambda route: route.fulfill(status=status, json={"error": message}, headers=headers)
