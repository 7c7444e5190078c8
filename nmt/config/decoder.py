"""The section `model.decoder`."""

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from nmt.config.encoder import RECURRENT_KEYS, Stack
from nmt.config.section import Depth, reject

if TYPE_CHECKING:
    from typing_extensions import Self


class Decoder(Stack):
    """The decoder, which generates the target."""

    layers: Depth = 2
    """Number of layers."""
    context_to: Literal[
        "upper_layers", "output", "next_input", "all_layers", "same_step", "conditional", "start", "every_step"
    ] = "upper_layers"
    """What reads the context, besides the output layer. With attention: upper_layers = the bottom layer queries, the
    layers above read the context (GNMT v2; parallel over time if its layers are); output = nothing else (Luong 2015
    without input feeding; as parallel); next_input = input feeding: the attentional vector is part of the next input
    (Luong 2015); all_layers = as upper_layers, and the bottom layer reads the context in the next step (Chen 2018; with
    one layer, See 2017); same_step = the previous state queries, the cell of this step reads the context (Bahdanau
    2015); conditional = the first cell of the bottom layer queries, a second cell with the same state reads the context
    (Sennrich 2017). Without attention: start = the initial state only (Sutskever 2014); every_step = every step and the
    output layer read the summary (Cho 2014)."""
    feedback: bool = True
    """Each step reads the previous target token."""
    start: Literal["bridge", "last", "mean", "zero"] = "bridge"
    """Initial state: `bridge` = tanh of a learned projection of the encoder's summary; `last` = the final states of the
    encoder, `mean` = the mean of its outputs (both need equal widths); `zero`."""
    readout: Literal["tanh", "deep", "maxout", "none", "state"] = "tanh"
    """Input of the output layer, from state h, context c and embedded previous token e: tanh(W [h; c]) (Luong 2015);
    deep = tanh(W [h; c; e]) (Pascanu 2014); maxout = the larger of each pair of units of W [h; c; e] (Bahdanau 2015);
    none = [h; c]; state = h alone, which has read the context (Wu 2016)."""
    copy_source: bool = False
    """Pointer-generator: a token may also be copied from the source, where the attention is (See 2017). With
    `subword.kind` word this includes out-of-vocabulary words."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        if self.kind == "transformer":
            recurrent = [*RECURRENT_KEYS, "context_to", "feedback", "start", "readout", "copy_source"]
            self.check_kind(recurrent, self.heads)
            return self
        self.check_recurrent(self.layers, self.size)
        is_one_layer = (self.context_to, self.layers) == ("upper_layers", 1)
        of_layers = " of one layer" if is_one_layer else ""
        reject(
            (
                not self.feedback and self.context_to in ("start", "output", "upper_layers", "conditional"),
                f"without 'feedback' the bottom layer has no input if 'context_to' is {self.context_to}; choose "
                "context_to every_step, next_input, all_layers or same_step",
            ),
            (
                not self.feedback and self.readout == "deep",
                "'readout: deep' without 'feedback' reads no token, as tanh does: use 'readout: tanh'",
            ),
            (
                self.readout == "state" and (is_one_layer or self.context_to in ("output", "next_input")),
                f"with 'readout: state' and 'context_to: {self.context_to}'{of_layers} nothing reads the context: "
                "choose another 'readout', or another 'context_to'",
            ),
            (
                self.context_to == "start" and self.start == "zero",
                "with 'context_to: start' and 'start: zero' the decoder knows nothing of the source",
            ),
        )
        return self
