"""Make copies of a run ill, by its weights or the settings of its search, and diagnose them."""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from safetensors.numpy import load_file, save_file

from nmt.data.token_ids import EOS, UNK
from nmt.diagnosis.run import diagnose_run
from nmt.storage import checksums
from nmt.storage.run_folder import Run

HEALTHY = ""
Tensors = dict[str, npt.NDArray[np.float32]]


def run_cases() -> Iterator[tuple[str, str, Callable[[Tensors], None], dict[str, object]]]:
    """Yield title, expected finding, a change of the weights and the `decoding` settings of ill copies of a run."""

    def unchanged(weights: Tensors) -> None:
        """Change nothing."""

    def set_all(part: str, value: float) -> Callable[[Tensors], None]:
        def change(weights: Tensors) -> None:
            for name in weights:
                if part in name:
                    weights[name] = np.full_like(weights[name], value)

        return change

    def raise_bias(token: int, amount: float) -> Callable[[Tensors], None]:
        def change(weights: Tensors) -> None:
            weights["output.bias"] = weights["output.bias"].copy()
            weights["output.bias"][token] += amount

        return change

    yield "run as it is", HEALTHY, unchanged, {}
    yield "attention scores are 0", "alignments not found", set_all("attention.score", 0.0), {}
    yield "encoder weights are 0", "source ignored", set_all("encoder.layers", 0.0), {}
    yield "weights are NaN", "divergence", set_all("encoder.layers", math.nan), {}
    yield "end of sentence at once", "empty translations", raise_bias(EOS, 40), {}
    yield "no end of sentence", "translations too long", raise_bias(EOS, -40), {}
    yield "unknown token preferred", "unknown tokens", raise_bias(UNK, 15), {}
    yield "one token preferred", "repetition", raise_bias(500, 30), {}
    yield (
        "length limit too small",
        "translations too short",
        unchanged,
        {"max_length_ratio": 0.5, "max_length_extra": 0},
    )
    yield "long hypotheses preferred", "beam worse than greedy", unchanged, {
        "length_penalty": "gnmt", "alpha": 10.0, "beam_size": 20,
    }  # fmt: skip


def examine_runs(run: Path) -> Iterator[tuple[str, str, list[str], float]]:
    """Yield title, expected finding, findings and seconds of ill copies of a run."""
    for title, expected, change, decoding in run_cases():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "run"
            shutil.copytree(run, copy, ignore=shutil.ignore_patterns("graphs-*", "training"))
            settings = yaml.safe_load((copy / "config.yaml").read_text(encoding="utf-8"))
            settings["decoding"] |= decoding
            (copy / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
            checkpoint = Run(copy).checkpoint()
            weights = load_file(checkpoint / "model.safetensors")
            change(weights)
            save_file(weights, checkpoint / "model.safetensors")
            checksums.write(checkpoint)
            began = time.process_time()
            found = [each.name for each in diagnose_run(copy).findings]
            yield title, expected, found, time.process_time() - began
