"""Compare a run with the run whose weights it started from, on the test sets of both domains."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.decoding.search_options import SearchOptions
from nmt.evaluation.evaluate_splits import evaluate_splits
from nmt.evaluation.metrics import Scoring, default_tokenizer
from nmt.evaluation.significance import paired_bootstrap
from nmt.evaluation.test_sets import Split, check_folder, split_of
from nmt.storage.run_folder import Run
from nmt.storage.tuning_scores import Comparison, write_comparisons

if TYPE_CHECKING:
    from nmt.config import Config

METRICS = ("bleu", "chrf")


def compare_with_initial_model(run: Run, config: "Config") -> list[Comparison]:
    """Translate the test sets of a run with the model of `training.init_from` and with its own, and compare the scores.

    Without test sets, the validation sets are translated. The comparison is saved as `tuning.json`, and the
    translations in `evaluations/` and `evaluations/before/`.
    """
    assert config.training.init_from is not None
    sets = config.data.test or {key.removeprefix("more_valid."): one for key, one in config.data.validation.items()}
    splits = [split_of(name, corpus) for name, corpus in sets.items()]
    scoring = Scoring(tokenize=default_tokenizer(config.data.target_language))
    folder = run.folder / "evaluations"
    before = _translate(config.training.init_from, splits, scoring, folder / "before")
    after = _translate(run.folder, splits, scoring, folder)
    found: list[Comparison] = []
    for split, old, new in zip(splits, before, after, strict=True):
        systems = paired_bootstrap([("before", old), ("after", new)], split.references, METRICS, scoring)
        for first, second in zip(*(system.estimates for system in systems), strict=True):
            assert second.p_value is not None
            name, signature = first.score.name, first.score.signature
            scores = first.score.value, second.score.value
            found.append(Comparison(split.name, len(split.source), name, *scores, second.p_value, signature))
    write_comparisons(run, found)
    return found


def _translate(model: Path, splits: Sequence[Split], scoring: Scoring, folder: Path) -> list[list[str]]:
    """Return the translations of `splits`, and save them with their scores."""
    check_folder(folder)
    loaded = load_translator(find_checkpoints([model], None), "auto", "auto", "auto")
    search = SearchOptions.of(loaded.checkpoints[0].settings)
    results, error = evaluate_splits(loaded, search, splits, scoring, folder)
    if error is not None:
        raise error
    return [Path(result["hypotheses"]).read_text(encoding="utf-8").split("\n")[:-1] for result in results]
