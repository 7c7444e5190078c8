"""Write `report.html` while a run trains, at a cost of a few percent of the training time."""

import logging
import time
from collections.abc import Callable, Mapping

from nmt.config import Config
from nmt.reports.report_page import write_report
from nmt.storage.run_folder import Run
from nmt.training.events import TrainingEvent, TrainingStarted, Validated

logger = logging.getLogger(__name__)
MAX_SHARE = 0.03
"""The share of the training time that refreshing the page may take."""


class ReportRefresh:
    """Writes the page at the start, after validations, and when training ends.

    A refresh after a validation is skipped if writing the page the last time took more than `MAX_SHARE` of the time
    since then. An error while the page is written does not stop training: it is logged as a warning, once.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        shapes: Mapping[str, tuple[int, ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the run, its configuration, the shapes of the weights of its network by name, and a clock in seconds."""
        self._run = run
        self._config = config
        self._shapes = shapes
        self._clock = clock
        self._cost = 0.0
        self._written_at = 0.0
        self._has_warned = False

    def __enter__(self) -> "ReportRefresh":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Write the page after an error, too, so that it does not say that the run trains."""
        if kind is not None:
            self.write(is_training=False)

    def observe(self, event: TrainingEvent) -> None:
        """Write the page at the start of training, and after a validation if it is time."""
        is_due = isinstance(event, Validated) and self._cost <= MAX_SHARE * (self._clock() - self._written_at)
        if isinstance(event, TrainingStarted) or is_due:
            self.write(is_training=True)

    def write(self, is_training: bool) -> None:
        """Write the page of a run that trains or that has ended."""
        began = self._clock()
        try:
            write_report(self._run.folder, is_training, self._config, self._shapes)
        except Exception as error:
            if not self._has_warned:
                path = self._run.folder / "report.html"
                logger.warning(f"{path} could not be written ({error}); training is not affected")
            self._has_warned = True
        self._written_at = self._clock()
        self._cost = self._written_at - began
