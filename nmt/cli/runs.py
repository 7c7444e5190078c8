"""`nmt runs`: list all runs."""

from pathlib import Path

import click

from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@click.argument("folder", required=False, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path | None, as_json: bool) -> None:
    """List runs and exported models, the newest first: state, scores, size, age and the command that continues.

    FOLDER holds runs; default runs/ of the working directory. A run is training, finished, interrupted (stopped or
    killed), failed (ended with an error), exported or damaged.
    """
    import time

    from nmt.reports.run_list import list_runs, runs_json, runs_text
    from nmt.storage.run_folder import RUNS
    from nmt.storage.standard_streams import standard_output

    standard_output()
    found = list_runs(folder or RUNS)
    click.echo(runs_json(found) if as_json else runs_text(found, time.time()))
