"""The weights of a checkpoint by name, for one part of the network or for all of it.

Axes: V vocabulary, E embedding width.
"""

from collections.abc import Mapping

import numpy as np

from nmt.config import Model
from nmt.errors import NmtError
from nmt.runtime.graph import Array


class Weights:
    """The arrays of a checkpoint whose names start with `prefix`, as float32."""

    def __init__(self, arrays: Mapping[str, Array], prefix: str = "") -> None:
        self.arrays = arrays
        self.prefix = prefix

    def part(self, name: str) -> "Weights":
        """Return the weights of a module, for example `decoder.layers.0`."""
        return Weights(self.arrays, self.name(name) + ".")

    def name(self, name: str) -> str:
        """Return the whole name of a weight, as in the checkpoint."""
        return self.prefix + name

    def __contains__(self, name: str) -> bool:
        return self.name(name) in self.arrays

    def get(self, name: str) -> Array | None:
        """Return a weight, or None if the checkpoint does not have it."""
        return self[name] if self.name(name) in self.arrays else None

    def __getitem__(self, name: str) -> Array:
        """Return a weight; raise `NmtError` if the checkpoint does not have it."""
        if name not in self:
            raise NmtError(f"the weights do not fit the configuration: tensor {self.name(name)} is missing")
        return np.asarray(self.arrays[self.name(name)], np.float32)


def embedding_table(weights: Weights, config: Model, side: str) -> Array:
    """Return the embeddings (V, E) of a `side`, source or target, scaled as `models.embedding` does.

    A table that both sides share has only the name of the source in a checkpoint.
    """
    is_shared = config.embedding.tie == "all" and "target_embedding.table.weight" not in weights
    table = weights[f"{'source' if is_shared else side}_embedding.table.weight"]
    kind = config.encoder.kind if side == "source" else config.decoder.kind
    scale = config.embedding.size ** (0.5 if kind == "transformer" else 0.25)
    return table * np.float32(scale)


def output_layer(weights: Weights, config: Model) -> tuple[Array, Array]:
    """Return weight (V, R) and bias (V,) of the output layer.

    A weight that is also an embedding table has the name of the table in a checkpoint.
    """
    tables: dict[str, tuple[str, ...]] = {"none": (), "target": ("target",), "all": ("source", "target")}
    names = ["output.weight", *(f"{table}_embedding.table.weight" for table in tables[config.embedding.tie])]
    name = next((name for name in names if name in weights), names[-1])
    return weights[name], weights["output.bias"]
