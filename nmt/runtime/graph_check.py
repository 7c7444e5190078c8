"""Check a serialised ONNX graph before ONNX Runtime reads it: no other files, no foreign operators, honest sizes.

The check walks over the fields of the protocol buffers without copying the weights, so it needs no library and takes
about a millisecond. The numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import math
from collections.abc import Iterator

DOMAINS = {"", "ai.onnx", "com.microsoft"}
_NAMES = (
    "Abs Add And Cast Concat ConstantOfShape Div Exp Flatten FusedMatMul GRU Gather GatherElements GatherND Gemm "
    "Identity If LSTM LayerNormalization Less LessOrEqual Log LogSoftmax MatMul MatMulIntegerToFloat Max Min Mod "
    "Mul Neg Pad QuantizeLinear RNN Range ReduceMax ReduceMean ReduceProd ReduceSum Relu Reshape ReverseSequence "
    "Scan ScatterElements Shape Sigmoid Slice Softmax Softplus Split Squeeze Sub Tanh TopK Transpose Unsqueeze "
    "Where "
)
OPERATORS = frozenset(_NAMES.split())
"""The operators that `nmt` writes."""
MAX_DEPTH = 8
"""Deepest nesting of graphs; `nmt` writes two levels."""
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}
"""Bytes of an element of a tensor, by its type (TensorProto.DataType)."""

Value = int | memoryview


def check_graph(model: bytes) -> None:
    """Raise `ValueError` with the reason if a serialised model could read other files or run unknown operators."""
    found = list(_fields(memoryview(model)))
    if any(number == 25 for number, _ in found):
        raise ValueError("it defines functions")
    for number, value in found:
        if number == 8:
            _check_domain(_texts(value, 1))
    graphs = [value for number, value in found if number == 7]
    if len(graphs) != 1:
        raise ValueError("it has no graph")
    _check_graph(graphs[0], MAX_DEPTH)


def _check_graph(graph: Value, depth: int) -> None:
    if depth == 0:
        raise ValueError("graphs are nested too deeply")
    for number, value in _fields(graph):
        if number == 1:
            _check_node(value, depth)
        elif number == 5:
            _check_tensor(value)
        elif number == 15:
            raise ValueError("it has sparse weights")


def _check_node(node: Value, depth: int) -> None:
    operator = b"".join(bytes(value) for number, value in _fields(node) if number == 4 and not isinstance(value, int))
    name = operator.decode("utf-8", "replace")
    if name not in OPERATORS:
        raise ValueError(f"it has the operator {name[:40]!r}")
    _check_domain(_texts(node, 7))
    for number, attribute in _fields(node):
        if number != 5:
            continue
        for part, value in _fields(attribute):
            if part in (6, 11):
                _check_graph(value, depth - 1)
            elif part in (5, 10):
                _check_tensor(value)
            elif part in (22, 23):
                raise ValueError("it has sparse weights")


def _check_tensor(tensor: Value) -> None:
    """Check that a tensor holds its own values, as many as its shape says."""
    shape: list[int] = []
    kind, held = 0, None
    for number, value in _fields(tensor):
        if number == 1:
            shape += [value] if isinstance(value, int) else _varints(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 9 and not isinstance(value, int):
            held = len(value)
        elif number == 13 or (number == 14 and value != 0):
            raise ValueError("its weights are in another file")
        elif number in (4, 5, 6, 7, 10, 11):
            raise ValueError("a weight is not stored as raw bytes")
    if kind not in ELEMENT_BYTES:
        raise ValueError(f"a weight has the type {kind}")
    if (held or 0) != math.prod(shape) * ELEMENT_BYTES[kind]:
        raise ValueError(f"a weight of shape {tuple(shape)} holds {held or 0:,} bytes")


def _check_domain(names: list[str]) -> None:
    for name in names:
        if name not in DOMAINS:
            raise ValueError(f"it uses operators of the domain {name[:40]!r}")


def _texts(message: Value, field: int) -> list[str]:
    values = (value for number, value in _fields(message) if number == field)
    return [bytes(value).decode("utf-8", "replace") for value in values if not isinstance(value, int)]


def _fields(message: Value) -> Iterator[tuple[int, Value]]:
    """Yield number and value of each field of a message: an integer, or the bytes of a text, message or list."""
    if isinstance(message, int):
        raise ValueError("a message is a number")
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is damaged")
        if position + size > len(message):
            raise ValueError("it is cut off")
        yield key >> 3, message[position : position + size]
        position += size


def _varints(message: memoryview) -> list[int]:
    position, values = 0, []
    while position < len(message):
        value, position = _varint(message, position)
        values.append(value)
    return values


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("it is damaged")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
