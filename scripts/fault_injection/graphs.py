"""Change the graphs of small networks at random, and load and run those that nmt's check accepts.

    python scripts/fault_injection/graphs.py [--cases 1000] [--seed 1] [--keep FOLDER] [--work FOLDER] [--json FILE]

A case changes bytes, or operators, values, attributes, weights, inputs or outputs, in one of the two graphs of a
network, as somebody could who also changes the checksums. It runs in a forked process with at most 6 GiB of memory and
a minute of CPU time. The graph may be refused, or may compute anything; a crash or an exception other than the
documented ones is wrong. Needs Linux.
"""

import argparse
import collections
import os
import random
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt import config
from nmt.engine import Wanted
from nmt.errors import NmtError
from nmt.reports.table import table
from nmt.runtime.graph_check import check_graph
from nmt.runtime.network import build_graphs
from nmt.runtime.onnx_engine import OnnxEngine
from scripts import reporting
from scripts.fault_injection.input_cases import corrupted

VOCABULARY = 19
MEMORY, CPU_SECONDS = 6 << 30, 60
SMALL = {"size": 8}
TRANSFORMER = {"kind": "transformer", "size": 8, "heads": 2, "feed_forward": 12}
MODELS: list[dict[str, Any]] = [
    {"encoder": SMALL, "decoder": SMALL},
    {
        "encoder": {**SMALL, "cell": "gru"},
        "decoder": {**SMALL, "cell": "gru", "context_to": "next_input", "copy_source": True},
        "attention": {"score": "additive", "coverage": True, "size": 6},
    },
    {"encoder": TRANSFORMER, "decoder": TRANSFORMER},
    {
        "encoder": SMALL,
        "decoder": {**SMALL, "layers": 3, "layer_norm": True, "context_to": "all_layers"},
        "attention": {"score": "location"},
    },
    {"encoder": {**SMALL, "cell": "rnn", "bidirectional": False, "reverse": True}, "decoder": {**SMALL, "cell": "rnn"}},
]
"""Sections `model` of the networks."""
INTEGERS = (-(2**62), -(2**40), -100, -1, 0, 1, 2, 3, 100, 10**6, 2**31, 2**40, 2**62)
FLOATS = (0.0, -1.0, 1e30, float("nan"), float("inf"))
TEXTS = (b"", b"x", b"forward", b"reverse", b"bidirectional", b"add", b"mul")
NAMES = ("states", "x", "token", "next.0", "state.1", "keys.0")


def make_graphs(work: Path) -> list[tuple[bytes, bytes]]:
    """Return encoder and decoder of each network, in fp32 and in int8."""
    import torch
    from safetensors.numpy import load_file

    from nmt.models.seq2seq import Seq2Seq
    from nmt.models.weights import save_weights

    found = []
    for section in MODELS:
        model = config.Model.model_validate({"embedding": SMALL, **section})
        torch.manual_seed(1)
        save_weights(Seq2Seq(model, VOCABULARY, VOCABULARY), work / "model.safetensors")
        arrays = load_file(work / "model.safetensors")
        for graphs in (build_graphs(model, arrays, "fp32"), build_graphs(model, arrays, "int8")):
            found.append((graphs.encoder.SerializeToString(), graphs.decoder.SerializeToString()))
    return found


def change(draw: random.Random, graph: bytes) -> bytes:
    """Return a changed graph."""
    if draw.random() < 0.3:
        return corrupted(draw, graph)
    model = onnx.ModelProto()
    model.ParseFromString(graph)
    graphs = [model.graph]
    for each in graphs:  # grows while it is read
        graphs += [part.g for node in each.node for part in node.attribute if part.type == onnx.AttributeProto.GRAPH]
    for _ in range(draw.choice((1, 1, 2))):
        try:
            draw.choice((change_node, change_node, change_attribute, change_weight, change_ends))(
                draw, model.graph, draw.choice(graphs)
            )
        except (IndexError, ValueError, TypeError):
            continue  # there is nothing of this kind, or it does not take the value
    changed: bytes = model.SerializeToString()
    return changed


def change_node(draw: random.Random, whole: onnx.GraphProto, graph: onnx.GraphProto) -> None:
    """Change the operator or an input of a node, remove it, or repeat it."""
    node = draw.choice(graph.node)
    names = [name for each in graph.node for name in each.output]
    names += [weight.name for weight in whole.initializer] + [""]
    kind = draw.randrange(5)
    if kind == 0:
        node.op_type = draw.choice(graph.node).op_type
    elif kind == 1:
        node.input[draw.randrange(len(node.input))] = draw.choice(names)
    elif kind == 2:
        del node.input[draw.randrange(len(node.input))]
    elif kind == 3:
        graph.node.remove(node)
    else:
        graph.node.append(node)


def change_attribute(draw: random.Random, whole: onnx.GraphProto, graph: onnx.GraphProto) -> None:
    """Change or remove an attribute."""
    node = draw.choice([node for node in graph.node if node.attribute])
    attribute = draw.choice(node.attribute)
    if draw.random() < 0.2:
        node.attribute.remove(attribute)
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = draw.choice(INTEGERS)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = draw.choice(FLOATS)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = draw.choice(TEXTS)
    elif attribute.type == onnx.AttributeProto.INTS:
        attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(INTEGERS)


def change_weight(draw: random.Random, whole: onnx.GraphProto, graph: onnx.GraphProto) -> None:
    """Change the values or the shape of a weight or of a constant."""
    weight = draw.choice(whole.initializer)
    array = numpy_helper.to_array(weight).copy()
    kind = draw.randrange(5)
    if kind == 0:
        values = INTEGERS if array.dtype.kind in "iu" else FLOATS
        array.flat[draw.randrange(array.size)] = draw.choice(values)
    elif kind == 1:
        array = np.frombuffer(draw.randbytes(array.nbytes), array.dtype).reshape(array.shape)
    elif kind == 2:
        array = array.reshape(-1)
    elif kind == 3:
        array = array[:0]
    else:
        array = np.resize(array, [max(1, size + draw.choice((-1, 1, 3))) for size in array.shape])
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))


def change_ends(draw: random.Random, whole: onnx.GraphProto, graph: onnx.GraphProto) -> None:
    """Change the name or the type of an input or output."""
    value = draw.choice([*draw.choice((whole, graph)).input, *draw.choice((whole, graph)).output])
    if draw.random() < 0.5:
        value.name = draw.choice(NAMES)
    else:
        value.type.tensor_type.elem_type = draw.choice((1, 2, 6, 7, 9))


def use(encoder: bytes, decoder: bytes) -> None:
    """Load the graphs of a network and decode three tokens with two hypotheses for each of two sentences."""
    engine = OnnxEngine(encoder, decoder, VOCABULARY)
    memory = engine.encode(np.array([[4, 5, 6, 3], [7, 3, 0, 0]]), np.array([4, 2]))
    state, token = engine.start(memory, 2), np.full(4, 2)
    for wanted in (Wanted(3), Wanted(None, True), Wanted(2, True)):
        state, _ = engine.step(token, state, memory.at(None, 2), wanted)
        state, token = state.select(np.array([1, 0, 2, 2])), np.array([4, 5, 6, 7])


def outcome(changed: bytes, pair: tuple[bytes, bytes]) -> str:
    """Return what happens to a changed graph; `pair` is the network with it."""
    try:
        check_graph(changed)
    except ValueError:
        return "refused by the check"
    try:
        use(*pair)
    except ValueError:
        return "refused by ONNX Runtime or for its inputs and outputs"
    except NmtError:
        return "refused when it is run"
    except MemoryError:
        return "out of memory"
    return "runs"


def run_forked(changed: bytes, pair: tuple[bytes, bytes]) -> tuple[str, bool]:
    """Return what happens to a changed graph in a process of its own, and whether that is wrong."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for limit, value in (("AS", MEMORY), ("CPU", CPU_SECONDS), ("CORE", 0)):
                resource.setrlimit(getattr(resource, f"RLIMIT_{limit}"), (value, value))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.write(write, outcome(changed, pair).encode())
        except BaseException as error:
            os.write(write, f"exception {error!r:.200}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        return f"ended with status {status}", True
    return found, found.startswith("exception")


def run(options: argparse.Namespace, work: Path) -> None:
    """Run the cases and print a table."""
    networks, counts, wrong = make_graphs(work), collections.Counter[str](), []
    for number in range(options.cases):
        draw = random.Random(f"{options.seed} {number}")
        pair, which = list(draw.choice(networks)), draw.randrange(2)
        pair[which] = change(draw, pair[which])
        found, is_wrong = run_forked(pair[which], (pair[0], pair[1]))
        counts[found] += 1
        if is_wrong:
            wrong.append(f"case {number}: {found}")
            reporting.progress(wrong[-1])
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{number}.onnx").write_bytes(pair[which])
    rows = [["what happened", "graphs"], *([name, f"{count:,}"] for name, count in counts.most_common())]
    print(table(rows, right=frozenset({1})))
    reporting.write_json(options.json, {"counts": counts, "wrong": wrong})
    if wrong:
        raise NmtError(f"{len(wrong)} cases failed")


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work", "--json")
    add = parser.add_argument
    add("--cases", type=int, default=1000, metavar="N", help="number of changed graphs (default 1,000)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the changes (default %(default)s)")
    add("--keep", type=Path, metavar="FOLDER", help="copy graphs of failed cases to this folder")
    return reporting.run_in_folder(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
