"""Build an ONNX graph: each operator is a method call that returns the name of its result.

Axes: those of the value that a method is called with.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Value: TypeAlias = str
"""Name of a tensor in a graph."""
Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = Sequence[int | str]
"""Sizes of the axes; a letter for an axis whose size is known only when the graph runs."""

OPSET = 21
IR_VERSION = 10
"""The version of the file format that belongs to `OPSET`."""
MICROSOFT = "com.microsoft"
"""Domain of the operators that only ONNX Runtime has."""
FLOAT, INT64, INT32, BOOL = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.int32), np.dtype(np.bool_)


class Graph:
    """A graph under construction. A branch of an `If` and the body of a `Scan` share the weights of their parent."""

    def __init__(self, name: str, parent: "Graph | None" = None) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: dict[str, onnx.ValueInfoProto] = {}
        self.outputs: dict[str, tuple[Value, onnx.ValueInfoProto]] = {}
        self.weights: dict[str, Array] = {} if parent is None else parent.weights
        self._numbers: Iterator[int] = itertools.count() if parent is None else parent._numbers
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {} if parent is None else parent._constants

    def input(self, name: str, dtype: "np.dtype[Any]", shape: Shape) -> Value:
        """Return the input `name`, which becomes an input of the graph with the first call."""
        if name not in self.inputs:
            self.inputs[name] = _describe(name, dtype, shape)
        return name

    def output(self, name: str, value: Value, dtype: "np.dtype[Any]", shape: Shape) -> None:
        """Make `value` the output `name` of the graph."""
        self.outputs[name] = value, _describe(name, dtype, shape)

    def weight(self, name: str, array: Array) -> Value:
        """Return the weight `name`; the first call adds it to the graph."""
        if name not in self.weights:
            self.weights[name] = np.ascontiguousarray(array)
        return name

    def constant(self, value: Any, dtype: "np.dtype[Any]") -> Value:
        """Return a small constant tensor; equal constants are one tensor."""
        array = np.array(value, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant.{len(self._constants)}", array)
        return self._constants[key]

    def number(self, value: float) -> Value:
        """Return a float32 scalar."""
        return self.constant(value, FLOAT)

    def integers(self, *values: int) -> Value:
        """Return an int64 vector."""
        return self.constant(values, INT64)

    def op(self, kind: str, *inputs: Value, domain: str = "", **attributes: Any) -> Value:
        """Add the operator `kind` and return its result."""
        return self.ops(kind, inputs, 1, domain, **attributes)[0]

    def ops(self, kind: str, inputs: Iterable[Value], count: int, domain: str = "", **attributes: Any) -> list[Value]:
        """Add the operator `kind` and return its `count` results."""
        outputs = [f"{kind}.{next(self._numbers)}" for _ in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, outputs[0], domain=domain, **attributes))
        return outputs

    def cast(self, x: Value, dtype: "np.dtype[Any]") -> Value:
        """Return `x` in another dtype."""
        return self.op("Cast", x, to=helper.np_dtype_to_tensor_dtype(dtype))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Return the concatenation of `values`."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def split(self, x: Value, sizes: Sequence[int], axis: int = -1) -> list[Value]:
        """Return parts of `x` with the given `sizes`."""
        if len(sizes) == 1:
            return [x]
        return self.ops("Split", [x, self.integers(*sizes)], len(sizes), axis=axis)

    def reshape(self, x: Value, *shape: int) -> Value:
        """Return `x` in another shape; 0 keeps an axis, and -1 is what is left."""
        return self.op("Reshape", x, self.integers(*shape))

    def unsqueeze(self, x: Value, *axes: int) -> Value:
        """Return `x` with new `axes` of size 1."""
        return self.op("Unsqueeze", x, self.integers(*axes))

    def squeeze(self, x: Value, axis: int) -> Value:
        """Return `x` without an axis of size 1."""
        return self.op("Squeeze", x, self.integers(axis))

    def transpose(self, x: Value, *axes: int) -> Value:
        """Return `x` with its axes in another order."""
        return self.op("Transpose", x, perm=axes)

    def gather(self, x: Value, rows: Value) -> Value:
        """Return the `rows` of `x`."""
        return self.op("Gather", x, rows, axis=0)

    def reduce(self, kind: str, x: Value, axis: int, keep: bool = False) -> Value:
        """Return the sum, mean, maximum or product of `x` (`kind` Sum, Mean, Max, Prod) along an axis."""
        return self.op(f"Reduce{kind}", x, self.integers(axis), keepdims=int(keep))

    def size(self, x: Value, axis: int) -> Value:
        """Return the size of an axis of `x` as an int64 vector of one element."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def first(self, x: Value, count: Value) -> Value:
        """Return the first `count` columns of `x` (…, columns); `count` is an int64 vector of one element."""
        return self.op("Slice", x, self.integers(0), count, self.integers(-1))

    def slice(self, x: Value, axis: int, start: int, end: int) -> Value:
        """Return the elements of `x` from `start` to before `end` along an axis."""
        return self.op("Slice", x, self.integers(start), self.integers(end), self.integers(axis))

    def range(self, count: Value) -> Value:
        """Return 0, 1, …, for an int64 vector `count` of one element."""
        zero, one = self.constant(0, INT64), self.constant(1, INT64)
        return self.op("Range", zero, self.squeeze(count, 0), one)

    def zeros(self, rows: Value, *widths: int) -> Value:
        """Return float32 zeros (rows, …) for an int64 vector `rows` of one element."""
        return self.op("ConstantOfShape", self.concat([rows, self.integers(*widths)], 0))

    def layer_norm(self, x: Value, gain: Value, bias: Value | None = None) -> Value:
        """Return `x` with mean 0 and variance 1 in its last axis, times `gain`, plus `bias`."""
        return self.op("LayerNormalization", x, gain, *([] if bias is None else [bias]), axis=-1, epsilon=1e-5)

    def times_transposed(self, x: Value, y: Value, factor: float = 1.0) -> Value:
        """Return `factor` times the products of the matrices `x` (…, N, I) with the transposed `y` (…, O, I)."""
        return self.op("FusedMatMul", x, y, domain=MICROSOFT, transB=1, alpha=factor)

    def choose(
        self,
        condition: Value,
        parts: tuple[Callable[["Graph"], list[Value]], Callable[["Graph"], list[Value]]],
        results: Sequence[tuple["np.dtype[Any]", Shape]],
    ) -> list[Value]:
        """Return the values of the first of two `parts` if `condition`, else those of the second.

        `results` are the dtypes and shapes of the values.
        """
        branches = []
        for number, part in enumerate(parts):
            branch = Graph(f"{self.name}.{('then', 'else')[number]}", self)
            for index, (value, result) in enumerate(zip(part(branch), results, strict=True)):
                branch.output(f"{branch.name}.{index}", value, *result)
            branches.append(branch.proto([]))
        return self.ops("If", [condition], len(results), then_branch=branches[0], else_branch=branches[1])

    def scan(self, body: "Graph", states: Sequence[Value], sequence: Value, outputs: int) -> list[Value]:
        """Run `body` for each row of `sequence`, and return the last states and the stacked other outputs."""
        graph = body.proto([])
        return self.ops("Scan", [*states, sequence], len(states) + outputs, body=graph, num_scan_inputs=1)

    def proto(self, weights: Iterable[onnx.TensorProto]) -> onnx.GraphProto:
        """Return the graph with its `weights`."""
        made = {value for node in self.nodes for value in node.output}
        names: dict[Value, str] = {}
        copies = []
        for name, (value, _) in self.outputs.items():
            if value in made and value not in names:
                names[value] = name
            else:  # an input, a weight, or a second name of an output
                copies.append(helper.make_node("Identity", [names.get(value, value)], [name], name))
        _rename(self.nodes, names)
        described = [description for _, description in self.outputs.values()]
        inputs = list(self.inputs.values())
        return helper.make_graph([*self.nodes, *copies], self.name, inputs, described, list(weights))

    def model(self) -> onnx.ModelProto:
        """Return the graph as a model that ONNX Runtime loads."""
        graph = self.proto(numpy_helper.from_array(array, name) for name, array in self.weights.items())
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, producer_name="nmt", ir_version=IR_VERSION, opset_imports=opsets)


def _describe(name: str, dtype: "np.dtype[Any]", shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def _rename(nodes: Iterable[onnx.NodeProto], names: dict[Value, str]) -> None:
    """Replace values of `nodes` and of their branches by their new `names`."""
    for node in nodes:
        for values in (node.input, node.output):
            for place, value in enumerate(values):
                if value in names:
                    values[place] = names[value]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g.node, names)
