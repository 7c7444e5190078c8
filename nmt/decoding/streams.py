"""The translating loop of the command line: a stream of lines to a stream of results."""

import io
import math
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from nmt.data.lines import read_lines, stream_lines
from nmt.decoding.output import Format, open_output, render, render_links
from nmt.decoding.translator import Settings, Translator
from nmt.files import dump_json, standard_input


def open_lines(path: Path | None) -> tuple[Iterator[str], bool]:
    """Return the lines of `path`, or of stdin for None and "-", and whether they come live (a terminal, a pipe)."""
    if path is not None and str(path) != "-":
        return read_lines(path), False
    stream = standard_input()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return stream_lines(stream), False
    # A file object of our own: Python waits for the lock of sys.stdin at exit, which a blocked reader would hold.
    is_live = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    return stream_lines(open(descriptor, "rb", closefd=False)), is_live


def translate_stream(
    translator: Translator,
    settings: Settings,
    source: Path | None,
    prefixes: Iterable[str] | None,
    output: Path | None,
    form: Format,
    alignments: Path | None,
    say: Callable[[str], None] | None,
) -> None:
    """Translate `source` (None: stdin) to `output` (None: stdout), each line flushed; `say` None keeps quiet.

    `alignments` is a file for Pharaoh lines, "-" to have them on the line itself, or None.
    """
    lines, is_live = open_lines(source)
    inline = str(alignments) == "-"
    start = time.perf_counter()
    count = tokens = 0
    with ExitStack() as stack:
        out = stack.enter_context(open_output(output))
        links = stack.enter_context(open_output(alignments)) if alignments is not None and not inline else None
        results = translator.translate(lines, settings, prefixes, is_live)
        is_hidden = True if say is None or is_live or not sys.stderr.isatty() else None
        for translation in tqdm(results, unit=" lines", disable=is_hidden, file=sys.stderr, mininterval=1):
            printed = render(translation, form, settings.search.n_best, inline)
            out.write(printed.encode())
            out.flush()
            if links is not None:
                links.write(render_links(translation, form, settings.search.n_best).encode())
            count += 1
            tokens += len(translation.targets[0].token_log_probs)
    seconds = time.perf_counter() - start
    if say is not None and count:
        say(
            f"translated {count:,} lines in {seconds:.1f} s: {count / seconds:,.1f} lines/s, "
            f"{tokens / seconds:,.0f} target tokens/s"
        )


def log_prob_stream(
    translator: Translator,
    pairs: Iterable[tuple[str, str]],
    tokens_per_batch: int,
    output: Path | None,
    per_token: bool,
    tag: str = "",
) -> None:
    """Write the log-probability of each pair, or with `per_token` one JSON object a line with those of its tokens."""
    with open_output(output) as out:
        for pieces, values in translator.log_probs(pairs, tokens_per_batch, tag):
            total = math.fsum(values)
            entry = {"log_prob": total, "tokens": pieces, "token_log_probs": list(values)}
            out.write(((dump_json(entry) if per_token else f"{total:.6f}") + "\n").encode())
        out.flush()
