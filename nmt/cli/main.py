"""The command group `nmt`: import the subcommand that is used, and turn errors into one line and an exit status."""

import errno
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from nmt import __version__
from nmt.cli.stdio import discard_unwritten_output, prepare_streams
from nmt.cli.strict_parsing import HELP_OPTIONS, Group
from nmt.errors import NmtError, Reported, is_out_of_memory, missing_package

COMMANDS = {
    "init": "Write a configuration that fits a file of sentence pairs.",
    "preprocess": "Clean the text, learn subwords, store token ids.",
    "train": "Train a model; prepare the data first if necessary.",
    "tune": "Adapt a trained model to text of a new domain.",
    "augment": "Train on translations of the training text, or of monolingual text.",
    "distill": "Train a model on the translations of other models.",
    "average": "Save the mean of checkpoints of a run as a new checkpoint.",
    "translate": "Translate stdin or a file, one line out for each line in.",
    "shards": "List, check and join the parts of many translated files.",
    "evaluate": "Translate a test set and score it.",
    "score": "Score finished translations with BLEU, chrF and TER.",
    "logprob": "Compute the log-probability of given translations.",
    "rerank": "Choose the best of n-best lists with further models.",
    "serve": "Translate over HTTP, for programs and on a web page.",
    "export": "Write a model to a folder that translates without torch.",
    "runs": "List all runs: state, scores, size, age.",
    "log": "Print the training log of runs, or convert it for TensorBoard.",
    "compare": "Compare runs: configuration, curves, scores, sentences.",
    "plot": "Draw learning curves of runs.",
    "attention": "Draw attention maps of translated sentences.",
    "config": "Show, check or explain a configuration.",
    "doctor": "Say what is wrong with the data or a run, and what to do.",
}


class LazyGroup(Group):
    """A group that imports the module of a subcommand only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their use."""
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


@click.group(cls=LazyGroup, context_settings={"help_option_names": list(HELP_OPTIONS)})
@click.version_option(__version__, prog_name="nmt")
def cli() -> None:
    """Recurrent neural machine translation: from two aligned text files to a trained translator."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Run the command in this context, and report its errors by one line on stderr and the exit status.

    The status is 1 for an error that the user can correct and for a closed pipe, 2 for wrong usage, and 130 after an
    interrupt. Other errors are bugs and keep their traceback.
    """
    prepare_streams()
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):  # before RuntimeError, from which Abort is derived
        _exit("interrupted", 130)
    except Reported:
        sys.exit(1)
    except NmtError as error:
        _exit(f"error: {error}")
    except OSError as error:
        if error.errno == errno.EPIPE:
            sys.exit(1)
        _exit(f"error: {error.filename or 'output'}: {error.strerror or error}")
    except ModuleNotFoundError as error:
        message = missing_package(error)
        if message is None:
            raise
        _exit(f"error: {message}")
    except (MemoryError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        _exit(
            "error: out of memory: use smaller batches (training.tokens_per_batch, --tokens-per-batch) or a smaller "
            "model"
        )
    finally:
        discard_unwritten_output()


def _exit(message: str, status: int = 1) -> NoReturn:
    click.echo(f"nmt: {message}", err=True)
    sys.exit(status)
