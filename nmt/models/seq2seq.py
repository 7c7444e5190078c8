"""The whole network: what training calls (`forward`) and what search sees (`encode`, `start`, `step`).

Axes: B sentences, K beams, N hypotheses (`state`), S source tokens, T target tokens, E embedding width, R readout
width, V target vocabulary, U target tokens allowed.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.data.token_ids import UNK
from nmt.kernels.deferred_gradients import Linear, cast_once
from nmt.models.decoders import DECODERS
from nmt.models.decoders.base import Decoder
from nmt.models.dropout import SequenceDropout
from nmt.models.embedding import TokenEmbedding, embedding_table
from nmt.models.encoder import Encoder, summarize
from nmt.models.pointer_generator import CopyGate
from nmt.models.shortlist import Shortlist
from nmt.models.state import DecoderState, Memory, StepOutput
from nmt.models.transformer import TransformerDecoder, TransformerEncoder


@dataclass(frozen=True)
class Unrolled:
    """What all steps of B sentences give."""

    readout: Tensor
    """(B, T, R) what the output layer reads."""
    alignment: Tensor
    """(B, T, S) attention over the source."""


class Seq2Seq(nn.Module):
    """Encoder, attention, decoder and output layer as `config.Model` composes them."""

    def __init__(self, config: Model, source_size: int, target_size: int) -> None:
        """Build a network for vocabularies of `source_size` and `target_size` entries."""
        super().__init__()
        width = config.embedding.size
        target_table = embedding_table(target_size, width) if config.has_target_table else None
        tied = target_table if config.embedding.tie == "all" else None
        source_table = tied or embedding_table(source_size, width)
        self.source_embedding = TokenEmbedding(source_table, config.dropout, config.encoder.kind)
        self.target_embedding: TokenEmbedding | None = None
        if target_table is not None:
            self.target_embedding = TokenEmbedding(target_table, config.dropout, config.decoder.kind)
        self.encoder: Encoder | TransformerEncoder
        if config.encoder.kind == "transformer":
            self.encoder = TransformerEncoder(config)
        else:
            self.encoder = Encoder(config.encoder, config.dropout, width, config.decoder.start == "last")
        self.decoder: Decoder | TransformerDecoder
        if config.decoder.kind == "transformer":
            self.decoder = TransformerDecoder(config)
        else:
            self.decoder = DECODERS[config.decoder.context_to](config)
        self.vocabulary = target_size
        self.read_size = config.read_size
        self.summary_kind = config.encoder.summary
        self.has_attention = config.has_attention
        self.has_coverage = config.attention.coverage
        # |readout| is known after tanh: int8 then needs no scale for each row (`ready.Int8Product`)
        self.readout_bound = 1.0 if config.decoder.readout in ("tanh", "deep") and not config.is_transformer else None
        self.output = Linear(config.readout_size, target_size)
        if config.embedding.tie == "none" or target_table is None:
            nn.init.normal_(self.output.weight, std=config.readout_size**-0.5)
        else:
            self.output.weight = target_table.weight
        nn.init.zeros_(self.output.bias)
        self.copy_gate = CopyGate(config.readout_size) if config.decoder.copy_source else None
        self.dropout = SequenceDropout(config.dropout.output, config.dropout.mask)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Read `source` (B, S), ids with EOS, padded; `lengths` (B,) counts the real tokens.

        With copying there may be ids past the vocabulary's, which are read as UNK and copied as they are.
        """
        embedded = self.source_embedding(self._entries(source))
        states, final = self.encoder(embedded.to(next(self.encoder.parameters()).dtype), lengths)
        is_real = torch.arange(source.shape[1], device=source.device) < lengths.unsqueeze(1)
        summary = summarize(self.summary_kind, states, final, lengths)
        # For search only: in training it would wait for the GPU.
        copies_words = self.copy_gate is not None and not self.training
        further = max(0, int(source.max()) + 1 - self.vocabulary) if copies_words else 0
        return Memory(cast_once(states), self.decoder.keys(states), is_real, final, summary, source, further)

    def restrict(self, memory: Memory, tokens: Tensor, is_allowed: Tensor) -> Memory:
        """Return `memory` for generating only target `tokens` (U,), of which each sentence `is_allowed` (B, U) some."""
        return dataclasses.replace(memory, shortlist=Shortlist(tokens, is_allowed, self.output.columns(tokens)))

    def forward(self, source: Tensor, lengths: Tensor, previous: Tensor) -> Unrolled:
        """Return readouts and alignments for the `previous` tokens (B, T), BOS first; `self.output` makes logits."""
        readout, alignment = self.decoder.unroll(self._embed(previous), self.encode(source, lengths))
        return Unrolled(self.dropout(readout), alignment)

    def start(self, memory: Memory, beams: int) -> DecoderState:
        """Return the state of `beams` empty hypotheses a sentence, B * K rows, those of a sentence together."""
        return self.decoder.start(memory, beams).to(self.source_embedding.table.weight.dtype)

    def step(self, token: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, StepOutput]:
        """Read the previous `token` (N,), BOS first, and predict the next of the hypotheses that `memory` is for."""
        state, readout, alignment = self.decoder.step(self._embed(token.unsqueeze(1)).squeeze(1), state, memory)
        shortlist = memory.shortlist
        if shortlist is None:
            logits = self.output(readout).float()
            if self.copy_gate is not None:
                copies = memory.of_hypotheses(memory.source, len(logits))
                logits = self.copy_gate.mix(logits, readout, alignment, copies, memory.further)
            return state, StepOutput(logits, alignment)
        logits = shortlist.output(readout).float()
        logits = logits.masked_fill(~memory.of_hypotheses(shortlist.is_allowed, len(logits)), -torch.inf)
        return state, StepOutput(logits, alignment, shortlist.tokens)

    def _entries(self, tokens: Tensor) -> Tensor:
        """Return `tokens` with UNK in place of what only copying knows."""
        return tokens if self.copy_gate is None else tokens.where(tokens < self.vocabulary, UNK)

    def _embed(self, previous: Tensor) -> Tensor:
        """Return what the decoder reads of `previous` tokens (N, T): (N, T, E), of width 0 without feedback."""
        if self.target_embedding is None:
            return self.source_embedding.table.weight.new_empty(*previous.shape, 0)
        embedded: Tensor = self.target_embedding(self._entries(previous))
        return embedded[..., : self.read_size]
