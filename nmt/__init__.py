"""A toolkit for recurrent neural machine translation: from two aligned text files to a trained model.

`import nmt` imports nothing else; each name of `__all__` is imported when it is first used. Messages go to the logger
"nmt" of the standard module `logging`, which prints nothing unless the program configures it.
"""

TYPE_CHECKING = False  # type checkers take it as true; importing `typing` would take longer than all the rest
if TYPE_CHECKING:
    from nmt.config import Config
    from nmt.decoding.loading import load
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator
    from nmt.errors import NmtError
    from nmt.training.events import (
        CheckpointSaved,
        CheckpointsAveraged,
        CostEstimated,
        StepLogged,
        TrainingEnded,
        TrainingEvent,
        TrainingStarted,
        Validated,
    )
    from nmt.training.session import estimate_cost, train
    from nmt.training.stop import StopRequest
    from nmt.training.trained_run import TrainedRun

__version__ = "0.1.0"

_MODULES = {
    "Config": "nmt.config",
    "NmtError": "nmt.errors",
    "load": "nmt.decoding.loading",
    "Translator": "nmt.decoding.translator",
    "Translation": "nmt.decoding.translation",
    "train": "nmt.training.session",
    "estimate_cost": "nmt.training.session",
    "TrainedRun": "nmt.training.trained_run",
    "StopRequest": "nmt.training.stop",
    "TrainingEvent": "nmt.training.events",
    "TrainingStarted": "nmt.training.events",
    "CostEstimated": "nmt.training.events",
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
    "CostEstimated",
    "NmtError",
    "StepLogged",
    "StopRequest",
    "TrainedRun",
    "TrainingEnded",
    "TrainingEvent",
    "TrainingStarted",
    "Translation",
    "Translator",
    "Validated",
    "__version__",
    "estimate_cost",
    "load",
    "train",
]


if not TYPE_CHECKING:  # type checkers shall report unknown names

    def __getattr__(name: str) -> object:
        """Import a public name (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module 'nmt' has no attribute '{name}'")
        import importlib
        import logging

        logger = logging.getLogger("nmt")
        if not logger.handlers:  # else Python would print warnings to standard error
            logger.addHandler(logging.NullHandler())
        value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
        return value


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
