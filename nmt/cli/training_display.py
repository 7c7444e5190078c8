"""Show the events of training as lines and bars on standard error, and prepare the process of the command for it."""

import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NoReturn

import click

from nmt.cli.log_output import show_log
from nmt.cli.progress_bars import ProgressBars
from nmt.cli.stop_signals import StopSignals
from nmt.config import Config
from nmt.kernels.allocator import keep_freed_memory
from nmt.kernels.openmp import share_cores
from nmt.storage.cores import available_cores
from nmt.storage.run_folder import Run
from nmt.training.events import CheckpointSaved, StepLogged, TrainingEnded, TrainingEvent, TrainingStarted

logger = logging.getLogger(__name__)


class TrainingDisplay:
    """Receives events and progress of a training in the process of `nmt train`.

    From the first event to the end of the block, signals stop training. Before that, while data is prepared, they end
    the command, as they always do in a dry run.
    """

    def __init__(self, config: Config, is_dry_run: bool = False, rank: int = 0) -> None:
        """Show what rank 0 does; the display of another rank only listens to signals."""
        self.bars = ProgressBars((config.data.workers or available_cores()) == 1, is_silent=rank > 0)
        self.signals = StopSignals()
        if rank > 0:
            show_log(is_quiet=True)
        self._is_dry_run = is_dry_run
        self._stack = ExitStack()

    def __enter__(self) -> "TrainingDisplay":
        self._stack.enter_context(self.bars)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def show(self, event: TrainingEvent) -> None:
        """Show one event."""
        if isinstance(event, TrainingStarted):
            keep_freed_memory()
            share_cores(event.threads)
            if not self._is_dry_run:
                self._stack.enter_context(self.signals.listening())
        elif isinstance(event, TrainingEnded):
            self.bars.close()
        is_in_bar = isinstance(event, StepLogged) and self.bars.set_figures(event.figures)
        if not is_in_bar and not isinstance(event, CheckpointSaved):
            for line in str(event).split("\n"):
                logger.info(line)


def estimate(config: Config) -> str:
    """Return what the training of a configuration, or the rest of it, costs; show how that is found."""
    import nmt

    with TrainingDisplay(config, is_dry_run=True) as display:
        resume = Run(config.run).can_resume
        cost = nmt.estimate_cost(config, resume=resume, on_event=display.show, on_progress=display.bars.show)
    return f"{config.name}:\n{cost}"


def train_to_the_end(command: Sequence[str]) -> Callable[[Config, bool], Run]:
    """Return a function that trains a configuration, or resumes its run, and shows it.

    If a signal stops training, the function prints `command`, which continues, and exits.
    """

    def train(config: Config, resume: bool) -> Run:
        import nmt

        with TrainingDisplay(config) as display:
            run = nmt.train(
                config,
                resume=resume,
                on_event=display.show,
                on_progress=display.bars.show,
                stop=display.signals.request,
            )
        if not run.is_finished:
            exit_to_resume(command, display.signals.number)
        return run

    return train


def exit_to_resume(command: Sequence[str], signal: int | None, is_silent: bool = False) -> NoReturn:
    """Print the command that resumes a stopped run, and exit with the status of the signal that stopped it."""
    if not is_silent:
        click.echo(f"resume with: {shlex.join(command)}", err=True)
    sys.exit(128 + (signal or 0))


def log_result(config: Config) -> None:
    """Log where the finished run of `config` is, and how to translate with it."""
    run = Run(config.run)
    logger.info(f"saved in {run.folder}: {', '.join(run.names())}; figures in {run.folder / 'report.html'}")
    tags = {corpus.tag for corpus in config.data.train}
    tag = f" --tag {shlex.quote(config.data.valid.tag)}" if len(tags) > 1 and config.data.valid.tag else ""
    logger.info(f"translate with: nmt translate --model {run.folder}{tag} < input.txt")
