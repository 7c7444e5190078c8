"""`nmt train`."""

import shlex
import sys
from pathlib import Path

import click


@click.command("train")
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), required=True, help="YAML file of the run.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override, e.g. training.max_steps=500.")
@click.option("--resume", is_flag=True, help="Go on with the run exactly where it was last saved.")
@click.option("--checkpoint", help="With --resume: go on from this one, step-N, and not from the last.")
def command(path: Path, overrides: tuple[str, ...], resume: bool, checkpoint: str | None) -> None:
    """Train a model into runs/NAME; prepares the data first where that is not done.

    Ctrl-C finishes the step, breaks off a validation, saves, and says how to go on (exit status 130; 143 after
    SIGTERM, 129 after SIGHUP).
    """
    from nmt import config
    from nmt.training.session import train
    from nmt.training.stopping import Interrupted

    try:
        if checkpoint is not None and not resume:
            raise click.UsageError("--checkpoint is where to go on from: give --resume too")
        train(config.load(path, overrides), resume, lambda line: click.echo(line, err=True), checkpoint or "last")
    except Interrupted as stopped:
        settings = "".join(f" --set {shlex.quote(override)}" for override in overrides)
        click.echo(f"go on with: nmt train --config {shlex.quote(str(path))}{settings} --resume", err=True)
        sys.exit(128 + stopped.number)
