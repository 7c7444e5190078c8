"""The `nmt` command: finds the subcommand and turns user errors into one clear line."""

import errno
import importlib
import sys

import click

from nmt import __version__
from nmt.cli.stdio import drop_what_cannot_be_written, prepare_streams
from nmt.cli.strict_parsing import Group
from nmt.errors import NmtError, is_out_of_memory

COMMANDS = {
    "preprocess": "Clean the text, learn subwords, store token ids.",
    "train": "Train a model (prepares the data first where needed).",
    "translate": "Translate stdin or a file, one line out for each line in.",
    "evaluate": "Translate a test set and score it.",
    "score": "BLEU, chrF and TER of finished translations.",
    "logprob": "Log-probability of given translations.",
    "plot": "Draw learning curves of runs.",
    "attention": "Draw alignment maps of translated sentences.",
    "config": "Show or check a configuration.",
}


class LazyGroup(Group):
    """Imports the module of a subcommand only when that subcommand is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import `nmt.cli.NAME` and return its `command`."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"nmt.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nmt")
def cli() -> None:
    """Recurrent neural machine translation: two text files in, a translator out."""


def main() -> None:
    """Run the command line.

    Exit with 0, 1 for an error that the user can correct or a closed pipe, 2 for wrong usage, 130 when interrupted.
    """
    prepare_streams()
    try:
        _run()
    finally:
        drop_what_cannot_be_written()


def _run() -> None:
    try:
        cli.main(prog_name="nmt", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except NmtError as error:
        click.echo(f"nmt: error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno == errno.EPIPE:
            sys.exit(1)
        click.echo(f"nmt: error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):  # Abort is a RuntimeError
        click.echo("nmt: interrupted", err=True)
        sys.exit(130)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        click.echo(
            "nmt: error: out of memory: take smaller batches (training.tokens_per_batch, --tokens-per-batch) or a "
            "smaller model",
            err=True,
        )
        sys.exit(1)
