"""`nmt logprob`: log p(target | source) of given pairs."""

import functools
from pathlib import Path
from typing import Literal

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.parsing import Command


@click.command(cls=Command)
@options.model
@click.option("--source", "-s", type=FILE, required=True, help="Source sentences, plain or .gz.")
@click.option("--target", "-t", type=FILE, required=True, help="Their translations, line by line.")
@click.option("--output", "-o", type=FILE, help="Where to write; default stdout.")
@click.option("--per-token", is_flag=True, help="One JSON object a line: log_prob, tokens, token_log_probs.")
@click.option("--tokens-per-batch", type=click.IntRange(1), help="Tokens scored at once.")
@options.tag
@options.machine
@options.quiet
def command(
    models: tuple[Path, ...],
    checkpoint: str | None,
    source: Path,
    target: Path,
    output: Path | None,
    per_token: bool,
    tokens_per_batch: int | None,
    tag: str,
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "bf16", "int8"],
    quiet: bool,
) -> None:
    """Print the natural log of p(target | source) of each pair, one number a line."""
    from nmt.config import Corpus
    from nmt.data.corpus import read_pairs
    from nmt.decoding.checkpoints import find_checkpoints, load_translator
    from nmt.decoding.streams import log_prob_stream

    say = (lambda line: None) if quiet else functools.partial(click.echo, err=True)
    found = find_checkpoints(models, checkpoint, say)
    translator = load_translator(found, device, precision, say=say)
    pairs = read_pairs(Corpus(source=source, target=target))
    budget = tokens_per_batch or found[0][0].config.decoding.tokens_per_batch
    log_prob_stream(translator, pairs, budget, output, per_token, tag)
