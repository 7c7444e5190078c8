"""From files of sentence pairs to training, validation and test sets in a folder: aligned UTF-8 files SET.LANGUAGE."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.corpora.facts import CorpusFacts, collect_facts
from nmt.corpora.pairs import PairReader, open_pairs
from nmt.corpora.scan import Scan, scan_pairs
from nmt.corpora.split import MIN_PAIRS, TEST, TRAIN, VALID, Split, draw_sets, set_size
from nmt.corpora.swapped import find_swapped, swapped_ranges
from nmt.errors import NmtError

SEED = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sets:
    """What `make_sets` wrote."""

    sides: tuple[str, str]
    """The suffixes of the source and the target files."""
    counts: dict[str, int]
    """The number of pairs of each set: train, valid and, unless the corpus is too small, test."""
    facts: CorpusFacts
    reader: PairReader


def make_sets(
    inputs: Sequence[Path],
    folder: Path,
    languages: tuple[str, str] = ("", ""),
    valid: Sequence[Path] = (),
    test: Sequence[Path] = (),
    encoding: str = "",
) -> Sets:
    """Write the sets of a corpus to an existing, empty folder.

    `inputs` are one table or two aligned files, and so are the user's own sets `valid` and `test`, which are otherwise
    drawn. `languages` are the codes that the user gave, "" for none. Raise `NmtError` if the text cannot be used.
    """
    reader = open_pairs(inputs, languages, encoding)
    scan = scan_pairs(reader.pairs(), folder / "pairs.partial")
    scan.swap_back(find_swapped(scan, *reader.languages))
    facts = collect_facts(scan, reader.languages)
    for warning in [*reader.warnings, *_swap_warnings(reader, scan, facts)]:
        logger.warning(warning)
    _check_usable(reader, facts, scan)
    given = {
        name: _given_set(paths, reader, folder / f"{name}.partial", encoding)
        for name, paths in (("valid", valid), ("test", test))
        if paths
    }
    split = _split(scan, facts, given)
    one, other = reader.languages
    sides = (one, other) if one != other else ("src", "tgt")
    counts = {name: write_pairs(folder, name, sides, pairs) for name, pairs in _parts(scan, split, given)}
    for own in (scan, *given.values()):
        own.text.unlink()
    if not counts["train"]:
        raise NmtError(f"{reader.name}: all training pairs share sentences with the sets of --valid and --test")
    return Sets(sides, counts, facts, reader)


def write_pairs(folder: Path, name: str, sides: tuple[str, str], pairs: Iterable[tuple[str, str]]) -> int:
    """Write the files of a set, and return its number of pairs."""
    count = 0
    one, other = (folder / f"{name}.{side}" for side in sides)
    with (
        one.open("w", encoding="utf-8", newline="\n") as sources,
        other.open("w", encoding="utf-8", newline="\n") as targets,
    ):
        for source, target in pairs:
            sources.write(f"{source}\n")
            targets.write(f"{target}\n")
            count += 1
    return count


def _given_set(paths: Sequence[Path], reader: PairReader, text: Path, encoding: str) -> Scan:
    """Return a validation or test set that the user gave."""
    own = open_pairs(paths, reader.languages, encoding)
    for warning in own.warnings:
        logger.warning(warning)
    scan = scan_pairs(own.pairs(), text)
    if not len(scan):
        raise NmtError(f"{own.name}: has no sentence pairs")
    return scan


def _split(scan: Scan, facts: CorpusFacts, given: dict[str, Scan]) -> Split:
    """Draw the sets that the user did not give, and keep the training text apart from those that the user gave."""
    reserved = np.zeros(len(scan), np.bool_)
    for own in given.values():
        reserved |= np.isin(scan.source_keys, own.source_keys[own.source_lengths > 0])
        reserved |= np.isin(scan.target_keys, own.target_keys[own.target_lengths > 0])
    size = set_size(facts.usable)
    wanted = (0 if "valid" in given else size, 0 if "test" in given else size)
    suitable = ~(scan.is_empty | scan.is_invalid | scan.is_identical | reserved) & (scan.ratios <= facts.ratio_limit)
    for lengths in (scan.source_lengths, scan.target_lengths):
        low, high = np.quantile(lengths[suitable], [0.01, 0.99]) if suitable.any() else (0, 0)
        suitable &= (lengths >= low) & (lengths <= high)
    split = draw_sets(scan, suitable, wanted, SEED, reserved)
    if wanted[0] and not split.count(VALID):
        raise NmtError(
            "no validation set can be drawn: nearly all pairs are linked by equal sentences; give your own sets with "
            "--valid and --test"
        )
    return split


def _parts(scan: Scan, split: Split, given: dict[str, Scan]) -> Iterable[tuple[str, Iterable[tuple[str, str]]]]:
    """Yield each set: the training text in its order, the drawn sets by their ranks, and those that the user gave."""
    yield "train", scan.read(split.parts == TRAIN)
    for name, part in (("valid", VALID), ("test", TEST)):
        where = split.parts == part
        if name in given:
            yield name, given[name].read()
        elif where.any():
            pairs = list(scan.read(where))
            yield name, [pairs[i] for i in np.argsort(split.ranks[where], kind="stable").tolist()]


def _check_usable(reader: PairReader, facts: CorpusFacts, scan: Scan) -> None:
    if facts.identical > 0.5 * max(1, facts.pairs - facts.empty):
        raise NmtError(
            f"{reader.name}: source and target are the same in {facts.identical:,} of {facts.pairs:,} pairs; give "
            "sentences and their translations"
        )
    distinct = int((scan.first_of_equal() & ~scan.is_empty & ~scan.is_invalid).sum())
    if distinct < MIN_PAIRS:
        raise NmtError(
            f"{reader.name}: {facts.pairs:,} pairs, of which {distinct:,} are different and not empty; at least "
            f"{MIN_PAIRS} are needed, and a useful translator needs some thousands"
        )


def _swap_warnings(reader: PairReader, scan: Scan, facts: CorpusFacts) -> list[str]:
    ranges = swapped_ranges(scan, scan.is_swapped)
    if not ranges:
        return []
    shown = ", ".join(f"{first:,}-{last:,}" for first, last in ranges[:3]) + ", …" * (len(ranges) > 3)
    return [f"{reader.name}: source and target were swapped in {facts.swapped:,} pairs (lines {shown}); swapped back"]
