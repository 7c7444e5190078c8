"""`report.html` is complete and self-contained, and escapes all texts."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nmt import config
from nmt.errors import NmtError
from nmt.reports.report_page import _differences, write_report

NASTY = "<script>alert('x')</script> & 中文 \u2028"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    corpus = {"source": "a", "target": "b"}
    values = {"name": "my-run", "data": {"train": corpus, "valid": corpus}, "training": {"max_steps": 777}}
    (tmp_path / "config.yaml").write_text(config.dump(config.parse(values, "test")), encoding="utf-8")
    rows: list[dict[str, object]] = [{"event": "start", "step": 0, "device": "cpu", "torch_version": "9"}]
    samples = [[NASTY, "Übersetzung", "Referenz"], ["only two", "items"]]
    for step in (1, 2, 3):
        speed = {"tokens_per_second": 100 * step, "seconds": 1800 * step}
        rows.append({"event": "train", "step": step, "loss": 5 / step, **speed})
        if step < 3:
            examples = samples if step == 1 else [["worse", "w", "w"]]
            rows.append(
                {"event": "valid", "step": step, "loss": 3.0 - step / 2, "bleu": 40.0 - 10 * step, "samples": examples}
            )
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


class Text(HTMLParser):
    """Collects tags and visible text, and checks that tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(run: Path) -> Text:
    path = write_report(run)
    assert path == run / "report.html"
    return Text(path.read_text(encoding="utf-8"))


def test_page_has_results_and_facts(run: Path) -> None:
    found = page(run)
    assert found.open == []
    for fact in (
        "30.00 at step 1",
        "2.0000 nats per target token at step 2",
        "3 steps",
        "1:30:00",
        "200 target tokens/s",
    ):
        assert fact in found.text
    assert "torch version" in found.text
    assert "svg" in found.tags
    assert "max_steps: 777" in found.text


def test_examples_of_the_best_validation_are_shown_escaped(run: Path) -> None:
    found = page(run)
    assert "script" not in found.tags
    assert NASTY in found.text
    assert "worse" not in found.text


def test_changed_keys_are_listed_first(run: Path) -> None:
    before_details = page(run).text.split("Every key")[0]
    assert "training.max_steps777" in before_details
    assert "training.patience" not in before_details
    assert "training.epsilon" not in before_details
    assert re.search(r"data\.train\.source\S", before_details)
    assert re.search(r"data\.valid\.target\S", before_details)
    assert "null" not in before_details


def test_several_corpora_are_numbered() -> None:
    corpora = [{"source": "a.en", "target": "a.de"}, {"tsv": "b.tsv", "weight": 0.5}]
    assert list(
        _differences("", {"data": {"train": corpora, "test": {}}, "subword": {"user_symbols": ["<a>", "<b>"]}})
    ) == [
        ("data.train.0.source", "a.en"),
        ("data.train.0.target", "a.de"),
        ("data.train.1.tsv", "b.tsv"),
        ("data.train.1.weight", "0.5"),
        ("subword.user_symbols", '["<a>", "<b>"]'),
    ]


def test_page_loads_no_external_files(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    assert re.findall(r"<(?:img|link|script|iframe)\b", html) == []
    assert re.findall(r"url\((?!#)", html) == []
    assert re.findall(r'(?:src|href)="(?!#|data:)', html) == []


def test_evaluations_are_listed_and_damaged_ones_skipped(run: Path) -> None:
    folder = run / "evaluations"
    folder.mkdir()
    score = {"name": "BLEU", "score": 12.345, "signature": "nrefs:1|tok:13a"}
    result = {"scores": [score], "loss": 1.5, "target_tokens_per_second": 1234.5}
    (folder / "test-step-1-beam5.json").write_text(json.dumps(result), encoding="utf-8")
    (folder / "infinite.json").write_text(json.dumps(result | {"loss": None}), encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "other.json").write_text('{"scores": 3}', encoding="utf-8")
    found = page(run)
    assert "test-step-1-beam5" in found.text and "loss not finite" in found.text
    assert "BLEU 12.35" in found.text or "BLEU 12.34" in found.text
    assert "nrefs:1|tok:13a" in found.text


def test_page_can_be_rewritten_without_leftovers(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not list(run.glob(".report*"))


def test_empty_log_is_reported(run: Path) -> None:
    (run / "log.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(NmtError, match="nothing to draw yet"):
        write_report(run)
