"""The two graphs of a network: the encoder, and one step of the decoder with its predictions.

Axes: B sentences, K slots of a sentence, N hypotheses, S source tokens, E embedding width, M memory width, R readout
width, V target vocabulary, X extra words, C candidates.

The encoder's inputs are

- `source` (B, S) int64: token ids with EOS, padded; `lengths` (B,) int64: the number of real tokens.

Its outputs are what the decoder reads of the source, of `states` (B, S, M), `keys.0`, `keys.1`, … (B, S, …) and
`summary` (B, M), and the first state of one empty hypothesis per sentence, `state.0`, `state.1`, … (B, …).

The decoder's inputs are those of the following that it needs:

- `token` (N,) int64: the previous token, BOS first; `position` () int64: the number of target tokens read before.
- `state.0`, `state.1`, … (rows, …): the layers' states bottom to top, then the feed, then the coverage; for a
  Transformer keys and values. `parents` (N,) int64: the row that a hypothesis continues.
- `slots` (N,) int64: the slot of each hypothesis, ascending; `rows` (B * K,) int64: the hypothesis in each slot, 0 for
  an empty slot; `sentences` (N,) int64: the sentence of each hypothesis.
- `is_real` (B, S) bool; `states`, `keys.0`, … and `summary`, as from the encoder.
- `source` (B, S) int64 and `extra_words` (1,) int64, with copying: ids from V on are extra words.
- `count` (1,) int64: C; `wants_all` () bool.

Its outputs are the next state `next.0`, `next.1`, … (N, …), the `alignment` (N, S), and either, if `wants_all`, the
`log_probs` (N, V + X), or the `values` and `tokens` (N, C) of the best tokens, best first, of equal values the lower
token first. C is at most V + X. Outputs that are not wanted have no columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from nmt.config import Model
from nmt.data.token_ids import UNK
from nmt.runtime import transformer
from nmt.runtime.cells import STATE_COUNT, CellState
from nmt.runtime.decoders import Decoder, State
from nmt.runtime.encoder import encode, summarize
from nmt.runtime.graph import FLOAT, INT64, Array, Graph, Value
from nmt.runtime.graph_files import NoGraphsError
from nmt.runtime.memory import Memory
from nmt.runtime.output import add_outputs, generate, generate_or_copy
from nmt.runtime.products import Precision
from nmt.runtime.transformer import TransformerDecoder
from nmt.runtime.weights import Weights, embedding_table, output_layer

MAX_BYTES = 2**31 - 2**20
"""Largest size of a graph with its weights; the format allows 2 GiB."""


@dataclass(frozen=True)
class Graphs:
    """A network for ONNX Runtime."""

    encoder: onnx.ModelProto
    decoder: onnx.ModelProto


def build_graphs(config: Model, arrays: Mapping[str, Array], precision: Precision) -> Graphs:
    """Return the network that `config` describes with the weights of a checkpoint, by their names.

    With `precision` int8 the matrices of the decoder's step are quantised, and everything else is fp32. Raise
    `NmtError` if the weights do not fit `config`, and `NoGraphsError` if a graph would be too large for the format.
    """
    weights = Weights(arrays)
    part = weights.part("decoder")
    kind = TransformerDecoder if config.is_transformer else Decoder
    decoder: Decoder | TransformerDecoder = kind(config, part, precision)
    step = _build_step(config, weights, precision, decoder)
    encoder = _build_encoder(config, weights, decoder, list(step.inputs))
    weights.check_all_taken()
    return Graphs(_model(encoder), _model(step))


def _model(graph: Graph) -> onnx.ModelProto:
    size = sum(array.nbytes for array in graph.weights.values())
    if size > MAX_BYTES:
        raise NoGraphsError(
            f"the weights of the {graph.name} take {size / 2**30:.1f} GiB, but an ONNX file holds at most 2 GiB"
        )
    return graph.model()


def _build_encoder(config: Model, weights: Weights, decoder: Decoder | TransformerDecoder, needed: list[str]) -> Graph:
    """Return the encoder with those outputs that are `needed`."""
    graph = Graph("encoder")
    source, lengths = graph.input("source", INT64, ["B", "S"]), graph.input("lengths", INT64, ["B"])
    states, finals = _encode_source(graph, config, weights, source, lengths)
    summaries: dict[str, Value] = {}

    def summary(kind: str) -> Value:
        if kind not in summaries:
            summaries[kind] = summarize(graph, kind, states, finals, lengths)
        return summaries[kind]

    if "states" in needed:
        graph.output("states", states, FLOAT, ["B", "S", config.encoder.size])
    for number, keys in enumerate(decoder.keys(graph, states)):
        graph.output(f"keys.{number}", keys, FLOAT, ["B", "S", "keys"])
    if "summary" in needed:
        graph.output("summary", summary(config.encoder.summary), FLOAT, ["B", config.encoder.size])
    shapes = decoder.state_shapes()
    for number, value in enumerate(decoder.start(graph, summary, finals, source)):
        graph.output(f"state.{number}", value, FLOAT, ["B", *shapes[number][1:]])
    return graph


def _encode_source(
    graph: Graph, config: Model, weights: Weights, source: Value, lengths: Value
) -> tuple[Value, list[CellState]]:
    """Return the encoder's outputs (B, S, M), and the final states of its layers, (B, M) each."""
    table = embedding_table(weights, config, "source")
    tokens = _replace_extra_words(graph, config, source, len(table))
    rows = graph.weight("source_embedding.scaled", table)
    part = weights.part("encoder")
    if config.encoder.kind == "transformer":
        return transformer.encode(graph, config, part, graph.gather(rows, tokens), lengths), []
    embedded = graph.gather(rows, graph.transpose(tokens, 1, 0))  # (S, B, E)
    return encode(graph, config.encoder, part, config.embedding.size, embedded, lengths, config.decoder.start == "last")


def _replace_extra_words(graph: Graph, config: Model, tokens: Value, vocabulary: int) -> Value:
    """Return `tokens` with UNK for extra words, which have ids from `vocabulary` on."""
    if not config.decoder.copy_source:
        return tokens
    is_known = graph.op("Less", tokens, graph.constant(vocabulary, INT64))
    return graph.op("Where", is_known, tokens, graph.constant(UNK, INT64))


def _build_step(config: Model, weights: Weights, precision: Precision, decoder: Decoder | TransformerDecoder) -> Graph:
    """Return one step of the decoder."""
    graph = Graph("decoder")
    memory = Memory(graph, config.encoder.size)
    layer = output_layer(weights, config)
    embedded = []
    if config.read_size:
        vocabulary = len(layer.weight)
        tokens = _replace_extra_words(graph, config, graph.input("token", INT64, ["N"]), vocabulary)
        table = embedding_table(weights, config, "target", vocabulary)
        embedded = [graph.gather(graph.weight("target_embedding.scaled", table), tokens)]  # (N, E)
    state = _read_state(graph, config, decoder, memory)
    following, readout, alignment = decoder.step(graph, embedded, state, memory)
    if config.decoder.copy_source:
        gate = weights.part("copy_gate")
        predictions = generate_or_copy(graph, precision, layer, gate, readout, decoder.bound, alignment, memory)
    else:
        predictions = generate(graph, precision, layer, readout, decoder.bound)
    for number, (value, shape) in enumerate(zip(following, decoder.state_shapes(), strict=True)):
        sizes = {"T": "T + 1", "S of the state": "S"}
        graph.output(f"next.{number}", value, FLOAT, ["N", *(sizes.get(str(size), size) for size in shape[1:])])
    graph.output("alignment", alignment, FLOAT, ["N", "S"])
    add_outputs(graph, predictions)
    return graph


def _read_state(graph: Graph, config: Model, decoder: Decoder | TransformerDecoder, memory: Memory) -> State:
    """Return the state (N, …) of the hypotheses that are continued, with the coverage trimmed to S."""
    parents = graph.input("parents", INT64, ["N"])
    shapes = enumerate(decoder.state_shapes())
    parts = [graph.gather(graph.input(f"state.{number}", FLOAT, shape), parents) for number, shape in shapes]
    coverage = graph.first(parts.pop(), memory.length) if config.attention.coverage else None
    count = 2 if config.is_transformer else STATE_COUNT[config.decoder.cell]
    cells = count * config.decoder.layers
    layers = tuple(tuple(parts[i : i + count]) for i in range(0, cells, count))
    return State(layers, parts[cells] if len(parts) > cells else None, coverage)
