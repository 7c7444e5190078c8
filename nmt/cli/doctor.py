"""`nmt doctor`: say what is wrong with the data or a run, the most likely cause first."""

import logging
import sys
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command, check_usage

logger = logging.getLogger(__name__)
FINDINGS = 3
"""Exit status if something was found; 1 is an error of the input, 2 of the command line."""


@click.command(cls=Command)
@click.argument("run", required=False, type=options.FILE, metavar="[RUN]")
@click.option("-c", "--config", "path", type=options.FILE, help="Check the text of this YAML file before training.")
@options.overrides("--set subword.vocab_size=2000")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: Path | None, path: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Say what is wrong with the text of a configuration, or with a run, and what to do.

    With --config: misaligned pairs, wrong languages, damaged characters, repeated and overlapping text, an unsuitable
    vocabulary, and what `nmt config check` checks. With RUN (default: the newest finished run): the same if the text
    still exists, the learning curves, and translations of a sample of the validation set.

    The exit status is 0 if nothing is found, 3 if something is found, and 1 if files cannot be read.
    """
    check_usage(
        (run is not None and path is not None, "give --config or RUN, not both"),
        (bool(overrides) and path is None, "--set goes with --config"),
    )
    from nmt.storage.json_text import dump_json
    from nmt.storage.standard_streams import standard_output

    standard_output()
    if path is None:
        from nmt.diagnosis.run import diagnose_run

        diagnosis = diagnose_run(run)
    else:
        from nmt.config import load
        from nmt.diagnosis.data import diagnose_data
        from nmt.training.config_check import check_config

        config = load(path, overrides)
        diagnosis = diagnose_data(config, str(path), check_config(config, path))
    click.echo(dump_json(diagnosis.as_json(), indent=2, ensure_ascii=False) if as_json else diagnosis)
    if path is None and not diagnosis.findings:
        logger.info(
            f"what may still raise the scores: more text; nmt augment --config {diagnosis.name}/config.yaml; "
            f"nmt evaluate --model {diagnosis.name} --grid beam=5,10 --grid alpha=0.6,1"
        )
    sys.exit(FINDINGS if diagnosis.findings else 0)
