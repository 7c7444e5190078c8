"""The prepared data of a run: that of a new one, or that which a checkpoint was trained on."""

import logging
from pathlib import Path

from nmt.config import Config
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import OnProgress, preprocess
from nmt.storage.run_folder import Run
from nmt.training.preflight import missing_files, working_directory
from nmt.training.resume_checks import check_data

logger = logging.getLogger(__name__)


def prepare_data(run: Run, config: Config, start: Path | None, on_progress: OnProgress) -> Prepared:
    """Return the data of a new run, or the data that the checkpoint `start` was trained on.

    In the second case, the corpora are read only if the data must be prepared.
    """
    if start is None:
        return preprocess(config, on_progress=on_progress)
    if faults := [fault for fault in missing_files(config) if fault.startswith("data.test.")]:
        logger.warning("\n".join(["nmt evaluate will miss:", *faults, working_directory()]))
    if config.subword.reuse is not None:  # use the copies in the run, because the original may have been deleted
        config = config.model_copy(update={"subword": config.subword.model_copy(update={"reuse": run.folder})})
    if (config.prepared / "prepared.json").is_file():
        prepared = Prepared.open(config.prepared, [corpus.weight for corpus in config.data.train])
    else:
        prepared = preprocess(config, on_progress=on_progress)
    check_data(run, config, prepared, start)
    return prepared
