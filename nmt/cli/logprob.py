"""`nmt logprob`: log p(target | source) of given pairs."""

import functools
from pathlib import Path
from typing import Literal

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@options.model
@click.option("--source", "-s", type=FILE, required=True, help="Source sentences, plain or .gz; - is stdin.")
@click.option(
    "--target", "-t", type=FILE, required=True, help="Their translations, line by line, or an n-best list; - is stdin."
)
@click.option(
    "--target-format", type=click.Choice(["text", "moses"]), default="text", show_default=True,
    help="moses: an n-best list, each entry of which names its source line, counted from 0.",
)  # fmt: skip
@click.option("--output", "-o", type=FILE, help="Where to write; default stdout.")
@click.option("--per-token", is_flag=True, help="One JSON object a line: log_prob, tokens, token_log_probs.")
@click.option("--append", is_flag=True, help="Print the n-best list again, with one more feature: F1= -3.2.")
@click.option("--tokens-per-batch", type=click.IntRange(1), help="Tokens scored at once.")
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
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "bf16", "int8"],
    quiet: bool,
) -> None:
    """Print the natural log of p(target | source) of each pair, one number a line.

    \b
    Rescore n-best lists with another model:
    nmt translate -m A -i SRC -n 5 --format moses | nmt logprob -m B -s SRC -t - --target-format moses --append
    """
    if str(source) == str(target) == "-":
        raise click.UsageError("--source and --target cannot both be stdin")
    if append and target_format != "moses":
        raise click.UsageError("--append goes with --target-format moses")
    if append and per_token:
        raise click.UsageError("--append and --per-token exclude each other; give one")
    from nmt.decoding.loading import find_checkpoints, load_translator
    from nmt.decoding.score_lines import ScoreJob, log_prob_stream

    say = (lambda line: None) if quiet else functools.partial(click.echo, err=True)
    found = find_checkpoints(models, checkpoint, say)
    loaded = load_translator(found, device, precision, say=say)
    job = ScoreJob(source, target, target_format, output, per_token, append, tag)
    log_prob_stream(loaded, job, tokens_per_batch or found[0].config.decoding.tokens_per_batch, say)
