"""scripts/compare_seeds.py on a corpus of a few words."""

import argparse
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import compare_seeds  # noqa: E402

from nmt.errors import NmtError  # noqa: E402


def test_settings_and_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines = [" ".join("abcdef"[i % n] for i in range(n)) for n in range(2, 7)] * 4
    for side in ("s", "t"):
        Path(side).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    corpus = {"source": "s", "target": "t"}
    sizes = {part: {"size": 8} for part in ("embedding", "encoder", "decoder", "attention")}
    values = {
        "name": "tiny",
        "data": {"train": corpus, "valid": corpus, "test": {"test": corpus}, "workers": 1},
        "subword": {"kind": "char", "vocab_size": 20},
        "model": sizes,
        "training": {"max_steps": 2, "validation_bleu": False, "metric": "loss"},
    }
    Path("tiny.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    vary = ["training.precision=fp32", "training.precision=fp32"]
    given = argparse.Namespace(
        config=Path("tiny.yaml"), vary=vary, seeds=[3], overrides=[], split="test", tokenize="13a", checkpoint="best"
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
