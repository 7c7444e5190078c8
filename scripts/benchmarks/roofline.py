"""Compute the arithmetic of a training step and the share of the CPU's matrix product rate that training reaches."""

import operator
import time
from dataclasses import dataclass
from typing import Any

from nmt.config import Model
from nmt.data.prepared_data import Prepared
from nmt.errors import NmtError
from scripts.benchmarks import processes

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
REQUIRED = {
    "encoder.kind": "recurrent",
    "encoder.merge": "concat",
    "decoder.kind": "recurrent",
    "decoder.copy_source": False,
    "decoder.feedback": True,
    "attention.local": "none",
    "attention.heads": 1,
    "attention.coverage": False,
}
"""The `model` settings of the networks whose products can be counted."""
MATRICES = ((1024, 1024, 1024), (768, 512, 2048), (4096, 512, 8000))
"""(rows, inner, columns) of the products whose rate is measured: a square, the gates of a cell, an output layer."""


@dataclass(frozen=True)
class Counts:
    """Sizes of a training text; the end of each sentence is counted as a token."""

    sentences: int
    source_tokens: int
    target_tokens: int
    products: int
    """Sum over the sentence pairs of source tokens times target tokens."""

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
    """Return the floating-point operations of the matrix products of a training step, per target token, by part.

    Each weight costs 2 operations per vector in the forward pass and 4 in the backward pass. Padding is not counted.
    `vocabulary` is the size of the target vocabulary. Raise NmtError for networks that cannot be counted.
    """
    encoder, decoder, attention, embedding = model.encoder, model.decoder, model.attention, model.embedding.size
    for setting, value in REQUIRED.items():
        if operator.attrgetter(setting)(model) != value:
            raise NmtError(f"--roofline supports only networks with model.{setting}: {value}")
    if attention.score in ("none", "location") or encoder.layers_both_ways not in (0, encoder.layers):
        raise NmtError("--roofline supports only networks with content-based attention and equal encoder layers")
    if decoder.readout not in ("tanh", "deep"):
        raise NmtError("--roofline supports only networks with model.decoder.readout: tanh or deep")
    directions = 2 if encoder.bidirectional else 1
    width = encoder.size // directions
    encoder_inputs = [embedding] + [encoder.size] * (encoder.layers - 1)
    readout = decoder.size if model.embedding.tie == "none" else embedding
    fed = {"next_input": readout, "all_layers": encoder.size, "same_step": encoder.size}.get(decoder.context_to, 0)
    above = decoder.size + (encoder.size if decoder.context_to in ("upper_layers", "all_layers") else 0)
    is_conditional = decoder.context_to == "conditional"
    # What the first cell of each layer reads, and the second cell of a conditional decoder, besides the state.
    decoder_inputs = [embedding + fed] + [above] * (decoder.layers - 1) + [encoder.size] * is_conditional
    cells = encoder.layers * encoder.transitions, decoder.layers * decoder.transitions + is_conditional
    key = {"dot": 0, "general": decoder.size, "additive": attention.size, "concat": attention.size}[attention.score]
    states = decoder.layers * (2 if decoder.cell == "lstm" else 1)
    parts = {
        "encoder": directions * GATES[encoder.cell] * width * (sum(encoder_inputs) + width * cells[0]),
        "keys": encoder.size * key,
        "bridge": encoder.size * states * decoder.size if decoder.start == "bridge" else 0,
        "decoder cells": GATES[decoder.cell] * decoder.size * (sum(decoder_inputs) + decoder.size * cells[1]),
        "query": decoder.size * attention.size if attention.score in ("additive", "concat") else 0,
        "attention": (key or decoder.size) + encoder.size,
        "readout": (decoder.size + encoder.size + (embedding if decoder.readout == "deep" else 0)) * readout,
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
    """Return the highest rate of fp32 or bf16 matrix products over `MATRICES`, in operations per second."""
    import torch

    from nmt.kernels.allocator import keep_freed_memory

    keep_freed_memory()
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    best = 0.0
    for rows, inner, columns in MATRICES:
        a, b = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
        end = time.perf_counter() + 1.0
        while time.perf_counter() < end:
            start = time.perf_counter()
            a @ b
            best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def roofline(label: str, model: Model, speed: float, counts: Counts, vocabulary: int, rate: float) -> dict[str, Any]:
    """Return the share of the matrix `rate` that a network reaches when it trains at `speed` target tokens/s."""
    parts = arithmetic(model, vocabulary, counts)
    reached = sum(parts.values()) * speed
    return {"system": label, "parts": parts, "reached": reached, "rate": rate, "share": reached / rate}


def roofline_line(line: dict[str, Any]) -> str:
    """Return the values of `roofline` as a line of text."""
    parts = ", ".join(f"{name} {size / 1e6:.2f}" for name, size in line["parts"].items())
    return (
        f"{line['system']}: {sum(line['parts'].values()) / 1e6:.1f} MFLOP per target token ({parts}); "
        f"{line['reached'] / 1e9:,.0f} of {line['rate'] / 1e9:,.0f} GFLOP/s, {line['share']:.0%}"
    )


if __name__ == "__main__":
    processes.answer_call({"matrix_rate": matrix_rate})
