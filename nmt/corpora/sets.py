"""Split a scanned corpus into training, validation and test sets, and write them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from nmt.corpora.facts import CorpusFacts
from nmt.corpora.scan import Scan
from nmt.corpora.split import TEST, TRAIN, VALID, Split, draw_sets, set_size
from nmt.errors import NmtError

SEED = 1
_SHORT, _LONG = 0.01, 0.99
"""Quantiles of the lengths between which sentences are drawn for evaluation."""


def split_corpus(scan: Scan, facts: CorpusFacts, given: Mapping[str, Scan]) -> Split:
    """Draw the sets that the user did not give, and keep the training text apart from those that the user gave.

    `given` are the user's own sets by their names, valid and test.
    """
    reserved = np.zeros(len(scan), np.bool_)
    for own in given.values():
        reserved |= np.isin(scan.source_keys, own.source_keys[own.source_lengths > 0])
        reserved |= np.isin(scan.target_keys, own.target_keys[own.target_lengths > 0])
    size = set_size(facts.usable)
    wanted = (0 if "valid" in given else size, 0 if "test" in given else size)
    suitable = ~(scan.is_empty | scan.is_invalid | scan.is_identical | reserved) & (scan.ratios <= facts.ratio_limit)
    for lengths in (scan.source_lengths, scan.target_lengths):
        low, high = np.quantile(lengths[suitable], [_SHORT, _LONG]) if suitable.any() else (0, 0)
        suitable &= (lengths >= low) & (lengths <= high)
    split = draw_sets(scan, suitable, wanted, SEED, reserved)
    if wanted[0] and not split.count(VALID):
        raise NmtError(
            "no validation set can be drawn: nearly all pairs are linked by equal sentences; give your own sets with "
            "--valid and --test"
        )
    return split


def write_sets(
    scan: Scan, split: Split, given: Mapping[str, Scan], folder: Path, sides: tuple[str, str]
) -> dict[str, int]:
    """Write the training text in its order, the drawn sets by their ranks and the given sets; return their sizes.

    The files are called after the set and its side, such as train.en.
    """
    counts = {"train": _write_pairs(folder, "train", sides, scan.read(split.parts == TRAIN))}
    for name, part in (("valid", VALID), ("test", TEST)):
        where = split.parts == part
        if name in given:
            counts[name] = _write_pairs(folder, name, sides, given[name].read())
        elif where.any():
            order = np.argsort(split.ranks[where], kind="stable").tolist()
            pairs = list(scan.read(where))
            counts[name] = _write_pairs(folder, name, sides, [pairs[i] for i in order])
    return counts


def _write_pairs(folder: Path, name: str, sides: tuple[str, str], pairs: Iterable[tuple[str, str]]) -> int:
    count = 0
    paths = [folder / f"{name}.{side}" for side in sides]
    with paths[0].open("wb", buffering=1 << 20) as sources, paths[1].open("wb", buffering=1 << 20) as targets:
        for source, target in pairs:
            sources.write(f"{source}\n".encode())
            targets.write(f"{target}\n".encode())
            count += 1
    return count
