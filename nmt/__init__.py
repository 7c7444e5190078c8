"""A toolkit for recurrent neural machine translation: from two aligned text files to a trained model.

`import nmt` imports only the standard library; each name of `__all__` is imported when it is used. Messages go to the
logger "nmt" of the standard module `logging`, which prints nothing unless the program configures it.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.config import Config
    from nmt.errors import NmtError
    from nmt.training.events import (
        CheckpointSaved,
        CheckpointsAveraged,
        StepLogged,
        TrainingEnded,
        TrainingEvent,
        TrainingStarted,
        Validated,
    )
    from nmt.training.session import train
    from nmt.training.stop import StopRequest
    from nmt.training.trained_run import TrainedRun

__version__ = "0.1.0"

_MODULES = {
    "Config": "nmt.config",
    "NmtError": "nmt.errors",
    "train": "nmt.training.session",
    "TrainedRun": "nmt.training.trained_run",
    "StopRequest": "nmt.training.stop",
    "TrainingEvent": "nmt.training.events",
    "TrainingStarted": "nmt.training.events",
    "StepLogged": "nmt.training.events",
    "Validated": "nmt.training.events",
    "CheckpointSaved": "nmt.training.events",
    "CheckpointsAveraged": "nmt.training.events",
    "TrainingEnded": "nmt.training.events",
}
"""The module of each public name. A new name is added here, to the imports above and to `__all__`."""
__all__ = [
    "CheckpointSaved",
    "CheckpointsAveraged",
    "Config",
    "NmtError",
    "StepLogged",
    "StopRequest",
    "TrainedRun",
    "TrainingEnded",
    "TrainingEvent",
    "TrainingStarted",
    "Validated",
    "__version__",
    "train",
]

logging.getLogger("nmt").addHandler(logging.NullHandler())  # else Python would print warnings to standard error


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'nmt' has no attribute '{name}'")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
