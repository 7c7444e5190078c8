"""What bench_translate.py compares: a text, systems that translate it with the same two searches, and their turns."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peers

from nmt.config import Config
from nmt.data.lines import normalize
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.evaluation.metrics import Scoring, corpus_scores
from nmt.storage.run_folder import Run

SEARCHES = BEAM, GREEDY = "beam 5", "greedy"


@dataclass(frozen=True)
class Task:
    """What is translated, and with what."""

    run: Run
    checkpoint: Path
    config: Config
    vocabularies: Vocabularies
    lines: list[str]
    references: list[str] | None
    work: Path

    def segmented(self) -> list[str]:
        """Return the lines as pieces, the end of the sentence included: OpenNMT-py's sources have none of their own."""
        ids = self.vocabularies.source.encode([normalize(line, self.config.data) for line in self.lines])
        return [" ".join([*self.vocabularies.source.pieces(line), "</s>"]) for line in ids]

    def bleu(self, pieces: Sequence[Sequence[str]], tokenize: str) -> float | None:
        """Return BLEU of translations, None without references."""
        if self.references is None:
            return None
        subword = self.vocabularies.target
        known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))}
        texts = [subword.decode([known.get(piece, UNK) for piece in line]) for line in pieces]
        return corpus_scores(texts, [self.references], ["bleu"], Scoring(tokenize))[0].value


@dataclass(frozen=True)
class Round:
    """One turn of one system."""

    found: dict[str, dict[str, Any]]
    """What `translate_with_nmt` or its like answered, by search."""
    processes: dict[str, peers.Usage]
    """What the whole command took, by search."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    translate: Callable[[], dict[str, dict[str, Any]]]
    """Translates in a process of its own, with every search."""
    command: Callable[[str], peers.Usage]
    """Runs the system's own command with a search."""
    rounds: list[Round] = field(default_factory=list)

    def median(self, value: Callable[[Round], float]) -> float:
        """Return the median of `value` over the rounds."""
        return statistics.median(map(value, self.rounds))

    def rate(self, search: str) -> float:
        """Return target tokens a second."""
        return self.median(lambda turn: sum(map(len, turn.found[search]["pieces"])) / turn.found[search]["seconds"])
