"""`nmt config`: show, check or explain a configuration."""

import logging
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import HELP_OPTIONS, Group

logger = logging.getLogger(__name__)
_config_file = options.config_file()
_overrides = options.overrides("--set training.max_steps=100")


@click.group(cls=Group, context_settings={"help_option_names": list(HELP_OPTIONS)})
def command() -> None:
    """Show, check or explain a configuration."""
    from nmt.storage.standard_streams import standard_output

    standard_output()


@command.command()
@_config_file
@_overrides
def show(path: Path, overrides: tuple[str, ...]) -> None:
    """Print the resolved configuration: every key, including the defaults."""
    from nmt.config import dump, load

    click.echo(dump(load(path, overrides)), nl=False)


@command.command()
@_config_file
@_overrides
def check(path: Path, overrides: tuple[str, ...]) -> None:
    """Check the configuration and the files that it names; exit with status 1 if there is an error."""
    from nmt.config import load
    from nmt.training.config_check import check_config

    config = load(path, overrides)
    for warning in check_config(config, path):
        logger.info(warning)
    click.echo(f"{path}: valid; the run will be {config.run}, its prepared data {config.prepared}")


@command.command()
@click.argument("prefix", default="")
def keys(prefix: str) -> None:
    """Explain every key, or those under PREFIX, e.g. model.decoder."""
    from nmt.reports.config_reference import terminal_text

    click.echo(terminal_text(prefix))
