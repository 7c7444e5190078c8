"""What several ranks check and prepare together before they train, and whether a restarted job resumes its run.

torchrun starts all ranks again after one has failed. The command is the same as before, without `--resume`: a run that
the same job began is resumed from its last checkpoint.
"""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import nmt
from nmt.config import Config
from nmt.data.prepared_data import Prepared
from nmt.data.subword import has_seeded_samples
from nmt.errors import NmtError
from nmt.storage import checksums
from nmt.storage.atomic_files import convert_write_errors, write_atomically
from nmt.storage.run_folder import Run
from nmt.training.ranks import Ranks
from nmt.training.resume_checks import find_resume_checkpoint, flatten

logger = logging.getLogger(__name__)
SHARED_FOLDER_SECONDS = 30
"""How long a rank waits until a file of rank 0 appears in a common folder; NFS clients may show it late."""
_POLL_SECONDS = 0.2


def check_ranks(ranks: Ranks, config: Config) -> None:
    """Raise `NmtError` on all ranks unless they have the same configuration and the same code."""
    if ranks.size == 1:
        return
    if config.subword.sampling and not has_seeded_samples():
        raise NmtError(
            "subword.sampling with several ranks needs SentencePiece 0.2.0, with which all of them draw the same "
            "subwords; it is available for Python up to 3.12"
        )
    facts: dict[str, Any] = {
        "the version of nmt": nmt.__version__,
        "the code of nmt": checksums.of_code(),
        "the version of torch": str(torch.__version__),
    }
    facts |= dict(flatten("", config.model_dump(mode="json")))
    ranks.check_equal(facts)


def resumes_by_itself(ranks: Ranks, run: Run) -> bool:
    """Return whether the job of this process began `run` before, was interrupted, and now continues it."""
    job = _job()
    is_same = False
    if ranks.is_first and job is not None and run.can_resume:
        try:
            is_same = _job_file(run).read_text(encoding="utf-8").strip() == job
        except (OSError, UnicodeDecodeError):
            is_same = False
    is_same = ranks.from_first(is_same)
    if is_same:
        logger.info(f"{run.folder}: the same job began this run; it is resumed")
    return is_same


def record_job(run: Run) -> None:
    """Write down which job trains `run`, for `resumes_by_itself`."""
    job = _job()
    if job is not None:
        write_atomically(_job_file(run), f"{job}\n", run.write_remedy)
    else:
        _job_file(run).unlink(missing_ok=True)


def _job_file(run: Run) -> Path:
    return run.folder / ".job"


def _job() -> str | None:
    """Return what identifies the job that torchrun started: `--rdzv-id`, or the process of torchrun on this machine."""
    if "TORCHELASTIC_RESTART_COUNT" not in os.environ:
        return None
    name = os.environ.get("TORCHELASTIC_RUN_ID") or "none"
    if name != "none":
        return f"torchrun job {name}"
    parent = os.getppid()
    try:
        started = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = ""
    return f"torchrun process {parent} {started} on {socket.gethostname()}"


def check_shared_folder(ranks: Ranks, folder: Path) -> None:
    """Raise `NmtError` on all ranks if one of them does not see `folder` of rank 0, on which they must agree."""
    if ranks.size == 1:
        return
    path = folder / ranks.from_first(f".seen-by-all-{secrets.token_hex(8)}")
    with convert_write_errors(folder, "all ranks need a folder that they can write to"):
        if ranks.is_first:
            path.touch()
        ranks.wait_for_all()
        end = time.monotonic() + SHARED_FOLDER_SECONDS
        while not path.exists() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        places = ranks.gather("" if path.exists() else f"rank {ranks.rank} on {socket.gethostname()}")
        if ranks.is_first:
            path.unlink(missing_ok=True)
    if missing := [place for place in places if place]:
        raise NmtError(
            f"{folder.absolute()}: the folder of rank 0 is not visible to {', '.join(missing)}; start all ranks in the "
            "same directory of a file system that their machines share"
        )


def find_start(ranks: Ranks, run: Run, config: Config, checkpoint: str) -> Path:
    """Return the folder of the checkpoint to resume from; see `find_resume_checkpoint`, which rank 0 calls."""
    found: list[Path] = []
    ranks.on_first(lambda: found.append(find_resume_checkpoint(run, config, checkpoint)))
    return ranks.from_first(found[0] if found else run.folder)


def prepare_on_first(ranks: Ranks, config: Config, prepare: Callable[[], Prepared]) -> Prepared:
    """Return the data that rank 0 prepares with `prepare`; the others wait, and open the same folder."""
    found: list[Prepared] = []
    ranks.on_first(lambda: found.append(prepare()))
    if ranks.size == 1:
        return found[0]
    check_shared_folder(ranks, config.prepared)
    prepared = found[0] if found else Prepared.open(config.prepared, [corpus.weight for corpus in config.data.train])
    ranks.check_equal({f"the data in {config.prepared}": prepared.fingerprint})
    return prepared
