"""Every architecture the schema allows, in a tiny size."""

import itertools

import torch

from nmt import config
from nmt.models.seq2seq import Seq2Seq

VOCABULARY = 19
PLAIN = [
    {"cell": cell, "score": score, "context_to": context_to}
    for cell, score, context_to in itertools.product(
        ("lstm", "gru"), ("additive", "dot", "general"), ("upper_layers", "next_input", "same_step")
    )
]
VARIED = [
    {"cell": cell, "context_to": context_to, **more}
    for cell in ("lstm", "gru")
    for context_to in ("upper_layers", "next_input", "same_step")
    for more in (
        {"layers": 1, "start": "zero", "tie": "none"},
        {"layers": 3, "start": "last", "bidirectional": False, "residual": True},
        {"layers": 3, "start": "last", "residual": True, "layer_norm": True, "scaled": True},
        {"layers": 2, "layer_norm": True, "tie": "target", "mask": "sentence"},
    )
]
EVERY = PLAIN + VARIED


def name_of(architecture):
    return "-".join(str(value) for value in architecture.values())


def build(
    cell="lstm",
    score="general",
    context_to="upper_layers",
    layers=2,
    start="bridge",
    bidirectional=True,
    residual=False,
    layer_norm=False,
    scaled=False,
    tie="all",
    mask="step",
    dropout=0.0,
    word=0.0,
):
    """Return a network of 8 units a layer, its weights drawn far from zero."""
    parts = config.Model(
        embedding=config.Embedding(size=8, tie=tie),
        encoder=config.Encoder(
            cell=cell, size=8, layers=2, bidirectional=bidirectional, residual=residual, layer_norm=layer_norm
        ),
        attention=config.Attention(score=score, scaled=scaled, size=6),
        decoder=config.Decoder(
            cell=cell,
            size=8,
            layers=layers,
            context_to=context_to,
            start=start,
            residual=residual,
            layer_norm=layer_norm,
        ),
        dropout=config.Dropout(embedding=dropout, layer=dropout, output=dropout, word=word, mask=mask),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Seq2Seq(parts, VOCABULARY, VOCABULARY)
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=0.5)
    return model.eval()


def batch(seed=0):
    """Return sources (3, 7), their lengths, and previous target tokens (3, 5)."""
    draw = torch.Generator().manual_seed(seed)
    source = torch.randint(4, VOCABULARY, (3, 7), generator=draw)
    lengths = torch.tensor([7, 4, 2])
    source[torch.arange(7) >= lengths.unsqueeze(1)] = 0
    return source, lengths, torch.randint(2, VOCABULARY, (3, 5), generator=draw)
