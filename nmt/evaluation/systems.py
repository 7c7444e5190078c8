"""Size, speed and BLEU of models on the test sets of a configuration, to compare teachers with a student."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.decoding.search_options import SearchOptions
from nmt.evaluation.evaluate_splits import evaluate_splits
from nmt.evaluation.metrics import Scoring, default_tokenizer
from nmt.evaluation.test_sets import check_folder, split_of
from nmt.storage.tensor_shapes import read_shapes

if TYPE_CHECKING:
    from nmt.config import Config


@dataclass(frozen=True)
class System:
    """A model, or an ensemble, and how it translates the test sets."""

    name: str
    parameters: int | None
    """Number of weights; None if a model was exported."""
    seconds: float
    """Time to translate all test sets, without loading the model."""
    bleu: dict[str, float]
    """BLEU of each test set."""
    signature: str
    """sacreBLEU's signature."""


def measure_system(name: str, models: Sequence[Path], checkpoint: str | None, config: "Config", folder: Path) -> System:
    """Translate the test sets of a configuration (without any, its validation set) with the search of the first model.

    The translations are saved in `folder`.
    """
    check_folder(folder)
    found = find_checkpoints(models, checkpoint)
    loaded = load_translator(found, "auto", "auto", "auto")
    search = SearchOptions.of(*(each.settings for each in loaded.checkpoints))
    splits = [split_of(key, corpus) for key, corpus in (config.data.test or {"valid": config.data.valid}).items()]
    scoring = Scoring(tokenize=default_tokenizer(config.data.target_language))
    results, error = evaluate_splits(loaded, search, splits, scoring, folder)
    if error is not None:
        raise error
    scores = {
        result["split"]: score for result in results for score in result["scores"] if score["name"].startswith("BLEU")
    }
    return System(
        name,
        _count_parameters([each.folder for each in loaded.checkpoints]),
        sum(result["seconds"] for result in results),
        {split: score["score"] for split, score in scores.items()},
        next(score["signature"] for score in scores.values()),
    )


def _count_parameters(checkpoints: Sequence[Path]) -> int | None:
    files = [folder / "model.safetensors" for folder in checkpoints]
    if not all(file.is_file() for file in files):
        return None
    return sum(math.prod(shape) for file in files for shape in read_shapes(file).values())
