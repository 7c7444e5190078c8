"""`nmt plot`: draw the learning curves of runs."""

from pathlib import Path

import click

from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE",
    help="File with the extension .png, .svg or .pdf; default curves.png, in the folder of a single run.",
)  # fmt: skip
@click.option("--html", is_flag=True, help="Also update report.html in the folder of each run.")
def command(runs: tuple[Path, ...], output: Path | None, html: bool) -> None:
    """Draw training and validation loss, BLEU and learning rate of one or more runs, which may be unfinished.

    \b
    nmt plot runs/quickstart
    nmt plot runs/lstm runs/gru --output compare.svg
    """
    from nmt.reports.figure import check, save
    from nmt.reports.learning_curves import draw
    from nmt.reports.report_page import write_report
    from nmt.storage.history import read_history

    if output is not None:
        check(output)
    histories = [read_history(run) for run in runs]
    path = output or (runs[0] / "curves.png" if len(runs) == 1 and runs[0].is_dir() else Path("curves.png"))
    save(draw(histories), path)
    click.echo(path)
    if html:
        for run in runs:
            click.echo(write_report(run if run.is_dir() else run.parent))
