"""The words of the training sources, which a run keeps for the warning about text with many words it has not seen."""

import json
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nmt.data.languages import has_spaces
from nmt.storage.json_text import parse_json

if TYPE_CHECKING:
    from nmt.config import Config
    from nmt.data.prepared_data import Prepared

MAX_PAIRS = 100_000
"""Training pairs whose words are read at most."""
USUAL_SHARE = 0.05
"""The share of unseen words above which text is unusual. New text of the kind that a model was trained on has 1 to 4 %
after 30,000 lines, text of another kind 18 to 35 % (scripts/experiments/unseen_words.py)."""
USUAL_FACTOR = 2.0
"""The same, as a multiple of the share in the validation set, which is higher after fewer pairs."""
_WORD = re.compile(r"[\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u200c\u200d]+")
"""Letters, digits, and the vowel signs and joiners of Hebrew, Arabic and the scripts of South Asia."""
_CHARACTER = re.compile(r"\w")


@dataclass(frozen=True)
class TrainingWords:
    """The words of the training sources, by their hashes, which do not depend on case."""

    hashes: frozenset[int]
    usual_share: float
    """The share of unseen words above which text is unusual."""
    language: str
    """The source language. If it is written without spaces, characters count as words."""
    sampled_pairs: int | None = None
    """The number of pairs whose words are known; None if they are those of all training pairs."""

    def unseen(self, line: str) -> tuple[int, list[str]]:
        """Return the number of words of a line, and those that are not in the training sources.

        Words with digits do not count.
        """
        words = [word for word in split_words(line, self.language) if not re.search(r"\d", word)]
        return len(words), [word for word in words if hash_word(word) not in self.hashes]


def split_words(line: str, language: str) -> list[str]:
    """Return the words of a line without punctuation; the characters if the language is written without spaces."""
    return (_WORD if has_spaces(language) else _CHARACTER).findall(line)


def count_words(prepared: "Prepared", language: str) -> tuple[Counter[str], int]:
    """Return in how many training sources each word occurs, and of how many pairs: all, or about `MAX_PAIRS`."""
    counts: Counter[str] = Counter()
    chosen = prepared.sample_pairs(MAX_PAIRS)
    for number, rows in enumerate(chosen):
        for text in _sources(prepared, number, rows):
            counts.update(set(split_words(text, language)))
    return counts, sum(map(len, chosen))


def _sources(prepared: "Prepared", number: int, rows: npt.NDArray[np.int64]) -> Iterator[str]:
    """Yield the text of the sources `rows` of a training corpus."""
    store, _ = prepared.train[number]
    if store.is_text:
        yield from store.texts("source", rows)
    elif len(rows):
        ids, lengths = store.gather("source", rows)
        for part in np.split(ids, np.cumsum(lengths)[:-1]):
            yield prepared.vocabularies.source.decode(part.tolist())


def words_file(prepared: "Prepared", config: "Config", counts: Counter[str], pairs: int, others: Iterable[Path]) -> str:
    """Return the content of words.json: the hashes of the words, and the share of unseen words in the validation set.

    `counts` and `pairs` are from `count_words`. The words of the files `others` are added.
    """
    language = config.data.source_language
    hashes = frozenset(map(hash_word, counts))
    found = (read_training_words([path], language) for path in others)
    own = TrainingWords(hashes.union(*(each.hashes for each in found if each is not None)), 0.0, language)
    unseen = [own.unseen(line) for line in prepared.valid.text[0]]
    values = {
        "pairs": sum(len(store) for store, _ in prepared.train),
        "pairs_read": pairs,
        "unseen_share": round(sum(len(words) for _, words in unseen) / max(1, sum(count for count, _ in unseen)), 6),
        "hashes": sorted(own.hashes),
    }
    return json.dumps(values, separators=(",", ":")) + "\n"


def read_training_words(paths: Sequence[Path], language: str) -> TrainingWords | None:
    """Return the words that at least one of the models has seen whose files are `paths`.

    Return None if a file is missing or damaged.
    """
    hashes: frozenset[int] = frozenset()
    usual_share, sampled = USUAL_SHARE, None
    for path in paths:
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
            hashes |= frozenset(map(int, values["hashes"]))
            usual_share = max(usual_share, USUAL_FACTOR * float(values["unseen_share"]))
            if values["pairs_read"] < values["pairs"]:
                sampled = int(values["pairs_read"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return TrainingWords(hashes, usual_share, language, sampled)


def hash_word(word: str) -> int:
    """Return a hash of 32 bits that is the same for upper and lower case and for compatibility characters."""
    return zlib.crc32(unicodedata.normalize("NFKC", word).casefold().encode("utf-8", "replace"))
