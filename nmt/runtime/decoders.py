"""One step of the recurrent decoders of the papers: see the modules of `models.decoders`.

Axes: B sentences, N hypotheses, S source tokens, E embedding width, D width, M memory width, R readout width.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nmt.config import Model
from nmt.runtime.attention import Attention, MultiHeadAttention, build_attention
from nmt.runtime.cells import STATE_COUNT, CellState, RecurrentLayer
from nmt.runtime.graph import FLOAT, Graph, Shape, Value
from nmt.runtime.memory import Memory
from nmt.runtime.products import Precision, layer_norm, linear
from nmt.runtime.weights import Weights


@dataclass(frozen=True)
class State:
    """The state of N hypotheses, as in `models.state.DecoderState`."""

    layers: tuple[CellState, ...]
    """State of each layer, bottom to top, (N, D) each."""
    feed: Value | None
    """Output of the previous step that the bottom layer reads: the readout (N, R) or the context (N, M)."""
    coverage: Value | None
    """(N, S) sum of the alignments so far."""


@dataclass(frozen=True)
class Step:
    """Results of one step."""

    layers: list[CellState]
    """Next state of each layer, bottom to top."""
    output: Value
    """(N, D) h, output of the top layer."""
    context: Value | None
    """(N, M) c."""
    alignment: Value
    """(N, S)."""


class Decoder:
    """The parts of a recurrent decoder, and a step of each of the papers."""

    def __init__(self, config: Model, weights: Weights, precision: Precision) -> None:
        self.config = config
        self.weights = weights
        self.precision = precision
        self.size = config.decoder.size
        self.bound = 1.0 if config.decoder.readout in ("tanh", "deep") else None  # upper bound of |readout|
        is_conditional = config.decoder.context_to == "conditional"
        self.layers = [
            self._layer(f"layers.{depth}", width, 1 if is_conditional and depth == 0 else config.decoder.transitions)
            for depth, width in enumerate(self._input_sizes())
        ]
        self.attention: Attention | MultiHeadAttention | None = None
        if config.attention.score != "none":
            part = weights.part("attention")
            self.attention = build_attention(config.attention, part, self.size, config.encoder.size)

    def _input_sizes(self) -> list[int]:
        """Return the width of the input of each layer."""
        config, memory_size = self.config, self.config.encoder.size
        bottom = {"next_input": config.readout_size, "every_step": memory_size, "same_step": memory_size}
        both = memory_size if config.decoder.context_to == "all_layers" else 0
        upper = memory_size if config.decoder.context_to == "upper_layers" else both
        first = config.read_size + bottom.get(config.decoder.context_to, both)
        return [first] + [self.size + upper] * (config.decoder.layers - 1)

    def _layer(self, name: str, width: int, transitions: int) -> RecurrentLayer:
        weights = self.weights.part(name)
        return RecurrentLayer(self.config.decoder, weights, width, self.size, self.precision, transitions)

    def keys(self, graph: Graph, states: Value) -> list[Value]:
        """Return the keys (B, S, …) of the encoder's `states` (B, S, M)."""
        return [] if self.attention is None else self.attention.keys(graph, states)

    def state_shapes(self) -> list[Shape]:
        """Return the shapes of the layers' states, bottom to top, of the feed and of the coverage."""
        count = STATE_COUNT[self.config.decoder.cell] * self.config.decoder.layers
        feeds = {"next_input": self.config.readout_size, "all_layers": self.config.encoder.size}
        feed = feeds.get(self.config.decoder.context_to)
        shapes: list[Shape] = [["rows", self.size]] * count
        shapes += [] if feed is None else [["rows", feed]]
        return [*shapes, ["rows", "S of the state"]] if self.config.attention.coverage else shapes

    def start(
        self, graph: Graph, summary: Callable[[str], Value], finals: list[CellState], source: Value
    ) -> list[Value]:
        """Return the first state of one hypothesis per sentence, in the order of `state_shapes`, (B, …) each.

        `summary` returns the sentences as vectors (B, M), `finals` are the final states of the encoder's layers, and
        `source` (B, S) is the encoder's input.
        """
        layers = [part for layer in self._start_layers(graph, summary, finals, source) for part in layer]
        rows = graph.size(source, 0)
        feeds = [shape for shape in self.state_shapes()[len(layers) :] if isinstance(shape[1], int)]
        states = [*layers, *(graph.zeros(rows, int(shape[1])) for shape in feeds)]
        if self.config.attention.coverage:
            states.append(graph.op("ConstantOfShape", graph.op("Shape", source)))
        return states

    def _start_layers(
        self, graph: Graph, summary: Callable[[str], Value], finals: list[CellState], source: Value
    ) -> list[CellState]:
        """Return the first state of each layer, (B, D) each: see `models.decoders.base.InitialState`."""
        decoder = self.config.decoder
        count = STATE_COUNT[decoder.cell]
        if decoder.start == "bridge":
            part = self.weights.part("begin.bridge")
            vector = summary(self.config.encoder.summary)
            layer = part.take_linear(count * decoder.layers * self.size, self.config.encoder.size)
            product = linear(graph, "fp32", layer, vector)
            parts = graph.split(graph.op("Tanh", product), [self.size] * (count * decoder.layers))
            return [tuple(parts[i : i + count]) for i in range(0, len(parts), count)]
        if decoder.start == "last":
            offset = len(finals) - decoder.layers
            return [finals[max(0, offset + depth)] for depth in range(decoder.layers)]
        zero = graph.zeros(graph.size(source, 0), self.size)  # (B, D)
        h = summary("mean") if decoder.start == "mean" else zero
        return [(h, *[zero] * (count - 1))] * decoder.layers

    def step(
        self, graph: Graph, embedded: list[Value], state: State, memory: Memory
    ) -> tuple[list[Value], Value, Value]:
        """Return the next state in the order of `state_shapes`, the readout (N, R) and the alignment (N, S).

        `embedded` has the embedded previous token of each hypothesis (N, E); it is empty without `feedback`.
        """
        step = STEPS[self.config.decoder.context_to](self, graph, embedded, state, memory)
        readout = self.read_out(graph, step.output, step.context, embedded)
        following = [part for layer in step.layers for part in layer]
        feeds = {"next_input": readout, "all_layers": step.context}
        feed = feeds.get(self.config.decoder.context_to)
        following += [] if feed is None else [feed]
        if state.coverage is not None:
            following.append(graph.op("Add", state.coverage, step.alignment))
        return following, readout, step.alignment

    def read_out(self, graph: Graph, output: Value, context: Value | None, embedded: list[Value]) -> Value:
        """Return the readout (N, R) of h, c and the embedded previous token (`model.decoder.readout`)."""
        kind = self.config.decoder.readout
        if kind == "state":
            return output
        parts = [output] if context is None else [output, context]
        if kind == "none":
            return graph.concat(parts, -1)  # (N, D + M)
        part = self.weights.part("readout")
        x = graph.concat(parts if kind == "tanh" else [*parts, *embedded], -1)
        width = self.size + self.config.context_size + (0 if kind == "tanh" else self.config.read_size)
        layer = part.take_linear(self.config.readout_size * (2 if kind == "maxout" else 1), width)
        vector = linear(graph, self.precision, layer, x)
        if kind == "maxout":
            return graph.reduce("Max", graph.reshape(vector, 0, -1, 2), 2)  # (N, R)
        return graph.op("Tanh", vector)

    def attend(self, graph: Graph, query: Value, state: State, memory: Memory) -> tuple[Value, Value]:
        """Return contexts (N, M) and alignments (N, S) of the `query` (N, D)."""
        assert self.attention is not None
        return self.attention(graph, query, memory, state.coverage)

    def add_and_norm(self, graph: Graph, depth: int, output: Value, below: list[Value]) -> Value:
        """Apply the residual connection and the normalisation of layer `depth` to its `output` (N, D)."""
        width = self.size if depth else self.config.read_size
        if self.config.decoder.adds_input(depth, width):
            output = graph.op("Add", output, *below)
        if not self.config.decoder.layer_norm:
            return output
        return layer_norm(graph, self.weights.part(f"norms.{depth}"), output, self.size)

    def step_upper_layers(
        self, graph: Graph, x: Value, state: State, context: list[Value]
    ) -> tuple[Value, list[CellState]]:
        """Return the top output (N, D) and the next states of the layers above the bottom.

        Each layer reads the output of the layer below, first `x` (N, D), and the `context` (N, M) if there is one.
        """
        states = []
        for depth in range(1, len(self.layers)):
            states.append(self.layers[depth].step(graph, [x, *context], state.layers[depth]))
            x = self.add_and_norm(graph, depth, states[-1][0], [x])
        return x, states

    def plain(self, graph: Graph, embedded: list[Value], state: State, memory: Memory) -> Step:
        """Sutskever (2014) and Cho (2014): see `models.decoders.plain`; the alignments are uniform."""
        reads_summary = self.config.decoder.context_to == "every_step"
        context = memory.repeat(memory.summary) if reads_summary else None  # (N, M)
        bottom = self.layers[0].step(graph, [*embedded, *([context] if context else [])], state.layers[0])
        x = self.add_and_norm(graph, 0, bottom[0], embedded)
        x, above = self.step_upper_layers(graph, x, state, [])  # (N, D)
        real = graph.cast(memory.is_real, FLOAT)  # (B, S)
        alignment = graph.op("Div", real, graph.reduce("Sum", real, 1, keep=True))  # (B, S)
        return Step([bottom, *above], x, context, memory.repeat(alignment))

    def luong(self, graph: Graph, embedded: list[Value], state: State, memory: Memory) -> Step:
        """Luong (2015), without and with input feeding: see `models.decoders.luong`."""
        feed = [] if state.feed is None else [state.feed]
        bottom = self.layers[0].step(graph, [*embedded, *feed], state.layers[0])
        x = self.add_and_norm(graph, 0, bottom[0], embedded)
        x, above = self.step_upper_layers(graph, x, state, [])  # (N, D)
        context, alignment = self.attend(graph, x, state, memory)  # (N, M), (N, S)
        return Step([bottom, *above], x, context, alignment)

    def gnmt(self, graph: Graph, embedded: list[Value], state: State, memory: Memory) -> Step:
        """Wu (2016) and, with a feed, Chen (2018): see `models.decoders.gnmt` and `models.decoders.rnmt_plus`."""
        feed = [] if state.feed is None else [state.feed]
        bottom = self.layers[0].step(graph, [*embedded, *feed], state.layers[0])
        x = self.add_and_norm(graph, 0, bottom[0], embedded)  # (N, D)
        context, alignment = self.attend(graph, x, state, memory)  # (N, M), (N, S)
        x, above = self.step_upper_layers(graph, x, state, [context])
        return Step([bottom, *above], x, context, alignment)

    def bahdanau(self, graph: Graph, embedded: list[Value], state: State, memory: Memory) -> Step:
        """Bahdanau (2015): see `models.decoders.bahdanau`."""
        context, alignment = self.attend(graph, state.layers[-1][0], state, memory)  # (N, M), (N, S)
        bottom = self.layers[0].step(graph, [*embedded, context], state.layers[0])
        x = self.add_and_norm(graph, 0, bottom[0], embedded)
        x, above = self.step_upper_layers(graph, x, state, [])  # (N, D)
        return Step([bottom, *above], x, context, alignment)

    def conditional(self, graph: Graph, embedded: list[Value], state: State, memory: Memory) -> Step:
        """Sennrich (2017): see `models.decoders.nematus`."""
        middle = self.layers[0].step(graph, embedded, state.layers[0])
        context, alignment = self.attend(graph, middle[0], state, memory)  # (N, M), (N, S)
        reader = self._layer("reader", self.config.encoder.size, self.config.decoder.transitions)
        bottom = reader.step(graph, [context], middle)
        x = self.add_and_norm(graph, 0, bottom[0], embedded)
        x, above = self.step_upper_layers(graph, x, state, [])  # (N, D)
        return Step([bottom, *above], x, context, alignment)


STEPS: dict[str, Callable[[Decoder, Graph, list[Value], State, Memory], Step]] = {
    "start": Decoder.plain,
    "every_step": Decoder.plain,
    "output": Decoder.luong,
    "upper_layers": Decoder.gnmt,
    "next_input": Decoder.luong,
    "all_layers": Decoder.gnmt,
    "same_step": Decoder.bahdanau,
    "conditional": Decoder.conditional,
}
"""A step of each decoder, by the value of `model.decoder.context_to`."""
