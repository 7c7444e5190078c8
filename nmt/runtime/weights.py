"""The weights of a checkpoint by name, for one part of the network or for all of it.

Axes: V vocabulary, E embedding width, R readout width, I input width, O output width.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from nmt.config import Model
from nmt.errors import NmtError
from nmt.runtime.graph import Array

MISFIT = "the weights do not fit the configuration:"


class Linear(NamedTuple):
    """A linear map x W' + b."""

    name: str
    """Name of the map in a graph."""
    weight: Array
    """(O, I) W."""
    bias: Array | None
    """(O,) b; None without bias."""


class Weights:
    """The arrays of a checkpoint whose names start with `prefix`."""

    def __init__(self, arrays: Mapping[str, Array], prefix: str = "", taken: set[str] | None = None) -> None:
        self.prefix = prefix
        self._arrays = arrays
        self._taken = set() if taken is None else taken

    def part(self, name: str) -> "Weights":
        """Return the weights of a module, for example `decoder.layers.0`."""
        return Weights(self._arrays, f"{self.prefix}{name}.", self._taken)

    def name(self, name: str = "") -> str:
        """Return the whole name of a weight, as in the checkpoint, or without `name` that of the module."""
        return self.prefix + name if name else self.prefix.removesuffix(".")

    def __contains__(self, name: str) -> bool:
        return self.name(name) in self._arrays

    def take(self, name: str, *shape: int | None) -> Array:
        """Return a weight as float32.

        Raise `NmtError` if the checkpoint does not have it, or if it does not have this shape; None is any size.
        """
        whole = self.name(name)
        if whole not in self._arrays:
            raise NmtError(f"{MISFIT} tensor {whole} is missing")
        array = self._arrays[whole]
        sizes = itertools.zip_longest(array.shape, shape, fillvalue=-1)
        if any(wanted not in (None, size) for size, wanted in sizes):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise NmtError(f"{MISFIT} tensor {whole} has shape {array.shape}, not ({expected})")
        self._taken.add(whole)
        return np.asarray(array, np.float32)

    def take_linear(self, outputs: int, inputs: int, has_bias: bool = True) -> Linear:
        """Return the linear map of a module, from I `inputs` to O `outputs`."""
        bias = self.take("bias", outputs) if has_bias else None
        return Linear(self.name(), self.take("weight", outputs, inputs), bias)

    def check_all_taken(self) -> None:
        """Raise `NmtError` if there is a weight that has never been taken."""
        if unexpected := self._arrays.keys() - self._taken:
            raise NmtError(f"{MISFIT} unexpected tensor {min(unexpected)}")


def embedding_table(weights: Weights, config: Model, side: str, vocabulary: int | None = None) -> Array:
    """Return the embeddings (V, E) of a `side`, source or target, scaled as `models.embedding` does.

    V is the `vocabulary`, or any number. A table that both sides share has the name of the source in a checkpoint.
    """
    is_shared = config.embedding.tie == "all" and "target_embedding.table.weight" not in weights
    name = f"{'source' if is_shared else side}_embedding.table.weight"
    table = weights.take(name, vocabulary, config.embedding.size)
    kind = config.encoder.kind if side == "source" else config.decoder.kind
    scale = config.embedding.size ** (0.5 if kind == "transformer" else 0.25)
    return table * np.float32(scale)


def output_layer(weights: Weights, config: Model) -> Linear:
    """Return the output layer, from readouts of width R to V logits.

    A weight that is also an embedding table has the name of the table in a checkpoint.
    """
    tables: dict[str, tuple[str, ...]] = {"none": (), "target": ("target",), "all": ("source", "target")}
    names = ["output.weight", *(f"{table}_embedding.table.weight" for table in tables[config.embedding.tie])]
    name = next((name for name in names if name in weights), names[-1])
    weight = weights.take(name, None, config.readout_size)
    return Linear("output", weight, weights.take("output.bias", len(weight)))
