"""`report.html` shows the whole run, is self-contained and valid, and escapes all texts."""

import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nmt import config
from nmt.errors import NmtError
from nmt.reports.page.overview import differences
from nmt.reports.report_page import refresh_report, write_report
from nmt.storage.run_folder import Run
from nmt.storage.validation_texts import AttentionOf, ValidationTexts, write_validation_texts

NASTY = "<script>alert('x')</script> & 中文 \u2028"
SIDE = {
    "language": "en", "vocabulary": 30, "unused": 2, "tokens": 90, "unknown": 0, "words": 60, "characters": 300,
    "rarest": [["▁<b>", 1]],
}  # fmt: skip
CORPUS = {
    "pairs": 12,
    "dropped": ["corpus   pairs  empty  kept", "a + b    12     3      9"],
    "lengths": {
        "width": 2,
        "source": {"counts": [3, 4, 5], "mean": 3.1, "median": 3, "max": 9},
        "target": {"counts": [1, 2], "mean": 2.5, "median": 2, "max": 3},
    },
    "source": SIDE,
    "target": SIDE,
    "sets": [
        {"name": "valid", "pairs": 40, "in_training": {"source": 2, "target": 1, "both": 1}, "rarest_word": [0] * 40}
    ],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    corpus = {"source": "a", "target": "b"}
    values = {"name": "my-run", "data": {"train": corpus, "valid": corpus}, "training": {"max_steps": 777}}
    (tmp_path / "config.yaml").write_text(config.dump(config.parse(values, "test")), encoding="utf-8")
    rows: list[dict[str, object]] = [{"event": "start", "step": 0, "device": "cpu", "torch_version": "9"}]
    for step in (1, 2, 3):
        speed = {"tokens_per_second": 100 * step, "seconds": 1800 * step, "gradient_norm": 1.0, "learning_rate": 0.1}
        rows.append({"event": "train", "step": step, "loss": 5 / step, **speed})
        if step < 3:
            samples = [[NASTY, f"Übersetzung {step} hier", "Referenz"], ["only two", "items"]]
            rows.append(
                {"event": "valid", "step": step, "loss": 3.0 - step / 2, "bleu": 40.0 - 10 * step, "samples": samples}
            )
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def rich(run: Path) -> Path:
    """Return a run with facts about the text and with the translations of its best validation."""
    (run / "corpus.json").write_text(json.dumps(CORPUS), encoding="utf-8")
    attention = AttentionOf(("<i>", "b"), ("x",), ((0.25, 0.75),))
    lines = tuple(f"a b {n}" for n in range(40))
    texts = ValidationTexts(1, lines, (NASTY, *lines[1:]), lines, (attention,))
    write_validation_texts(Run(run), texts, is_best=True)
    return run


class Text(HTMLParser):
    """Collects tags, headings, ids, links and visible text, and checks that tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(run: Path, is_training: bool = False) -> Text:
    path = write_report(run, is_training)
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


def test_sections_are_linked_headings_are_in_order_and_missing_parts_are_left_out(run: Path, rich: Path) -> None:
    found = page(rich)
    assert [f"#{key}" for key in found.ids] == found.links
    assert found.ids == [
        "results", "curves", "progress", "quality", "attention", "corpus", "network", "configuration",
    ]  # fmt: skip
    levels = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    assert found.tags.count("figure") == found.tags.count("figcaption") >= 8
    for file in ("corpus.json", "validation/best.json"):
        (run / file).unlink()
    assert page(run).ids == ["results", "curves", "progress", "network", "configuration"]


def test_texts_are_escaped(rich: Path) -> None:
    found = page(rich)
    assert "script" not in found.tags and "i" not in found.tags
    assert found.text.count(NASTY) >= 2  # as a source, and as a translation
    assert "▁<b> (1)" in found.text and "<i>" in found.text


def test_translations_are_shown_through_time_with_their_changes(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    assert "<dt>step 1</dt><dd>Übersetzung 1 hier</dd>" in html
    assert "<dt>step 2</dt><dd>Übersetzung <mark>2</mark> hier</dd>" in html
    assert "<dt>reference</dt><dd>Referenz</dd>" in html


def test_facts_about_the_text_are_shown(rich: Path) -> None:
    text = page(rich).text
    assert "a + b1239" in text  # pairs, dropped, kept
    assert "tokens per word1.501.50" in text and "characters per token3.33" in text
    assert "2 (5.0%)1 (2.5%)1 (2.5%)" in text and "More than 1 %" in text
    assert "≥4: source 5" in text and "4–5" not in text  # the last bin holds all longer sentences


@pytest.mark.parametrize("damage", ['{"pairs": 1}', "[]", "{", '{"sets": 3, "dropped": 2}'])
def test_damaged_facts_and_translations_are_left_out(rich: Path, damage: str) -> None:
    for file in ("corpus.json", "validation/best.json"):
        (rich / file).write_text(damage, encoding="utf-8")
    assert page(rich).ids == ["results", "curves", "progress", "network", "configuration"]


def test_translations_of_a_later_validation_than_the_log_has_are_left_out(rich: Path) -> None:
    """The run was resumed at an earlier step."""
    texts = ValidationTexts(9, ("a",), ("b",), ("c",))
    write_validation_texts(Run(rich), texts, is_best=True)
    assert "quality" not in page(rich).ids
    write_validation_texts(Run(rich), ValidationTexts(2, ("a",), ("b",), ("c",)), is_best=False)
    assert "Validation, step 2" in page(rich).text


@pytest.mark.parametrize(
    ("is_training", "finished", "sentence", "reloads"),
    [
        (True, "", "Training: step 3 of 777, about 387:00:00 left to the last step.", True),
        (False, "", "Not finished: step 3 of 777.", False),
        (False, '{"reason": "max_steps reached"}', "Finished after 3 steps: max_steps reached.", False),
        (False, "{", "Finished after 3 steps: training has ended.", False),
    ],
)
def test_page_says_how_far_the_run_is(
    run: Path, is_training: bool, finished: str, sentence: str, reloads: bool
) -> None:
    if finished:
        (run / "finished.json").write_text(finished, encoding="utf-8")
    assert sentence in page(run, is_training).text
    assert ('http-equiv="refresh"' in (run / "report.html").read_text(encoding="utf-8")) == reloads


def test_the_error_that_ended_training_is_shown(run: Path) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"event": "error", "message": "<no> memory"}\n')
    assert "step 3 of 777. Training ended with an error: <no> memory Continue" in page(run).text


def test_further_validation_sets_have_their_own_curves(run: Path) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"event": "valid", "step": 5, "loss": 1, "bleu": 2, "more": {"old": {"loss": 3, "bleu": 4}}}\n')
    html = write_report(run).read_text(encoding="utf-8")
    assert html.count(">old</text>") == 2 and "curve third" in html and "curve second" in html


def test_a_run_without_any_step_is_shown(run: Path) -> None:
    (run / "log.jsonl").write_text('{"event": "start", "step": 0}\n', encoding="utf-8")
    found = page(run, is_training=True)
    assert "No step has been logged yet." in found.text and "network" in found.ids


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
        differences("", {"data": {"train": corpora, "test": {}}, "subword": {"user_symbols": ["<a>", "<b>"]}})
    ) == [
        ("data.train.0.source", "a.en"),
        ("data.train.0.target", "a.de"),
        ("data.train.1.tsv", "b.tsv"),
        ("data.train.1.weight", "0.5"),
        ("subword.user_symbols", '["<a>", "<b>"]'),
    ]


def test_page_loads_no_external_files(rich: Path) -> None:
    html = write_report(rich).read_text(encoding="utf-8")
    assert re.findall(r"<(?:img|link|script|iframe)\b", html) == []
    assert re.findall(r"url\((?!#)|@import", html) == []
    assert re.findall(r'(?:src|href)="(?!#|data:)', html) == []


def test_evaluations_are_listed_and_damaged_ones_skipped(run: Path) -> None:
    folder = run / "evaluations"
    folder.mkdir()
    score = {"name": "BLEU", "score": 12.345, "signature": "nrefs:1|tok:13a"}
    worst = [[7, 1.5, "the <source>", "translation", "reference"]]
    breakdown = {"by_length": [["1–3", 5, 20.0]], "by_rarity": [], "worst": worst, "best": []}
    result = {"scores": [score], "loss": 1.5, "target_tokens_per_second": 1234.5, "breakdown": breakdown}
    (folder / "test-step-1-beam5.json").write_text(json.dumps(result), encoding="utf-8")
    (folder / "infinite.json").write_text(json.dumps(result | {"loss": None, "breakdown": {}}), encoding="utf-8")
    (folder / "later.json").write_text(json.dumps(result | {"breakdown": {"worst": 3}}), encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "other.json").write_text('{"scores": 3}', encoding="utf-8")
    found = page(run)
    assert "test-step-1-beam5" in found.text and "not finite" in found.text
    assert "BLEU 12.35" in found.text or "BLEU 12.34" in found.text
    assert "nrefs:1|tok:13a" in found.text
    assert "line 7, chrF 1.5" in found.text and "the <source>" in found.text and "1–3: 5" in found.text


def test_scores_before_and_after_tuning_are_shown_unless_they_are_damaged(run: Path) -> None:
    one = {"test_set": "<news>", "sentences": 1000, "metric": "BLEU", "before": 1, "after": 9.5, "p_value": 0.012}
    (run / "tuning.json").write_text(json.dumps([one | {"signature": "nrefs:1"}]))
    found = page(run)
    assert "Before and after tuning" in found.text
    cells = ["<news>", "1,000", "BLEU", "1.00", "9.50", "+8.50*", "0.012"]
    assert "".join(cells) in "".join(found.text.split())
    for damaged in ("{", "[1]", "{}", json.dumps([one]), json.dumps([one | {"signature": 1}])):
        (run / "tuning.json").write_text(damaged)
        assert "Before and after tuning" not in write_report(run).read_text(encoding="utf-8")


def test_page_can_be_rewritten_without_leftovers(rich: Path) -> None:
    first = write_report(rich).read_bytes()
    assert write_report(rich).read_bytes() == first
    assert not list(rich.glob(".report*"))


def test_a_page_is_refreshed_only_if_the_run_is_finished_and_has_one(run: Path) -> None:
    refresh_report(Run(run))
    (run / "finished.json").write_text("{}", encoding="utf-8")
    refresh_report(Run(run))
    assert not (run / "report.html").exists()
    (run / "report.html").write_text("old", encoding="utf-8")
    refresh_report(Run(run))
    assert "my-run" in (run / "report.html").read_text(encoding="utf-8")


def test_a_missing_log_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no such log"):
        write_report(tmp_path)
