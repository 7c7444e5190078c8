"""The whole network: what training calls (`forward`) and what search sees (`encode`, `start`, `step`).

Axes: B sentences, K beams, S source tokens, T target tokens, R readout width, V target vocabulary.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.models.decoder import DECODERS, Decoder, DecoderState
from nmt.models.deferred import Linear, as_weighed
from nmt.models.dropout import SequenceDropout
from nmt.models.embedding import TokenEmbedding, embedding_table
from nmt.models.encoder import Encoder, Memory
from nmt.models.shortlist import Shortlist


@dataclass(frozen=True)
class StepOutput:
    """What one step of N = B * K hypotheses gives."""

    logits: Tensor
    """(N, V) float32, unnormalised log-probabilities of the next token."""
    alignment: Tensor
    """(N, S) float32, attention over the source."""
    tokens: Tensor | None = None
    """(V,) target id of each column of `logits`; None where they are 0, 1, 2, …"""


class Seq2Seq(nn.Module):
    """Encoder, attention, decoder and output layer as `config.Model` composes them."""

    def __init__(self, config: Model, source_size: int, target_size: int) -> None:
        """Build a network for vocabularies of `source_size` and `target_size` entries."""
        super().__init__()
        width = config.embedding.size
        target_table = embedding_table(target_size, width)
        source_table = target_table if config.embedding.tie == "all" else embedding_table(source_size, width)
        readout_size = config.decoder.size if config.embedding.tie == "none" else width
        self.source_embedding = TokenEmbedding(source_table, config.dropout)
        self.target_embedding = TokenEmbedding(target_table, config.dropout)
        self.encoder = Encoder(config.encoder, config.dropout, width, config.decoder.start == "last")
        self.decoder: Decoder = DECODERS[config.decoder.context_to](config, width, readout_size)
        self.output = Linear(readout_size, target_size)
        if config.embedding.tie == "none":
            nn.init.normal_(self.output.weight, std=readout_size**-0.5)
        else:
            self.output.weight = target_table.weight
        nn.init.zeros_(self.output.bias)
        self.dropout = SequenceDropout(config.dropout.output, config.dropout.mask)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Read `source` (B, S), ids with EOS, padded; `lengths` (B,) counts the real tokens."""
        states, final = self.encoder(self.source_embedding(source), lengths)
        is_real = torch.arange(source.shape[1], device=source.device) < lengths.unsqueeze(1)
        return Memory(as_weighed(states), self.decoder.attention.keys(states), is_real, final)

    def restrict(self, memory: Memory, tokens: Tensor, is_allowed: Tensor) -> Memory:
        """Return `memory` for generating only target `tokens` (U,), of which each sentence `is_allowed` (B, U) some."""
        return dataclasses.replace(memory, shortlist=Shortlist(tokens, is_allowed, self.output.columns(tokens)))

    def forward(self, source: Tensor, lengths: Tensor, previous: Tensor) -> Tensor:
        """Return readouts (B, T, R) for the `previous` tokens (B, T), BOS first; `self.output` makes them logits."""
        readout, _ = self.decoder.unroll(self.target_embedding(previous), self.encode(source, lengths))
        dropped: Tensor = self.dropout(readout)
        return dropped

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """Return the state of `beams` empty hypotheses a sentence, B * K rows, those of a sentence together."""
        return self.decoder.start(memory, beams)

    def step(self, token: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, StepOutput]:
        """Read the previous `token` (B * K,), BOS first, and predict the next; K follows from the rows of `memory`."""
        embedded = self.target_embedding(token.unsqueeze(1)).squeeze(1)
        state, readout, alignment = self.decoder.step(embedded, state, memory)
        shortlist = memory.shortlist
        if shortlist is None:
            return state, StepOutput(self.output(readout).float(), alignment)
        logits = shortlist.output(readout).float().view(len(shortlist.is_allowed), -1, len(shortlist.tokens))
        logits = logits.masked_fill(~shortlist.is_allowed.unsqueeze(1), -torch.inf).flatten(0, 1)
        return state, StepOutput(logits, alignment, shortlist.tokens)
