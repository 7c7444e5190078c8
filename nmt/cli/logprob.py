"""`nmt logprob`: score given translations, log p(target | source)."""

from pathlib import Path
from typing import Any, Literal

import click

from nmt.cli import options
from nmt.cli.load import load
from nmt.cli.log_output import show_log
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


@click.command(cls=Command)
@options.model
@click.option("--source", "-s", type=FILE, required=True, help="Source sentences, plain or .gz; - is stdin.")
@click.option(
    "--target", "-t", type=FILE, required=True, help="Their translations, one per line, or an n-best list; - is stdin."
)
@click.option(
    "--target-format", type=click.Choice(["text", "moses"]), default="text", show_default=True,
    help="moses: an n-best list, whose entries begin with the number of their source line, from 0.",
)  # fmt: skip
@click.option("--output", "-o", type=FILE, help="Output file; default stdout.")
@click.option("--per-token", is_flag=True, help="Print one JSON object per line: log_prob, tokens, token_log_probs.")
@click.option("--append", is_flag=True, help="Print the n-best list with one more feature: F1= -3.2.")
@click.option("--tokens-per-batch", type=click.IntRange(1), help="Tokens per batch.")
@options.tag
@options.machine
@options.quiet
def command(
    models: tuple[Path, ...],
    checkpoint: str | None,
    source: Path,
    target: Path,
    target_format: Literal["text", "moses"],
    output: Path | None,
    per_token: bool,
    append: bool,
    tokens_per_batch: int | None,
    tag: str,
    quiet: bool,
    **machine: Any,
) -> None:
    """Print the natural log of p(target | source) of each pair, one number per line.

    \b
    Rescore n-best lists with another model:
    nmt translate -m A -i SRC -n 5 --format moses | nmt logprob -m B -s SRC -t - --target-format moses --append
    """
    check_usage(
        (str(source) == str(target) == "-", "--source and --target cannot both be stdin"),
        (append and target_format != "moses", "--append needs --target-format moses"),
        (append and per_token, "--append and --per-token exclude each other; give one"),
    )
    from nmt.decoding.loading import find_checkpoints
    from nmt.decoding.score_lines import ScoringJob, score_lines

    show_log(quiet)
    found = find_checkpoints(models, checkpoint)
    loaded = load(found, machine)
    job = ScoringJob(source, target, target_format, output, per_token, append, tag)
    score_lines(loaded, job, tokens_per_batch or loaded.translator.options.tokens_per_batch)
