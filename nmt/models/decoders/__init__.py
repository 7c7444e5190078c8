"""The recurrent decoders of the papers, and which of them each value of `model.decoder.context_to` selects."""

from collections.abc import Callable

from nmt.config import Model
from nmt.models.decoders.bahdanau import BahdanauDecoder
from nmt.models.decoders.base import Decoder
from nmt.models.decoders.gnmt import GNMTDecoder
from nmt.models.decoders.luong import InputFeedingDecoder, LuongDecoder
from nmt.models.decoders.nematus import ConditionalDecoder
from nmt.models.decoders.plain import PlainDecoder
from nmt.models.decoders.rnmt_plus import RNMTPlusDecoder

DECODERS: dict[str, Callable[[Model], Decoder]] = {
    "start": PlainDecoder,
    "every_step": PlainDecoder,
    "output": LuongDecoder,
    "upper_layers": GNMTDecoder,
    "next_input": InputFeedingDecoder,
    "all_layers": RNMTPlusDecoder,
    "same_step": BahdanauDecoder,
    "conditional": ConditionalDecoder,
}
