"""Describe a network as boxes and arrows: its parts with their shapes and weights, and what each part reads.

Axes: S source tokens, V vocabulary; one step of the decoder is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from typing import Literal

from nmt.config import Decoder, Encoder, Model

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each weight by its name in a checkpoint; a tied weight has one name."""
Kind = Literal["plain", "embedding", "recurrent", "attention", "dense"]
Column = Literal["encoder", "between", "decoder"]
CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
SHOWN_ALONE = 2
"""Equal layers are drawn as one box if there are more of them."""
ATTENTION = {
    "dot": "q · h", "general": "q · W h", "additive": "v · tanh(W q + U h)", "concat": "v · tanh(W q + U h)",
    "location": "W q, by position",
}  # fmt: skip
SUMMARIES = {"last": "final state", "mean": "mean of h", "max": "maximum of h"}
READOUTS = {"tanh": "tanh(W [{}])", "deep": "tanh(W [{}])", "maxout": "maxout of W [{}]"}
EQUATIONS = {
    "start": "The summary of the source makes the first state and is not read again (Sutskever 2014).",
    "every_step": "Every step and the readout read the same summary c of the source (Cho 2014).",
    "output": "The top layer queries the attention; only the readout reads the context c (Luong 2015).",
    "next_input": "The top layer queries the attention; the readout, which has read the context c, is also part of the "
    "next input: input feeding (Luong 2015).",
    "upper_layers": "The bottom layer queries the attention; the layers above read the context c in the same step (Wu "
    "2016, GNMT v2).",
    "all_layers": "The bottom layer queries the attention and reads the context c in the next step; the layers above "
    "read it in the same step (Chen 2018).",
    "same_step": "The top state of the previous step queries the attention; this step reads the context c (Bahdanau "
    "2015).",
    "conditional": "The bottom layer has two cells: the first one queries the attention, the second one reads the "
    "context c (Sennrich 2017).",
}
"""What reads the context, for each value of `model.decoder.context_to`."""


@dataclass(frozen=True)
class Box:
    """A part of the network."""

    key: str
    column: Column
    title: str
    lines: tuple[str, ...] = ()
    """What it does and the shape of its output."""
    kind: Kind = "plain"
    weights: tuple[str, ...] = ()
    """Prefixes of the names of its weights."""
    parameters: int | None = None
    """The number of its weights; None if their shapes are not known."""


@dataclass(frozen=True)
class Arrow:
    """What a box reads."""

    start: str
    end: str
    kind: Literal["up", "memory", "query", "context", "state", "skip", "feed"]
    """up: the box below; memory: encoder to attention; query, context: decoder and attention; state: the first state;
    skip: past other boxes of the decoder; feed: output that the decoder reads in its next step."""
    is_next: bool = False
    """Whether it leads from one step to the next."""


@dataclass(frozen=True)
class Network:
    """The parts in each column from the bottom up, and what they read."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    notes: tuple[str, ...] = field(default=())
    """Sentences about the whole."""

    def column(self, name: Column) -> list[Box]:
        """Return the boxes of a column from the bottom up."""
        return [box for box in self.boxes if box.column == name]


def describe(model: Model, shapes: Shapes | None = None, vocabulary: tuple[str, str] = ("V", "V")) -> Network:
    """Return the parts of the network of `model`; `vocabulary` are the sizes of source and target as texts."""
    encoder = [*_source(model, vocabulary[0]), *_joined(_encoder_layers(model))]
    between = list(_between(model))
    layers = _joined(_decoder_layers(model))
    decoder = [*_target(model, vocabulary[1]), *layers, *_outputs(model, vocabulary[1])]
    top = Box("h", "encoder", "encoder states h", (f"S × {model.encoder.size}",))
    boxes = [*encoder, top, *between, *decoder]
    boxes = [replace(box, parameters=_count(box.weights, shapes)) for box in boxes]
    arrows = [*_upwards([*encoder, top]), *_upwards(decoder), *_across(model, [box.key for box in layers], between)]
    return Network(tuple(boxes), tuple(arrows), tuple(_notes(model, shapes)))


def _source(model: Model, vocabulary: str) -> Iterator[Box]:
    order = "S, last token first" if model.encoder.reverse else "S"
    yield Box("source", "encoder", "source tokens", (order,))
    size = model.embedding.size
    yield Box(
        "source_embedding", "encoder", "source embedding", (f"{vocabulary} × {size}", f"out S × {size}"), "embedding",
        ("source_embedding.",),
    )  # fmt: skip


def _encoder_layers(model: Model) -> Iterator[Box]:
    encoder = model.encoder
    for depth in range(encoder.layers):
        lines = _transformer_lines(encoder) if encoder.kind == "transformer" else _encoder_lines(model, depth)
        kind: Kind = "attention" if encoder.kind == "transformer" else "recurrent"
        yield Box(
            f"encoder{depth}", "encoder", f"encoder layer {depth + 1}", (*lines, f"out S × {encoder.size}"), kind,
            (f"encoder.layers.{depth}.",),
        )  # fmt: skip


def _encoder_lines(model: Model, depth: int) -> Iterator[str]:
    encoder = model.encoder
    width = encoder.size if depth else model.embedding.size
    if depth < encoder.layers_both_ways:
        units = encoder.size // 2 if encoder.merge == "concat" else encoder.size
        yield f"{CELLS[encoder.cell]} → and ←, 2 × {units} units, {encoder.merge}"
    else:
        yield f"{CELLS[encoder.cell]} →, {encoder.size} units"
    yield from _extras(encoder, encoder.adds_input(depth, width), encoder.transitions)


def _extras(stack: Encoder | Decoder, adds_input: bool, cells: int) -> Iterator[str]:
    extras = [
        f"{cells} cells a step" if cells > 1 else "",
        "residual" if adds_input else "",
        "layer norm" if stack.layer_norm else "",
        "gate norm" if stack.gate_norm else "",
    ]
    if any(extras):
        yield ", ".join(extra for extra in extras if extra)


def _transformer_lines(stack: Encoder | Decoder, reads_memory: bool = False) -> list[str]:
    memory = ["attention to h"] if reads_memory else []
    attention = [f"self-attention, {stack.heads} heads", *memory]
    return [*attention, f"feed-forward {stack.feed_forward}"]


def _between(model: Model) -> Iterator[Box]:
    """Yield the first state and the attention, or the summary that the decoder reads without attention."""
    if model.is_transformer:
        return
    decoder, attention, width = model.decoder, model.attention, model.encoder.size
    if decoder.start != "zero":
        start = {
            "bridge": f"tanh(W summary + b), {SUMMARIES[model.encoder.summary]}",
            "last": "final states of the encoder",
            "mean": "mean of h",
        }[decoder.start]
        yield Box("start", "between", "first state s₀", (start, f"{decoder.layers} × {decoder.size}"), "dense",
                  ("decoder.begin.",))  # fmt: skip
    if attention.score == "none":
        if decoder.context_to == "every_step":
            yield Box("context", "between", "summary c", (SUMMARIES[model.encoder.summary], str(width)))
        return
    score = ATTENTION[attention.score]
    lines = [f"{attention.score}: {score}{' / √D' if _is_scaled(model) else ''}"]
    if attention.heads > 1:
        lines.append(f"{attention.heads} heads, {attention.size} units")
    if attention.local != "none":
        lines.append(f"local: {attention.local}, ±{attention.window} tokens")
    if attention.coverage:
        lines.append("coverage")
    yield Box("context", "between", "attention", (*lines, f"context c: {width}"), "attention", ("decoder.attention.",))


def _is_scaled(model: Model) -> bool:
    attention = model.attention
    return attention.scaled and attention.score in ("dot", "general")


def _target(model: Model, vocabulary: str) -> Iterator[Box]:
    decoder = model.decoder
    if not decoder.feedback:
        return
    yield Box("target", "decoder", "previous target token", ("y of the step before",))
    size = model.embedding.size
    tied = ("the table of the source (tied)",) if model.embedding.tie == "all" else ()
    yield Box(
        "target_embedding", "decoder", "target embedding", (f"{vocabulary} × {size}", *tied, f"out {size}"),
        "embedding", ("target_embedding.",),
    )  # fmt: skip


def _decoder_layers(model: Model) -> Iterator[Box]:
    decoder = model.decoder
    for depth in range(decoder.layers):
        weights: tuple[str, ...] = (f"decoder.layers.{depth}.", f"decoder.norms.{depth}.")
        if model.is_transformer:
            lines = _transformer_lines(decoder, reads_memory=True)
        else:
            below = decoder.size if depth else model.read_size
            is_conditional = decoder.context_to == "conditional" and depth == 0
            cells = 1 if is_conditional else decoder.transitions
            lines = [f"{CELLS[decoder.cell]}, {decoder.size} units"]
            if is_conditional:
                weights += ("decoder.reader.",)
                lines.append("first cell: query")
                lines.append(f"{'second cell' if decoder.transitions == 1 else f'{decoder.transitions} cells'}: read c")
            lines += _extras(decoder, decoder.adds_input(depth, below), cells)
        kind: Kind = "attention" if model.is_transformer else "recurrent"
        yield Box(f"decoder{depth}", "decoder", f"decoder layer {depth + 1}", (*lines, f"out {decoder.size}"), kind,
                  weights)  # fmt: skip


def _outputs(model: Model, vocabulary: str) -> Iterator[Box]:
    decoder, width = model.decoder, model.readout_size
    if not model.is_transformer and decoder.readout in READOUTS:
        read = ["s", *(["c"] if model.context_size else [])]
        read += ["e"] if decoder.readout != "tanh" and model.read_size else []
        text = READOUTS[decoder.readout].format("; ".join(read))
        yield Box("readout", "decoder", "readout r", (text, f"out {width}"), "dense", ("decoder.readout.",))
    elif not model.is_transformer and decoder.readout == "none" and model.context_size:
        yield Box("readout", "decoder", "readout r", ("[s; c]", f"out {width}"), "dense")
    table: dict[str, tuple[str, ...]] = {
        "none": (), "target": ("W: the target embedding (tied)",), "all": ("W: the embedding (tied)",),
    }  # fmt: skip
    weights = ("output.",) if decoder.feedback else ("output.", "target_embedding.")
    lines = (f"W r + b, {width} × {vocabulary}", *table[model.embedding.tie], f"out {vocabulary}")
    yield Box("output", "decoder", "output layer", lines, "dense", weights)
    if decoder.copy_source:
        yield Box("copy", "decoder", "copy gate", ("generate, or copy from the source",), "dense", ("copy_gate.",))
    yield Box("prediction", "decoder", "next target token", ("softmax: p(y)",))


def _joined(layers: Iterator[Box]) -> list[Box]:
    """Return the layers, with more than `SHOWN_ALONE` equal ones in a row, apart from the first, as one box."""
    found: list[list[Box]] = []
    for box in layers:
        if len(found) > 1 and found[-1][0].lines == box.lines:
            found[-1].append(box)
        else:
            found.append([box])
    boxes: list[Box] = []
    for group in found:
        if len(group) <= SHOWN_ALONE:
            boxes += group
            continue
        first, last = group[0].title, group[-1].title.rsplit(" ", 1)[1]
        title = f"{first.replace('layer', 'layers')} to {last}"
        weights = tuple(prefix for box in group for prefix in box.weights)
        boxes.append(replace(group[0], title=title, weights=weights, lines=("each:", *group[0].lines)))
    return boxes


def _upwards(boxes: list[Box]) -> Iterator[Arrow]:
    for below, above in pairwise(boxes):
        yield Arrow(below.key, above.key, "up")


def _across(model: Model, layers: list[str], between: list[Box]) -> Iterator[Arrow]:
    """Yield the arrows between the columns and past boxes; `layers` are the decoder's, from the bottom up."""
    bottom, top, upper = layers[0], layers[-1], layers[1:]
    if model.is_transformer:
        yield from (Arrow("h", layer, "context") for layer in layers)
        return
    to, keys = model.decoder.context_to, {box.key for box in between}
    readout = model.decoder.readout
    if "start" in keys:
        yield Arrow("h", "start", "memory")
        yield Arrow("start", bottom, "state")
    if readout in ("deep", "maxout") and model.read_size:
        yield Arrow("target_embedding", "readout", "skip")
    if "context" not in keys:
        return
    yield Arrow("h", "context", "memory")
    readers = {"upper_layers": upper, "all_layers": upper, "same_step": [bottom], "conditional": [bottom],
               "every_step": [bottom]}.get(to, [])  # fmt: skip
    yield from (Arrow("context", layer, "context") for layer in readers)
    if to == "all_layers":
        yield Arrow("context", bottom, "context", is_next=True)
    if readout != "state":
        yield Arrow("context", "readout", "context")
    if to == "next_input":
        yield Arrow("readout", bottom, "feed", is_next=True)
    if to != "every_step":
        is_bottom = to in ("upper_layers", "all_layers", "conditional")
        yield Arrow(bottom if is_bottom else top, "context", "query", is_next=to == "same_step")
    if model.decoder.copy_source:
        yield Arrow("context", "copy", "context")


def _notes(model: Model, shapes: Shapes | None) -> Iterator[str]:
    if shapes is not None:
        tied = {"none": "", "target": " Target embedding and output layer share one table.",
                "all": " Both embeddings and the output layer share one table."}[model.embedding.tie]  # fmt: skip
        yield f"{sum(map(prod, shapes.values())):,} parameters in all.{tied}"
    if not model.is_transformer:
        yield EQUATIONS[model.decoder.context_to]
        if model.attention.score != "none" and model.decoder.readout == "state":
            yield "The output layer reads the state alone."


def _count(prefixes: tuple[str, ...], shapes: Shapes | None) -> int | None:
    """Return the number of weights whose names begin with one of `prefixes`; None if that is not known."""
    if shapes is None or not prefixes:
        return None
    return sum(prod(shape) for name, shape in shapes.items() if name.startswith(prefixes))
