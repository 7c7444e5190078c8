"""Diagnose a run: its text if it is still there, its learning curves, and what its best checkpoint translates."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open

from nmt.config import Config, Corpus, load_run_config
from nmt.data.corpus import corpus_paths, read_pairs
from nmt.data.lines import normalize
from nmt.data.subword import Vocabularies
from nmt.decoding.loading import find_checkpoints, load_translator
from nmt.diagnosis.curves import diagnose_curves
from nmt.diagnosis.data import diagnose_data
from nmt.diagnosis.diagnosis import Diagnosis
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.translations import Sample, compare_sets, diagnose_translations
from nmt.errors import NmtError
from nmt.storage.history import read_history
from nmt.storage.run_folder import Run, find_run

logger = logging.getLogger(__name__)


def diagnose_run(folder: Path | None) -> Diagnosis:
    """Diagnose the run in `folder`, or the newest finished run if it is None. The run may be unfinished.

    Raise `NmtError` if there is no run.
    """
    run, which, _ = find_run(folder)
    run.check_not_exported("diagnose it")
    config = load_run_config(run)
    diagnosis = Diagnosis(str(run.folder))
    _add_data(diagnosis, run, config)
    history = read_history(run.folder)
    diagnosis.findings += diagnose_curves(history)
    diagnosis.checked.append(
        f"the log of {len(history.train):,} training and {len(history.valid):,} validation records"
    )
    _add_translations(diagnosis, run, which, config)
    diagnosis.findings = list(dict.fromkeys(diagnosis.findings))
    diagnosis.sort()
    return diagnosis


def _add_data(diagnosis: Diagnosis, run: Run, config: Config) -> None:
    corpora = [*config.data.train, *config.data.evaluated.values()]
    missing = [path for corpus in corpora for path in corpus_paths(corpus) if not path.is_file()]
    if missing:
        diagnosis.unchecked.append(
            f"the text: no such file: {missing[0]} (paths are relative to the working directory)"
        )
        return
    vocabularies = Vocabularies.load(run.subword) if run.subword.is_dir() else None
    of_data = diagnose_data(config, diagnosis.name, vocabularies=vocabularies)
    diagnosis.findings += of_data.findings
    diagnosis.checked += of_data.checked


def _add_translations(diagnosis: Diagnosis, run: Run, which: str, config: Config) -> None:
    if not run.can_resume and not run.names():
        diagnosis.unchecked.append("translations: there is no checkpoint yet")
        return
    valid = config.data.valid
    if not all(path.is_file() for path in corpus_paths(valid)):
        diagnosis.unchecked.append("translations: the text of data.valid does not exist")
        return
    try:
        found = find_checkpoints([run.folder], which)
        if bad := _not_finite(found[0].folder / "model.safetensors"):
            diagnosis.findings.append(
                Finding(
                    "divergence",
                    f"The weights {', '.join(bad[:3])} of checkpoint {found[0].name} are not finite numbers.",
                    "Lower training.learning_rate, keep training.clip_norm at 1, and start again.",
                )
            )
            return
        translator = load_translator(found, "auto", "auto", "auto").translator
        language = config.data.target_language
        tag = valid.tag or ""
        sample = Sample.translate(translator, "data.valid", _pairs(valid, config), tag, language)
        if not sample.sources:
            diagnosis.unchecked.append("translations: data.valid has no pairs")
            return
        diagnosis.findings += diagnose_translations(sample, translator, tag)
        diagnosis.checked.append(f"{len(sample.sources):,} translations of data.valid by checkpoint {found[0].name}")
        for name, corpus in config.data.test.items():
            if all(path.is_file() for path in corpus_paths(corpus)):
                test = Sample.translate(
                    translator, f"data.test.{name}", _pairs(corpus, config), corpus.tag or "", language
                )
                if (different := compare_sets(sample, test)) is not None:
                    diagnosis.findings.append(different)
    except NmtError as error:
        diagnosis.findings.append(_cannot_translate(error))


def _not_finite(path: Path) -> list[str]:
    """Return the names of the weights in a file that have NaN or infinite numbers."""
    with safe_open(path, framework="np") as file:
        return [name for name in file.keys() if not np.isfinite(file.get_tensor(name)).all()]  # noqa: SIM118


def _pairs(corpus: Corpus, config: Config) -> Sequence[tuple[str, str]]:
    return [(normalize(source, config.data), target) for source, target in read_pairs(corpus, [])]


def _cannot_translate(error: NmtError) -> Finding:
    return Finding(
        "divergence" if "NaN" in str(error) or "finite" in str(error) else "configuration",
        f"The best checkpoint cannot translate: {error}.",
        "See the other findings; if training diverged, lower training.learning_rate and start again.",
    )
