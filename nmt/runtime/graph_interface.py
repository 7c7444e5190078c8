"""Check that two sessions of ONNX Runtime have the inputs and outputs of an encoder and a decoder (`runtime.network`).

Axes: those of `nmt.runtime.network`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from nmt.runtime.library import onnxruntime

FLOAT, INT64, BOOL = "tensor(float)", "tensor(int64)", "tensor(bool)"
Kind: TypeAlias = tuple[str, int | None]
"""Type of the elements and number of axes; None for any number from one on."""

ENCODER_INPUTS: dict[str, Kind] = {"source": (INT64, 2), "lengths": (INT64, 1)}
MEMORY: dict[str, Kind] = {"states": (FLOAT, 3), "summary": (FLOAT, 2), "keys.N": (FLOAT, None)}
ENCODER_OUTPUTS: dict[str, Kind] = {**MEMORY, "state.N": (FLOAT, None)}
DECODER_INPUTS: dict[str, Kind] = {
    **ENCODER_OUTPUTS,
    **dict.fromkeys(("token", "parents", "slots", "rows", "sentences", "extra_words", "count"), (INT64, 1)),
    "position": (INT64, 0),
    "is_real": (BOOL, 2),
    "source": (INT64, 2),
    "wants_all": (BOOL, 0),
}
PREDICTIONS: dict[str, Kind] = {
    "alignment": (FLOAT, 2), "log_probs": (FLOAT, 2), "values": (FLOAT, 2), "tokens": (INT64, 2),
}  # fmt: skip
DECODER_OUTPUTS: dict[str, Kind] = {**PREDICTIONS, "next.N": (FLOAT, None)}


def check_interface(encoder: onnxruntime.InferenceSession, decoder: onnxruntime.InferenceSession) -> None:
    """Raise `ValueError` with the reason if one of the graphs lacks an input or output, or has another one."""
    reads = _names("an input of the encoder", encoder.get_inputs(), ENCODER_INPUTS)
    makes = _names("an output of the encoder", encoder.get_outputs(), ENCODER_OUTPUTS)
    needs = _names("an input of the decoder", decoder.get_inputs(), DECODER_INPUTS)
    predicts = _names("an output of the decoder", decoder.get_outputs(), DECODER_OUTPUTS)
    states = [f"state.{number}" for number in range(sum(name.startswith("next.") for name in predicts))]
    from_encoder = {name for name in needs if _numberless(name) in ENCODER_OUTPUTS and name not in ENCODER_INPUTS}
    following = {name.replace("state", "next") for name in {*states, *from_encoder} if name.startswith("state.")}
    for what, missing in (
        ("input of the encoder", ENCODER_INPUTS.keys() - reads),
        ("output of the encoder", {*states, *from_encoder} - makes),
        ("output of the decoder", (PREDICTIONS.keys() | following) - predicts),
    ):
        if missing:
            raise ValueError(f"there is no {what} {min(missing)}")


def _names(what: str, found: Sequence[onnxruntime.NodeArg], known: Mapping[str, Kind]) -> set[str]:
    """Return the names of inputs or outputs. Raise `ValueError` if one of them is not `known` or has another kind."""
    for each in found:
        if _numberless(each.name) not in known:
            raise ValueError(f"{each.name[:40]!r} is not {what}")
        kind, axes = known[_numberless(each.name)]
        if each.type != kind or (len(each.shape) != axes if axes is not None else not each.shape):
            raise ValueError(f"{each.name} is not {what}: it is a {each.type} with {len(each.shape)} axes")
    return {each.name for each in found}


def _numberless(name: str) -> str:
    """Return a name such as keys.0 as keys.N."""
    return re.sub(r"\.(0|[1-9][0-9]{0,3})$", ".N", name)
