"""From stores to batches of padded token ids, an endless stream that can go on from any position.

Axis letters: B sentences, S source tokens, T target tokens. An epoch is cut into windows, a window into batches.
Everything is a function of the seed, the epoch, the window and the settings. A `Position` holds the settings with which
its epoch and its window began, so that no pair is repeated or skipped if the settings change within them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.data.store import Store
from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import EOS, PAD
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
class Cut:
    """How pairs are cut into batches."""

    tokens: int | None
    """Target tokens of a batch, EOS included."""
    sentences: int | None
    """Sentences of a batch, in place of `tokens`."""
    max_tokens: int
    """Pairs with more tokens than this on a side, without EOS, are left out."""
    taken: int = 0
    """In `Position.earlier`: batches of this cut that were taken before the settings changed."""


@dataclass(frozen=True)
class Layout:
    """What decides which pairs are in which window of an epoch."""

    pairs_per_window: int
    """About how many pairs a window has."""
    max_tokens: int
    """Pairs with more tokens than this on a side, without EOS, are in none."""
    weights: tuple[float, ...]
    """Passes over each store in an epoch."""


@dataclass(frozen=True)
class Position:
    """Where a stream of batches goes on."""

    epoch: int = 0
    window: int = 0
    batch: int = 0
    layout: Layout | None = None
    """With which the epoch began; None where none of its batches has been taken."""
    cut: Cut | None = None
    """Of the batches of the window that `batch` counts; None where none of them has been taken."""
    earlier: tuple[Cut, ...] = ()
    """How the window was cut before; each cut is of the pairs that the one before it had left."""

    @property
    def is_incomplete(self) -> bool:
        """Whether it lacks a layout or a cut that it needs, as those that older versions saved do."""
        return (self.layout is None and self.window + self.batch > 0) or (self.cut is None and self.batch > 0)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Position":
        """Undo `dataclasses.asdict`, after a way through JSON; raises `KeyError` and `TypeError`."""
        layout, cut = values.get("layout"), values.get("cut")
        if layout is not None:
            layout = Layout(**{**layout, "weights": tuple(layout["weights"])})
        cut = None if cut is None else Cut(**cut)
        earlier = tuple(Cut(**one) for one in values.get("earlier", ()))
        return cls(**{**values, "layout": layout, "cut": cut, "earlier": earlier})


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
        self._vocabularies, self._seed, self._sampling = vocabularies, seed, sampling
        if sampling and not all(store.is_text for store in self._stores):
            raise NmtError("the data was prepared without subword.sampling; run nmt preprocess again")
        if sampling and vocabularies.source.kind != kind:
            raise NmtError(
                f"the data was prepared with subword.kind {vocabularies.source.kind}, not {kind}; "
                "run nmt preprocess again"
            )
        self._cut = Cut(tokens_per_batch, sentences_per_batch, max_tokens)
        weights = tuple(weight for _, weight in train)
        usable = self._usable(max_tokens)
        pairs = sum(map(len, usable))
        self.left_out = sum(map(len, self._stores)) - pairs
        """Pairs with more than `max_tokens` tokens on a side."""
        if not pairs:
            raise NmtError(
                f"no training pair has {max_tokens} tokens or fewer on both sides; raise training.max_tokens"
            )
        an_epoch = sum(weight * len(rows) for weight, rows in zip(weights, usable, strict=True))
        if an_epoch < _LEAST_PAIRS_PER_EPOCH:
            raise NmtError(f"data.train.weight leaves {an_epoch:.2g} pairs an epoch; raise it")
        self._layout = self._layout_of(self._cut, weights, usable)

    def completed(
        self,
        position: Position,
        tokens_per_batch: int | None,
        sentences_per_batch: int | None,
        max_tokens: int,
        weights: Sequence[float],
    ) -> Position:
        """Return a position that an older version saved with the layout and the cut of the settings of that time."""
        cut = Cut(tokens_per_batch, sentences_per_batch, max_tokens)
        layout = self._layout_of(cut, tuple(weights), self._usable(max_tokens))
        return replace(position, layout=layout, cut=cut if position.batch else None)

    def run_from(self, position: Position) -> Iterator[tuple[Batch, Position]]:
        """Yield batches without end, each with the position of the batch that follows it.

        What is left of the epoch of `position` keeps the windows that the epoch began with, as other windows would
        repeat and skip pairs. If the size of a batch has changed, the pairs left in the window are cut anew.
        """
        if position.cut is not None and position.cut != self._cut and position.batch:
            taken = replace(position.cut, taken=position.batch)
            position = replace(position, batch=0, earlier=(*position.earlier, taken))
        here = replace(position, layout=position.layout or self._layout, cut=self._cut)
        while True:
            windows = self._windows(here.epoch, here.layout or self._layout)
            for window in range(here.window, len(windows)):
                yield from self._batches(windows[window], replace(here, window=window), window + 1 == len(windows))
                here = replace(here, batch=0, earlier=())
            here = Position(here.epoch + 1, layout=self._layout, cut=self._cut)

    def _batches(self, numbers: Ints, here: Position, is_last: bool) -> Iterator[tuple[Batch, Position]]:
        """Yield the batches from `here` to the end of its window, the last one of its epoch or not, like `run_from`."""
        cuts = [*here.earlier, replace(self._cut, taken=here.batch)]
        if here.layout is not None and cuts[0].max_tokens < here.layout.max_tokens:
            numbers = numbers[self._fit(numbers, cuts[0].max_tokens)]
        if not len(numbers):
            return
        numbers = np.sort(numbers)
        pairs = self._read(numbers, here.epoch, here.window)
        rows, longest = np.arange(len(numbers)), cuts[0].max_tokens
        batches: list[Ints] = []
        for number, cut in enumerate(cuts):
            if cut.max_tokens < longest:
                rows, longest = rows[self._fit(numbers[rows], cut.max_tokens)], cut.max_tokens
            draw = generator(self._seed, "window", here.epoch, here.window, *([number] if number else []))
            found = pairs.cut(rows, cut.tokens, cut.sentences, draw)
            batches = [found[i] for i in draw.permutation(len(found)).tolist()][cut.taken :]
            rows = np.sort(np.concatenate([rows[:0], *batches]))
        following = Position(here.epoch + 1) if is_last else Position(here.epoch, here.window + 1, layout=here.layout)
        for number, batch in enumerate(batches, here.batch + 1):
            is_end = number == here.batch + len(batches)
            yield pairs.batch(batch), following if is_end else replace(here, batch=number)

    def _layout_of(self, cut: Cut, weights: tuple[float, ...], usable: list[Ints]) -> Layout:
        """Return the layout of an epoch of batches of this size from the pairs `usable` of each store."""
        pairs = sum(map(len, usable))
        tokens = pairs + sum(
            int(store.target_lengths[rows].sum()) for store, rows in zip(self._stores, usable, strict=True)
        )
        pairs_per_batch = cut.tokens / max(1, tokens) * pairs if cut.tokens else float(cut.sentences or 1)
        return Layout(max(_LEAST_PAIRS_PER_WINDOW, int(pairs_per_batch * _BATCHES_PER_WINDOW)), cut.max_tokens, weights)

    def _usable(self, max_tokens: int) -> list[Ints]:
        """Return which pairs of each store have at most `max_tokens` tokens on both sides."""
        return [
            np.flatnonzero((store.source_lengths <= max_tokens) & (store.target_lengths <= max_tokens))
            for store in self._stores
        ]

    def _windows(self, epoch: int, layout: Layout) -> list[Ints]:
        """Return the pair numbers of each window of an epoch; the stores' pairs are numbered one after the other."""
        base, parts = 0, []
        usable = self._usable(layout.max_tokens)
        for i, (store, weight, rows) in enumerate(zip(self._stores, layout.weights, usable, strict=True)):
            passes, share = int(weight), weight % 1 * len(rows)
            parts += [rows + base] * passes
            # Each epoch takes up where the one before left a fixed shuffled order.
            start, stop = int(epoch * share), int((epoch + 1) * share)
            if stop > start:
                turn = generator(self._seed, "rotation", i).permutation(rows) + base
                parts.append(turn.take(np.arange(start, stop), mode="wrap"))
            base += len(store)
        numbers = np.concatenate(parts) if parts else np.empty(0, np.int64)
        if not len(numbers):
            return []
        generator(self._seed, "shuffle", epoch).shuffle(numbers)
        return np.array_split(numbers, max(1, round(len(numbers) / layout.pairs_per_window)))

    def _by_store(self, numbers: Ints) -> Iterator[tuple[Store, Ints]]:
        """Yield each store that has some of the pairs `numbers`, which ascend, and their rows in it."""
        bounds = np.searchsorted(numbers, np.cumsum([0, *map(len, self._stores)]))
        base = 0
        for i, store in enumerate(self._stores):
            if bounds[i + 1] > bounds[i]:
                yield store, numbers[bounds[i] : bounds[i + 1]] - base
            base += len(store)

    def _fit(self, numbers: Ints, max_tokens: int) -> npt.NDArray[np.bool_]:
        """Return which of the pairs `numbers` have at most `max_tokens` tokens on both sides."""
        order = np.argsort(numbers)
        fits = [
            (store.source_lengths[rows] <= max_tokens) & (store.target_lengths[rows] <= max_tokens)
            for store, rows in self._by_store(numbers[order])
        ]
        is_short = np.empty(len(numbers), np.bool_)
        is_short[order] = np.concatenate(fits) if fits else True
        return is_short

    def _read(self, numbers: Ints, epoch: int, window: int) -> "_Pairs":
        """Return the pairs `numbers` of a window, which ascend, as token ids."""
        parts = list(self._by_store(numbers))
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

    def cut(self, rows: Ints, tokens: int | None, sentences: int | None, draw: np.random.Generator) -> list[Ints]:
        """Group pairs of similar lengths among `rows` into batches of `tokens` target tokens or of `sentences`."""
        count = len(rows)
        rows = rows[np.lexsort((draw.permutation(count), self.source.lengths[rows], self.target.lengths[rows]))]
        if not count:
            return []
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
