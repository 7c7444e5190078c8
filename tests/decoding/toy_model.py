"""Toy engines for tests of search: random logits that depend on the source and on all tokens of a hypothesis.

The state is a hash of all tokens so far. So a wrong order of states changes every later probability.
Axes: B sentences, K beams, N hypotheses, S source tokens, V vocabulary.
"""

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from nmt.data.token_ids import BOS, EOS, PAD
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search import search_function
from nmt.decoding.top_k import top_k
from nmt.engine import ALL_TOKENS, Bools, Ints, Prediction

PRIME = 1009


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))).astype(np.float32)


def predict(log_probs, alignment, wanted):
    """Return what a search wants of all predictions, as an engine does."""
    alignment = alignment if wanted.alignment else None
    if wanted.candidates is None:
        return Prediction(log_probs, None, alignment)
    columns = top_k(log_probs, wanted.candidates)
    return Prediction(np.take_along_axis(log_probs, columns, 1), columns, alignment)


@dataclass(frozen=True)
class ToyMemory:
    key: Ints
    is_real: Bools
    slots: Ints | None = None
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
        return np.arange(len(self.key)).repeat(count // len(self.key))


@dataclass(frozen=True)
class ToyState:
    history: Ints

    def select(self, rows):
        return ToyState(self.history[rows])


class ToyModel:
    """Its logits have many exact ties if they are `rounded`."""

    batches_at_once = 1
    batch_tokens = 1 << 30
    rounds_rows = True

    def __init__(self, vocabulary, seed=0, sharpness=1.5, end=0.0, rounded=False):
        random = np.random.default_rng(seed)
        self.table = random.standard_normal((PRIME, vocabulary), np.float32) * np.float32(sharpness)
        self.table = self.table.round() if rounded else self.table
        self.table[:, EOS] += end
        self.attention = random.standard_normal((PRIME, 64), np.float32)
        self.rows_seen = 0

    def encode(self, source, lengths):
        is_real = np.arange(source.shape[1]) < lengths[:, None]
        weights = np.arange(1, source.shape[1] + 1) ** 2
        return ToyMemory((source * is_real * weights).sum(1) % PRIME, is_real)

    def start(self, memory, beams):
        return ToyState(np.zeros(len(memory.key) * beams, np.int64))

    def step(self, token, state, memory, wanted=ALL_TOKENS):
        self.rows_seen += len(token)
        rows = memory.rows(len(token))
        history = (state.history * 31 + token + 7) % PRIME
        at = (history * 17 + memory.key[rows]) % PRIME
        is_real = memory.is_real[rows]
        scores = np.where(is_real, self.attention[at, : is_real.shape[1]], np.float32(-np.inf))
        return ToyState(history), predict(log_softmax(self.table[at]), np.exp(log_softmax(scores)), wanted)


def search(model, batch, options):
    """Search with the algorithm that the options select."""
    return search_function(options)(model, batch, options)


def batch(sources, max_lengths, prefixes=(), random_keys=()):
    """Pad `sources`, lists of ids without EOS."""
    rows = [[*ids, EOS] for ids in sources]
    width = max(map(len, rows))
    table = np.array([row + [PAD] * (width - len(row)) for row in rows])
    return SearchBatch(table, np.array([len(row) for row in rows]), max_lengths, prefixes, random_keys)


def random_batch(seed, count, limit=8, vocabulary=12):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 7, count).tolist()
    sources = [random.integers(4, vocabulary, n).tolist() for n in lengths]
    return sources, random.integers(1, limit + 1, count).tolist()


def all_targets(vocabulary, max_length):
    """Return every sequence of at most `max_length` tokens without PAD, BOS and EOS."""
    tokens = [t for t in range(vocabulary) if t not in (PAD, BOS, EOS)]
    return [list(ids) for n in range(max_length + 1) for ids in itertools.product(tokens, repeat=n)]


@dataclass(frozen=True)
class EchoMemory:
    source: Ints
    is_real: Bools

    def select(self, rows):
        return EchoMemory(self.source[rows], self.is_real[rows])

    def at(self, slots, width):
        return self


@dataclass(frozen=True)
class EchoState:
    position: Ints

    def select(self, rows):
        return EchoState(self.position[rows])


class EchoModel:
    """Copies the source tokens in their order and attends to each; `calls` has the shapes of all encoded sources."""

    batches_at_once = 1
    batch_tokens = 1 << 30
    rounds_rows = True

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.calls = []

    def encode(self, source, lengths):
        self.calls.append(tuple(source.shape))
        return EchoMemory(source, np.arange(source.shape[1]) < lengths[:, None])

    def start(self, memory, beams):
        return EchoState(np.zeros(len(memory.source) * beams, np.int64))

    def step(self, token, state, memory, wanted):
        beams = len(token) // len(memory.source)
        position = np.minimum(state.position, memory.source.shape[1] - 1)
        rows = np.arange(len(token))
        logits = np.zeros((len(token), self.vocabulary), np.float32)
        logits[rows, memory.source.repeat(beams, 0)[rows, position]] = 9.0
        alignment = np.zeros((len(token), memory.source.shape[1]), np.float32)
        alignment[rows, position] = 1.0
        return EchoState(state.position + 1), predict(log_softmax(logits), alignment, wanted)
