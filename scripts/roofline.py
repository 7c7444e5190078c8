"""What the machine could do: the arithmetic of a training step over the measured rate of matrix products."""

import operator
import time
from dataclasses import dataclass
from typing import Any

import peers

from nmt.config import Model
from nmt.data.prepared_data import Prepared
from nmt.errors import NmtError

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
PLAIN = {
    "encoder.kind": "recurrent",
    "encoder.merge": "concat",
    "decoder.kind": "recurrent",
    "decoder.readout": "tanh",
    "encoder.transitions": 1,
    "decoder.transitions": 1,
    "decoder.copy_source": False,
    "decoder.feedback": True,
    "attention.local": "none",
    "attention.heads": 1,
    "attention.coverage": False,
}
"""Of the section `model`, what networks must have whose products are counted."""
MATRICES = ((1024, 1024, 1024), (768, 512, 2048), (4096, 512, 8000))
"""(rows, inner, columns) of the products that tell how fast the machine is: a square, a gate, an output layer."""


@dataclass(frozen=True)
class Counts:
    """Sizes of a text; ends of sentences are counted as tokens."""

    sentences: int
    source_tokens: int
    target_tokens: int
    products: int
    """Sum over the sentences of source tokens times target tokens."""

    @classmethod
    def of(cls, prepared: Prepared) -> "Counts":
        """Count the training text."""
        sides = [
            (store.source_lengths.astype(int) + 1, store.target_lengths.astype(int) + 1) for store, _ in prepared.train
        ]
        return cls(
            sum(len(source) for source, _ in sides),
            sum(int(source.sum()) for source, _ in sides),
            sum(int(target.sum()) for _, target in sides),
            sum(int((source * target).sum()) for source, target in sides),
        )


def arithmetic(model: Model, vocabulary: int, counts: Counts) -> dict[str, float]:
    """Return the floating point operations of the matrix products of a training step, per target token, by part.

    A weight costs 2 for each vector that it multiplies, and twice that again on the way back. Padding is not counted.
    `vocabulary` is the target's.
    """
    encoder, decoder, attention, embedding = model.encoder, model.decoder, model.attention, model.embedding.size
    for known in PLAIN.items():
        if operator.attrgetter(known[0])(model) != known[1]:
            raise NmtError(f"--roofline counts networks with model.{known[0]}: {known[1]} only")
    if attention.score in ("none", "location") or encoder.layers_both_ways not in (0, encoder.layers):
        raise NmtError("--roofline counts networks with attention to the source's words, whose layers are all alike")
    if decoder.context_to == "conditional":
        raise NmtError("--roofline counts networks whose decoder has one cell in a layer")
    directions = 2 if encoder.bidirectional else 1
    width = encoder.size // directions
    encoder_inputs = [embedding] + [encoder.size] * (encoder.layers - 1)
    readout = decoder.size if model.embedding.tie == "none" else embedding
    fed = {"next_input": readout, "all_layers": encoder.size, "same_step": encoder.size}.get(decoder.context_to, 0)
    above = decoder.size + (encoder.size if decoder.context_to in ("upper_layers", "all_layers") else 0)
    decoder_inputs = [embedding + fed] + [above] * (decoder.layers - 1)
    key = {"dot": 0, "general": decoder.size, "additive": attention.size, "concat": attention.size}[attention.score]
    states = decoder.layers * (2 if decoder.cell == "lstm" else 1)
    parts = {
        "encoder": directions * GATES[encoder.cell] * width * sum(x + width for x in encoder_inputs),
        "keys": encoder.size * key,
        "bridge": encoder.size * states * decoder.size if decoder.start == "bridge" else 0,
        "decoder cells": GATES[decoder.cell] * decoder.size * sum(x + decoder.size for x in decoder_inputs),
        "query": decoder.size * attention.size if attention.score in ("additive", "concat") else 0,
        "attention": (key or decoder.size) + encoder.size,
        "readout": (decoder.size + encoder.size) * readout,
        "output layer": readout * vocabulary,
    }
    times = {
        "encoder": counts.source_tokens,
        "keys": counts.source_tokens,
        "bridge": counts.sentences,
        "attention": counts.products,
    }
    return {
        name: 6 * size * times.get(name, counts.target_tokens) / counts.target_tokens
        for name, size in parts.items()
        if size
    }


def matrix_rate(precision: str) -> float:
    """Return the most operations a second, of fp32 or bf16 matrix products, over a few shapes."""
    import torch

    from nmt.kernels.allocator import keep_freed_memory

    keep_freed_memory()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    best = 0.0
    for rows, inner, columns in MATRICES:
        a, b = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
        began = time.perf_counter()
        while time.perf_counter() - began < 1.0:
            start = time.perf_counter()
            a @ b
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def roofline(label: str, model: Model, speed: float, counts: Counts, vocabulary: int, rate: float) -> dict[str, Any]:
    """Return what share of the machine's matrix `rate` a network reaches that trains at `speed` target tokens/s."""
    parts = arithmetic(model, vocabulary, counts)
    reached = sum(parts.values()) * speed
    return {"system": label, "parts": parts, "reached": reached, "rate": rate, "share": reached / rate}


def roofline_line(line: dict[str, Any]) -> str:
    """Return `roofline` as a line of text."""
    parts = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in line["parts"].items())
    return (
        f"{line['system']}: {sum(line['parts'].values()) / 1e6:.1f} MFLOP a target token ({parts}); "
        f"{line['reached'] / 1e9:,.0f} of {line['rate'] / 1e9:,.0f} GFLOP/s, {line['share']:.0%}"
    )


if __name__ == "__main__":
    peers.answer({"matrix_rate": matrix_rate})
