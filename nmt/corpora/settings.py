"""Settings that fit the number of training pairs: network, vocabulary, dropout, batches and steps.

`TABLE` is all there is to change when better settings are measured. The values between two rows come from the row that
is nearer on a logarithmic scale; only the number of epochs is interpolated.
"""

import math
from dataclasses import dataclass

VALIDATIONS = 25
"""About how many validations a run has."""


@dataclass(frozen=True)
class SizeSettings:
    """One row of the table: settings for about this many training pairs."""

    pairs: int
    vocab_size: int
    """Subwords, of both languages together if they share a vocabulary."""
    embedding: int
    width: int
    """Width of encoder and decoder."""
    dropout: tuple[float, float, float]
    """On embeddings, layers and output."""
    word_dropout: float
    sentences_per_batch: int
    """0: `tokens_per_batch` is set."""
    tokens_per_batch: int
    """Target tokens; 0: `sentences_per_batch` is set."""
    epochs: float
    """Passes over the training text."""
    learning_rate: float
    ema_decay: float
    tokens_per_second: int
    """Target tokens that two CPU cores train in a second, roughly."""


TABLE = (
    # Provisional values, to be replaced by measured ones.
    #            pairs      vocab  emb  width dropout         word sent. tokens epochs rate   ema    tokens/s
    SizeSettings(2_000, 1_000, 128, 256, (0.3, 0.4, 0.4), 0.1, 16, 0, 90, 0.002, 0.998, 7_000),
    SizeSettings(5_000, 2_000, 192, 320, (0.3, 0.4, 0.4), 0.1, 24, 0, 70, 0.002, 0.999, 6_000),
    SizeSettings(10_000, 3_000, 256, 384, (0.3, 0.4, 0.4), 0.1, 32, 0, 50, 0.002, 0.999, 5_000),
    SizeSettings(29_000, 6_000, 256, 384, (0.3, 0.4, 0.4), 0.0, 48, 0, 33, 0.002, 0.999, 5_000),
    SizeSettings(100_000, 8_000, 256, 512, (0.2, 0.3, 0.3), 0.0, 64, 0, 16, 0.0015, 0.999, 4_000),
    SizeSettings(300_000, 12_000, 384, 512, (0.2, 0.2, 0.2), 0.0, 0, 4_096, 8, 0.001, 0.999, 3_500),
    SizeSettings(3_000_000, 16_000, 512, 1024, (0.1, 0.1, 0.1), 0.0, 0, 8_192, 3, 0.001, 0.9995, 1_500),
)
_CHARACTERS_PER_TOKEN = 4.0
"""Of languages with spaces; the other ones have about 1.6."""
_UNSPACED_CHARACTERS_PER_TOKEN = 1.6


@dataclass(frozen=True)
class Settings:
    """The row for a corpus and what depends on its exact size."""

    size: SizeSettings
    max_steps: int
    validate_every: int
    warmup_steps: int
    hours: float
    """Roughly how long two CPU cores train."""

    @property
    def epochs(self) -> float:
        """Passes over the training text."""
        return self.size.epochs


def for_pairs(pairs: int, target_characters: float, has_spaces: bool) -> Settings:
    """Return the settings for this many training pairs.

    `target_characters` is the usual length of a target sentence, and `has_spaces` whether its words are separated.
    """
    size = min(TABLE, key=lambda row: abs(math.log(row.pairs / max(1, pairs))))
    epochs = _epochs(pairs)
    tokens = 1 + target_characters / (_CHARACTERS_PER_TOKEN if has_spaces else _UNSPACED_CHARACTERS_PER_TOKEN)
    per_step = size.sentences_per_batch or size.tokens_per_batch / tokens
    steps = _round(max(100.0, epochs * pairs / per_step))
    hours = steps * per_step * tokens / size.tokens_per_second / 3600
    row = SizeSettings(**{**size.__dict__, "epochs": epochs})
    return Settings(row, steps, _round(steps / VALIDATIONS), min(400, max(10, steps // 20)), hours)


def _epochs(pairs: int) -> float:
    """Return the number of epochs, interpolated between the rows of the table."""
    sizes = [math.log(row.pairs) for row in TABLE]
    at = min(max(math.log(max(1, pairs)), sizes[0]), sizes[-1])
    for (low, first), (high, second) in zip(
        zip(sizes, TABLE, strict=True), zip(sizes[1:], TABLE[1:], strict=True), strict=False
    ):
        if at <= high:
            share = (at - low) / (high - low)
            return float(round(math.exp((1 - share) * math.log(first.epochs) + share * math.log(second.epochs))))
    return TABLE[-1].epochs


def _round(value: float) -> int:
    """Return a positive number with two significant digits."""
    digits = max(0, int(math.log10(max(1.0, value))) - 1)
    return max(1, round(value / 10**digits) * 10**digits)
