"""Graphs that could read other files, run foreign code or use much memory are refused before ONNX Runtime reads them.

`tests/runtime/sessions.py` checks that the graphs of every architecture are accepted.
"""

import time
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from architectures import build, parts_of
from onnx import TensorProto, helper, numpy_helper
from runtime.sessions import arrays_of

from nmt.runtime.graph_check import MAX_DEPTH, MAX_FIELDS, check_graph
from nmt.runtime.graph_interface import check_interface
from nmt.runtime.network import build_graphs
from nmt.runtime.onnx_engine import OnnxEngine, open_session


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """The encoder and the decoder of a network, serialised."""
    made = build_graphs(parts_of(), arrays_of(build(), tmp_path_factory.mktemp("graphs")), "int8")
    return made.encoder.SerializeToString(), made.decoder.SerializeToString()


def model_of(serialised):
    model = onnx.ModelProto()
    model.ParseFromString(serialised)
    return model


def attribute(graph, name):
    """Return the attribute `name` of some node of a graph."""
    return next(each for node in graph.node for each in node.attribute if each.name == name)


def branch(graph):
    """Return the first branch of the `If` of a graph."""
    return attribute(graph, "then_branch").g


def make_external(tensor):
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def tensor_attribute(tensor):
    return helper.make_node("ConstantOfShape", ["shape"], ["y"], value=tensor)


def set_size(tensor, *sizes):
    del tensor.dims[:]
    tensor.dims.extend(sizes)


def nest(graph, depth):
    for _ in range(depth):
        inner = onnx.GraphProto()
        inner.CopyFrom(graph)
        del graph.node[:]
        node = graph.node.add(op_type="If")
        node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g.CopyFrom(inner)


EXTERNAL = numpy_helper.from_array(np.zeros(2, np.float32), "external")
make_external(EXTERNAL)
FLOATS = helper.make_tensor("floats", TensorProto.FLOAT, [1], [1.0])
TEXTS = helper.make_tensor("texts", TensorProto.STRING, [1], [b"x"])
SPARSE = helper.make_sparse_tensor(
    helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [3]
)

HOSTILE = {
    "external weight": (lambda m: make_external(m.graph.initializer[0]), "a tensor has the field 13"),
    "external weight of a branch": (lambda m: branch(m.graph).initializer.append(EXTERNAL), "a tensor has the field 1"),
    "external attribute": (lambda m: m.graph.node.append(tensor_attribute(EXTERNAL)), "a tensor has the field 1"),
    "external attribute of a branch": (
        lambda m: branch(m.graph).node.append(tensor_attribute(EXTERNAL)),
        "a tensor has the field 1",
    ),
    "memory address": (
        lambda m: m.graph.initializer[0].external_data.add(key="location", value="*/_ORT_MEM_ADDR_/*"),
        "a tensor has the field 13",
    ),
    "foreign domain": (lambda m: setattr(m.graph.node[0], "domain", "evil"), "operators of the domain 'evil'"),
    "foreign domain in a branch": (
        lambda m: setattr(branch(m.graph).node[0], "domain", "evil"),
        "operators of the domain 'evil'",
    ),
    "foreign operator set": (lambda m: m.opset_import.add(domain="evil", version=1), "operators of the domain 'evil'"),
    "loop": (lambda m: setattr(m.graph.node[0], "op_type", "Loop"), "it has the operator 'Loop'"),
    "operator in a branch": (lambda m: branch(m.graph).node.add(op_type="Loop"), "it has the operator 'Loop'"),
    "operator with a long name": (lambda m: setattr(m.graph.node[0], "op_type", "x" * 999), f"operator '{'x' * 40}'"),
    "no operator": (lambda m: m.graph.node.add(), "it has the operator ''"),
    "function": (lambda m: m.functions.add(name="Add"), "a model has the field 25"),
    "overload": (lambda m: setattr(m.graph.node[0], "overload", "x"), "a node has the field 8"),
    "training": (lambda m: m.training_info.add(), "a model has the field 20"),
    "metadata": (lambda m: m.metadata_props.add(key="ort_config", value="{}"), "a model has the field 14"),
    "sparse weight": (lambda m: m.graph.sparse_initializer.append(SPARSE), "a graph has the field 15"),
    "sparse attribute": (
        lambda m: m.graph.node.append(helper.make_node("Relu", ["x"], ["y"], value=SPARSE)),
        "an? attribute has the field 22",
    ),
    "several graphs in an attribute": (
        lambda m: m.graph.node.append(helper.make_node("If", ["x"], ["y"], branches=[onnx.GraphProto()])),
        "an? attribute has the field 11",
    ),
    "reference to a function": (
        lambda m: setattr(m.graph.node[-1].attribute.add(name="axis", type=2), "ref_attr_name", "x"),
        "an? attribute has the field 21",
    ),
    "values not as bytes": (lambda m: m.graph.initializer.append(FLOATS), "a tensor has the field 4"),
    "texts": (lambda m: m.graph.initializer.append(TEXTS), "a tensor has the field 6"),
    "unknown type": (lambda m: setattr(m.graph.initializer[0], "data_type", 99), "a weight has the type 99"),
    "no type": (lambda m: m.graph.initializer[0].ClearField("data_type"), "a weight has the type 0"),
    "huge weight": (lambda m: set_size(m.graph.initializer[0], 2**20, 2**20), "a weight of shape"),
    "huge axis": (lambda m: set_size(m.graph.initializer[0], 2**40, 0), "a weight is too large"),
    "negative axes": (lambda m: set_size(m.graph.initializer[0], -1, -8), "a weight is too large"),
    "many axes": (lambda m: set_size(m.graph.initializer[0], *[1] * 9), "a weight is too large"),
    "missing values": (lambda m: m.graph.initializer[0].ClearField("raw_data"), r"holds 0 bytes"),
    "attribute of another type": (
        lambda m: setattr(attribute(m.graph, "then_branch"), "type", onnx.AttributeProto.INT),
        "a value of another type",
    ),
    "attribute with two values": (lambda m: setattr(attribute(m.graph, "then_branch"), "i", 7), "of another type"),
    "nested": (lambda m: nest(m.graph, MAX_DEPTH), "nested too deeply"),
    "long list": (
        lambda m: m.graph.node[0].attribute.add(name="x", type=7).ints.extend([0] * MAX_FIELDS),
        f"more than {MAX_FIELDS:,} fields",
    ),
    "sequence as an input": (
        lambda m: m.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(m.graph.input[0].type)),
        "a type has the field 4",
    ),
    "no graph": (lambda m: m.ClearField("graph"), "it has no graph"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_graphs_are_refused(graphs, change, message):
    model = model_of(graphs[1])
    change(model)
    with pytest.raises(ValueError, match=message):
        check_graph(model.SerializeToString())


def test_truncated_graphs_are_refused(graphs):
    for model in graphs:
        check_graph(model)
        size = len(model) - sum(2 + each.ByteSize() for each in model_of(model).opset_import)  # they are at the end
        for end in {*range(60), *range(0, size, 97), *range(size - 60, size)}:
            with pytest.raises(ValueError, match=r"cut off|damaged|no graph"):
                check_graph(model[:end])


def field(number: int, content: bytes, kind: int = 2) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | kind, len(content)]) + content


RELU = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Relu"))
LOOP = field(1, field(4, b"Loop"))
ENCODINGS = {
    "two graphs, which readers merge": (field(7, RELU) + field(7, LOOP), "a model has the field 7 twice"),
    "two operators": (field(7, field(1, field(4, b"Relu") + field(4, b"Loop"))), "a node has the field 4 twice"),
    "a graph as a number": (b"\x38\x07", "a model has the field 7 in another encoding"),
    "an operator as a number": (field(7, field(1, b"\x20\x07")), "a node has the field 4 in another encoding"),
    "a field number of more than 32 bits": (b"\xba\x80\x80\x80\xf0\x01" + field(7, LOOP)[1:], "a model has the field"),
    "a group": (b"\x3b\x3c", "damaged"),
    "an endless number": (b"\xff" * 30, "damaged"),
    "a length beyond the end": (b"\x3a\xff\xff\xff\xff\x07", "cut off"),
    "packed sizes": (field(7, field(5, field(1, b"\x01") + b"\x10\x01" + field(9, b"abcd"))), "in another encoding"),
    "text": (b"import os", "a model has the field 13|damaged"),
    "nothing": (b"", "no graph"),
}


@pytest.mark.parametrize(("content", "message"), ENCODINGS.values(), ids=ENCODINGS)
def test_ambiguous_and_damaged_encodings_are_refused(content, message):
    check_graph(field(7, RELU))
    with pytest.raises(ValueError, match=message):
        check_graph(content)


def test_files_are_read_only_in_the_format_that_is_checked(graphs):
    """ONNX Runtime takes every file with ORTM in its bytes 4 to 7 for one in its own format, if it may choose."""
    model = model_of(graphs[0])
    model.ClearField("producer_name")
    content = field(2, b"xxORTM") + model.SerializeToString()
    assert content[4:8] == b"ORTM"
    check_graph(content)
    assert [each.name for each in open_session(content).get_inputs()] == ["source", "lengths"]


def test_the_check_of_large_graphs_is_fast(graphs):
    model = model_of(graphs[1])
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((5000, 2500), np.float32), "large"))
    large, seconds = model.SerializeToString(), []
    for _ in range(5):
        start = time.thread_time()
        check_graph(large)
        seconds.append(time.thread_time() - start)
    assert len(large) > 50_000_000 and min(seconds) < 0.05  # 0.003 on an idle core


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x0a", bytes(1000)], ids=["empty", "text", "head", "zeros"])
def test_what_onnx_runtime_cannot_load_is_explained_in_one_line(content, capfd):
    with pytest.raises(ValueError, match="ONNX Runtime cannot load it: ") as caught:
        open_session(content)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"])


def rename(graph, old, new):
    for each in (*graph.input, *graph.output):
        each.name = new if each.name == old else each.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


WRONG_INTERFACES: dict[str, tuple[int, Callable[[onnx.GraphProto], object], str]] = {
    "input": (0, lambda g: rename(g, "lengths", "sizes"), "'sizes' is not an input of the encoder"),
    "more inputs": (1, lambda g: g.input.append(value("file")), "'file' is not an input of the decoder"),
    "type": (1, lambda g: g.input.append(value("extra_words")), r"extra_words is not an input .* tensor\(float\)"),
    "output": (0, lambda g: rename(g, "states", "x"), "'x' is not an output of the encoder"),
    "no states": (0, lambda g: g.output.remove(g.output[0]), "there is no output of the encoder states"),
    "no first state": (0, lambda g: g.output.remove(g.output[-1]), "there is no output of the encoder state.3"),
    "no next state": (1, lambda g: g.output.remove(g.output[3]), "there is no output of the decoder next.3"),
    "no alignment": (1, lambda g: g.output.remove(g.output[4]), "there is no output of the decoder alignment"),
}


@pytest.mark.parametrize(("number", "change", "message"), WRONG_INTERFACES.values(), ids=WRONG_INTERFACES)
def test_graphs_with_other_inputs_and_outputs_are_refused(graphs, number, change, message):
    models = [model_of(graph) for graph in graphs]
    change(models[number].graph)
    with pytest.raises(ValueError, match=message):
        OnnxEngine(*(model.SerializeToString() for model in models), 19)


def test_swapped_graphs_are_refused(graphs):
    encoder, decoder = map(open_session, graphs)
    check_interface(encoder, decoder)
    for pair in ((decoder, encoder), (encoder, encoder), (decoder, decoder)):
        with pytest.raises(ValueError, match="is not an input of the"):
            check_interface(*pair)
