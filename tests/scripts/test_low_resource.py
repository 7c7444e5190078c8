"""scripts/experiments/low_resource.py on a corpus of a few words."""

import argparse
import gzip
from pathlib import Path

import pytest

from nmt import config
from nmt.errors import NmtError
from nmt.training.trainer import DEFAULT_TOKENS
from scripts.experiments import low_resource


@pytest.fixture
def options(tiny_config: Path) -> argparse.Namespace:
    """Return options that draw a part of the tiny corpus in the working directory."""
    for split in ("train", "valid", "test"):
        for language, name in (("en", "s"), ("de", "t")):
            Path(f"{split}.{language}.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
    return argparse.Namespace(folder=Path(), source="en", target="de", pairs=3, tokens=8192)


def test_drawn_pairs_stay_aligned_and_both_systems_get_the_same_number_of_tokens(options: argparse.Namespace) -> None:
    words = low_resource.draw_pairs(options, Path("part"))
    drawn = [Path("part", f"train.{language}").read_text().splitlines() for language in ("en", "de")]
    pairs = list(zip(Path("s").read_text().splitlines(), Path("t").read_text().splitlines(), strict=True))
    assert len(drawn[0]) == 3 and set(zip(*drawn, strict=True)) <= set(pairs)
    assert words == {
        language: sum(len(line.split()) for line in lines) for language, lines in zip(("en", "de"), drawn, strict=True)
    }
    default, recipe = (
        config.parse(low_resource.settings(name, options, Path("part")), name) for name in ("default", "recipe")
    )
    assert default.model != recipe.model
    assert default.training.max_steps * DEFAULT_TOKENS == 8192
    assert recipe.training.max_steps * (recipe.training.tokens_per_batch or 0) == 8000
    assert default.data == recipe.data


def test_too_many_pairs_and_a_missing_folder_are_errors(options: argparse.Namespace) -> None:
    options.pairs = 10**6
    with pytest.raises(NmtError, match="--pairs 1000000"):
        low_resource.draw_pairs(options, Path("part"))
    options.folder = Path("nowhere")
    with pytest.raises(NmtError, match="nowhere"):
        low_resource.draw_pairs(options, Path("part"))
