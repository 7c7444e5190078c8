"""`nmt shards`: list, check and join the parts of an output folder."""

import logging
from pathlib import Path

import click

from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command
from nmt.errors import NmtError

logger = logging.getLogger(__name__)


@click.command(cls=Command)
@click.argument("folder", type=FILE)
@click.option("--check", "is_read_only", is_flag=True, help="Only check; join and remove nothing.")
def command(folder: Path, is_read_only: bool) -> None:
    """List the files and parts in FOLDER, which `nmt translate --output-folder` writes; join files whose parts are
    complete.

    Parts are numbered from 0. All counts and checksums are verified; damaged parts are removed, so that they are
    translated again. "working" names the host, the process and the part, as far as the file system can tell. The exit
    status is 0 only if all files are complete and intact.
    """
    from nmt.decoding.folder_check import check_folder
    from nmt.decoding.output_folder import read_output_folder
    from nmt.reports.file_table import files_text
    from nmt.storage.standard_streams import standard_output

    standard_output()
    found = check_folder(read_output_folder(folder), is_read_only)
    click.echo(files_text(found))
    for status in found:
        if status.problem is not None:
            logger.error(f"error: {status.problem}")
    incomplete = sum(not status.is_complete for status in found)
    if incomplete:
        raise NmtError(
            f"{folder}: {incomplete:,} of {len(found):,} files are not complete; give the nmt translate command again"
        )
