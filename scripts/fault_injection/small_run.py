"""Arguments of a small nmt training on the embedded corpus, which the fault injection scripts run."""

from typing import Any

from scripts import ROOT

CONFIG = str(ROOT / "configs" / "quickstart.yaml")
SMALL = {
    "subword.vocab_size": 400,
    "model.embedding.size": 24,
    "model.encoder.size": 32,
    "model.decoder.size": 32,
    "training.max_steps": 120,
    "training.validate_every": 40,
    "training.validation_sentences": 40,
    "training.save_every": 9,
    "training.log_every": 7,
    "training.warmup_steps": 20,
    "data.prepared": "prepared",
}


def train_arguments(changes: dict[str, Any], name: str) -> list[str]:
    """Return the arguments of `nmt` that train the run `name`; `changes` override `SMALL`."""
    values = {**SMALL, **changes, "name": name}
    return ["train", "--config", CONFIG, *(f"--set={key}={value}" for key, value in values.items())]
