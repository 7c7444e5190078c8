"""scripts/documentation/run_systems.py: which figures are current and comparable, and the generated document."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from scripts import ROOT
from scripts.corpora import make_copying_task
from scripts.documentation import run_systems, systems_document


def options(**others: Any) -> argparse.Namespace:
    """Return the default options of the command line, with some changed."""
    defaults = {"corpus": None, "steps": None, "sentences": None, "vocabulary": None}
    return argparse.Namespace(**(defaults | others))


def test_figures_are_current_until_settings_or_program_change(monkeypatch: pytest.MonkeyPatch) -> None:
    row = run_systems.label(run_systems.settings("cho2014", "any", options(steps=1000)))
    before = {"quickstart": {"cho2014": row | {"scores": {}}}}
    assert run_systems.is_current("cho2014", options(steps=1000), before)
    assert not run_systems.is_current("cho2014", options(steps=2000), before)
    assert not run_systems.is_current(
        "cho2014", options(steps=1000, corpus=ROOT / "configs" / "multi30k-en-de.yaml"), before
    )
    assert not run_systems.is_current("sutskever2014", options(steps=1000), before)
    monkeypatch.setattr(run_systems, "EDITION", systems_document.EDITION + 1)
    assert not run_systems.is_current("cho2014", options(steps=1000), before)


def test_comments_in_a_config_do_not_change_its_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_systems.label(run_systems.settings("see2017", "any", options()))
    text = (run_systems.SYSTEMS / "see2017.yaml").read_text(encoding="utf-8")
    monkeypatch.setattr(run_systems, "SYSTEMS", tmp_path)
    (tmp_path / "see2017.yaml").write_text("# Another remark.\n" + text, encoding="utf-8")
    assert run_systems.label(run_systems.settings("see2017", "other", options())) == before
    (tmp_path / "see2017.yaml").write_text(text.replace("coverage: true", "coverage: false"), encoding="utf-8")
    assert run_systems.label(run_systems.settings("see2017", "any", options())) != before


def test_figures_of_the_copying_task_are_current_only_with_every_variant() -> None:
    rows = {variant: run_systems.label(run_systems.copying_settings(variant)) for variant in run_systems.VARIANTS}
    assert run_systems.is_current("copying", options(), {"copying": rows})
    del rows[run_systems.SECOND_PHASE]
    assert not run_systems.is_current("copying", options(), {"copying": rows})


def test_claims_are_checked_only_between_figures_of_one_edition() -> None:
    def row(beam: float, edition: int) -> dict[str, Any]:
        return {"scores": {"test greedy": 1.0, "test beam": beam}, "edition": edition}

    found = {"bahdanau2015": row(30.0, 2), "cho2014": row(20.0, 2), "sutskever2014": row(40.0, 1)}
    [line] = systems_document.claim_lines(found)
    assert "confirmed, 30.00 against 20.00" in line
    found["sutskever2014"]["edition"] = 2
    assert "**not confirmed**, 30.00 against 40.00" in systems_document.claim_lines(found)[1]
    found["sutskever2014"] = row(29.1, 2)
    assert "too close to tell, 30.00 against 29.10" in systems_document.claim_lines(found)[1]


def test_the_committed_document_is_generated_from_the_figures() -> None:
    figures = systems_document.read_figures()
    assert systems_document.generated_text(figures) in systems_document.DOCUMENT.read_text(encoding="utf-8")
    for corpus, found in figures.items():
        assert all({"edition", "settings"} <= entry.keys() for entry in found.values()), corpus


@pytest.mark.usefixtures("commands_in_process")
def test_a_system_is_trained_scored_and_documented(
    tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_systems, "SYSTEMS", tmp_path)
    monkeypatch.setattr(systems_document, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(systems_document, "DOCUMENT", document := tmp_path / "systems.md")
    marks = f"{systems_document.BEGIN}\n{systems_document.END}"
    document.write_text(f"before\n{marks}\nafter\n", encoding="utf-8")
    chosen = {"only": ["tiny"], "steps": 50, "tokenize": "none"}
    run_systems.run(options(**chosen, missing=False, write=True))
    [row] = systems_document.read_figures()["quickstart"].values()
    assert set(row["scores"]) == {"test greedy", "test beam"} and row["steps"] == 50
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "| `tiny` |" in text
    monkeypatch.setattr(run_systems, "measure", lambda *_: pytest.fail("measured again"))
    run_systems.run(options(**chosen, missing=True, write=False))


def test_every_test_pair_of_the_copying_task_has_a_word_that_is_not_in_the_training_text(tmp_path: Path) -> None:
    counts = make_copying_task.make(tmp_path)
    sides = {
        (split, language): (tmp_path / f"{split}.{language}").read_text(encoding="utf-8").splitlines()
        for split in counts
        for language in ("en", "de")
    }
    seen = {word for language in ("en", "de") for line in sides["train", language] for word in line.split()}
    assert {split: len(sides[split, "en"]) for split in counts} == counts and counts["test"] > 0
    for source, target in zip(sides["test", "en"], sides["test", "de"], strict=True):
        assert (set(source.split()) & set(target.split())) - seen
