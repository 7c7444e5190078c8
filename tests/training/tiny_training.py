"""A tiny corpus, training runs on it that take less than a second, and ways to interrupt them."""

import random
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from nmt import config
from nmt.storage.run_folder import read_log
from nmt.training.session import train
from nmt.training.trainer import Trainer
from nmt.training.validation import ValidationResult

WORDS = [f"{a}{b}" for a in "bdfgk" for b in "aeiou"]


class Killed(BaseException):
    """The process ends at once, as after SIGKILL."""


def write_corpus(pairs=300, words=WORDS, shortest=1, longest=6, change=str.upper):
    """Write text whose target is the source reversed, with each line changed, by default to upper case."""
    draw = random.Random(0)
    for name, count in (("train", pairs), ("valid", 20)):
        lines = [[draw.choice(words) for _ in range(draw.randint(shortest, longest))] for _ in range(count)]
        Path(f"{name}.src").write_text("".join(" ".join(line) + "\n" for line in lines))
        Path(f"{name}.tgt").write_text("".join(change(" ".join(reversed(line))) + "\n" for line in lines))


def tiny(name="run", subword=None, **training):
    """Return the configuration of a run of 12 steps; `training` and `subword` change keys of these sections."""
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
            "decoding": {"max_length_ratio": 1.0, "max_length_extra": 2},  # an untrained model does not end a sentence
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


def changed(settings, **sections):
    """Return the settings with other keys in some sections, such as data."""
    values = settings.model_dump(mode="json")
    for name, keys in sections.items():
        values[name] |= keys
    return config.parse(values, "test")


def with_model(settings, **sections):
    """Return the settings with other keys in some sections of the model."""
    values = settings.model_dump(mode="json")
    for name, keys in sections.items():
        values["model"][name] |= keys
    return config.parse(values, "test")


def without_dropout(settings):
    """Return the settings of a model without dropout."""
    return with_model(settings, dropout={"embedding": 0.0, "layer": 0.0, "output": 0.0})


def untimed(log):
    """Return the entries of a log without times and without resumptions."""
    return [
        {key: value for key, value in entry.items() if key not in ("seconds", "tokens_per_second")}
        for entry in read_log(log)
        if entry["event"] != "resume"
    ]


def logged(run, event, key):
    """Return the values of `key` in the log's entries of `event`."""
    return [entry[key] for entry in read_log(run.log) if entry["event"] == event]


def same_weights(one, other, which="last", file="model.safetensors"):
    """Return whether a file of tensors is the same, to the bit, in a checkpoint of two runs."""
    a, b = (load_file(found.checkpoint(which) / file) for found in (one, other))
    return a.keys() == b.keys() and all((a[key] == b[key]).all() for key in a)


def same_state(one, other):
    """Return whether two runs ended with the same weights, optimizer state and log, to the bit."""
    files = ("model.safetensors", "training/optimizer.safetensors")
    return all(same_weights(one, other, file=file) for file in files) and untimed(one.log) == untimed(other.log)


def before_step(monkeypatch, step, action):
    """Call `action` before the training step `step`."""
    original = Trainer.step

    def replaced(self, batch):
        if self.progress.step + 1 == step:
            action()
        original(self, batch)

    monkeypatch.setattr(Trainer, "step", replaced)


def interrupt(monkeypatch, step):
    """Request a stop during the training step `step`."""
    original = Trainer.step

    def replaced(self, batch):
        if self.progress.step + 1 == step:
            self.stop.set()
        original(self, batch)

    monkeypatch.setattr(Trainer, "step", replaced)


def interrupt_validation(monkeypatch, step):
    """Request a stop during the validation of the weights of `step`."""
    original = Trainer.validate

    def replaced(self, model):
        def validation(model):
            self.stop.set()
            pytest.fail("the validation continued")

        if self.progress.step == step:
            self.validator.work = validation
        return original(self, model)

    monkeypatch.setattr(Trainer, "validate", replaced)


def interrupted(monkeypatch, settings, step, resume=False, during=interrupt):
    """Train until a stop is requested in `step`, or in its validation (`interrupt_validation`), and return the run."""
    with monkeypatch.context() as patch:
        during(patch, step)
        run = train(settings, resume=resume)
    assert not run.is_finished and not run.finished.exists()
    return run


def validate_as(monkeypatch, values):
    """Let the validation of each step return the loss and the BLEU in `values`."""
    monkeypatch.setattr(Trainer, "validate", lambda self, _: ValidationResult(*values[self.progress.step]))
