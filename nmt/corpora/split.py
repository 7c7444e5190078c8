"""Draw validation and test sets from a corpus so that no sentence is in two parts.

Pairs are linked if their sources or their targets have the same near-duplicate key. Linked pairs form a group (a
connected component), and at most one pair of a group is evaluated; the others of that group are left out. Which groups
are drawn depends on a hash of the pairs and a seed, not on the order of the lines.
"""

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nmt.corpora.scan import Flags, Hashes, Scan

TRAIN, VALID, TEST, LEFT_OUT = range(4)
MIN_PAIRS = 10
"""A corpus with fewer different pairs cannot be split."""
_MAX_EVALUATED = 1000
_SHARE, _SMALL_SHARE, _SMALL_SIZE = 0.05, 0.125, 100
"""A set has 5 % of the pairs; of a small corpus up to 12.5 %, so that it has 100 pairs if that is possible."""
_GROUP_SIZES = (1, 4, 50)
"""Largest groups from which a pair is drawn; the next larger one only if there are not enough groups. Larger groups
stay in training, because all their other pairs would be lost."""
_SPREAD = 2
"""So many times more groups than are needed must be available, so that the drawn ones represent the corpus."""


@dataclass(frozen=True)
class Split:
    """The part of each pair."""

    parts: npt.NDArray[np.uint8]
    """TRAIN, VALID, TEST or LEFT_OUT for each pair."""
    ranks: Hashes
    """A pseudorandom number for each pair; drawn sets are sorted by it."""
    related: int
    """Pairs left out because they share a sentence with a pair of the validation or test set."""

    def count(self, part: int) -> int:
        """Return the number of pairs of a part."""
        return int((self.parts == part).sum())


def set_size(pairs: int) -> int:
    """Return the number of pairs of a validation or test set drawn from this many different pairs."""
    small = min(_SMALL_SIZE, int(_SMALL_SHARE * pairs))
    return min(_MAX_EVALUATED, max(1, small, int(_SHARE * pairs)))


def draw_sets(scan: Scan, suitable: Flags, wanted: tuple[int, int], seed: int, reserved: Flags) -> Split:
    """Return a split with up to `wanted` pairs for validation and for test.

    Only pairs that are `suitable` are drawn. Pairs that are `reserved` share a sentence with a set that the user gave:
    they are left out.
    """
    parts = np.full(len(scan), TRAIN, np.uint8)
    parts[reserved | scan.is_invalid] = LEFT_OUT
    ranks = pair_ranks(scan, seed)
    need = sum(wanted)
    if need:
        groups = link_pairs(scan)
        drawn = _draw(scan, groups, suitable & ~_with_groups_of(groups, reserved), ranks, need)
        valid = -(-len(drawn) * wanted[0] // need)
        in_drawn = np.isin(groups, groups[drawn])
        parts[in_drawn & (parts == TRAIN)] = LEFT_OUT
        parts[drawn[:valid]] = VALID
        parts[drawn[valid:]] = TEST
    is_copy = np.isin(scan.pairs, scan.pairs[(parts == VALID) | (parts == TEST)])
    related = (parts == LEFT_OUT) & ~scan.is_invalid & ~is_copy
    return Split(parts, ranks, int(related.sum()))


def pair_ranks(scan: Scan, seed: int) -> Hashes:
    """Return a pseudorandom number for each pair, which depends on its keys and the seed (SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = scan.source_keys * np.uint64(3) + scan.target_keys + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def link_pairs(scan: Scan) -> npt.NDArray[np.int64]:
    """Return the group of each pair: two pairs have the same number if a chain of equal sentences links them.

    Empty sides link nothing.
    """
    has_source, has_target = scan.source_lengths > 0, scan.target_lengths > 0
    sources, targets = (_numbered(keys) for keys in (scan.source_keys, scan.target_keys))
    targets += sources.max(initial=-1) + 1
    is_linked = (has_source & _is_repeated(sources)) | (has_target & _is_repeated(targets))
    parents = array("q", range(int(targets.max(initial=-1)) + 1))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]  # path halving
            node = parents[node]
        return node

    both = is_linked & has_source & has_target
    for source, target in zip(sources[both].tolist(), targets[both].tolist(), strict=True):
        parents[root(source)] = root(target)
    groups = np.where(has_source, sources, targets)
    linked = np.flatnonzero(is_linked)
    groups[linked] = [root(node) for node in groups[linked].tolist()]
    alone = np.flatnonzero(~is_linked | ~(has_source | has_target))
    groups[alone] = np.arange(len(alone)) + len(parents)
    return groups


def _numbered(keys: Hashes) -> npt.NDArray[np.int64]:
    return np.asarray(np.unique(keys, return_inverse=True)[1], np.int64).reshape(-1)


def _is_repeated(numbers: npt.NDArray[np.int64]) -> Flags:
    first = int(numbers.min(initial=0))
    counts = np.bincount(numbers - first)
    return np.asarray(counts[numbers - first] > 1, np.bool_)


def _with_groups_of(groups: npt.NDArray[np.int64], flags: Flags) -> Flags:
    """Return the pairs in a group with a pair that is True in `flags`."""
    return np.isin(groups, groups[flags]) if flags.any() else flags


def _draw(
    scan: Scan, groups: npt.NDArray[np.int64], suitable: Flags, ranks: Hashes, need: int
) -> npt.NDArray[np.int64]:
    """Return the indices of the drawn pairs, one of a group, in the order of their ranks."""
    is_first = scan.first_of_equal()
    _, numbers = np.unique(groups, return_inverse=True)
    sizes = np.bincount(numbers[is_first], minlength=int(numbers.max(initial=0)) + 1)[numbers]  # copies do not count
    candidates = np.flatnonzero(suitable & is_first)
    candidates = candidates[np.lexsort((scan.pairs[candidates], ranks[candidates]))]
    best = np.empty(0, np.int64)
    for limit in _GROUP_SIZES:
        fitting = candidates[sizes[candidates] <= min(limit, max(1, len(scan) // 10))]
        best = fitting[np.sort(np.unique(groups[fitting], return_index=True)[1])]
        if len(best) >= _SPREAD * need:
            break
    # At most a third of the groups are evaluated if there are few of them.
    return best[: min(need, len(best), max(2, len(np.unique(groups)) // 3))]
