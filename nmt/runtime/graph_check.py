"""Check a serialised ONNX graph before ONNX Runtime reads it: no other files, no foreign operators, honest sizes.

The check walks over the fields of the protocol buffers without copying the weights, so it needs no library and takes
a few milliseconds. It accepts only those fields of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)
that `nmt` writes, each in one encoding, so that no other reader of the same bytes sees another graph.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

DOMAINS = {b"", b"ai.onnx", b"com.microsoft"}
_NAMES = (
    "Abs Add And Cast Concat ConstantOfShape Cos Div Exp Flatten FusedMatMul GRU Gather GatherElements GatherND Gemm "
    "Identity If LSTM LayerNormalization Less LessOrEqual Log LogSoftmax MatMul MatMulIntegerToFloat Max Min Mod "
    "Mul Neg Pad QuantizeLinear RNN Range ReduceMax ReduceMean ReduceProd ReduceSum Relu Reshape ReverseSequence "
    "Scan ScatterElements Shape Sigmoid Sin Slice Softmax Softplus Split Squeeze Sub Tanh TopK Transpose Unsqueeze "
    "Where "
)
OPERATORS = frozenset(name.encode() for name in _NAMES.split())
"""The operators that `nmt` writes."""
MAX_DEPTH = 8
"""Deepest nesting of graphs; `nmt` writes two levels."""
MAX_FIELDS = 100_000
"""Most fields of a graph; the check would take long for more. `nmt` writes at most a few thousand."""
MAX_SIZE, MAX_AXES = 2**31 - 1, 8
"""Largest size of an axis of a weight, and most axes."""
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}
"""Bytes of an element of a tensor, by its type (TensorProto.DataType)."""

INT, FIXED, BYTES = "int", "fixed", "bytes"
WIRE_TYPES = {0: INT, 2: BYTES, 5: FIXED}
"""How a value is encoded: as a varint, as its length and as many bytes, or as four bytes."""
FIELDS: dict[str, dict[int, str]] = {
    "model": {1: INT, 2: BYTES, 7: "graph", 8: "opset*"},
    "opset": {1: BYTES, 2: INT},
    "graph": {1: "node*", 2: BYTES, 5: "tensor*", 11: "value*", 12: "value*"},
    "node": {1: "bytes*", 2: "bytes*", 3: BYTES, 4: BYTES, 5: "attribute*", 7: BYTES},
    "attribute": {
        1: BYTES, 2: FIXED, 3: INT, 4: BYTES, 5: "tensor", 6: "graph", 7: "fixed*", 8: "int*", 9: "bytes*", 20: INT,
    },
    "tensor": {1: "int*", 2: INT, 8: BYTES, 9: BYTES},
    "value": {1: BYTES, 2: "type"},
    "type": {1: "array"},
    "array": {1: INT, 2: "shape"},
    "shape": {1: "size*"},
    "size": {1: INT, 2: BYTES},
}  # fmt: skip
"""The fields of each message by number: the encoding or the message of the value, and * if it may repeat."""
ATTRIBUTE_FIELDS = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 8: 9}
"""The field of an attribute that has its value, by its type (AttributeProto.AttributeType)."""

Place: TypeAlias = tuple[int, int]
"""Start and end of bytes in the file."""


def check_graph(model: bytes) -> None:
    """Raise `ValueError` with the reason if a serialised model could read other files or run unknown operators."""
    _Check(model).message("model", (0, len(model)), MAX_DEPTH)


class _Check:
    """Checks the messages of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._fields_left = MAX_FIELDS

    def message(self, kind: str, place: Place, depth: int) -> None:
        """Check a message and all messages in it; `depth` graphs may be nested in one another."""
        if depth == 0:
            raise ValueError("graphs are nested too deeply")
        values: dict[int, list[Any]] = {}
        for number, content, value in self._fields(kind, place):
            values.setdefault(number, []).append(value)
            if content in FIELDS:
                self.message(content, value, depth - (content == "graph"))
        if kind == "model" and 7 not in values:
            raise ValueError("it has no graph")
        if kind == "opset":
            self._check_domain(values.get(1, []))
        elif kind == "node":
            name = self._bytes(values[4][0]) if 4 in values else b""
            if name not in OPERATORS:
                raise ValueError(f"it has the operator {name[:40].decode('utf-8', 'replace')!r}")
            self._check_domain(values.get(7, []))
        elif kind == "attribute":
            found = values.keys() - {1, 20}
            if found - {ATTRIBUTE_FIELDS.get(values.get(20, [0])[0])}:
                raise ValueError("an attribute has a value of another type")
        elif kind == "tensor":
            self._check_tensor(values)

    def _check_tensor(self, values: dict[int, list[Any]]) -> None:
        """Check that a tensor holds its own values, as many as its shape says."""
        shape, kind = values.get(1, []), values.get(2, [0])[0]
        start, end = values.get(9, [(0, 0)])[0]
        if kind not in ELEMENT_BYTES:
            raise ValueError(f"a weight has the type {kind}")
        if len(shape) > MAX_AXES or max(shape, default=0) > MAX_SIZE:
            raise ValueError("a weight is too large")
        if end - start != math.prod(shape) * ELEMENT_BYTES[kind]:
            raise ValueError(f"a weight of shape {tuple(shape)} holds {end - start:,} bytes")

    def _check_domain(self, names: list[Place]) -> None:
        for name in map(self._bytes, names):
            if name not in DOMAINS:
                raise ValueError(f"it uses operators of the domain {name[:40].decode('utf-8', 'replace')!r}")

    def _bytes(self, place: Place) -> bytes:
        return self._data[place[0] : place[1]]

    def _fields(self, kind: str, place: Place) -> Iterator[tuple[int, str, Any]]:
        """Yield number, content and value of each field of a message: an integer, or the place of other values."""
        known, seen = FIELDS[kind], set()
        position, end = place
        while position < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise ValueError(f"it has more than {MAX_FIELDS:,} fields")
            key, position = self._varint(position, end)
            number, wire_type = key >> 3, WIRE_TYPES.get(key & 7)
            content = known.get(number, "")
            if wire_type is None:
                raise ValueError("it is damaged")
            if not content:
                raise ValueError(f"a {kind} has the field {number}, which nmt never writes")
            if content[-1] == "*":
                content = content[:-1]
            elif number in seen:
                raise ValueError(f"a {kind} has the field {number} twice")
            seen.add(number)
            if wire_type != (BYTES if content in FIELDS else content):
                raise ValueError(f"a {kind} has the field {number} in another encoding")
            size, position = (4, position) if wire_type == FIXED else self._varint(position, end)
            if wire_type == INT:
                yield number, content, size
                continue
            if position + size > end:
                raise ValueError("it is cut off")
            yield number, content, (position, position + size)
            position += size

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """Return the integer at `position`, in groups of 7 bits, the lowest first, and the position after it."""
        value = shift = 0
        while True:
            if position >= end or shift > 63:
                raise ValueError("it is damaged or cut off")
            byte = self._data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, position
            shift += 7
