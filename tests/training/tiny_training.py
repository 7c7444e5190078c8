"""A tiny corpus and runs on it that take a moment, for tests of training."""

import random
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from nmt import config
from nmt.storage.run_folder import read_log
from nmt.training.session import train
from nmt.training.trainer import Trainer

WORDS = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]


def write_corpus():
    """Write text whose target is the source, upper case, reversed."""
    draw = random.Random(0)
    for name, count in (("train", 300), ("valid", 20)):
        lines = [[draw.choice(WORDS) for _ in range(draw.randint(1, 6))] for _ in range(count)]
        Path(f"{name}.src").write_text("".join(" ".join(line) + "\n" for line in lines))
        Path(f"{name}.tgt").write_text("".join(" ".join(reversed(line)).upper() + "\n" for line in lines))


def tiny(name="run", subword=None, **training):
    return config.parse(
        {
            "name": name,
            "data": {
                "train": {"source": "train.src", "target": "train.tgt"},
                "valid": {"source": "valid.src", "target": "valid.tgt"},
                "workers": 1,
                "prepared": f"prepared-{bool(subword)}",
            },
            "subword": {"vocab_size": 70, "byte_fallback": False, **(subword or {})},
            "model": {"embedding": {"size": 12}, "encoder": {"size": 12}, "decoder": {"size": 12}},
            "training": {
                "max_steps": 12,
                "sentences_per_batch": 40,
                "warmup_steps": 4,
                "log_every": 5,
                "validate_every": 4,
                "save_every": 3,
                "threads": 1,
                **training,
            },
        },
        "test",
    )


def run(settings, resume=False):
    return train(settings, resume, lambda line: None)


def untimed(log):
    return [
        {key: value for key, value in entry.items() if key not in ("seconds", "tokens_per_second")}
        for entry in read_log(log)
        if entry["event"] != "resume"
    ]


def stop_after(monkeypatch, step):
    """Send SIGINT during the step after `step`."""
    update = Trainer._update

    def interrupted(self, batch):
        if self.progress.step == step:
            signal.raise_signal(signal.SIGINT)
        update(self, batch)

    monkeypatch.setattr(Trainer, "_update", interrupted)


def equal(one, other):
    """Whether two runs ended with the same weights and state of the optimizer, to the bit."""
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        a, b = (load_file(found.checkpoint("last") / name) for found in (one, other))
        if a.keys() != b.keys() or not all((a[key] == b[key]).all() for key in a):
            return False
    return True


def break_off(monkeypatch, step):
    """Send SIGINT while the weights of `step` are validated."""
    validate = Trainer._validate

    def validation(model):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the validation went on")

    def interrupted(self, model):
        if self.progress.step == step:
            self._validator = validation
        return validate(self, model)

    monkeypatch.setattr(Trainer, "_validate", interrupted)


def with_model(settings, **sections):
    """Return the settings with changed sections of the model."""
    values = settings.model_dump(mode="json")
    for name, keys in sections.items():
        values["model"][name] |= keys
    return config.parse(values, "test")
