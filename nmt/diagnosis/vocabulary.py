"""Find a subword vocabulary that is too large for its training text."""

import re
import tempfile
from pathlib import Path

import numpy as np

from nmt.config import Config
from nmt.data.prepared_data import is_made_for
from nmt.data.subword import SPACE, Subword, Vocabularies
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.texts import Texts, draw
from nmt.errors import NmtError

SELDOM = 5
"""A subword that is seen less often is not learned."""
MAX_SELDOM_SHARE = 0.5
"""Share of such subwords that is tolerated."""
_MAX_LINES = 60_000
"""Lines of a side of the largest corpus that is examined."""
_TRAINING_LINES = 20_000
"""Lines of a side that a subword model is trained on here, which takes most of the time."""
_SIZES = (500, 1000, 2000, 4000, 8000, 16_000, 32_000)
_TOKENS_PER_SUBWORD = 50
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def diagnose_vocabulary(config: Config, train: list[Texts], vocabularies: Vocabularies | None) -> list[Finding]:
    """Return the finding that a vocabulary is too large; a subword model is trained if `vocabularies` is None."""
    sides = [[line for texts in train for line in texts.sides[side][2] if line] for side in (0, 1)]
    if len(sides[0]) > _MAX_LINES or any(len(texts.source) < texts.total for texts in train):
        return []
    try:
        found = vocabularies or _find(config) or _train(config, sides)
    except NmtError as error:
        return [Finding("configuration", f"{error}.", "Change the configuration as the message says.")]
    groups = (
        [(found.source, [*sides[0], *sides[1]])]
        if found.is_joint
        else list(zip((found.source, found.target), sides, strict=True))
    )
    findings = []
    for name, (subword, lines) in zip(("joint",) if found.is_joint else ("source", "target"), groups, strict=True):
        counts = np.bincount([token for line in subword.encode(lines) for token in line], minlength=subword.size)
        pieces = subword.pieces(range(subword.size))
        usable = [
            i for i, piece in enumerate(pieces) if i > 3 and not _BYTE.fullmatch(piece) and len(piece.strip(SPACE)) > 1
        ]
        seldom = sum(counts[i] < SELDOM for i in usable)
        if len(usable) > 100 and seldom > MAX_SELDOM_SHARE * len(usable):
            findings.append(_finding(name, subword, int(seldom), len(usable), int(counts.sum())))
    return findings


def _finding(name: str, subword: Subword, seldom: int, usable: int, tokens: int) -> Finding:
    fitting = max([size for size in _SIZES if size * _TOKENS_PER_SUBWORD <= tokens], default=_SIZES[0])
    return Finding(
        "vocabulary too large",
        f"{seldom:,} of {usable:,} subwords of the {name} vocabulary ({subword.size:,} entries) occur fewer than "
        f"{SELDOM} times in the training text ({tokens:,} tokens): the model cannot learn them.",
        f"Set a smaller subword.vocab_size, such as {min(fitting, max(500, subword.size // 2)):,}.",
    )


def _find(config: Config) -> Vocabularies | None:
    """Return the subword models that are reused, or of prepared data with the same settings; None if there are none."""
    if config.subword.reuse is not None:
        return Vocabularies.find(config.subword.reuse, config.subword.joint)
    try:
        return Vocabularies.load(config.prepared) if is_made_for(config.prepared, config) else None
    except NmtError:
        return None


def _train(config: Config, sides: list[list[str]]) -> Vocabularies:
    subword = config.subword
    sides = [draw(lines, _TRAINING_LINES) for lines in sides]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        if subword.joint:
            joint = Subword.train([*sides[0], *sides[1]], path, subword, subword.vocab_size)
            return Vocabularies(joint, joint)
        sizes = (subword.source_vocab_size or subword.vocab_size, subword.target_vocab_size or subword.vocab_size)
        source, target = (Subword.train(lines, path, subword, size) for lines, size in zip(sides, sizes, strict=True))
        return Vocabularies(source, target)
