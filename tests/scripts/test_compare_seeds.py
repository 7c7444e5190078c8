"""scripts/experiments/compare_seeds.py on a corpus of a few words."""

import argparse
from pathlib import Path

import pytest

from nmt import __version__
from nmt.errors import NmtError
from scripts import commands
from scripts.experiments import compare_seeds


@pytest.mark.usefixtures("commands_in_process")
def test_equal_settings_give_equal_scores_and_changed_settings_are_refused(tiny_config: Path, tmp_path: Path) -> None:
    vary = ["training.precision=fp32", "training.precision=fp32"]
    options = argparse.Namespace(
        config=tiny_config, vary=vary, seeds=[3], overrides=[], split="test", tokenize="13a", checkpoint="best"
    )
    first, second = compare_seeds.compare(options)
    assert (tmp_path / "runs" / "tiny-training.precision-fp32-seed3" / "finished.json").exists()
    assert first["bleu"] == second["bleu"] and second["same_lines"] == 1.0
    assert "over 2 seeds" in compare_seeds.results([first, second])
    options.overrides = ["training.max_steps=3"]
    with pytest.raises(NmtError, match="trained with other settings"):
        compare_seeds.compare(options)


def test_a_command_runs_in_a_child_process_and_its_failure_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.nmt("--version") == f"nmt, version {__version__}\n"
    with pytest.raises(NmtError, match=r"nmt train --config missing\.yaml .* failed with status 1"):
        commands.train_once(Path("missing.yaml"), "new", 1, [])
