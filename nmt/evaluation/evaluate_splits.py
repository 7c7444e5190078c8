"""`nmt evaluate`: evaluate a model on several test sets, one after another, and save each result."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.decoding.search_options import SearchOptions
from nmt.errors import NmtError
from nmt.evaluation.breakdown import break_down
from nmt.evaluation.metrics import Scoring
from nmt.evaluation.score_warnings import score_warnings
from nmt.evaluation.test_sets import Evaluation, Split, as_dict, evaluate, save
from nmt.storage.text_facts import rarest_words, read_facts

if TYPE_CHECKING:
    from nmt.decoding.loading import LoadedTranslator

logger = logging.getLogger(__name__)


def evaluate_splits(
    loaded: "LoadedTranslator", search: SearchOptions, splits: Sequence[Split], scoring: Scoring, folder: Path
) -> tuple[list[dict[str, Any]], NmtError | None]:
    """Evaluate the model on `splits`, save the results to `folder`, and log warnings about the scores.

    The saved results also have a `breakdown` (see `break_down`), which the report of the run shows. Return the results
    as `as_dict` describes them, each with the file of its `hypotheses`. If a result could not be saved, its file is
    None and the error is returned, too.
    """
    translator = loaded.translator
    for split in splits:  # check all before the first is translated
        translator.check_tags(split.source, split.tag, split.files[0], split.tag_remedy)
    arithmetic = translator.machine.description
    models = [f"{each.config.name}/{each.name}" for each in loaded.checkpoints]
    results: list[dict[str, Any]] = []
    error: NmtError | None = None
    for split in splits:
        evaluation = evaluate(translator, search, split, scoring, loaded.input_warnings(split.name))
        result = as_dict(evaluation, models, loaded.weights, search, arithmetic)
        results.append({**result, "hypotheses": None})
        try:
            saved = {**result, "breakdown": _breakdown(evaluation, loaded)}
            results[-1]["hypotheses"] = str(save(evaluation, saved, folder, loaded.checkpoints[0].config))
        except NmtError as caught:
            error = caught
        hypotheses = [("the translation", evaluation.hypotheses)]
        for warning in score_warnings(hypotheses, split.named_references, scoring=scoring):
            logger.info(f"nmt evaluate: {warning}")
    return results, error


def _breakdown(evaluation: Evaluation, loaded: "LoadedTranslator") -> dict[str, Any]:
    """Return where the translations of a split are good and bad; by rarity of words if the run has counted them."""
    first, split = loaded.checkpoints[0], evaluation.split
    data = first.config.data
    rarest = rarest_words(read_facts(first.run), split.name)
    languages = data.source_language, data.target_language
    return break_down(split.source, evaluation.hypotheses, split.references[0], languages, rarest)
