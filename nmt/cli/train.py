"""`nmt train`."""

import shlex
import sys
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command


@click.command("train", cls=Command)
@options.config_file()
@options.overrides("--set training.max_steps=500")
@click.option("--resume", is_flag=True, help="Go on with the run exactly where it was last saved.")
@click.option("--checkpoint", help="With --resume: go on from this one, step-N, and not from the last.")
def command(path: Path, overrides: tuple[str, ...], resume: bool, checkpoint: str | None) -> None:
    """Train a model into runs/NAME; prepares the data first where that is not done.

    Ctrl-C finishes the step, breaks off a validation, saves, and says how to go on (exit status 130; 143 after
    SIGTERM, 129 after SIGHUP).
    """
    if checkpoint is not None and not resume:
        raise click.UsageError("--checkpoint is where to go on from: give --resume too")
    from nmt import config
    from nmt.storage.run_folder import Run
    from nmt.training.session import train
    from nmt.training.signals import Interrupted

    settings = config.load(path, overrides)
    try:
        train(settings, resume, lambda line: click.echo(line, err=True), checkpoint or "last")
    except Interrupted as stopped:
        values = [word for override in overrides for word in ("--set", override)]
        again = shlex.join(["nmt", "train", "--config", str(path), *values])
        is_saved = (Run(settings.run).checkpoints / "last").exists()
        remedy = f"go on with: {again} --resume" if is_saved else f"nothing is saved yet; start again with: {again}"
        click.echo(remedy, err=True)
        sys.exit(128 + stopped.number)
