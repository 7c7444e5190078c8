"""scripts/compare_seeds.py on a corpus of a few words."""

import argparse
from pathlib import Path

import compare_seeds
import pytest

from nmt.errors import NmtError


def test_settings_and_seeds(tiny: Path, tmp_path: Path) -> None:
    vary = ["training.precision=fp32", "training.precision=fp32"]
    given = argparse.Namespace(
        config=tiny, vary=vary, seeds=[3], overrides=[], split="test", tokenize="13a", checkpoint="best"
    )
    first, second = compare_seeds.compare(given)
    assert (tmp_path / "runs" / "tiny-training.precision-fp32-seed3" / "finished.json").exists()
    assert first["bleu"] == second["bleu"] and second["lines_of_the_first"] == 1.0
    assert "over 2 seeds" in compare_seeds.results([first, second])
    given.overrides = ["training.max_steps=3"]
    with pytest.raises(NmtError, match="trained with other settings"):
        compare_seeds.compare(given)
    with pytest.raises(NmtError, match="failed with status 1"):
        compare_seeds.train(Path("missing.yaml"), "new", 1, [])
