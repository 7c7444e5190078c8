"""Read and extend the protocol buffer message `ModelProto`, the file of a SentencePiece model.

The package protobuf is not used: `sentencepiece_model_pb2` of SentencePiece 0.2.3 fails with every protobuf before
7.36.1, and SentencePiece does not require one. Bytes appended to a message add to its repeated fields and replace its
other fields, so that an extended model begins with the bytes of the model that it extends.
"""

import struct
from collections.abc import Iterable
from typing import Any

_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_NO_DUMMY_PREFIX = b"\x1a\x02\x18\x00"
"""normalizer_spec {add_dummy_prefix: false}"""
_BYTES, _FLOAT = 2, 5
"""Wire types: bytes after their size, and four bytes."""


def model_kind(model: bytes) -> str:
    """Return `trainer_spec.model_type`, which the Python interface of SentencePiece does not give."""
    return _KINDS[_read_field(_read_field(model, 2, b""), 3, 1)]


def append_pieces(model: bytes, pieces: Iterable[tuple[str, float]]) -> bytes:
    """Return the model with further pieces, each with its score, after those that it has."""
    return model + b"".join(_piece_field(text, score) for text, score in pieces)


def without_dummy_prefix(model: bytes) -> bytes:
    """Return the model without the space that SentencePiece adds before the first word of a text."""
    return model + _NO_DUMMY_PREFIX


def _piece_field(text: str, score: float) -> bytes:
    raw = text.encode("utf-8")
    piece = b"".join(
        (_tag(1, _BYTES), _varint(len(raw)), raw, _tag(2, _FLOAT), struct.pack("<f", score)),
    )
    return _tag(1, _BYTES) + _varint(len(piece)) + piece


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Return a number in groups of 7 bits, the lowest first; all but the last have the highest bit set."""
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def _read_field(message: bytes, number: int, default: Any) -> Any:
    """Return the first field with this number in a protocol buffer message: an integer, or bytes."""
    start = 0
    while start < len(message):
        tag, start = _read_varint(message, start)
        size = {1: 8, 5: 4}.get(tag & 7)
        if size is None:  # the field is a number, or begins with its size
            size, start = _read_varint(message, start)
        end = start + size if tag & 7 else start
        if tag >> 3 == number:
            return message[start:end] if tag & 7 else size
        start = end
    return default


def _read_varint(message: bytes, start: int) -> tuple[int, int]:
    """Return the number at `start`, which is in groups of 7 bits, the lowest first, and the position after it."""
    value, shift = message[start] & 0x7F, 7
    while message[start] >= 0x80:
        start += 1
        value |= (message[start] & 0x7F) << shift
        shift += 7
    return value, start + 1
