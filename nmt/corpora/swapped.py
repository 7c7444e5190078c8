"""Find the part of a corpus where source and target are swapped.

If the languages have different scripts, the script of each line decides. Otherwise a language detector reads blocks of
lines, and single lines where a block is swapped.
"""

from collections import Counter

import numpy as np

from nmt.corpora.identification import all_languages, is_written_in, script_of
from nmt.corpora.scan import Flags, Scan
from nmt.data.language_detection import LanguageDetector, main_script
from nmt.data.language_names import parse_code

BLOCK_PAIRS = 32
MAX_BLOCKS = 2000
"""Blocks that the detector reads; of a larger corpus it reads every k-th block."""
_BLOCK_CHARACTERS = 600
_LINE_CHARACTERS = 200
_SURE = 90.0
_CLEAR = 0.3
"""By how much the shares of letters in the wrong scripts must be larger, summed over both sides."""
_MIN_RUN = 3
"""Blocks in a row, or a tenth of all blocks, that must be swapped, since a single block may be a quotation."""


def find_swapped(scan: Scan, source: str, target: str) -> Flags:
    """Return which pairs have source and target swapped; none if the languages cannot be told apart."""
    scripts = script_of(source), script_of(target)
    if not all(scripts) or not len(scan):
        return np.zeros(len(scan), np.bool_)
    if not is_written_in(source, scripts[1]) and not is_written_in(target, scripts[0]):
        return _swapped_by_script(scan, scripts)
    if parse_code(source).language == parse_code(target).language:
        return np.zeros(len(scan), np.bool_)
    return _swapped_by_detector(scan, source, target)


def swapped_ranges(scan: Scan, is_swapped: Flags) -> list[tuple[int, int]]:
    """Return the first and the last line number of each part that is swapped; gaps of a few lines are ignored."""
    where = np.flatnonzero(is_swapped)
    if not len(where):
        return []
    cuts = np.flatnonzero(np.diff(where) > BLOCK_PAIRS) + 1
    return [(int(scan.lines[part[0]]), int(scan.lines[part[-1]])) for part in np.split(where, cuts)]


class _Scripts(dict[str, str]):
    """The script of each character, computed once."""

    def __missing__(self, character: str) -> str:
        self[character] = script = main_script(character)
        return script


def _swapped_by_script(scan: Scan, expected: tuple[str, str]) -> Flags:
    """Return the pairs whose source is mostly in the target's script, and the other way round."""
    scripts = _Scripts()
    is_swapped = np.zeros(len(scan), np.bool_)
    latin = expected.index("Latn") if "Latn" in expected else -1
    for index, pair in enumerate(scan.read()):
        if latin >= 0 and pair[latin].isascii():  # as in most lines: it cannot be in the other script
            continue
        first, second = (_script_shares(Counter(map(scripts.__getitem__, text[:_LINE_CHARACTERS]))) for text in pair)
        own = first.get(expected[0], 0.0) + second.get(expected[1], 0.0)
        is_swapped[index] = first.get(expected[1], 0.0) + second.get(expected[0], 0.0) > own + _CLEAR
    return is_swapped


def _script_shares(counts: Counter[str]) -> dict[str, float]:
    """Return the share of each script in the letters of a text."""
    letters = counts.total() - counts[""]
    return {script: count / letters for script, count in counts.items() if script}


def _swapped_by_detector(scan: Scan, source: str, target: str) -> Flags:
    detector = all_languages()
    source, target = (parse_code(code).language for code in (source, target))
    blocks = -(-len(scan) // BLOCK_PAIRS)
    stride = max(1, blocks // MAX_BLOCKS)
    is_read = np.zeros(len(scan), np.bool_)
    for start in range(0, blocks, stride):
        is_read[start * BLOCK_PAIRS : (start + 1) * BLOCK_PAIRS] = True
    texts: dict[int, tuple[str, str]] = {}
    for index, pair in zip(np.flatnonzero(is_read).tolist(), scan.read(is_read), strict=True):
        before = texts.get(index // BLOCK_PAIRS, ("", ""))
        if len(before[0]) < _BLOCK_CHARACTERS:
            texts[index // BLOCK_PAIRS] = f"{before[0]} {pair[0]}", f"{before[1]} {pair[1]}"
    swapped = [block for block, sides in texts.items() if _orientation(detector, sides, source, target) < 0]
    if len(swapped) < min(_MIN_RUN, max(1, len(texts) // 10)):
        return np.zeros(len(scan), np.bool_)
    # The first and the last block of a swapped part are mixed, so single lines are read from there on.
    is_near = np.zeros(len(scan), np.bool_)
    for block in swapped:
        is_near[max(0, block - stride) * BLOCK_PAIRS : (block + stride + 1) * BLOCK_PAIRS] = True
    near = np.flatnonzero(is_near)
    votes = np.array([_line_vote(detector, pair, source, target) for pair in scan.read(is_near)])
    smooth = np.convolve(votes, np.ones(5), mode="same") + votes  # a short line follows its neighbours
    is_swapped = np.zeros(len(scan), np.bool_)
    is_swapped[near[smooth < 0]] = True
    return is_swapped


def _orientation(detector: LanguageDetector, sides: tuple[str, str], source: str, target: str) -> int:
    """Return 1 if a block is in the right order, -1 if it is swapped, 0 if that is not clear."""
    found = [detector.detect(text) for text in sides]
    if not all(found) or any(ranked[0].confidence < _SURE for ranked in found):
        return 0
    order = tuple(parse_code(ranked[0].language).language for ranked in found)
    return 1 if order == (source, target) else -1 if order == (target, source) else 0


def _line_vote(detector: LanguageDetector, pair: tuple[str, str], source: str, target: str) -> float:
    """Return how much a single pair speaks for the right order (up to 2) or for the swapped one (down to -2)."""
    vote = 0.0
    for text, own, other in ((pair[0], source, target), (pair[1], target, source)):
        confidence = {each.language: each.confidence for each in detector.detect(text[:_LINE_CHARACTERS])}
        vote += (confidence.get(own, 0.0) - confidence.get(other, 0.0)) / 100
    return vote
