"""`nmt log`: print the training log of runs, or convert it for TensorBoard."""

from pathlib import Path

import click

from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=FILE, metavar="RUN...")
@click.option(
    "--lines", "-n", type=click.IntRange(0), default=30, show_default=True, metavar="N",
    help="Show at most N lines of each run: the validations, and steps between them. 0 shows all.",
)  # fmt: skip
@click.option("--csv", "as_csv", is_flag=True, help="Print all lines as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print all lines as JSON.")
@click.option(
    "--tensorboard", type=FILE, metavar="FOLDER", help="Write event files to FOLDER/RUN for TensorBoard instead."
)
def command(runs: tuple[Path, ...], lines: int, as_csv: bool, as_json: bool, tensorboard: Path | None) -> None:
    """Print loss, learning rate, speed and validations of one or more runs, which may be unfinished.

    RUN is a run folder or a log.jsonl. The best validation is marked with *.

    \b
    nmt log runs/quickstart
    nmt log runs/lstm runs/gru --tensorboard events
    """
    forms = {"--csv": as_csv, "--json": as_json, "--tensorboard": tensorboard is not None}
    given = [name for name, is_given in forms.items() if is_given]
    check_usage((len(given) > 1, f"{' and '.join(given)} exclude each other; give one"))
    from nmt.reports.log_table import log_csv, log_json, log_text
    from nmt.reports.tensorboard import export_logs
    from nmt.storage.history import read_history
    from nmt.storage.standard_streams import standard_output

    standard_output()
    if tensorboard is not None:
        for path in export_logs(runs, tensorboard):
            click.echo(path)
        return
    histories = [read_history(run) for run in runs]
    click.echo(log_csv(histories) if as_csv else log_json(histories) if as_json else log_text(histories, lines))
