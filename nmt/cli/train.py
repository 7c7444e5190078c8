"""`nmt train`: train a model, or resume its training."""

import shlex
import sys
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command


@click.command("train", cls=Command)
@click.argument("pairs", type=options.FILE, nargs=-1)
@options.config_file("YAML file of the run, in place of PAIRS.", is_required=False)
@options.overrides("--set training.max_steps=500")
@click.option("--resume", is_flag=True, help="Resume the run from its last checkpoint, with the same result.")
@click.option("--checkpoint", help="With --resume: resume from this checkpoint, step-N, instead of the last.")
@click.option(
    "--dry-run", "is_dry_run", is_flag=True,
    help="Print what the run would cost: time, memory and disk space. Keep only the prepared data.",
)  # fmt: skip
def command(
    pairs: tuple[Path, ...],
    path: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    checkpoint: str | None,
    is_dry_run: bool,
) -> None:
    """Train a model into runs/NAME; prepare the data first if necessary.

    PAIRS is a table of sentence pairs or two aligned text files: NAME.yaml is written as `nmt init` does, unless it
    exists and comes from the same text.

    Ctrl-C finishes the step, interrupts a validation, saves a checkpoint and shows how to resume (exit status 130;
    143 after SIGTERM, 129 after SIGHUP).
    """
    if checkpoint is not None and not resume:
        raise click.UsageError("--checkpoint names the checkpoint to resume from: add --resume")
    if checkpoint is not None and is_dry_run:
        raise click.UsageError("--dry-run estimates the run from its last checkpoint: leave out --checkpoint")
    if found := next((file for file in pairs if file.suffix in (".yaml", ".yml")), None):
        raise click.UsageError(f"name the configuration with --config {found}")
    if bool(pairs) == (path is not None) or len(pairs) > 2:
        raise click.UsageError("give --config, or one table of sentence pairs, or two aligned text files")
    import nmt
    from nmt import config
    from nmt.cli.training_display import TrainingDisplay, log_result

    if path is None:
        from nmt.corpora.new_config import config_for_training

        path = config_for_training(pairs)
    settings = config.load(path, overrides)
    with TrainingDisplay(settings, is_dry_run) as display:
        if is_dry_run:
            click.echo(nmt.estimate_cost(settings, resume=resume, on_event=display.show, on_progress=display.bars.show))
            return
        run = nmt.train(
            settings,
            resume=resume,
            checkpoint=checkpoint,
            on_event=display.show,
            on_progress=display.bars.show,
            stop=display.signals.request,
        )
    if run.is_finished:
        log_result(settings)
        return
    values = [word for override in overrides for word in ("--set", override)]
    again = shlex.join(["nmt", "train", "--config", str(path), *values, "--resume"])
    click.echo(f"resume with: {again}", err=True)
    sys.exit(128 + (display.signals.number or 0))
