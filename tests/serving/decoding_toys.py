"""The toy models of the tests of decoding."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "decoding"))
from toy_model import EchoModel, ToyModel
from toy_translator import make, train

__all__ = ["EchoModel", "ToyModel", "make", "train"]
