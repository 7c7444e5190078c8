"""`nmt init`: from a file of sentence pairs to a configuration."""

import shlex
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@click.argument("pairs", type=options.FILE, nargs=-1, required=True)
@click.option("--output", "-o", type=options.FILE, metavar="NAME.yaml", help="The configuration to write.")
@click.option("--source-language", default="", help="Code or English name; also chooses the column.")
@click.option("--target-language", default="", help="Code or English name; also chooses the column.")
@click.option(
    "--valid", type=options.FILE, multiple=True, help="Your own validation set: a table, or two files (give it twice)."
)
@click.option(
    "--test", type=options.FILE, multiple=True, help="Your own test set: a table, or two files (give it twice)."
)
@click.option("--encoding", default="", help="Encoding of the text, e.g. cp1251. Default: detected.")
@click.option("--force", is_flag=True, help="Replace the configuration and the sets.")
def command(
    pairs: tuple[Path, ...],
    output: Path | None,
    source_language: str,
    target_language: str,
    valid: tuple[Path, ...],
    test: tuple[Path, ...],
    encoding: str,
    force: bool,
) -> None:
    """Write a configuration that fits PAIRS: one table of sentence pairs, or two aligned text files.

    The table is tab-separated, CSV or JSON lines; the columns with sentences are detected. Validation and test sets are
    drawn from it, so that no sentence is in two sets. Prints the name of the configuration; everything else goes to
    standard error.
    """
    from nmt.corpora.identification import requested_language
    from nmt.corpora.new_config import Request, create_config

    for name, files in (("PAIRS", pairs), ("--valid", valid), ("--test", test)):
        if len(files) > 2:
            raise click.UsageError(f"{name}: give one table, or two aligned files; not {len(files)} files")
    languages = (
        requested_language(source_language, "--source-language"),
        requested_language(target_language, "--target-language"),
    )
    config = create_config(Request(pairs, output, languages, valid, test, encoding, force))
    click.echo(config)
    name = shlex.quote(str(config))
    click.echo(f"next: nmt doctor --config {name} (checks the text), nmt train --config {name}", err=True)
