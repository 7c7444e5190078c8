"""`nmt evaluate --grid`: choose the options of the search by BLEU on the validation set, and keep them in a run."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt.decoding.search_grid import Combination, cost
from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.metrics import Score, Scoring, corpus_scores
from nmt.evaluation.significance import paired_bootstrap
from nmt.evaluation.test_sets import Split, search_settings, translate_split
from nmt.runtime.checkpoint_graphs import update_settings
from nmt.storage import checksums
from nmt.storage.atomic_files import write_atomically
from nmt.storage.run_folder import Run

if TYPE_CHECKING:
    from nmt.decoding.loading import LoadedTranslator

logger = logging.getLogger(__name__)
METRICS = ("bleu", "chrf")
KEEP_REMEDY = "make the run's folder writable, or leave out --keep and give the options to each command"


@dataclass(frozen=True)
class GridResult:
    """What one combination of options gives."""

    combination: Combination
    scores: tuple[Score, ...]
    """BLEU, which decides, and chrF."""
    seconds: float
    """Time to translate the validation set."""
    hypotheses: tuple[str, ...]
    is_current: bool
    """Whether these are the options that the run has now."""


@dataclass(frozen=True)
class GridSearch:
    """The results of a grid, in its order."""

    split: Split
    models: tuple[str, ...]
    """The checkpoints as RUN/CHECKPOINT."""
    arithmetic: str
    results: tuple[GridResult, ...]
    scoring: Scoring
    is_complete: bool
    """Whether all combinations were tried; False after an interrupt."""
    error: NmtError | None = None
    """Why the best combination could not be kept."""

    @property
    def best(self) -> GridResult:
        """The result with the highest BLEU; of equal ones the cheapest, else the first."""
        return max(self.results, key=lambda result: (result.scores[0].value, -cost(result.combination.options)))

    @property
    def p_value(self) -> float | None:
        """The probability that the best is as far above the options of the run by chance (paired bootstrap).

        None if they are the best, or not in the grid.
        """
        current = next((result for result in self.results if result.is_current), None)
        if current is None or self.best is current:
            return None
        systems = [("current", current.hypotheses), ("best", self.best.hypotheses)]
        return paired_bootstrap(systems, self.split.references, ["bleu"], self.scoring)[1].estimates[0].p_value

    def as_dict(self) -> dict[str, Any]:
        """Return the results as `nmt evaluate --grid --json` prints them."""
        return {
            "split": self.split.name,
            "files": list(self.split.files),
            "models": list(self.models),
            "arithmetic": self.arithmetic,
            "is_complete": self.is_complete,
            "p_value": self.p_value,
            "combinations": [
                {
                    "values": dict(result.combination.values),
                    "search": search_settings(result.combination.options) | {"tag": self.split.tag},
                    "scores": [{"name": s.name, "score": s.value, "signature": s.signature} for s in result.scores],
                    "length_ratio": result.scores[0].length_ratio,
                    "seconds": result.seconds,
                    "is_best": result is self.best,
                    "is_current": result.is_current,
                }
                for result in self.results
            ],
        }


def search_grid(
    loaded: "LoadedTranslator", split: Split, grid: Sequence[Combination], scoring: Scoring, keep: bool
) -> GridSearch:
    """Translate the validation set with each combination of `grid`. With `keep`, write the best into the run's config.

    An interrupt ends the search; the results so far are returned, and nothing is kept. Raise it if there is none. Raise
    `NmtError` if the model cannot satisfy one of the combinations, before the first is tried.
    """
    translator, run = loaded.translator, loaded.checkpoints[0].run
    translator.check_tags(split.source, split.tag, split.files[0], split.tag_remedy)
    for each in grid:
        translator.lines.check(each.options)
    current = SearchOptions.of(loaded.checkpoints[0].settings)
    results: list[GridResult] = []
    is_complete, error = True, None
    with run.lock(KEEP_REMEDY) if keep else nullcontext():
        try:
            for number, each in enumerate(grid, 1):
                logger.info(f"{number}/{len(grid)}: {describe(each.values)}")
                hypotheses, _, seconds = translate_split(translator, each.options, split)
                scores = corpus_scores(hypotheses, split.references, METRICS, scoring)
                is_current = each.options == current
                results.append(GridResult(each, tuple(scores), seconds, tuple(hypotheses), is_current))
        except KeyboardInterrupt:
            if not results:
                raise
            is_complete = False
        models = tuple(f"{each.config.name}/{each.name}" for each in loaded.checkpoints)
        arithmetic = translator.machine.description
        found = GridSearch(split, models, arithmetic, tuple(results), scoring, is_complete)
        if keep and is_complete:
            try:
                keep_options(run, found.best.combination.options)
            except NmtError as caught:
                error = caught
    return dataclasses.replace(found, error=error)


def describe(values: Mapping[str, Any]) -> str:
    """Return the values of a combination as text, such as "beam_size 5, alpha 0.6"."""
    shown = {key: value for key, value in values.items() if value is not None}
    return ", ".join(f"{key} {value if isinstance(value, str) else format(value, 'g')}" for key, value in shown.items())


def keep_options(run: Run, options: SearchOptions) -> None:
    """Write the options that differ from the section `decoding` of a run into its config.yaml, atomically.

    All else in the file stays as it is. The descriptions of the run's graphs, which hold the settings, are updated.
    """
    from nmt.config import load_run_config
    from nmt.config.editing import edited

    config = load_run_config(run)
    changed = {}
    for key in type(config.decoding).model_fields:
        old, new = getattr(config.decoding, key), getattr(options, key)
        if old != new and not (key == "replace_unknown" and old is None):  # None is the default, which `new` resolves
            changed[key] = new
    if not changed:
        logger.info(f"{run.config_file} has these options already")
        return
    text, before = edited(run.config_file, "decoding", changed), checksums.digest(run.config_file)
    write_atomically(run.config_file, text, KEEP_REMEDY)
    update_settings(run, before)
    shown = ", ".join(f"decoding.{key} {getattr(config.decoding, key)} -> {new}" for key, new in changed.items())
    logger.info(
        f"kept in {run.config_file}: {shown}; to resume training with them: nmt train --config {run.config_file} "
        "--resume"
    )
