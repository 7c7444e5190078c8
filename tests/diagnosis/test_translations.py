"""Faults of translations are found, each in translations made for it."""

import numpy as np
import pytest

from nmt.decoding.translation import Target, Translation
from nmt.diagnosis.translations import Sample, compare_sets, diagnose_attention, diagnose_output

WORDS = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
SOURCES = [f"{word} dogs see {other} cats in the garden" for word in WORDS for other in WORDS]
REFERENCES = [f"{word} Hunde sehen {other} Katzen im Garten" for word in WORDS for other in WORDS]


def translation(text: str, attention: np.ndarray | None = None) -> Translation:
    return Translation(0, "", (), (Target(text, 0.0, 0.0, (), (), None, attention),))


def sample(beam: list[str], greedy: list[str] = REFERENCES) -> Sample:
    return Sample("data.valid", SOURCES, REFERENCES, list(map(translation, greedy)), list(map(translation, beam)), "de")


def few(change: str) -> list[str]:
    """Return the references with another text in every fifth place."""
    return [change if i % 5 == 0 else line for i, line in enumerate(REFERENCES)]


@pytest.mark.parametrize(
    ("beam", "name", "evidence"),
    [
        (REFERENCES, "", ""),
        (few(""), "empty translations", "29 of 144"),
        (few("Hunde ⁇ Katzen sehen im Garten"), "unknown tokens", "29 of 144"),
        (few("im Garten im Garten im Garten im Garten"), "repetition", "becomes “im Garten im"),
        ([SOURCES[i] if i % 5 == 0 else line for i, line in enumerate(REFERENCES)], "copied source", "29 of 144"),
        ([line[:10] for line in REFERENCES], "translations too short", "% of the characters"),
        ([f"{line} und {line}" for line in REFERENCES], "translations too long", "% of the characters"),
        (REFERENCES[::-1], "beam worse than greedy", "greedy search 100.00"),
    ],
)
def test_faults_of_the_output_are_found(beam: list[str], name: str, evidence: str) -> None:
    findings = {finding.name: finding.text for finding in diagnose_output(sample(beam))}
    assert name in findings if name else findings == {}
    assert evidence in findings.get(name, "")


def attention(kind: str) -> np.ndarray:
    if kind == "flat":
        return np.full((8, 8), 0.125)
    return np.eye(8) if kind == "diagonal" else np.tile(np.eye(8)[2], (8, 1))


@pytest.mark.parametrize(
    ("kind", "evidence"), [("diagonal", ""), ("flat", "almost uniform"), ("fixed", "stays at one")]
)
def test_attention_that_learned_nothing_is_found(kind: str, evidence: str) -> None:
    finding = diagnose_attention([translation("x", attention(kind))] * 20)
    assert (finding is None) == (not evidence)
    assert finding is None or (finding.name == "alignments not found" and evidence in finding.text)


def test_sets_with_distant_scores_are_compared() -> None:
    worse = [line if i % 4 else "Katzen" for i, line in enumerate(REFERENCES[::-1])]
    assert compare_sets(sample([], REFERENCES), sample([], REFERENCES)) is None
    finding = compare_sets(sample([], REFERENCES), sample([], worse))
    assert finding is not None and finding.name == "test unlike validation" and "100.00" in finding.text
