"""`Diagnosis`: the findings about a corpus or a run, what was checked, and both as text and as JSON."""

import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from nmt.diagnosis.finding import Finding, sort_findings

WIDTH = 110
"""Characters of a line of the text."""


@dataclass
class Diagnosis:
    """What `nmt doctor` found."""

    name: str
    """The configuration file or the run."""
    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    """What was checked, and how much of it."""
    unchecked: list[str] = field(default_factory=list)
    """What could not be checked, and why."""

    def __str__(self) -> str:
        """Return the findings with their remedies, the most likely cause first, or one line that says what was checked.

        What could not be checked is in a line of its own.
        """
        scope = "; ".join(self.checked) or "nothing"
        lines = [f"{self.name}: not checked: {reason}" for reason in self.unchecked]
        if not self.findings:
            return "\n".join([f"{self.name}: nothing found; checked: {scope}", *lines])
        count = len(self.findings)
        lines = [f"{self.name}: {count} finding{'s' * (count > 1)}; checked: {scope}", *lines]
        for number, finding in enumerate(self.findings, start=1):
            lines += ["", f"{number}. {finding.name}"]
            for paragraph in (finding.text, f"Remedy: {finding.remedy}"):
                lines.append(
                    textwrap.fill(
                        paragraph, WIDTH, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False,
                        break_long_words=False,
                    )
                )  # fmt: skip
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the diagnosis as JSON values."""
        return asdict(self)

    def sort(self) -> None:
        """Put the most likely cause first."""
        self.findings = sort_findings(self.findings)
