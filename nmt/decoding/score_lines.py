"""Score given translations line by line: what `nmt logprob` calls."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmt.data.corpus import align_lines
from nmt.data.preprocess import Report
from nmt.decoding.input_formats import NBestEntry, read_n_best, with_sources
from nmt.decoding.line_input import input_name, open_lines
from nmt.decoding.loading import LoadedTranslator
from nmt.decoding.output_files import open_output
from nmt.storage.json_text import dump_json


@dataclass(frozen=True)
class ScoreJob:
    """Pairs whose probability is asked for; "-" is stdin, and None stdout."""

    source: Path
    target: Path
    target_format: Literal["text", "moses"] = "text"
    """Translations line by line, or an n-best list whose entries name the number of their source line."""
    output: Path | None = None
    per_token: bool = False
    """Print one JSON object a line, with the log-probability of each token."""
    append: bool = False
    """Print the n-best list again, with the log-probability as a further feature."""
    tag: str = ""


def log_prob_stream(loaded: LoadedTranslator, job: ScoreJob, tokens_per_batch: int, say: Report) -> None:
    """Write the log-probability of each target given its source, in the form that `job` asks for."""
    (sources, is_live), (targets, is_live_too) = open_lines(job.source), open_lines(job.target)
    names = input_name(job.source), input_name(job.target)
    rows: Iterator[tuple[str, str | NBestEntry]] = (
        with_sources(read_n_best(targets, names[1]), sources, names[1], names[0])
        if job.target_format == "moses"
        else align_lines(sources, targets, *names)
    )
    read: deque[tuple[str, str | NBestEntry]] = deque()

    def pairs() -> Iterator[tuple[str, str]]:
        for source, target in rows:
            read.append((source, target))
            yield source, target if isinstance(target, str) else target.text

    limit = loaded.checkpoints[0].config.decoding.max_source_tokens
    long: list[int] = []
    with open_output(job.output) as out:
        is_live = is_live or is_live_too
        scored = loaded.translator.log_probs(pairs(), tokens_per_batch, job.tag, live=is_live)
        for number, (pieces, values) in enumerate(scored, 1):
            source, target = read.popleft()
            total = math.fsum(values)
            if loaded.translator.count_tokens([source])[0] > limit:
                long.append(number)
            line = f"{total:.6f}"
            if job.per_token:
                line = dump_json({"log_prob": total, "tokens": pieces, "token_log_probs": list(values)})
            elif job.append and isinstance(target, NBestEntry):
                line = target.with_feature(total)
            out.write(f"{line}\n".encode("utf-8", "replace"))
            if is_live:
                out.flush()
        out.flush()
    if long:
        say(
            f"warning: {len(long):,} pairs (the first is pair {long[0]:,}) have more than {limit} source tokens: they "
            "are scored whole, but nmt translate would cut them (decoding.max_source_tokens)"
        )
