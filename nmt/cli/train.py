"""`nmt train`: train a model, or resume its training."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command
from nmt.cli.suggestions import keys_named

if TYPE_CHECKING:
    from nmt.training.ranks import Ranks


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
    _check_pairs(pairs, path)
    import nmt
    from nmt import config
    from nmt.cli.training_display import TrainingDisplay, exit_to_resume, log_result
    from nmt.training.ranks import joined

    with joined() as ranks:
        if path is None:
            path = _config_of_pairs(pairs, ranks)
        settings = config.load(path, overrides)
        with TrainingDisplay(settings, is_dry_run, ranks.rank) as display:
            if is_dry_run:
                cost = nmt.estimate_cost(settings, resume=resume, on_event=display.show, on_progress=display.bars.show)
                if ranks.is_first:
                    click.echo(cost)
                return
            run = nmt.train(
                settings,
                resume=resume,
                checkpoint=checkpoint,
                on_event=display.show,
                on_progress=display.bars.show,
                stop=display.signals.request,
            )
    if not run.is_finished:
        values = [word for override in overrides for word in ("--set", override)]
        command = ["nmt", "train", "--config", str(path), *values, "--resume"]
        exit_to_resume(command, display.signals.number, is_silent=not ranks.is_first)
    if ranks.is_first:
        log_result(settings)


def _config_of_pairs(pairs: tuple[Path, ...], ranks: "Ranks") -> Path:
    """Return the configuration of a run with these sentence pairs, which rank 0 writes."""
    from nmt.corpora.new_config import config_for_training

    found: list[Path] = []
    ranks.on_first(lambda: found.append(config_for_training(pairs)))
    return ranks.from_first(found[0] if found else Path())


def _check_pairs(pairs: tuple[Path, ...], config: Path | None) -> None:
    """Raise `click.UsageError` unless either files of sentence pairs or a configuration are given."""
    for file in pairs:
        key, equals, _ = str(file).partition("=")
        if equals and keys_named(key):
            raise click.UsageError(f"keys of the configuration are set with --set {file}")
        if file.suffix in (".yaml", ".yml"):
            raise click.UsageError(f"name the configuration with --config {file}")
    if bool(pairs) == (config is not None) or len(pairs) > 2:
        raise click.UsageError("give --config, or one table of sentence pairs, or two aligned text files")
