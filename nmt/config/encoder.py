"""The section `model.encoder`, and the keys that encoder and decoder share."""

from typing import TYPE_CHECKING, Literal

from pydantic import field_validator, model_validator

from nmt.config.section import Depth, NotNegative, Section, Width, reject

if TYPE_CHECKING:
    from typing_extensions import Self


Kind = Literal["recurrent", "transformer"]
RECURRENT_KEYS = ("cell", "residual", "residual_from", "layer_norm", "gate_norm", "transitions")
"""Keys of a `Stack` that have no effect in a Transformer."""


class Stack(Section):
    """A stack of layers of one kind: what encoder and decoder share."""

    kind: Kind = "recurrent"
    """recurrent, or transformer (Vaswani 2017)."""
    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    """Recurrent cell; rnn is the simple tanh cell (Elman 1990)."""
    size: Width = 512
    """Width of each layer."""
    residual: bool = False
    """Residual connections: add the input of a layer to its output, but not to its state, if the widths agree (Wu
    2016)."""
    residual_from: Depth = 1
    """The lowest layer with a residual connection: 3 for Wu (2016) and Chen (2018)."""
    layer_norm: bool = False
    """Normalise the output of each layer (Ba 2016)."""
    gate_norm: bool = False
    """Normalise the pre-activation of each gate inside the cells (after Ba 2016, as in Chen 2018). Such a layer runs as
    a loop over its steps, about three times slower."""
    transitions: Depth = 1
    """Cells per step of a layer; only the first reads the input: deep transition (Pascanu 2014). With more than one,
    the layer runs as a loop over its steps."""
    heads: Width = 8
    """Attention heads (transformer)."""
    feed_forward: Width = 1024
    """Width of the hidden layer of a feed-forward block (transformer)."""

    def adds_input(self, depth: int, width: int) -> bool:
        """Return whether layer `depth` (0 is the lowest) adds its input, of `width` units, to its output."""
        return self.residual and depth + 1 >= self.residual_from and width == self.size

    def check_kind(self, unused: list[str], heads: int = 1) -> None:
        """Raise ValueError if a key of `unused` is set, or if `size` is not divisible by `heads`."""
        self.reject_unused(unused, f"with 'kind: {self.kind}'")
        if self.size % heads or (self.kind == "transformer" and self.size % 2):
            raise ValueError(f"'size' {self.size} must be even and a multiple of 'heads' {heads}")

    def check_recurrent(self, layers: int, cell_width: int) -> None:
        """Raise ValueError if residual connections or normalisation have no effect.

        `cell_width` is the number of units of one cell, half of `size` in a bidirectional encoder.
        """
        self.check_kind(["heads", "feed_forward"])
        if not self.residual:
            self.reject_unused(["residual_from"], "without 'residual'")
        reject(
            (
                self.residual and self.residual_from > layers,
                f"'residual_from' {self.residual_from} is more than 'layers' {layers}",
            ),
            *(
                (is_on and units == 1, f"'{key}' of a single unit is constant: choose a larger 'size', or leave it out")
                for key, is_on, units in (
                    ("layer_norm", self.layer_norm, self.size),
                    ("gate_norm", self.gate_norm, cell_width),
                )
            ),
        )


class Encoder(Stack):
    """The encoder, which reads the source."""

    layers: Depth = 1
    """Number of layers."""
    size: Width = 512
    """Width of the output of a layer; with merge concat each direction has half of it."""
    bidirectional: bool = True
    """Read the source in both directions."""
    bidirectional_layers: NotNegative = 0
    """Number of bidirectional layers, from the lowest (Wu 2016); 0: all layers."""
    merge: Literal["concat", "sum", "mul", "average"] = "concat"
    """How the outputs and the final states of the two directions are merged."""
    reverse: bool = False
    """Read the source from its end to its beginning (Sutskever 2014)."""
    summary: Literal["last", "mean", "max"] = "last"
    """The sentence as one vector, for `start: bridge` and `context_to: every_step`: the final state of the top layer,
    or the mean or maximum of its outputs."""

    @field_validator("bidirectional", mode="before")
    @classmethod
    def _check_bidirectional(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError("is true or false; for a number of bidirectional layers set 'bidirectional_layers'")
        return value

    @property
    def layers_both_ways(self) -> int:
        """Number of bidirectional layers, from the lowest."""
        return (self.bidirectional_layers or self.layers) if self.bidirectional else 0

    @model_validator(mode="after")
    def _check(self) -> "Self":
        if self.kind == "transformer":
            others = ["bidirectional", "bidirectional_layers", "merge", "reverse"]
            self.check_kind([*RECURRENT_KEYS, *others], self.heads)
            return self
        is_split = self.layers_both_ways > 0 and self.merge == "concat"
        reject(
            (
                self.bidirectional_layers > self.layers,
                f"'bidirectional_layers' {self.bidirectional_layers} is more than 'layers' {self.layers}",
            ),
            (
                self.bidirectional_layers and not self.bidirectional,
                "'bidirectional_layers' needs 'bidirectional: true'",
            ),
            (
                is_split and self.size % 2,
                f"'size' {self.size} must be even for a bidirectional encoder, or choose another 'merge'",
            ),
            (
                not self.layers_both_ways and self.merge != "concat",
                f"'merge: {self.merge}' needs 'bidirectional: true'",
            ),
            (
                self.layers_both_ways and self.reverse,
                "'reverse' needs an encoder of one direction: set 'bidirectional: false'",
            ),
        )
        self.check_recurrent(self.layers, self.size // 2 if is_split else self.size)
        return self
