"""Settings that fit the number of training pairs: network, vocabulary, dropout, batches and steps.

`TABLE` is all there is to change when better settings are measured (`scripts/experiments/settings_by_size.py`). A
corpus gets the row that is nearest to its size on a logarithmic scale; only the number of epochs is interpolated.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

VALIDATIONS = 25
"""About how many validations a run has."""


@dataclass(frozen=True)
class SizeSettings:
    """One row of the table: settings for about this many training pairs."""

    pairs: int
    vocab_size: int
    """Subwords of each vocabulary."""
    sampling: float
    """`subword.sampling`: BPE-dropout (Provilkov 2020); 0 is off."""
    epochs: float
    """Passes over the training text."""
    model: dict[str, dict[str, Any]]
    """The section `model` of the configuration, without `embedding.tie`, which depends on the scripts."""
    training: dict[str, Any]
    """The section `training`, without the numbers of steps. It has `sentences_per_batch` or `tokens_per_batch`."""
    tokens_per_second: int
    """Target tokens that two CPU cores train in a second, roughly."""


def _network(embedding: int, size: int, dropout: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the network of configs/multi30k-en-de.yaml in these widths."""
    return {
        "embedding": {"size": embedding},
        "encoder": {"cell": "lstm", "layers": 1, "size": size},
        "attention": {"score": "general"},
        "decoder": {"cell": "lstm", "layers": 2, "size": size, "context_to": "upper_layers"},
        "dropout": {**dropout, "mask": "sentence"},
    }


_SOME = {"embedding": 0.2, "layer": 0.2, "output": 0.2}
_MORE = {"embedding": 0.3, "layer": 0.4, "output": 0.4}

_SMALL = SizeSettings(
    pairs=5_000, vocab_size=8_000, sampling=0.1, epochs=60,
    model=_network(256, 512, _SOME),
    training={"sentences_per_batch": 32, "learning_rate": 0.0015, "ema_decay": 0.999},
    tokens_per_second=4_000,
)  # fmt: skip

# Measured on two corpora: the rows of 5,000 and 29,000 pairs; in part that of 2,000 (docs/guides/low-resource.md). The
# others are not measured.
TABLE = (
    SizeSettings(
        pairs=500, vocab_size=4_000, sampling=0.1, epochs=120,
        model=_network(256, 512, _SOME),
        training={"sentences_per_batch": 16, "learning_rate": 0.0015, "ema_decay": 0.998},
        tokens_per_second=4_000,
    ),
    replace(_SMALL, pairs=2_000),
    _SMALL,
    replace(_SMALL, pairs=10_000, epochs=40),
    SizeSettings(
        pairs=29_000, vocab_size=6_000, sampling=0.0, epochs=20,
        model=_network(256, 384, _MORE),
        training={"sentences_per_batch": 48, "learning_rate": 0.002, "ema_decay": 0.999},
        tokens_per_second=5_000,
    ),
    SizeSettings(
        pairs=100_000, vocab_size=8_000, sampling=0.0, epochs=16,
        model=_network(256, 512, _SOME),
        training={"sentences_per_batch": 64, "learning_rate": 0.0015, "ema_decay": 0.999},
        tokens_per_second=4_000,
    ),
    SizeSettings(
        pairs=300_000, vocab_size=12_000, sampling=0.0, epochs=8,
        model=_network(384, 512, _SOME),
        training={"tokens_per_batch": 4096, "learning_rate": 0.001, "ema_decay": 0.999},
        tokens_per_second=3_500,
    ),
    SizeSettings(
        pairs=3_000_000, vocab_size=16_000, sampling=0.0, epochs=3,
        model=_network(512, 1024, {"embedding": 0.1, "layer": 0.1, "output": 0.1}),
        training={"tokens_per_batch": 8192, "learning_rate": 0.001, "ema_decay": 0.9995},
        tokens_per_second=1_500,
    ),
)  # fmt: skip
_CHARACTERS_PER_TOKEN = {True: 4.0, False: 1.6}
"""Of languages with and without spaces between words."""


@dataclass(frozen=True)
class Settings:
    """The row for a corpus, with the interpolated number of epochs, and what depends on the exact size."""

    row: SizeSettings
    max_steps: int
    validate_every: int
    warmup_steps: int
    hours: float
    """Roughly how long two CPU cores train."""


def for_pairs(pairs: int, target_characters: float, has_spaces: bool) -> Settings:
    """Return the settings for this many training pairs.

    `target_characters` is the usual length of a target sentence, and `has_spaces` whether its words are separated.
    """
    row = min(TABLE, key=lambda each: abs(math.log(each.pairs / max(1, pairs))))
    row = replace(row, epochs=_epochs(pairs))
    tokens = 1 + target_characters / _CHARACTERS_PER_TOKEN[has_spaces]
    per_step = row.training.get("sentences_per_batch") or row.training["tokens_per_batch"] / tokens
    steps = _two_digits(max(100.0, row.epochs * pairs / per_step))
    hours = steps * per_step * tokens / row.tokens_per_second / 3600
    return Settings(row, steps, _two_digits(steps / VALIDATIONS), min(400, max(10, steps // 10)), hours)


def _epochs(pairs: int) -> float:
    """Return the number of epochs, interpolated between two rows; both axes are logarithmic."""
    at = math.log(min(max(pairs, TABLE[0].pairs), TABLE[-1].pairs))
    above = next(i for i, row in enumerate(TABLE) if i and at <= math.log(row.pairs) + 1e-9)
    low, high = TABLE[above - 1], TABLE[above]
    share = (at - math.log(low.pairs)) / math.log(high.pairs / low.pairs)
    return round(math.exp((1 - share) * math.log(low.epochs) + share * math.log(high.epochs)), 1)


def _two_digits(value: float) -> int:
    """Return a positive number with two significant digits."""
    unit = int(10 ** max(0, int(math.log10(max(1.0, value))) - 1))
    return max(1, round(value / unit) * unit)
