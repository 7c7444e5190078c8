"""Read files of sentence pairs, say what they are like, and write training, validation and test sets to a folder."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.corpora.facts import CorpusFacts, collect_facts
from nmt.corpora.pairs import PairReader, open_pairs
from nmt.corpora.scan import Scan, scan_pairs
from nmt.corpora.sets import split_corpus, write_sets
from nmt.corpora.split import MIN_PAIRS
from nmt.corpora.summary import describe_facts, describe_reader, describe_split
from nmt.corpora.swapped import find_swapped, swapped_ranges
from nmt.errors import NmtError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MadeSets:
    """The sets of a corpus: aligned UTF-8 files SET.SIDE."""

    reader: PairReader
    facts: CorpusFacts
    sides: tuple[str, str]
    """The suffixes of the files: the language codes, or src and tgt if they are the same."""
    counts: dict[str, int]
    """The number of pairs of each set: train, valid and, if there is one, test."""
    related: int
    """Pairs left out because they share a sentence with a pair of the validation or test set."""


def make_sets(
    inputs: Sequence[Path],
    folder: Path,
    languages: tuple[str, str] = ("", ""),
    valid: Sequence[Path] = (),
    test: Sequence[Path] = (),
    encoding: str = "",
) -> MadeSets:
    """Write the sets of a corpus into the empty `folder`, and log what the corpus is like.

    `inputs` are one table or two aligned files, and so are `valid` and `test`, the user's own sets; an empty one is
    drawn. `languages` are the codes that the user gave for source and target, "" for those to be found, and `encoding`
    is the name of a Python codec, "" to recognise it. Raise `NmtError` if the text cannot be used.
    """
    reader = open_pairs(inputs, languages, encoding)
    for line in describe_reader(reader):
        logger.info(line)
    scan = scan_pairs(reader.pairs(), folder / "pairs.partial")
    scan.swap_back(find_swapped(scan, *reader.languages))
    facts = collect_facts(scan, reader.languages)
    _log_warnings([*reader.warnings, *_swap_warnings(reader, scan, facts)])
    for line in describe_facts(facts):
        logger.info(line)
    _check_usable(reader, facts, scan)
    given = {
        part: _given_set(paths, reader, folder / f"{part}.partial", encoding)
        for part, paths in (("valid", valid), ("test", test))
        if paths
    }
    split = split_corpus(scan, facts, given)
    sides = reader.languages if reader.languages[0] != reader.languages[1] else ("src", "tgt")
    counts = write_sets(scan, split, given, folder, sides)
    for own in (scan, *given.values()):
        own.text.unlink()
    if not counts["train"]:
        raise NmtError(f"{reader.name}: all training pairs share sentences with the sets of --valid and --test")
    _log_warnings(describe_split(counts, split, given))
    return MadeSets(reader, facts, sides, counts, split.related)


def _given_set(paths: Sequence[Path], reader: PairReader, text: Path, encoding: str) -> Scan:
    """Return a validation or test set that the user gave."""
    own = open_pairs(paths, reader.languages, encoding)
    _log_warnings(own.warnings)
    scan = scan_pairs(own.pairs(), text)
    if not len(scan):
        raise NmtError(f"{own.name}: has no sentence pairs")
    return scan


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
    return [
        f"{reader.name}: source and target are swapped in {facts.swapped:,} pairs (lines {shown}); "
        "they are swapped back"
    ]


def _log_warnings(lines: Iterable[str]) -> None:
    for line in lines:
        logger.warning(line)
