"""Illnesses of text are found in the quickstart corpus, and none in the corpus as it is."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.config import Config, parse
from nmt.diagnosis.alignment import diagnose_alignment
from nmt.diagnosis.characters import diagnose_damage, diagnose_differences, is_mojibake
from nmt.diagnosis.data import diagnose_data
from nmt.diagnosis.finding import ORDER, Finding, sort_findings
from nmt.diagnosis.language import LanguageCheck
from nmt.diagnosis.repeated import diagnose_overlap, diagnose_repetition
from nmt.diagnosis.texts import Texts

QUICKSTART = Path(__file__).parents[2] / "data/quickstart"


def read(name: str, language: str, count: int) -> list[str]:
    return (QUICKSTART / f"{name}.{language}").read_text(encoding="utf-8").split("\n")[:count]


SOURCE, TARGET = read("train", "en", 800), read("train", "de", 800)
TEST = read("test", "en", 100), read("test", "de", 100)


def texts(source: list[str], target: list[str], key: str = "data.train.0", fault: str = "") -> Texts:
    count = min(len(source), len(target))
    numbers = list(range(1, count + 1))
    return Texts(key, "x.en + x.de", ("en", "de"), source[:count], target[:count], numbers, count, fault)


def names(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings]


def mixed(share: float) -> list[str]:
    """Return the targets with a share of them exchanged."""
    chosen = random.Random(1).sample(range(len(TARGET)), int(share * len(TARGET)))
    lines = TARGET[:]
    for i, j in zip(chosen, [*chosen[1:], chosen[0]], strict=True):
        lines[i] = TARGET[j]
    return lines


@pytest.mark.parametrize(
    ("target", "evidence"),
    [
        (TARGET[1:] + TARGET[:1], "in the whole text, each source line belongs to the target line 1 line earlier"),
        (
            [*TARGET[:500], "?", *TARGET[500:]],
            "from about line 501 to the end, each source line belongs to the target ",
        ),
        (mixed(1.0), "shuffled, sorted, or belong to another text"),
        (mixed(0.2), "of the pairs do not belong together (for example lines "),
        (TARGET[:300] + TARGET[300:500][::-1] + TARGET[500:], "most of them from about line 3"),
    ],
)
def test_misaligned_pairs_are_found(target: list[str], evidence: str) -> None:
    (finding,) = diagnose_alignment(texts(SOURCE, target), set())
    assert finding.name == "misaligned pairs" and evidence in finding.text


def test_aligned_pairs_are_not_misaligned() -> None:
    assert diagnose_alignment(texts(SOURCE, TARGET), set()) == []
    assert diagnose_alignment(texts(SOURCE, mixed(0.01)), set()) == []
    wrong = mixed(0.2)
    known = {i for i, line in enumerate(wrong) if line != TARGET[i]}
    assert diagnose_alignment(texts(SOURCE, wrong), known) == []


def test_files_of_different_lengths_are_misaligned() -> None:
    (finding,) = diagnose_alignment(texts(SOURCE[:400], TARGET[:200] + TARGET[201:401], fault="x.en is longer"), set())
    assert finding.text.startswith("x.en is longer. The lines of x.en + x.de are shifted: from about line 2")
    (finding,) = diagnose_alignment(texts(SOURCE[:400], TARGET[:400], fault="x.en is longer"), set())
    assert "The pairs up to the end of the shorter file belong together" in finding.text


@pytest.fixture(scope="module")
def languages() -> LanguageCheck:
    return LanguageCheck(["en", "de"])


CHINESE = read("train", "zh", 80)


@pytest.mark.parametrize(
    ("source", "target", "name", "evidence"),
    [
        (SOURCE, TARGET, "", ""),
        (TARGET, SOURCE, "sides swapped", "the source is German and the target English"),
        (SOURCE, CHINESE * 10, "wrong language", "The target of x.en + x.de is Chinese"),
        (SOURCE, [*TARGET[:720], *CHINESE], "wrong language", "About 1"),
        (
            SOURCE,
            [*TARGET[:700], *SOURCE[:100]],
            "wrong language",
            "lines on the target side of x.en + x.de are English",
        ),
        (SOURCE, SOURCE[::-1], "same language on both sides", "source and target are both English"),
    ],
)
def test_wrong_languages_are_found(
    languages: LanguageCheck, source: list[str], target: list[str], name: str, evidence: str
) -> None:
    findings, wrong = languages(texts(source, target))
    assert names(findings) == [name] * bool(name)
    assert all(evidence in finding.text for finding in findings)
    assert (len(wrong) > 50) == (evidence.startswith(("About", "lines")))


def test_lines_that_alternate_between_languages_are_counted(languages: LanguageCheck) -> None:
    source, target, chinese = (read("train", language, 2000) for language in ("en", "de", "zh"))
    mixture = [other if n % 20 == 1 else line for n, (line, other) in enumerate(zip(target, chinese, strict=True))]
    (finding,), _ = languages(texts(source, mixture))
    assert re.match(r"About [3-7]% of the lines on the target side of x.en \+ x.de are Chinese", finding.text)


def data() -> Config:
    files = {"source": "a", "target": "b"}
    return parse({"name": "x", "data": {"train": files, "valid": dict(files)}}, "x")


@pytest.mark.parametrize(
    ("change", "name", "evidence"),
    [
        (lambda line: line, "", ""),
        (lambda line: f"{line} ü".encode().decode("latin-1"), "wrong encoding", "stands for “"),
        (lambda line: f"{line} M?nchen", "wrong encoding", "have lost characters"),
        (lambda line: f"<b>{line}</b>", "markup", "HTML or XML tags (lines 1, 9, 17, …)"),
        (lambda line: f"{line} &eacute;", "markup", "HTML entities"),
        (lambda line: f"{line} l &apos; eau .", "", ""),
    ],
)
def test_damage_is_found(change: Callable[[str], str], name: str, evidence: str) -> None:
    target = [change(line) if i % 8 == 0 else line for i, line in enumerate(TARGET)]
    findings, _ = diagnose_damage(texts(SOURCE, target), data().data)
    assert names(findings) == [name] * bool(name)
    assert all(evidence in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Größe", "latin-1"), ("naïve – “yes”", "cp1252"), ("Привет", "cp1251"), ("你好世界", "gb18030")],
)
def test_mojibake(text: str, encoding: str) -> None:
    assert is_mojibake(text.encode().decode(encoding, errors="replace"))
    assert not is_mojibake(text)


def upper(line: str) -> str:
    return line.upper().rstrip(".?") + "!"


@pytest.mark.parametrize(
    ("source", "name", "evidence"),
    [
        (TEST[0], "", ""),
        (SOURCE[:100], "test set in the training data", "100% of the source lines"),
        (SOURCE[:10] + TEST[0][:90], "test set in the training data", "Line 1 is training line 1: “"),
        ([*map(upper, SOURCE[:30]), *TEST[0][:70]], "test set in the training data", " 0 of them exactly"),
    ],
)
def test_overlap_is_found(source: list[str], name: str, evidence: str) -> None:
    findings = diagnose_overlap([texts(SOURCE, TARGET)], texts(source, TEST[1], "data.test.x"))
    assert names(findings) == [name] * bool(name)
    assert all(evidence in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("source", "target", "name", "evidence"),
    [
        (SOURCE, TARGET, "", ""),
        (
            SOURCE,
            [TARGET[0]] * 50 + TARGET[50:],
            "boilerplate",
            "One target line is paired with 50 different source lines",
        ),
        ([SOURCE[0]] * 50 + SOURCE[50:], TARGET, "boilerplate", "One source line is paired with 5"),
        (SOURCE[:300] * 3, TARGET[:300] * 3, "boilerplate", "67% of the pairs"),
        (SOURCE, SOURCE[:200] + TARGET[200:], "untranslated pairs", "In 200 of 800 pairs"),
    ],
)
def test_repetition_is_found(source: list[str], target: list[str], name: str, evidence: str) -> None:
    findings, _ = diagnose_repetition(texts(source, target))
    assert names(findings) == [name] * bool(name)
    assert all(evidence in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda line: line, ""),
        (lambda line: line.replace(".", " .").replace("?", " ?"), "different tokenisation"),
        (str.lower, "different case"),
        (lambda line: f"ਸਤਿ {line}", "unseen characters"),
        (lambda line: " ".join(word[::-1] for word in line.lower().capitalize().split()), "unseen words"),
    ],
)
def test_differences_between_sets_are_found(change: Callable[[str], str], name: str) -> None:
    test = texts([change(line) for line in TEST[0]], TEST[1], "data.test.x")
    assert name in ["", *names(diagnose_differences([texts(SOURCE, TARGET)], test))]
    if not name:
        assert diagnose_differences([texts(SOURCE, TARGET)], test) == []


def test_findings_are_sorted_by_cause(tmp_path: Path) -> None:
    """A small corpus with empty targets, a large vocabulary and a tiny validation set: all of these, in order."""
    pairs = [SOURCE[:300], ["" if i % 5 == 0 else line for i, line in enumerate(TARGET[:300])]]
    for name, lines in (("train", pairs), ("valid", [side[:10] for side in TEST])):
        for side, text in zip(("en", "de"), lines, strict=True):
            (tmp_path / f"{name}.{side}").write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    files = {
        name: {"source": tmp_path / f"{name}.en", "target": tmp_path / f"{name}.de"} for name in ("train", "valid")
    }
    languages = {"source_language": "en", "target_language": "de"}
    config = parse({"name": "x", "data": {**files, **languages}, "subword": {"vocab_size": 2000}}, "x")
    diagnosis = diagnose_data(config, "x.yaml", ["x.yaml: a warning"])
    expected = ["too few pairs", "too few pairs", "configuration", "vocabulary too large", "pairs left out"]
    assert names(diagnosis.findings) == expected
    assert str(diagnosis).startswith("x.yaml: 5 findings; checked: 300 training pairs, data.valid (10 pairs)\n")
    shuffled = sort_findings(Finding(name, "", "") for name in sorted(ORDER))
    assert names(shuffled) == list(ORDER)
