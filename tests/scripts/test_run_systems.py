"""scripts/run_systems.py: which figures are those of now, and which compare."""

import argparse
from pathlib import Path
from typing import Any

import make_copying_task
import pytest
import run_systems


def asked(**others: Any) -> argparse.Namespace:
    """Return what the command line says by default."""
    defaults = {"corpus": None, "steps": None, "sentences": None, "vocabulary": None}
    return argparse.Namespace(**(defaults | others))


def test_figures_are_current_until_settings_or_program_change(monkeypatch: pytest.MonkeyPatch) -> None:
    row = run_systems.label(run_systems.settings("cho2014", "any", asked(steps=1000)))
    before = {"embedded": {"cho2014": row | {"scores": {}}}}
    assert run_systems.is_current("cho2014", asked(steps=1000), before)
    assert not run_systems.is_current("cho2014", asked(steps=2000), before)
    assert not run_systems.is_current(
        "cho2014", asked(steps=1000, corpus=run_systems.ROOT / "configs" / "multi30k-en-de.yaml"), before
    )
    assert not run_systems.is_current("sutskever2014", asked(steps=1000), before)
    monkeypatch.setattr(run_systems, "EDITION", run_systems.EDITION + 1)
    assert not run_systems.is_current("cho2014", asked(steps=1000), before)


def test_comments_of_a_file_are_not_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_systems.label(run_systems.settings("see2017", "any", asked()))
    text = (run_systems.SYSTEMS / "see2017.yaml").read_text(encoding="utf-8")
    monkeypatch.setattr(run_systems, "SYSTEMS", tmp_path)
    (tmp_path / "see2017.yaml").write_text("# Another remark.\n" + text, encoding="utf-8")
    assert run_systems.label(run_systems.settings("see2017", "other", asked())) == before
    (tmp_path / "see2017.yaml").write_text(text.replace("coverage: true", "coverage: false"), encoding="utf-8")
    assert run_systems.label(run_systems.settings("see2017", "any", asked())) != before


def test_copying_is_current_with_every_variant() -> None:
    rows = {variant: run_systems.label(run_systems.copying_settings(variant)) for variant in run_systems.VARIANTS}
    assert run_systems.is_current("copying", asked(), {"copying": rows})
    del rows[run_systems.SECOND_PHASE]
    assert not run_systems.is_current("copying", asked(), {"copying": rows})


def test_only_figures_of_one_edition_are_compared() -> None:
    def row(beam: float, edition: int) -> dict[str, Any]:
        return {"scores": {"test greedy": 1.0, "test beam": beam}, "edition": edition}

    found = {"bahdanau2015": row(30.0, 2), "cho2014": row(20.0, 2), "sutskever2014": row(40.0, 1)}
    [line] = run_systems.orders(found)
    assert "shown, 30.00 against 20.00" in line
    found["sutskever2014"]["edition"] = 2
    assert "**not shown**, 30.00 against 40.00" in run_systems.orders(found)[1]
    found["sutskever2014"] = row(29.1, 2)
    assert "too near to tell, 30.00 against 29.10" in run_systems.orders(found)[1]


def test_the_document_is_what_the_figures_say() -> None:
    kept = run_systems.kept()
    written = run_systems.DOCUMENT.read_text(encoding="utf-8")
    assert run_systems.document(kept) in written
    for corpus, found in kept.items():
        assert all({"edition", "settings"} <= entry.keys() for entry in found.values()), corpus


def test_a_system_is_trained_scored_and_told_of(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in (("SYSTEMS", "."), ("FIGURES", "figures"), ("DOCUMENT", "systems.md")):
        monkeypatch.setattr(run_systems, name, tmp_path / path)
    run_systems.DOCUMENT.write_text(f"before\n{run_systems.BEGIN}\n{run_systems.END}\nafter\n", encoding="utf-8")
    given = {"only": ["tiny"], "steps": 50, "tokenize": "none"}
    run_systems.work(asked(**given, missing=False, write=True))
    [row] = run_systems.kept()["embedded"].values()
    assert set(row["scores"]) == {"test greedy", "test beam"} and row["steps"] == 50
    text = run_systems.DOCUMENT.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "| `tiny` |" in text
    monkeypatch.setattr(run_systems, "measure", lambda *_: pytest.fail("measured again"))
    run_systems.work(asked(**given, missing=True, write=False))


def test_every_test_pair_of_the_copying_task_has_a_word_never_seen(tmp_path: Path) -> None:
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
