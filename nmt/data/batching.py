"""Cut batches: pairs of similar length, up to a number of tokens or sentences, in an order drawn from the seed.

Axes: B sentences, S source tokens, T target tokens. An epoch is cut into windows, and a window into batches.
Everything is a function of the seed, the epoch, the window and the settings, so that training resumes at any batch. A
`Position` holds the settings with which its epoch and its window began: if the settings change within them, no pair is
repeated or skipped.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from nmt.data.shuffling import PAIRS_PER_BLOCK, PAIRS_PER_POOL, EpochLayout, Shuffle, Usable
from nmt.data.store import Store
from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.errors import NmtError
from nmt.randomness import derive_seed, generator

BATCHES_PER_WINDOW = 100
MIN_PAIRS_PER_WINDOW = 4096
_MIN_PAIRS_PER_EPOCH = 1e-3
"""With fewer, thousands of epochs would be empty before the first pair."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, the longest source first, padded with PAD; every sentence ends with EOS."""

    source: Ints
    """(B, S) token ids."""
    source_lengths: Ints
    """(B,) tokens of each source, including EOS."""
    target: Ints
    """(B, T) token ids, without BOS."""
    target_lengths: Ints
    """(B,) tokens of each target, including EOS."""

    @property
    def pairs(self) -> int:
        """The number of sentence pairs, B."""
        return len(self.source)

    @property
    def tokens(self) -> int:
        """The number of target tokens, including EOS, without padding."""
        return int(self.target_lengths.sum())


@dataclass(frozen=True)
class BatchLimits:
    """How many pairs a batch has. The field names are keys of training/state.json."""

    tokens: int | None
    """Target tokens of a batch, including EOS."""
    sentences: int | None
    """Sentences of a batch, instead of `tokens`."""
    max_tokens: int
    """Pairs with more tokens than this on a side, without EOS, are left out."""
    taken: int = 0
    """In `Position.earlier`: the number of batches with these limits before the settings changed."""


@dataclass(frozen=True)
class Position:
    """The place of the next batch in the stream of batches. The field names are keys of training/state.json."""

    epoch: int = 0
    window: int = 0
    batch: int = 0
    layout: EpochLayout | None = None
    """The layout with which the epoch began; None before its first batch."""
    cut: BatchLimits | None = None
    """The limits of the batches of the window that `batch` counts; None before the first of them."""
    earlier: tuple[BatchLimits, ...] = ()
    """Earlier limits in this window; each applies to the pairs that the batches before it left."""

    @property
    def is_incomplete(self) -> bool:
        """Whether the layout or the limits are missing although batches were taken, as older versions saved it."""
        return (self.layout is None and self.window + self.batch > 0) or (self.cut is None and self.batch > 0)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Position":
        """Return the position that `dataclasses.asdict` wrote to JSON. Raise KeyError or TypeError if it is not one."""
        layout, cut = values.get("layout"), values.get("cut")
        if layout is not None:
            layout = EpochLayout(**{**layout, "weights": tuple(layout["weights"])})
        cut = None if cut is None else BatchLimits(**cut)
        earlier = tuple(BatchLimits(**limits) for limits in values.get("earlier", ()))
        return cls(**{**values, "layout": layout, "cut": cut, "earlier": earlier})


class Batches:
    """Training batches from weighted stores, an endless stream that starts at any position."""

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
        pairs_per_pool: int = PAIRS_PER_POOL,
        pairs_per_block: int = PAIRS_PER_BLOCK,
    ) -> None:
        """Take the stores with their weights (passes in an epoch) and the size of a batch.

        Give either `tokens_per_batch`, which counts target tokens including EOS, or `sentences_per_batch`. Pairs with
        more than `max_tokens` tokens on a side, without EOS, are left out. `sampling` is the amount of subword
        sampling, see `Subword.sample`; it needs stores of text and a subword model of this `kind`. `pairs_per_pool` and
        `pairs_per_block` decide how larger corpora are shuffled, see `nmt.data.shuffling`. Raise NmtError if the stores
        do not match the settings or if no pair is left.
        """
        self._stores = [store for store, _ in train]
        self._vocabularies, self._seed, self._sampling = vocabularies, seed, sampling
        if sampling and not all(store.is_text for store in self._stores):
            raise NmtError("the data was prepared without subword.sampling; run nmt preprocess again")
        if sampling and vocabularies.source.kind != kind:
            raise NmtError(
                f"the data was prepared with subword.kind {vocabularies.source.kind}, not {kind}; "
                "run nmt preprocess again"
            )
        self._shuffle = Shuffle(self._stores, seed)
        self._limits = BatchLimits(tokens_per_batch, sentences_per_batch, max_tokens)
        weights = tuple(weight for _, weight in train)
        usable = self._shuffle.count_usable(max_tokens)
        self.left_out = len(self._shuffle) - sum(usable.pairs)
        """The number of pairs with more than `max_tokens` tokens on a side."""
        if not sum(usable.pairs):
            raise NmtError(
                f"no training pair has {max_tokens} tokens or fewer on both sides; raise training.max_tokens"
            )
        pairs_per_epoch = sum(weight * pairs for weight, pairs in zip(weights, usable.pairs, strict=True))
        if pairs_per_epoch < _MIN_PAIRS_PER_EPOCH:
            raise NmtError(f"data.train.weight leaves {pairs_per_epoch:.2g} pairs an epoch; raise it")
        layout = _layout_together(self._limits, weights, usable)
        self._layout = self._shuffle.add_pools(layout, usable, pairs_per_pool, pairs_per_block)

    def complete(
        self,
        position: Position,
        tokens_per_batch: int | None,
        sentences_per_batch: int | None,
        max_tokens: int,
        weights: Sequence[float],
    ) -> Position:
        """Return a position that an older version saved, with the layout and the limits of its settings added.

        Versions that did not save them shuffled all pairs of an epoch together.
        """
        limits = BatchLimits(tokens_per_batch, sentences_per_batch, max_tokens)
        layout = _layout_together(limits, tuple(weights), self._shuffle.count_usable(max_tokens))
        return replace(position, layout=layout, cut=limits if position.batch else None)

    def iterate_from(self, position: Position) -> Iterator[tuple[Batch, Position]]:
        """Yield batches without end, each with the position of the next batch.

        The rest of the epoch of `position` keeps the windows with which the epoch began, as other windows would repeat
        and skip pairs. If the size of a batch has changed, the rest of the pairs of the window is cut again.
        """
        if position.cut is not None and position.cut != self._limits and position.batch:
            taken = replace(position.cut, taken=position.batch)
            position = replace(position, batch=0, earlier=(*position.earlier, taken))
        position = replace(position, layout=position.layout or self._layout, cut=self._limits)
        while True:
            layout = position.layout or self._layout
            for window, numbers, is_last in self._shuffle.windows(position.epoch, layout, position.window):
                yield from self._window_batches(numbers, replace(position, window=window), is_last)
                position = replace(position, batch=0, earlier=())
            position = Position(position.epoch + 1, layout=self._layout, cut=self._limits)

    def _window_batches(self, numbers: Ints, position: Position, is_last: bool) -> Iterator[tuple[Batch, Position]]:
        """Yield the batches from `position` to the end of its window, which has the pairs `numbers`.

        `is_last` says that this window is the last one of its epoch.
        """
        all_limits = [*position.earlier, replace(self._limits, taken=position.batch)]
        numbers = np.sort(numbers)
        longest = self._shuffle.longest(numbers)
        is_usable = longest <= all_limits[0].max_tokens
        numbers, longest = numbers[is_usable], longest[is_usable]
        if not len(numbers):
            return
        pairs = self._read(numbers, position.epoch, position.window)
        rows = np.arange(len(numbers))
        batches: list[Ints] = []
        for i, limits in enumerate(all_limits):
            rows = rows[longest[rows] <= limits.max_tokens]
            draw = generator(self._seed, "window", position.epoch, position.window, *([i] if i else []))
            found = pairs.group(rows, limits.tokens, limits.sentences, draw)
            batches = [found[k] for k in draw.permutation(len(found)).tolist()][limits.taken :]
            rows = np.sort(np.concatenate([rows[:0], *batches]))
        following = Position(position.epoch, position.window + 1, layout=position.layout)
        following = Position(position.epoch + 1) if is_last else following
        for number, batch in enumerate(batches, position.batch + 1):
            is_end = number == position.batch + len(batches)
            yield pairs.batch(batch), following if is_end else replace(position, batch=number)

    def _read(self, numbers: Ints, epoch: int, window: int) -> "_SentencePairs":
        """Return the pairs `numbers` of a window, which are in ascending order, as token ids."""
        parts = self._shuffle.rows(numbers)
        sides = []
        for side, subword in (("source", self._vocabularies.source), ("target", self._vocabularies.target)):
            if self._sampling:
                lines = [line for store, rows in parts for line in store.texts(side, rows)]
                seed = derive_seed(self._seed, "subword", side, epoch, window)
                sides.append(Sentences.from_lists(subword.sample(lines, self._sampling, seed)))
            else:
                read = [read_ids(store, side, rows, subword) for store, rows in parts]
                ids, lengths = np.concatenate([s.ids for s in read]), np.concatenate([s.lengths for s in read])
                sides.append(Sentences(ids, lengths))
        return _SentencePairs(*sides)


def _layout_together(limits: BatchLimits, weights: tuple[float, ...], usable: Usable) -> EpochLayout:
    """Return the layout of an epoch of batches with these limits whose pairs are shuffled together."""
    pairs = sum(usable.pairs)
    pairs_per_batch = limits.tokens / max(1, usable.tokens) * pairs if limits.tokens else float(limits.sentences or 1)
    pairs_per_window = max(MIN_PAIRS_PER_WINDOW, int(pairs_per_batch * BATCHES_PER_WINDOW))
    return EpochLayout(pairs_per_window, limits.max_tokens, weights)


def evaluation_batches(
    store: Store, tokens_per_batch: int, is_used: npt.NDArray[np.bool_] | None = None
) -> Iterator[tuple[Batch, Ints]]:
    """Yield every pair of `store` once, short pairs first, with the numbers (B,) of the pairs in each batch.

    Only pairs that are True in `is_used`, (pairs,), are read. A batch has at most `tokens_per_batch` target tokens,
    unless it is one pair.
    """
    rows = np.lexsort((store.source_lengths, store.target_lengths))
    if is_used is not None:
        rows = rows[is_used[rows]]
    for part in _split_by_tokens(np.asarray(store.target_lengths, np.int64)[rows] + 1, tokens_per_batch):
        numbers = rows[part]
        pairs = _SentencePairs(read_ids(store, "source", numbers, None), read_ids(store, "target", numbers, None))
        order = pairs.sort_by_source(np.arange(len(numbers)))
        yield pairs.batch(order), numbers[order]


class Sentences:
    """Sentences of token ids: `ids` of all sentences end to end, and the `lengths` of each, without EOS."""

    def __init__(self, ids: npt.NDArray[np.integer], lengths: Ints) -> None:
        self.ids, self.lengths = ids, lengths.astype(np.int64)
        self._starts = np.cumsum(self.lengths) - self.lengths

    @classmethod
    def from_lists(cls, sentences: list[list[int]]) -> "Sentences":
        """Join lists of token ids."""
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        return cls(np.fromiter(chain.from_iterable(sentences), np.int64, int(lengths.sum())), lengths)

    def pad(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return the sentences `rows` as (B, longest + 1) with EOS and PAD, and their lengths including EOS, (B,)."""
        lengths = self.lengths[rows]
        out = np.full((len(rows), int(lengths.max()) + 1), PAD, np.int64)
        row = np.repeat(np.arange(len(rows)), lengths)
        column = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        out[row, column] = self.ids[np.repeat(self._starts[rows], lengths) + column]
        out[np.arange(len(rows)), lengths] = EOS
        return out, lengths + 1


@dataclass(frozen=True)
class _SentencePairs:
    """Sentence pairs in memory."""

    source: Sentences
    target: Sentences

    def group(self, rows: Ints, tokens: int | None, sentences: int | None, draw: np.random.Generator) -> list[Ints]:
        """Group the pairs `rows` by similar length into batches of `tokens` target tokens or of `sentences`."""
        count = len(rows)
        rows = rows[np.lexsort((draw.permutation(count), self.source.lengths[rows], self.target.lengths[rows]))]
        if not count:
            return []
        if sentences is not None:
            parts = [slice(start, start + sentences) for start in range(0, count, sentences)]
        else:
            lengths = self.target.lengths[rows] + 1
            parts = _split_by_tokens(lengths, _smallest_budget(lengths, tokens or 1))
        return [self.sort_by_source(rows[part]) for part in parts]

    def sort_by_source(self, rows: Ints) -> Ints:
        """Return `rows` with the longest source first."""
        return rows[np.argsort(-self.source.lengths[rows], kind="stable")]

    def batch(self, rows: Ints) -> Batch:
        """Pad the pairs `rows`."""
        return Batch(*self.source.pad(rows), *self.target.pad(rows))


def _split_by_tokens(lengths: Ints, budget: int) -> list[slice]:
    """Split consecutive sentences into runs of at most `budget` tokens; a longer sentence is a run of its own."""
    ends = np.cumsum(lengths)
    runs, start, done = [], 0, 0
    while start < len(lengths):
        stop = max(start + 1, int(np.searchsorted(ends, done + budget, side="right")))
        runs.append(slice(start, stop))
        start, done = stop, int(ends[stop - 1])
    return runs


def _smallest_budget(lengths: Ints, budget: int) -> int:
    """Return the smallest budget that gives as few runs as `budget`, so that the last run is not a small one."""
    runs = len(_split_by_tokens(lengths, budget))
    lowest = min(budget, int(lengths.sum()) // runs)
    # bisect needs ascending keys, and the number of runs falls with the budget.
    return lowest + bisect_left(range(lowest, budget), -runs, key=lambda b: -len(_split_by_tokens(lengths, b)))


def read_ids(store: Store, side: str, rows: Ints, subword: Subword | None) -> Sentences:
    """Read one side of the pairs `rows`. The text of a store of text is segmented by `subword`, without sampling."""
    if store.is_text:
        assert subword is not None
        return Sentences.from_lists(subword.encode(store.texts(side, rows)))
    return Sentences(*store.gather(side, rows))
