"""Read `corpus.json`, the facts about the text of a run that `nmt.data.corpus_facts` computed."""

from typing import Any

from nmt.storage.json_text import parse_json
from nmt.storage.run_folder import Run


def read_facts(run: Run) -> dict[str, Any]:
    """Return the content of corpus.json; empty if it is missing or damaged."""
    try:
        facts = parse_json(run.corpus.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def rarest_words(facts: dict[str, Any], name: str) -> list[int] | None:
    """Return `rarest_word` of the evaluated set `name`: for each source, the number of training sources that its rarest
    word occurs in. Return None if it is not known."""
    try:
        found = next(each["rarest_word"] for each in facts["sets"] if each["name"] == name)
        return [int(count) for count in found]
    except (KeyError, TypeError, ValueError, StopIteration):
        return None
