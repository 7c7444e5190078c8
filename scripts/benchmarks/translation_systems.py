"""The text and the systems that translate.py compares; each system translates it with the same two searches."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmt.config import Config
from nmt.data.lines import normalize
from nmt.data.subword import Vocabularies
from nmt.data.token_ids import UNK
from nmt.evaluation.metrics import Scoring, corpus_scores
from nmt.storage.run_folder import Run
from scripts.benchmarks import processes

SEARCHES = BEAM, GREEDY = "beam 5", "greedy"


@dataclass(frozen=True)
class Task:
    """The text to translate and the nmt run whose weights translate it."""

    run: Run
    checkpoint: Path
    config: Config
    vocabularies: Vocabularies
    lines: list[str]
    references: list[str] | None
    work: Path

    def segmented(self) -> list[str]:
        """Return the lines as pieces, with the end of the sentence, which OpenNMT-py does not add to a source."""
        ids = self.vocabularies.source.encode([normalize(line, self.config.data) for line in self.lines])
        return [" ".join([*self.vocabularies.source.pieces(line), "</s>"]) for line in ids]

    def bleu(self, pieces: Sequence[Sequence[str]], tokenize: str) -> float | None:
        """Return the BLEU of translations, or None if there are no references."""
        if self.references is None:
            return None
        subword = self.vocabularies.target
        known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))}
        texts = [subword.decode([known.get(piece, UNK) for piece in line]) for line in pieces]
        return corpus_scores(texts, [self.references], ["bleu"], Scoring(tokenize))[0].value


@dataclass(frozen=True)
class Round:
    """The measurements of one system in one round."""

    found: dict[str, dict[str, Any]]
    """What `time_search` returned for each search."""
    commands: dict[str, processes.Usage]
    """Time and memory of the system's own command with each search."""


@dataclass(frozen=True)
class System:
    """One row of the table."""

    name: str
    translate: Callable[[], dict[str, dict[str, Any]]]
    """Translates with every search, in a child process."""
    command: Callable[[str], processes.Usage]
    """Runs the system's own command with a search."""
    rounds: list[Round] = field(default_factory=list)

    def median(self, value: Callable[[Round], float]) -> float:
        """Return the median of `value` over the rounds."""
        return statistics.median(map(value, self.rounds))

    def rate(self, search: str) -> float:
        """Return target tokens per second."""
        return self.median(lambda each: sum(map(len, each.found[search]["pieces"])) / each.found[search]["seconds"])
