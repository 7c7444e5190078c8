"""Score given translations with a model, line by line: log p(target | source) (the loop of `nmt logprob`)."""

import logging
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt.data.corpus import align_lines
from nmt.decoding.input_formats import NBestEntry, pair_with_sources, read_n_best
from nmt.decoding.line_input import input_name, open_lines
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.output_files import open_output
from nmt.storage.json_text import dump_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringJob:
    """The pairs to score, and the output; "-" is stdin, or stdout."""

    source: Path
    target: Path
    target_format: Literal["text", "moses"] = "text"
    """Translations line by line, or an n-best list whose entries contain the number of their source line."""
    output: Path | None = None
    """None is stdout."""
    per_token: bool = False
    """Print one JSON object per line, with the log-probability of each token."""
    append: bool = False
    """Print the n-best list with the log-probability as one more feature."""
    tag: str = ""

    def render(self, target: str | NBestEntry, pieces: Sequence[str], log_probs: Sequence[float]) -> str:
        """Return the output line of a pair."""
        total = math.fsum(log_probs)
        if self.per_token:
            return dump_json({"log_prob": total, "tokens": pieces, "token_log_probs": log_probs})
        return target.with_feature(total) if self.append and isinstance(target, NBestEntry) else f"{total:.6f}"


def score_lines(loaded: LoadedTranslator, job: ScoringJob, tokens_per_batch: int) -> None:
    """Write the log-probability of each target given its source, one line per pair."""
    (sources, source_is_live), (targets, target_is_live) = open_lines(job.source), open_lines(job.target)
    is_live = source_is_live or target_is_live
    names = input_name(job.source), input_name(job.target)
    rows: Iterator[tuple[str, str | NBestEntry]] = (
        pair_with_sources(read_n_best(targets, names[1]), sources, names[1], names[0])
        if job.target_format == "moses"
        else align_lines(sources, targets, *names)
    )
    unscored: deque[tuple[str, str | NBestEntry]] = deque()

    def pairs() -> Iterator[tuple[str, str]]:
        for source, target in rows:
            unscored.append((source, target))
            yield source, target if isinstance(target, str) else target.text

    limit = loaded.translator.options.max_source_tokens
    long: list[int] = []
    with open_output(job.output) as out:
        scored = loaded.translator.token_log_probs(pairs(), tokens_per_batch, job.tag, live=is_live)
        for number, (pieces, log_probs) in enumerate(scored, 1):
            source, target = unscored.popleft()
            if loaded.translator.count_tokens([source])[0] > limit:
                long.append(number)
            out.write(f"{job.render(target, pieces, log_probs)}\n".encode("utf-8", "replace"))
            if is_live:
                out.flush()
        out.flush()
    if long:
        logger.warning(
            f"{len(long):,} pairs (the first is pair {long[0]:,}) have more than {limit} source tokens: they are "
            "scored whole, but nmt translate would split them (decoding.max_source_tokens)"
        )
