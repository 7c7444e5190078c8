"""The whole network: `forward` for training; `encode`, `start` and `step` for search.

Axes: B sentences, N hypotheses (see `state`), S source tokens, T target tokens, E embedding width, R readout width,
V target vocabulary, U target tokens of a shortlist.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.config import Model
from nmt.data.token_ids import UNK
from nmt.kernels.batched_products import cast_for_batched_matmul
from nmt.models.cells import CellState
from nmt.models.decoders import DECODERS
from nmt.models.decoders.base import Decoder
from nmt.models.dropout import SequenceDropout
from nmt.models.embedding import TokenEmbedding, embedding_table
from nmt.models.encoder import Encoder, summarize
from nmt.models.linear import Linear
from nmt.models.pointer_generator import CopyGate
from nmt.models.shortlist import Shortlist
from nmt.models.state import DecoderState, Memory, StepOutput
from nmt.models.transformer import TransformerDecoder, TransformerEncoder


@dataclass(frozen=True)
class Unrolled:
    """Outputs of all steps for B sentences."""

    readout: Tensor
    """(B, T, R) input of the output layer."""
    alignment: Tensor
    """(B, T, S) attention over the source."""


class Seq2Seq(nn.Module):
    """p(y_t | y_1, …, y_{t-1}, x) = softmax(W r_t + b) for the readout r_t of the decoder (`config.Model`,
    `model:`)."""

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
        self.output = Linear(config.readout_size, target_size)
        if config.embedding.tie == "none" or target_table is None:
            nn.init.normal_(self.output.weight, std=config.readout_size**-0.5)
        else:
            self.output.weight = target_table.weight
        nn.init.zeros_(self.output.bias)
        self.copy_gate = CopyGate(config.readout_size) if config.decoder.copy_source else None
        self.dropout = SequenceDropout(config.dropout.output, config.dropout.mask)

    def forward(self, source: Tensor, lengths: Tensor, previous: Tensor) -> Unrolled:
        """Return readouts and alignments for the `previous` target tokens (B, T), BOS first.

        `source` and `lengths` are those of `encode`. `self.output` makes logits (B, T, V) of the readouts.
        """
        embedded = self._embed_target(previous)  # (B, T, E)
        states, final = self.encoder(self._embed_source(source), lengths)  # (B, S, M), (B, M) each
        memory = self._remember(source, lengths, states, final)
        output, context, alignment = self.decoder.unroll(embedded, memory)  # (B, T, …) each
        return Unrolled(self.dropout(self.decoder.read_out(output, context, embedded)), alignment)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode `source` (B, S), ids with EOS, padded; `lengths` (B,) counts the real tokens.

        With copying, ids from V on are encoded as UNK and copied as they are.
        """
        states, final = self.encoder(self._embed_source(source), lengths)  # (B, S, M), (B, M) each
        return self._remember(source, lengths, states, final)

    def restrict(self, memory: Memory, tokens: Tensor, is_allowed: Tensor) -> Memory:
        """Return `memory` restricted to target `tokens` (U,); `is_allowed` (B, U) are those of each sentence."""
        return dataclasses.replace(memory, shortlist=Shortlist(tokens, is_allowed, self.output.select_outputs(tokens)))

    def start(self, memory: Memory, width: int) -> DecoderState:
        """Return the state of `width` empty hypotheses per sentence, B * K rows, those of a sentence adjacent."""
        return self.decoder.start(memory, width).to(self.source_embedding.table.weight.dtype)

    def step(self, token: Tensor, state: DecoderState, memory: Memory) -> tuple[DecoderState, StepOutput]:
        """Read the previous `token` (N,), BOS first, of the hypotheses that `memory` is for, and predict the next."""
        embedded = self._embed_target(token.unsqueeze(1)).squeeze(1)  # (N, E)
        state, output, context, alignment = self.decoder.step(embedded, state, memory)
        readout = self.decoder.read_out(output, context, embedded)  # (N, R)
        shortlist = memory.shortlist
        if shortlist is None:
            logits = self.output(readout).float()  # (N, V)
            if self.copy_gate is not None:
                source = memory.repeat(memory.source, len(logits))  # (N, S)
                logits = self.copy_gate.mix(logits, readout, alignment, source, memory.extra_words)  # (N, V + X)
            return state, StepOutput(logits, alignment)
        logits = shortlist.output(readout).float()  # (N, U)
        logits = logits.masked_fill(~memory.repeat(shortlist.is_allowed, len(logits)), -torch.inf)
        return state, StepOutput(logits, alignment, shortlist.tokens)

    def _remember(self, source: Tensor, lengths: Tensor, states: Tensor, final: tuple[CellState, ...]) -> Memory:
        is_real = torch.arange(source.shape[1], device=source.device) < lengths.unsqueeze(1)  # (B, S)
        summary = summarize(self.summary_kind, states, final, lengths)  # (B, M)
        # Training does not need `extra_words`, and would wait for the GPU.
        copies_words = self.copy_gate is not None and not self.training
        extra_words = max(0, int(source.max()) + 1 - self.vocabulary) if copies_words else 0
        keys = self.decoder.keys(states)
        return Memory(cast_for_batched_matmul(states), keys, is_real, final, summary, source, extra_words)

    def _replace_extra_words(self, tokens: Tensor) -> Tensor:
        return tokens if self.copy_gate is None else tokens.where(tokens < self.vocabulary, UNK)

    def _embed_source(self, source: Tensor) -> Tensor:
        """Return the embeddings (B, S, E) of `source` (B, S) in the dtype of the encoder."""
        embedded: Tensor = self.source_embedding(self._replace_extra_words(source))
        return embedded.to(next(self.encoder.parameters()).dtype)

    def _embed_target(self, previous: Tensor) -> Tensor:
        """Return the embeddings (N, T, E) of `previous` tokens (N, T); E = 0 with `model.decoder.feedback: false`."""
        if self.target_embedding is None:
            return self.source_embedding.table.weight.new_empty(*previous.shape, 0)  # (N, T, 0)
        embedded: Tensor = self.target_embedding(self._replace_extra_words(previous))
        return embedded[..., : self.read_size]  # (N, T, E)
