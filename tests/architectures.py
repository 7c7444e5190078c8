"""Small networks of every kind that the configuration allows, for tests."""

import itertools

import torch

from nmt import config
from nmt.models.seq2seq import Seq2Seq

VOCABULARY = 19
CONTEXT_TO = ("upper_layers", "output", "next_input", "same_step")
PLAIN = [
    {"cell": cell, "score": score, "context_to": context_to}
    for cell, score, context_to in itertools.product(("lstm", "gru"), ("additive", "dot", "general"), CONTEXT_TO)
]
VARIED = [
    {"cell": cell, "context_to": context_to, **more}
    for cell in ("lstm", "gru")
    for context_to in CONTEXT_TO
    for more in (
        {"layers": 1, "start": "zero", "tie": "none"},
        {"layers": 3, "start": "last", "bidirectional": False, "residual": True},
        {"layers": 3, "start": "last", "residual": True, "layer_norm": True, "scaled": False},
        {"layers": 2, "layer_norm": True, "tie": "target", "mask": "sentence"},
    )
]
WITHOUT_ATTENTION = [
    {"score": "none", "context_to": context_to, "cell": cell, **more}
    for context_to in ("start", "every_step")
    for cell in ("lstm", "gru", "rnn")
    for more in (
        {},
        {"layers": 1, "summary": "mean", "readout": "maxout", "tie": "none"},
        {"layers": 3, "start": "last", "bidirectional": False, "reverse": True, "residual": True},
        {"start": "mean", "readout": "none", "tie": "none"},
    )
]
MORE = [
    {"cell": "rnn", "context_to": "upper_layers"},
    {"cell": "rnn", "context_to": "next_input", "start": "last"},
    {"cell": "rnn", "context_to": "same_step", "layers": 1},
    *(
        {"merge": merge, "cell": cell, "start": "last"}
        for merge in ("sum", "mul", "average")
        for cell in ("lstm", "gru")
    ),
    {"bidirectional_layers": 1, "start": "last", "residual": True},
    {"bidirectional": False, "reverse": True, "context_to": "next_input"},
    {"summary": "mean"},
    {"summary": "max", "cell": "gru"},
    {"start": "mean", "context_to": "same_step"},
    {"score": "none", "context_to": "every_step", "summary": "max", "start": "zero"},
    {"score": "none", "context_to": "every_step", "feedback": False},
    {"score": "none", "context_to": "every_step", "feedback": False, "tie": "none"},
    {"context_to": "next_input", "feedback": False, "readout": "maxout", "tie": "none"},
    *({"readout": kind, "context_to": to, "tie": "none"} for kind in ("deep", "maxout", "none") for to in CONTEXT_TO),
    *({"score": "location", "context_to": to} for to in CONTEXT_TO),
    *(
        {"score": score, "local": local, "window": 2, "context_to": to}
        for score in ("concat", "dot", "general")
        for local in ("monotonic", "predictive")
        for to in CONTEXT_TO
    ),
    *({"score": score, "heads": 2, "context_to": to} for score in ("additive", "dot") for to in CONTEXT_TO),
    {"score": "additive", "coverage": True, "context_to": "next_input"},
    {"score": "concat", "coverage": True, "context_to": "same_step", "copy_source": True},
    {"copy_source": True, "readout": "deep"},
    {"copy_source": True, "score": "dot", "heads": 2, "context_to": "next_input"},
    {"copy_source": True, "score": "general"},
    *(
        {"transitions": 2, "gate_norm": norm, "cell": cell, "context_to": to}
        for cell, norm in (("lstm", False), ("gru", True), ("rnn", True))
        for to in (*CONTEXT_TO, "conditional")
    ),
    {"gate_norm": True, "start": "last", "residual": True},
    {"gate_norm": True, "cell": "gru", "score": "none", "context_to": "every_step"},
    {"transitions": 3, "score": "none", "context_to": "start", "start": "last"},
    {"context_to": "conditional", "layers": 1, "cell": "gru", "start": "last", "tie": "none"},
    {"transitions": 2, "context_to": "conditional", "layers": 3, "residual": True, "layer_norm": True},
    {"context_to": "conditional", "score": "additive", "coverage": True, "copy_source": True},
    {"encoder": "transformer", "transitions": 3, "context_to": "conditional", "gate_norm": True},
    {"context_to": "all_layers"},
    {"context_to": "all_layers", "cell": "gru", "layers": 1, "readout": "none", "tie": "none"},
    {"context_to": "all_layers", "layers": 3, "start": "last", "residual": True, "residual_from": 2},
    {"context_to": "all_layers", "score": "additive", "coverage": True, "copy_source": True},
    {"context_to": "all_layers", "score": "additive", "heads": 2, "gate_norm": True, "readout": "none", "tie": "none"},
    {"context_to": "all_layers", "feedback": False, "readout": "maxout", "tie": "none"},
    {"context_to": "all_layers", "score": "location", "layers": 3, "layer_norm": True, "mask": "sentence"},
    {"context_to": "all_layers", "encoder": "transformer", "cell": "rnn", "transitions": 2},
    {"layers": 3, "start": "last", "residual": True, "residual_from": 2},
    {"readout": "state", "layers": 3, "residual": True, "residual_from": 2, "tie": "none"},
    *({"readout": "state", "context_to": to} for to in ("same_step", "conditional")),
    {"readout": "state", "context_to": "all_layers", "cell": "gru", "layers": 1},
    {"readout": "state", "score": "none", "context_to": "every_step"},
    {"encoder": "transformer", "decoder": "transformer"},
    {"encoder": "transformer", "decoder": "transformer", "layers": 1, "tie": "none"},
    {"encoder": "transformer", "summary": "mean", "context_to": "next_input"},
    {"decoder": "transformer", "cell": "gru"},
]
EVERY = PLAIN + VARIED + WITHOUT_ATTENTION + MORE


def name_of(architecture):
    return "-".join(str(value) for value in architecture.values())


SECTIONS = {
    "encoder": ("bidirectional", "bidirectional_layers", "merge", "reverse", "summary"),
    "attention": ("score", "scaled", "heads", "local", "window", "coverage"),
    "decoder": ("context_to", "start", "readout", "feedback", "copy_source"),
    "both": ("cell", "residual", "residual_from", "layer_norm", "gate_norm", "transitions"),
}


def parts_of(
    layers=2,
    tie="all",
    mask="step",
    dropout=0.0,
    word=0.0,
    recurrent=0.0,
    encoder="recurrent",
    decoder="recurrent",
    **more,
):
    """Return the configuration of a network with 8 units per layer; `more` are keys of its sections."""

    def given(section):
        keys = SECTIONS[section]
        return {key: more[key] for key in keys if key in more}

    sizes = {"size": 8, "heads": 2, "feed_forward": 12}
    kinds = [{"kind": kind, **(sizes if kind == "transformer" else {"size": 8})} for kind in (encoder, decoder)]
    both = [given("both") if kind == "recurrent" else {} for kind in (encoder, decoder)]
    attention = given("attention") if decoder == "recurrent" else {}
    if attention.get("score") in ("additive", "concat") or "heads" in attention or more.get("local") == "predictive":
        attention["size"] = 6
    assert set(more) <= {key for keys in SECTIONS.values() for key in keys}
    return config.Model(
        embedding=config.Embedding(size=8, tie=tie),
        encoder=config.Encoder(layers=2, **kinds[0], **both[0], **given("encoder")),
        attention=config.Attention(**attention),
        decoder=config.Decoder(layers=layers, **kinds[1], **both[1], **given("decoder")),
        dropout=config.Dropout(
            embedding=dropout, layer=dropout, output=dropout, word=word, recurrent=recurrent, mask=mask
        ),
    )


def build(vocabulary=VOCABULARY, deviation=0.5, **architecture):
    """Return the network of `parts_of` with large random weights."""
    parts = parts_of(**architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Seq2Seq(parts, vocabulary, vocabulary)
        with torch.no_grad():
            for weight in model.parameters():
                weight.normal_(std=deviation)
    return model.eval()


def batch(seed=0):
    """Return sources (3, 7), their lengths, and previous target tokens (3, 5)."""
    draw = torch.Generator().manual_seed(seed)
    source = torch.randint(4, VOCABULARY, (3, 7), generator=draw)
    lengths = torch.tensor([7, 4, 2])
    source[torch.arange(7) >= lengths.unsqueeze(1)] = 0
    return source, lengths, torch.randint(2, VOCABULARY, (3, 5), generator=draw)


def unrolled_logits(model, source, lengths, previous):
    """Return the logits (B, T, V) that `step` predicts, computed by `forward`."""
    found = model(source, lengths, previous)
    logits = model.output(found.readout)
    if model.copy_gate is None:
        return logits
    rows_of_source = source.repeat_interleave(previous.shape[1], dim=0)
    rows = (part.flatten(0, 1) for part in (logits, found.readout, found.alignment))
    return model.copy_gate.mix(*rows, rows_of_source).view(logits.shape)
