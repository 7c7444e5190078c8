"""Toy models for tests of search: random logits that depend on the source and on all tokens of a hypothesis.

The state is a hash of all tokens so far. So a wrong order of states changes every later probability.
Axes: B sentences, K beams, N hypotheses, S source tokens, V vocabulary.
"""

import dataclasses
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.data.token_ids import BOS, EOS, PAD
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search import search_function
from nmt.models.state import StepOutput

PRIME = 1009


@dataclass(frozen=True)
class ToyMemory:
    key: Tensor
    is_real: Tensor
    slots: Tensor | None = None
    width: int = 0

    def select(self, rows):
        is_real = self.is_real[rows]
        return ToyMemory(self.key[rows], is_real[:, : int(is_real.sum(1).max())])

    def at(self, slots, width):
        return dataclasses.replace(self, slots=slots, width=width)

    def rows(self, count):
        """Return the sentence of each of `count` hypotheses."""
        if self.slots is not None:
            return self.slots // self.width
        return torch.arange(len(self.key)).repeat_interleave(count // len(self.key))


@dataclass(frozen=True)
class ToyState:
    history: Tensor

    def select(self, rows):
        return ToyState(self.history[rows])


class ToyModel:
    """Its logits have many exact ties if they are `rounded`."""

    def __init__(self, vocabulary, seed=0, sharpness=1.5, end=0.0, rounded=False):
        random = torch.Generator().manual_seed(seed)
        self.table = torch.randn(PRIME, vocabulary, generator=random) * sharpness
        self.table = self.table.round() if rounded else self.table
        self.table[:, EOS] += end
        self.attention = torch.randn(PRIME, 64, generator=random)
        self.rows_seen = 0

    def encode(self, source, lengths):
        is_real = torch.arange(source.shape[1]) < lengths.unsqueeze(1)
        weights = torch.arange(1, source.shape[1] + 1) ** 2
        return ToyMemory((source * is_real * weights).sum(1) % PRIME, is_real)

    def start(self, memory, beams):
        return ToyState(torch.zeros(len(memory.key) * beams, dtype=torch.int64))

    def step(self, token, state, memory):
        self.rows_seen += len(token)
        rows = memory.rows(len(token))
        history = (state.history * 31 + token + 7) % PRIME
        at = (history * 17 + memory.key[rows]) % PRIME
        is_real = memory.is_real[rows]
        scores = self.attention[at, : is_real.shape[1]].masked_fill(~is_real, -torch.inf)
        return ToyState(history), StepOutput(self.table[at].clone(), scores.softmax(-1))


def search(model, batch, options):
    """Search with the algorithm that the options select."""
    return search_function(options)(model, batch, options)


def batch(sources, max_lengths, prefixes=(), random_keys=()):
    """Pad `sources`, lists of ids without EOS."""
    rows = [[*ids, EOS] for ids in sources]
    width = max(map(len, rows))
    table = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
    return SearchBatch(table, torch.tensor([len(row) for row in rows]), max_lengths, prefixes, random_keys)


def random_batch(seed, count, limit=8, vocabulary=12):
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 7, (count,), generator=random).tolist()
    sources = [torch.randint(4, vocabulary, (n,), generator=random).tolist() for n in lengths]
    return sources, torch.randint(1, limit + 1, (count,), generator=random).tolist()


def all_targets(vocabulary, max_length):
    """Return every sequence of at most `max_length` tokens without PAD, BOS and EOS."""
    tokens = [t for t in range(vocabulary) if t not in (PAD, BOS, EOS)]
    return [list(ids) for n in range(max_length + 1) for ids in itertools.product(tokens, repeat=n)]


@dataclass(frozen=True)
class EchoMemory:
    source: Tensor
    is_real: Tensor

    def select(self, rows):
        return EchoMemory(self.source[rows], self.is_real[rows])

    def at(self, slots, width):
        return self


@dataclass(frozen=True)
class EchoState:
    position: Tensor

    def select(self, rows):
        return EchoState(self.position[rows])


class EchoModel:
    """Copies the source tokens in their order and attends to each; `calls` has the shapes of all encoded sources."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.calls = []

    def encode(self, source, lengths):
        self.calls.append(tuple(source.shape))
        return EchoMemory(source, torch.arange(source.shape[1]) < lengths.unsqueeze(1))

    def start(self, memory, beams):
        return EchoState(torch.zeros(len(memory.source) * beams, dtype=torch.int64))

    def step(self, token, state, memory):
        beams = len(token) // len(memory.source)
        position = state.position.clamp(max=memory.source.shape[1] - 1).unsqueeze(1)
        now = memory.source.repeat_interleave(beams, 0).gather(1, position)
        logits = torch.zeros(len(token), self.vocabulary).scatter_(1, now, 9.0)
        alignment = torch.zeros(len(token), memory.source.shape[1]).scatter_(1, position, 1.0)
        return EchoState(state.position + 1), StepOutput(logits, alignment)
