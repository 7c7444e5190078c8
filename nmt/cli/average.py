"""`nmt average`: save the mean of several checkpoints of a run as a new checkpoint."""

from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


def _parse_steps(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Return the numbers in a list such as 1000,2000. Raise `click.BadParameter` if there are not at least two."""
    if value is None:
        return ()
    parts = [part.strip().removeprefix("step-") for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"{value!r}: write the steps with commas, such as 1000,2000", ctx, param)
    if len(set(map(int, parts))) < 2:
        raise click.BadParameter(f"{value!r}: a mean needs at least two different checkpoints", ctx, param)
    return tuple(map(int, parts))


@click.command(cls=Command)
@click.argument("folder", type=FILE, metavar="RUN")
@click.option("--last", type=click.IntRange(2), metavar="N", help="Average the N latest checkpoints, at least 2.")
@click.option("--steps", metavar="LIST", callback=_parse_steps, help="Average these checkpoints: 1000,2000,3000.")
@click.option("--name", default="averaged", show_default=True, help="Name of the new checkpoint.")
@click.option(
    "--device", type=options.DeviceName(),
    help="Validate on this device, with precision auto; default training.device and training.precision of the run.",
)  # fmt: skip
@options.quiet
def command(folder: Path, last: int | None, steps: tuple[int, ...], name: str, device: str | None, quiet: bool) -> None:
    """Average the weights of checkpoints of RUN, and save the mean as a new checkpoint of RUN.

    Prints a table: loss and BLEU of the mean, and of the checkpoints best and last, on the validation set. Other
    commands use the mean with --checkpoint NAME. Training cannot resume from it, and never removes it.

    \b
    nmt average runs/quickstart --last 3
    nmt translate --model runs/quickstart --checkpoint averaged < input.txt
    """
    check_usage(
        (last is None and not steps, "say which checkpoints to average: --last N, or --steps 1000,2000"),
        (last is not None and bool(steps), "--last and --steps exclude each other; give one"),
    )
    from nmt.cli.log_output import show_log
    from nmt.reports.averaging_table import averaging_table
    from nmt.training.averaging import AveragingRequest, average_checkpoints

    show_log(quiet)
    scores = average_checkpoints(AveragingRequest(folder, last or 0, steps, name, device))
    click.echo(averaging_table([(score.name, score.loss, score.bleu) for score in scores]))
