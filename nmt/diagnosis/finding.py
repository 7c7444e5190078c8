"""`Finding`: something that is wrong with a corpus or a run, and the order in which findings are shown."""

from collections.abc import Iterable
from dataclasses import dataclass

ORDER = (
    # Text that cannot teach the translation.
    "misaligned pairs", "sides swapped", "wrong language", "same language on both sides", "untranslated pairs",
    "wrong encoding", "markup", "boilerplate", "too few pairs",
    # Text that is unlike the text that the model is tested on.
    "test set in the training data", "validation set in the training data", "different tokenisation",
    "different case", "unseen characters", "unseen words",
    # Settings.
    "configuration", "vocabulary too large", "pairs left out",
    # Training.
    "divergence", "learning rate too high", "learning rate too low", "overfitting", "still improving", "underfitting",
    "validation unlike training",
    # Translations.
    "source ignored", "alignments not found", "empty translations", "unknown tokens", "repetition", "copied source",
    "translations too short", "translations too long", "beam worse than greedy", "test unlike validation",
)  # fmt: skip
"""The names of all findings. What can cause the findings after it comes first."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or probably wrong."""

    name: str
    """What is wrong in a few words, one of `ORDER`."""
    text: str
    """The evidence in sentences: figures, line numbers, steps."""
    remedy: str
    """What the user can do, in sentences."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a name that has no place in the order."""
        if self.name not in ORDER:
            raise ValueError(f"the finding {self.name!r} has no place in ORDER")


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the most likely cause first, see `ORDER`."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.name))
