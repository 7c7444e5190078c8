"""`nmt preprocess`."""

from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@options.config_file()
@options.overrides("--set subword.vocab_size=4000")
@click.option("--force", is_flag=True, help="Make the data anew even where it is up to date.")
def command(path: Path, overrides: tuple[str, ...], force: bool) -> None:
    """Clean the text, learn subwords, store token ids.

    Reads the corpora under `data`, drops the training pairs that `data.filters` names, learns the SentencePiece
    model under `subword` and writes everything that training reads into `data.prepared` (default prepared/NAME).
    Nothing is done where that folder is up to date. What was done is told on stderr.
    """
    from nmt import config
    from nmt.data.preprocess import preprocess

    preprocess(config.load(path, overrides), lambda line: click.echo(line, err=True), force=force)
