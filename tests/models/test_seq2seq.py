"""Every architecture: unroll equals step, and neither padding nor other sentences change a prediction."""

import pytest
import torch
from architectures import CONTEXT_TO, EVERY, VOCABULARY, batch, build, name_of, parts_of, unrolled_logits
from torch import nn

from nmt import config
from nmt.kernels import gate_norm
from nmt.models.seq2seq import Seq2Seq

every_architecture = pytest.mark.parametrize("architecture", EVERY, ids=name_of)


@every_architecture
@torch.no_grad()
def test_unroll_equals_step(architecture):
    model = build(**architecture)
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    state = model.start(memory, 1)
    for t, expected in enumerate(unrolled_logits(model, source, lengths, previous).unbind(1)):
        state, output = model.step(previous[:, t], state, memory)
        torch.testing.assert_close(output.logits, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("context_to", ["next_input", "same_step", "conditional", "all_layers", "upper_layers"])
def test_bf16_training_and_validation_compute_the_same(context_to):
    model = build(cell="gru", context_to=context_to)  # only some CPUs have a bfloat16 LSTM
    source, lengths, previous = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = model(source, lengths, previous)
        with torch.no_grad():
            validated = model(source, lengths, previous)
    assert torch.equal(trained.readout, validated.readout)
    assert torch.equal(trained.alignment, validated.alignment)


@every_architecture
@torch.no_grad()
def test_padding_and_other_sentences_change_nothing(architecture):
    model = build(**architecture)
    source, lengths, previous = batch()
    together = unrolled_logits(model, source, lengths, previous)
    for i, length in enumerate(lengths.tolist()):
        alone = unrolled_logits(model, source[i : i + 1, :length], lengths[i : i + 1], previous[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=2e-5)
    source[torch.arange(7) >= lengths.unsqueeze(1)] = 5
    assert torch.equal(unrolled_logits(model, source, lengths, previous), together)


@every_architecture
@torch.no_grad()
def test_two_reordered_hypotheses_per_sentence_equal_two_batches(architecture):
    model = build(**architecture)
    source, lengths, first = batch()
    second = batch(seed=1)[2]
    memory = model.encode(source, lengths)
    state = model.start(memory, 2)
    swap = torch.tensor([1, 0, 3, 2, 5, 4])
    for t in range(5):
        pair = torch.stack([first[:, t], second[:, t]], 1)
        if t == 3:
            state = state.select(swap)
        token = pair.flip(1) if t >= 3 else pair
        state, output = model.step(token.flatten(), state, memory)
    logits = output.logits.view(3, 2, VOCABULARY)
    torch.testing.assert_close(logits[:, 1], unrolled_logits(model, source, lengths, first)[:, -1], rtol=0, atol=2e-5)
    torch.testing.assert_close(logits[:, 0], unrolled_logits(model, source, lengths, second)[:, -1], rtol=0, atol=2e-5)
    whole = output.alignment.sum(1)
    if architecture.get("local") == "predictive":
        assert (whole > 0).all() and (whole <= 1 + 1e-6).all()
    else:
        torch.testing.assert_close(whole, torch.ones(6))


@every_architecture
@torch.no_grad()
def test_a_step_may_leave_slots_empty(architecture):
    model = build(**architecture)
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    first, second = previous[:, :3].flatten(), previous[:, 2:].flatten()
    state, _ = model.step(first, model.start(memory, 3), memory)
    _, expected = model.step(second, state, memory)
    slots = torch.tensor([0, 2, 3, 7])  # 2, 1 and 1 of 3 slots per sentence
    _, output = model.step(second[slots], state.select(slots), memory.at(slots, 3))
    torch.testing.assert_close(output.logits, expected.logits[slots], rtol=0, atol=2e-5)
    torch.testing.assert_close(output.alignment, expected.alignment[slots], rtol=0, atol=2e-5)


@every_architecture
@torch.no_grad()
def test_sentences_can_be_removed_between_steps(architecture):
    model = build(**architecture)
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    state, _ = model.step(previous[:, 0], model.start(memory, 1), memory)
    kept = torch.tensor([2, 1])
    smaller = memory.select(kept)
    assert smaller.states.shape[1] == 4
    _, expected = model.step(previous[:, 1], state, memory)
    _, output = model.step(previous[kept, 1], state.select(kept), smaller)
    torch.testing.assert_close(output.logits, expected.logits[kept], rtol=0, atol=2e-5)


@every_architecture
def test_the_gradient_reaches_every_weight_and_equals_differences(architecture, monkeypatch):
    monkeypatch.setattr(gate_norm, "MAX_SLOPE", 1e9)  # with the limit, it is not the exact gradient
    model = build(**architecture).double()
    source, lengths, previous = batch()
    weights = list(model.parameters())
    assert len(weights) == len({id(weight) for weight in weights})

    def loss():
        return unrolled_logits(model, source, lengths, previous).log_softmax(-1)[..., 7].mean()

    loss().backward()
    draw = torch.Generator().manual_seed(3)
    directions = [torch.randn(weight.shape, generator=draw, dtype=torch.float64) for weight in weights]
    expected = sum((weight.grad * d).sum() for weight, d in zip(weights, directions, strict=True))
    with torch.no_grad():
        sides = []
        for epsilon in (1e-5, -2e-5):
            for weight, direction in zip(weights, directions, strict=True):
                weight += epsilon * direction
            sides.append(loss())
    assert float(sides[0] - sides[1]) / 2e-5 == pytest.approx(float(expected), rel=1e-4, abs=1e-7)
    unused = [name for name, weight in model.named_parameters() if weight.numel() and not weight.grad.any()]
    assert [name for name in unused if "backwards" not in name] == []


@pytest.mark.parametrize("mask", ["step", "sentence"])
def test_dropout_acts_only_in_training(mask):
    model = build(dropout=0.5, word=0.2, mask=mask)
    inputs = batch()
    assert torch.equal(model(*inputs).readout, model(*inputs).readout)
    model.train()
    assert not torch.equal(model(*inputs).readout, model(*inputs).readout)


@pytest.mark.parametrize("context_to", ["upper_layers", "next_input", "all_layers", "same_step", "conditional"])
@torch.no_grad()
def test_the_same_recurrent_weights_are_dropped_for_the_whole_batch(context_to):
    model = build(recurrent=0.5, context_to=context_to)
    source, lengths, previous = (part[:1].expand(2, *part.shape[1:]) for part in batch())
    before = model(source, lengths, previous).readout
    model.train()
    found = model(source, lengths, previous).readout
    torch.testing.assert_close(found[0], found[1])
    assert not torch.equal(found, before) and not torch.equal(found, model(source, lengths, previous).readout)


@pytest.mark.parametrize(("tie", "tables"), [("none", 3), ("target", 2), ("all", 1)])
def test_tying_shares_tables(tie, tables):
    model = build(tie=tie)
    shared = {
        id(t) for t in (model.source_embedding.table.weight, model.target_embedding.table.weight, model.output.weight)
    }
    assert len(shared) == tables


@torch.no_grad()
def test_the_conditional_decoder_attends_between_two_cells_with_one_state():
    model = build(cell="gru", score="dot", layers=1, context_to="conditional", transitions=2, readout="deep")
    decoder = model.decoder
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    reads_token, reads_context = nn.GRUCell(8, 8), nn.GRUCell(8, 8)
    last = nn.GRUCell(0, 8)
    for cell, layer in (
        (reads_token, decoder.layers[0]),
        (reads_context, decoder.reader),
        (last, decoder.reader.further[0]),
    ):
        for weight, given in zip(cell.parameters(), layer.weights, strict=True):
            weight.copy_(given)
    state = model.start(memory, 1)
    h = state.layers[0][0]
    for token in previous.unbind(1):
        embedded = model.target_embedding(token.unsqueeze(1)).squeeze(1)
        h = reads_token(embedded, h)
        scores = torch.einsum("nd,nsd->ns", h, memory.states) / 8**0.5
        weights = scores.masked_fill(~memory.is_real, -torch.inf).softmax(-1)
        context = torch.einsum("ns,nsd->nd", weights, memory.states)
        h = last(embedded[:, :0], reads_context(context, h))
        state, *found, alignment = decoder.step(embedded, state, memory)
        torch.testing.assert_close(alignment, weights)
        expected = decoder.readout(torch.cat([h, context, embedded], -1)).tanh()
        torch.testing.assert_close(decoder.read_out(*found, embedded), expected)


@pytest.mark.parametrize("context_to", ["upper_layers", "same_step", "conditional", "all_layers"])
@torch.no_grad()
def test_the_readout_can_be_the_top_state(context_to):
    model = build(context_to=context_to, layers=2, readout="state", tie="all")
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    embedded = model.target_embedding(previous[:, :1]).squeeze(1)
    state, *found, _ = model.decoder.step(embedded, model.start(memory, 1), memory)
    assert torch.equal(model.decoder.read_out(*found, embedded), state.layers[-1][0])


@torch.no_grad()
def test_the_bottom_layer_of_rnmt_plus_reads_the_previous_context():
    model = build(
        score="dot", layers=3, context_to="all_layers", readout="none", tie="none", residual=True, residual_from=2
    )
    decoder = model.decoder
    source, lengths, previous = batch()
    memory = model.encode(source, lengths)
    cells = [nn.LSTMCell(16, 8) for _ in range(3)]
    for cell, layer in zip(cells, decoder.layers, strict=True):
        for weight, given in zip(cell.parameters(), layer.weights, strict=True):
            weight.copy_(given)
    state = model.start(memory, 1)
    states = list(state.layers)
    context = torch.zeros(len(source), 8)
    for token in previous.unbind(1):
        embedded = model.target_embedding(token.unsqueeze(1)).squeeze(1)
        states[0] = cells[0](torch.cat([embedded, context], -1), states[0])
        x = states[0][0]
        scores = torch.einsum("nd,nsd->ns", x, memory.states) / 8**0.5
        weights = scores.masked_fill(~memory.is_real, -torch.inf).softmax(-1)
        context = torch.einsum("ns,nsd->nd", weights, memory.states)
        for depth in (1, 2):
            states[depth] = cells[depth](torch.cat([x, context], -1), states[depth])
            x = x + states[depth][0]
        state, *found, alignment = decoder.step(embedded, state, memory)
        torch.testing.assert_close(alignment, weights)
        torch.testing.assert_close(decoder.read_out(*found, embedded), torch.cat([x, context], -1))


@pytest.mark.parametrize("context_to", ["same_step", "upper_layers", "output", "every_step", "start"])
@torch.no_grad()
def test_a_decoder_reads_the_context_where_its_paper_does(context_to):
    score = "none" if context_to in ("every_step", "start") else "dot"
    model = build(cell="gru", layers=2, score=score, context_to=context_to, readout="maxout", tie="none")
    decoder, (source, lengths, previous) = model.decoder, batch()
    memory = model.encode(source, lengths)
    cells = [nn.GRUCell(layer.weights[0].shape[1], 8) for layer in decoder.layers]
    for cell, layer in zip(cells, decoder.layers, strict=True):
        for weight, given in zip(cell.parameters(), layer.weights, strict=True):
            weight.copy_(given)

    def attend(query):
        scores = torch.einsum("nd,nsd->ns", query, memory.states) / 8**0.5
        return torch.einsum("ns,nsd->nd", scores.masked_fill(~memory.is_real, -torch.inf).softmax(-1), memory.states)

    state = model.start(memory, 1)
    h = [layer[0] for layer in state.layers]
    torch.testing.assert_close(torch.cat(h, -1), decoder.begin.bridge(memory.summary).tanh())
    for token in previous.unbind(1):
        e = model.target_embedding(token.unsqueeze(1)).squeeze(1)
        c = attend(h[1]) if context_to == "same_step" else memory.summary if context_to == "every_step" else e[:, :0]
        h[0] = cells[0](torch.cat([e, c], -1), h[0])
        c = attend(h[0]) if context_to == "upper_layers" else c
        h[1] = cells[1](torch.cat([h[0], c], -1) if context_to == "upper_layers" else h[0], h[1])
        c = attend(h[1]) if context_to == "output" else c
        state, *found, _ = decoder.step(e, state, memory)
        both = decoder.readout(torch.cat([h[1], c, e], -1))
        expected = torch.maximum(both[:, ::2], both[:, 1::2])
        torch.testing.assert_close(decoder.read_out(*found, e), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("layers", "expected"), [(1, [1]), (2, [0, 1]), (3, [0, 0, 1])])  # the encoder has two
@torch.no_grad()
def test_the_final_states_of_the_encoder_start_the_decoder_from_the_top(layers, expected):
    model = build(layers=layers, start="last")
    memory = model.encode(*batch()[:2])
    for found, below in zip(model.start(memory, 1).layers, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(found, memory.final[below], strict=True))


DROPS = [
    *((kind, f"{side}_embedding") for kind in ("embedding", "word") for side in ("source", "target")),
    *((kind, part) for kind in ("layer", "recurrent") for part in ("encoder", "decoder")),
    ("output", "dropout"),
]
DECODERS = [
    *({"context_to": to} for to in (*CONTEXT_TO, "all_layers", "conditional")),
    *({"score": "none", "context_to": to} for to in ("start", "every_step")),
    {"encoder": "transformer", "decoder": "transformer"},
]


@pytest.mark.parametrize("architecture", DECODERS, ids=name_of)
@torch.no_grad()
def test_each_kind_of_dropout_acts_in_its_module(architecture):
    inactive = []
    for key, module in DROPS:
        dropout = config.Dropout(**(dict.fromkeys(("embedding", "layer", "output"), 0.0) | {key: 0.5}))
        torch.manual_seed(1)
        parts = parts_of(**architecture).model_copy(update={"dropout": dropout})
        model = Seq2Seq(parts, VOCABULARY, VOCABULARY).eval()
        model.get_submodule(module).train()
        if torch.equal(model(*batch()).readout, model(*batch()).readout):
            inactive.append((key, module))
    assert inactive == ([drop for drop in DROPS if drop[0] == "recurrent"] if "encoder" in architecture else [])
