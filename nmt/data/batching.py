"""From stores to batches of padded token ids, an endless stream that can go on from any position.

Axis letters: B sentences, S source tokens, T target tokens. Everything is a function of the seed, the epoch and the
window, so that a `Position` of three numbers is all there is to save.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from nmt.data.store import Store
from nmt.data.subword import EOS, PAD, Subword, Vocabularies
from nmt.errors import NmtError
from nmt.randomness import address, generator

_BATCHES_PER_WINDOW = 100
_LEAST_PAIRS_PER_EPOCH = 1e-3
"""With fewer it would take thousands of empty epochs to find the first."""
_LEAST_PAIRS_PER_WINDOW = 4096

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, the longest source first, padded with PAD; every sentence ends with EOS."""

    source: Ints
    """(B, S) token ids."""
    source_lengths: Ints
    """(B,) tokens of each source, EOS included."""
    target: Ints
    """(B, T) token ids, without BOS."""
    target_lengths: Ints
    """(B,) tokens of each target, EOS included."""

    @property
    def pairs(self) -> int:
        """Number of sentence pairs, B."""
        return len(self.source)

    @property
    def tokens(self) -> int:
        """Number of target tokens, EOS included, padding not counted."""
        return int(self.target_lengths.sum())


@dataclass(frozen=True)
class Position:
    """Where a stream of batches goes on."""

    epoch: int = 0
    window: int = 0
    batch: int = 0


class Batches:
    """Training batches from weighted stores."""

    def __init__(
        self,
        train: list[tuple[Store, float]],
        vocabularies: Vocabularies,
        tokens_per_batch: int | None,
        sentences_per_batch: int | None,
        max_tokens: int,
        seed: int,
        sampling: float,
        kind: str,
    ) -> None:
        """Take the stores with their weights (passes in an epoch) and the size of a batch.

        `tokens_per_batch` counts target tokens with EOS; `max_tokens` is the longest side, without EOS, of a pair
        that is used; `sampling` is the amount for `Subword.sample`, which means something else for each `kind` of
        subword model, and needs stores of text.
        """
        if (tokens_per_batch is None) == (sentences_per_batch is None):
            raise ValueError("give either tokens_per_batch or sentences_per_batch")
        self._stores = [store for store, _ in train]
        self._weights = [weight for _, weight in train]
        self._vocabularies, self._seed, self._sampling = vocabularies, seed, sampling
        self._tokens, self._sentences = tokens_per_batch, sentences_per_batch
        if sampling and not all(store.is_text for store in self._stores):
            raise NmtError("the data was prepared without subword.sampling; run nmt preprocess again")
        if sampling and vocabularies.source.kind != kind:
            raise NmtError(
                f"the data was prepared with subword.kind {vocabularies.source.kind}, not {kind}; "
                "run nmt preprocess again"
            )
        self._usable = [
            np.flatnonzero((store.source_lengths <= max_tokens) & (store.target_lengths <= max_tokens))
            for store in self._stores
        ]
        pairs = sum(map(len, self._usable))
        self.left_out = sum(map(len, self._stores)) - pairs
        """Pairs with more than `max_tokens` tokens on a side."""
        if not pairs:
            raise NmtError(
                f"no training pair has {max_tokens} tokens or fewer on both sides; raise training.max_tokens"
            )
        an_epoch = sum(weight * len(usable) for weight, usable in zip(self._weights, self._usable, strict=True))
        if an_epoch < _LEAST_PAIRS_PER_EPOCH:
            raise NmtError(f"data.train.weight leaves {an_epoch:.2g} pairs an epoch; raise it")
        tokens = pairs + sum(
            int(store.target_lengths[usable].sum()) for store, usable in zip(self._stores, self._usable, strict=True)
        )
        pairs_per_batch = tokens_per_batch / tokens * pairs if tokens_per_batch else float(sentences_per_batch or 1)
        self._pairs_per_window = max(_LEAST_PAIRS_PER_WINDOW, int(pairs_per_batch * _BATCHES_PER_WINDOW))

    def run_from(self, position: Position) -> Iterator[tuple[Batch, Position]]:
        """Yield batches without end, each with the position of the batch that follows it."""
        epoch, window, first = position.epoch, position.window, position.batch
        while True:
            windows = self._windows(epoch)
            for number in range(window, len(windows)):
                pairs = self._read(windows[number], epoch, number)
                draw = generator(self._seed, "window", epoch, number)
                cuts = pairs.cut(self._tokens, self._sentences, draw)
                order = draw.permutation(len(cuts)).tolist()
                for i in range(first, len(order)):
                    following = Position(epoch, number, i + 1)
                    if i + 1 == len(order):
                        is_end = number + 1 == len(windows)
                        following = Position(epoch + 1) if is_end else Position(epoch, number + 1)
                    yield pairs.batch(cuts[order[i]]), following
                first = 0
            epoch, window, first = epoch + 1, 0, 0

    def _windows(self, epoch: int) -> list[Ints]:
        """Return the pair numbers of each window of an epoch; the stores' pairs are numbered one after the other."""
        base, parts = 0, []
        for i, (store, weight, usable) in enumerate(zip(self._stores, self._weights, self._usable, strict=True)):
            passes, share = int(weight), weight % 1 * len(usable)
            parts += [usable + base] * passes
            # Each epoch takes up where the one before left a fixed shuffled order.
            start, stop = int(epoch * share), int((epoch + 1) * share)
            if stop > start:
                turn = generator(self._seed, "rotation", i).permutation(usable) + base
                parts.append(turn.take(np.arange(start, stop), mode="wrap"))
            base += len(store)
        numbers = np.concatenate(parts) if parts else np.empty(0, np.int64)
        if not len(numbers):
            return []
        generator(self._seed, "shuffle", epoch).shuffle(numbers)
        return np.array_split(numbers, max(1, round(len(numbers) / self._pairs_per_window)))

    def _read(self, numbers: Ints, epoch: int, window: int) -> "_Pairs":
        """Return the pairs of a window as token ids, in the order of the stores."""
        numbers = np.sort(numbers)
        bounds = np.searchsorted(numbers, np.cumsum([0, *map(len, self._stores)]))
        base, parts = 0, []
        for i, store in enumerate(self._stores):
            if bounds[i + 1] > bounds[i]:
                parts.append((store, numbers[bounds[i] : bounds[i + 1]] - base))
            base += len(store)
        sides = []
        for side, subword in (("source", self._vocabularies.source), ("target", self._vocabularies.target)):
            if self._sampling:
                lines = [line for store, rows in parts for line in store.texts(side, rows)]
                seed = address(self._seed, "subword", side, epoch, window)
                sides.append(Side.of(subword.sample(lines, self._sampling, seed)))
            else:
                read = [read_ids(store, side, rows, subword) for store, rows in parts]
                sides.append(Side(np.concatenate([s.ids for s in read]), np.concatenate([s.lengths for s in read])))
        return _Pairs(*sides)


def eval_batches(
    store: Store, tokens_per_batch: int, is_used: npt.NDArray[np.bool_] | None = None
) -> Iterator[tuple[Batch, Ints]]:
    """Yield every pair of `store` once, short ones first, with the numbers of the pairs (B,) in the batch's order.

    Pairs that are not `is_used`, (pairs,), are left out. A batch has at most `tokens_per_batch` target tokens unless it
    is one pair.
    """
    rows = np.lexsort((store.source_lengths, store.target_lengths))
    if is_used is not None:
        rows = rows[is_used[rows]]
    for cut in _cut(np.asarray(store.target_lengths, np.int64)[rows] + 1, tokens_per_batch):
        here = rows[cut]
        pairs = _Pairs(read_ids(store, "source", here, None), read_ids(store, "target", here, None))
        order = pairs.by_source(np.arange(len(here)))
        yield pairs.batch(order), here[order]


class Side:
    """Sentences end to end: `ids` of them all and the `lengths` of each, EOS not included."""

    def __init__(self, ids: npt.NDArray[np.integer], lengths: Ints) -> None:
        self.ids, self.lengths = ids, lengths.astype(np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths

    @classmethod
    def of(cls, sentences: list[list[int]]) -> "Side":
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        return cls(np.fromiter(chain.from_iterable(sentences), np.int64, int(lengths.sum())), lengths)

    def padded(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return the sentences `rows` as (B, longest + 1) with EOS and PAD, and their lengths with EOS, (B,)."""
        lengths = self.lengths[rows]
        out = np.full((len(rows), int(lengths.max()) + 1), PAD, np.int64)
        row = np.repeat(np.arange(len(rows)), lengths)
        column = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        out[row, column] = self.ids[np.repeat(self._starts[rows], lengths) + column]
        out[np.arange(len(rows)), lengths] = EOS
        return out, lengths + 1


@dataclass(frozen=True)
class _Pairs:
    """Pairs in memory, and how they make batches."""

    source: Side
    target: Side

    def cut(self, tokens: int | None, sentences: int | None, draw: np.random.Generator) -> list[Ints]:
        """Group pairs of similar lengths into batches of `tokens` target tokens or of `sentences`."""
        count = len(self.source.lengths)
        rows = np.lexsort((draw.permutation(count), self.source.lengths, self.target.lengths))
        if sentences is not None:
            cuts = [slice(start, start + sentences) for start in range(0, count, sentences)]
        else:
            lengths = self.target.lengths[rows] + 1
            cuts = _cut(lengths, _even_budget(lengths, tokens or 1))
        return [self.by_source(rows[cut]) for cut in cuts]

    def by_source(self, rows: Ints) -> Ints:
        """Return `rows` with the longest source first."""
        return rows[np.argsort(-self.source.lengths[rows], kind="stable")]

    def batch(self, rows: Ints) -> Batch:
        """Pad the pairs `rows`."""
        return Batch(*self.source.padded(rows), *self.target.padded(rows))


def _cut(lengths: Ints, budget: int) -> list[slice]:
    """Cut consecutive sentences into runs of at most `budget` tokens; a longer sentence is a run of its own."""
    ends = np.cumsum(lengths)
    cuts, start, done = [], 0, 0
    while start < len(lengths):
        stop = max(start + 1, int(np.searchsorted(ends, done + budget, side="right")))
        cuts.append(slice(start, stop))
        start, done = stop, int(ends[stop - 1])
    return cuts


def _even_budget(lengths: Ints, budget: int) -> int:
    """Return the smallest budget that gives as few runs: none of the longest sentences is left over for a tiny one."""
    least = len(_cut(lengths, budget))
    lowest = min(budget, int(lengths.sum()) // least)
    # bisect wants rising keys, and the number of runs falls.
    return lowest + bisect_left(range(lowest, budget), -least, key=lambda b: -len(_cut(lengths, b)))


def read_ids(store: Store, side: str, rows: Ints, subword: Subword | None) -> Side:
    """Read one side of the pairs `rows`; a store of text is segmented plainly with `subword`."""
    if store.is_text:
        assert subword is not None
        return Side.of(subword.encode(store.texts(side, rows)))
    return Side(*store.gather(side, rows))
