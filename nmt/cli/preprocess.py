"""`nmt preprocess`: clean the text, train subwords, store token ids."""

from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@options.config_file()
@options.overrides("--set subword.vocab_size=4000")
@options.ray
@click.option("--force", is_flag=True, help="Prepare the data again even if it is up to date.")
def command(path: Path, overrides: tuple[str, ...], ray: str | None, force: bool) -> None:
    """Clean the text, train subwords, store token ids.

    Reads the corpora under `data`, drops the training pairs that `data.filters` names, trains the SentencePiece model
    under `subword` and writes all data for training to `data.prepared` (default prepared/NAME). Nothing is done if that
    folder is up to date. Messages go to standard error.
    """
    from nmt import config
    from nmt.cli.progress_bars import ProgressBars
    from nmt.data.preprocess import preprocess
    from nmt.storage.cores import available_cores

    settings = config.load(path, overrides)
    trains_subwords = ray is None and (settings.data.workers or available_cores()) == 1
    with ProgressBars(trains_subwords) as bars:
        preprocess(settings, force, bars.show, ray)
