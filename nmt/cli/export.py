"""`nmt export`: write a trained model to a folder that translates without torch."""

from pathlib import Path
from typing import Literal

import click

from nmt.cli.log_output import show_log
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@click.argument("run", required=False, type=FILE)
@click.option("--checkpoint", help="best, last, step-N, averaged or another mean; default best.")
@click.option(
    "--precision", type=click.Choice(["int8", "fp32"]), default="int8", show_default=True,
    help="Precision of matrix products; int8 is faster and smaller.",
)  # fmt: skip
@click.option("--output", "-o", type=FILE, required=True, metavar="FOLDER", help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace FOLDER even if it is an export of another model.")
def command(
    run: Path | None, checkpoint: str | None, precision: Literal["int8", "fp32"], output: Path, force: bool
) -> None:
    """Write a model to a folder of its own, which translates with ONNX Runtime and without torch.

    RUN is a run folder or a checkpoint folder inside one. Default: $NMT_MODEL, else the newest finished run in runs/.
    nmt translate, serve, evaluate, compare, logprob and attention accept FOLDER in place of a run, also on another
    machine.

    \b
    nmt export runs/quickstart -o quickstart-en-de
    nmt translate --model quickstart-en-de < input.txt
    """
    from nmt.runtime.export import export

    show_log(False)
    click.echo(export(run, checkpoint, precision, output, force).folder)
