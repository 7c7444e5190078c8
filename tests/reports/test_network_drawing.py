"""The drawing of the network: every weight belongs to one box of every architecture, and arrows show who reads what."""

import re
from collections.abc import Iterator
from math import prod
from typing import Any

import pytest
import torch
from architectures import EVERY, VOCABULARY, name_of, parts_of

from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import _SkipInitialization
from nmt.reports.page.network import EQUATIONS, describe
from nmt.reports.page.network_drawing import network_section, network_svg


def shapes_of(architecture: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    with _SkipInitialization(), torch.device("meta"):
        model = Seq2Seq(parts_of(**architecture), VOCABULARY, VOCABULARY)
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}


@pytest.mark.parametrize("architecture", EVERY, ids=name_of)
def test_every_weight_is_in_one_box_and_all_boxes_are_drawn(architecture: dict[str, Any]) -> None:
    shapes = shapes_of(architecture)
    network = describe(parts_of(**architecture), shapes, ("19", "19"))
    for name in shapes:
        assert sum(name.startswith(box.weights) for box in network.boxes if box.weights) == 1, name
    assert sum(box.parameters or 0 for box in network.boxes) == sum(map(prod, shapes.values()))
    keys = [box.key for box in network.boxes]
    assert len(set(keys)) == len(keys) and {key for a in network.arrows for key in (a.start, a.end)} == set(keys)
    svg = network_svg(network)
    assert all(f">{box.title}</text>" in svg for box in network.boxes)
    width, height = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    assert all(0 < float(y) < height for y in re.findall(r'<text[^>]* y="([-\d.]+)"', svg))
    assert all(0 < float(x) < width for x in re.findall(r"[ML]([-\d.]+) ", svg))


def arrows(**architecture: Any) -> set[tuple[str, str, str, bool]]:
    crossing = ("query", "context", "skip", "feed")
    found = describe(parts_of(**architecture)).arrows
    return {(a.kind, a.start, a.end, a.is_next) for a in found if a.kind in crossing}


READ_OUT = ("context", "context", "readout", False)
CASES: dict[str, tuple[dict[str, Any], set[tuple[str, str, str, bool]]]] = {
    "Sutskever": ({"context_to": "start", "score": "none"}, set()),
    "Cho": ({"context_to": "every_step", "score": "none"}, {("context", "context", "decoder0", False), READ_OUT}),
    "Luong": ({"context_to": "output"}, {("query", "decoder1", "context", False), READ_OUT}),
    "input feeding": (
        {"context_to": "next_input"},
        {("query", "decoder1", "context", False), READ_OUT, ("feed", "readout", "decoder0", True)},
    ),
    "GNMT": (
        {"context_to": "upper_layers"},
        {("query", "decoder0", "context", False), ("context", "context", "decoder1", False), READ_OUT},
    ),
    "RNMT+": (
        {"context_to": "all_layers"},
        {
            ("query", "decoder0", "context", False),
            ("context", "context", "decoder1", False),
            ("context", "context", "decoder0", True),
            READ_OUT,
        },
    ),
    "Bahdanau": (
        {"context_to": "same_step", "readout": "maxout", "tie": "none"},
        {
            ("query", "decoder1", "context", True),
            ("context", "context", "decoder0", False),
            READ_OUT,
            ("skip", "target_embedding", "readout", False),
        },
    ),
    "Nematus": (
        {"context_to": "conditional", "readout": "state"},
        {("query", "decoder0", "context", False), ("context", "context", "decoder0", False)},
    ),
    "Transformer": (
        {"encoder": "transformer", "decoder": "transformer"},
        {("context", "h", "decoder0", False), ("context", "h", "decoder1", False)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_arrows_show_what_reads_the_context(name: str) -> None:
    architecture, expected = CASES[name]
    assert arrows(**architecture) == expected


def test_every_decoder_is_explained() -> None:
    texts = {next(iter(describe(parts_of(**case)).notes), "") for case, _ in CASES.values()}
    assert texts >= set(EQUATIONS.values())


def titles(architecture: dict[str, Any]) -> Iterator[str]:
    return (box.title for box in describe(parts_of(**architecture)).column("decoder"))


def test_many_equal_layers_are_one_box() -> None:
    assert "decoder layer 3" in titles({"layers": 3})
    assert "decoder layers 2 to 5" in titles({"layers": 5})
    shapes = shapes_of({"layers": 5})
    box = next(b for b in describe(parts_of(layers=5), shapes).boxes if b.title == "decoder layers 2 to 5")
    assert box.parameters == sum(prod(s) for n, s in shapes.items() if re.match(r"decoder\.layers\.[1-4]\.", n))


def test_the_network_is_drawn_without_the_shapes_of_its_weights() -> None:
    section = network_section(parts_of(), None, ("V", "V"))
    assert "<svg" in section.body and "V × 8" in section.body and "parameters" not in section.body
    with_shapes = network_section(parts_of(), shapes_of({}), ("19", "19")).body
    assert "parameters in all. Both embeddings and the output layer share one table." in with_shapes
    assert "decoder.readout.weight" in with_shapes and "8 × 16" in with_shapes
