"""Run the graphs of a network in ONNX Runtime as search does.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, C candidates.
"""

import numpy as np
import onnx
from safetensors.numpy import load_file

from nmt.models.weights import save_weights
from nmt.runtime.graph_check import check_graph
from nmt.runtime.graph_interface import check_interface
from nmt.runtime.library import onnxruntime
from nmt.runtime.network import build_graphs


def session(graph):
    """Return a session of one thread that runs the model `graph`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(made, inputs):
    """Return the outputs of the session `made` by name; it gets those of the `inputs` that it has."""
    names = [part.name for part in made.get_outputs()]
    needed = {part.name: np.asarray(inputs[part.name]) for part in made.get_inputs()}
    return dict(zip(names, made.run(names, needed), strict=True))


def arrays_of(model, folder):
    """Return the weights of a torch `model` as they are in a checkpoint."""
    save_weights(model, folder / "model.safetensors")
    return load_file(folder / "model.safetensors")


class Network:
    """A network in ONNX Runtime, and the encoded source with the state of its hypotheses."""

    def __init__(self, config, arrays, precision="fp32"):
        graphs = build_graphs(config, arrays, precision)
        for graph in (graphs.encoder, graphs.decoder):
            onnx.checker.check_model(graph, full_check=True)
            check_graph(graph.SerializeToString())
        self.encoder, self.decoder = session(graphs.encoder), session(graphs.decoder)
        check_interface(self.encoder, self.decoder)

    def encode(self, source, lengths, extra_words=0):
        """Encode `source` (B, S); afterwards the state has one hypothesis per sentence."""
        made = run(self.encoder, {"source": source, "lengths": lengths})
        self.memory = {name: value for name, value in made.items() if not name.startswith("state.")}
        self.memory["source"] = np.asarray(source)
        self.memory["is_real"] = np.arange(source.shape[1]) < np.asarray(lengths)[:, None]
        self.state = {name: value for name, value in made.items() if name.startswith("state.")}
        self.extra_words = np.array([extra_words])
        self.position = 0

    def select(self, sentences):
        """Keep these `sentences`, and the source tokens that they need."""
        longest = self.memory["is_real"][sentences].sum(1).max()
        for name, value in self.memory.items():
            self.memory[name] = value[sentences] if name == "summary" else value[sentences, :longest]

    def inputs(self, token, parents, slots, width, count=1, wants_all=True):
        """Return the inputs of a step of the hypotheses in `slots` (N,) of `width` per sentence."""
        slots = np.asarray(slots)
        rows = np.zeros(len(self.memory["is_real"]) * width, np.int64)
        rows[slots] = np.arange(len(slots))
        return {
            **self.memory,
            **self.state,
            "token": token,
            "parents": np.asarray(parents),
            "slots": slots,
            "rows": rows,
            "sentences": slots // width,
            "position": np.array(self.position),
            "extra_words": self.extra_words,
            "count": np.array([count]),
            "wants_all": np.array(wants_all),
        }

    def step(self, *arguments, **options):
        """Return the outputs of a step for the given `inputs`, and keep the next state."""
        made = run(self.decoder, self.inputs(*arguments, **options))
        self.state = {name.replace("next", "state"): made[name] for name in made if name.startswith("next.")}
        self.position += 1
        return made
