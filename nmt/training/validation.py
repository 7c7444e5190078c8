"""Validate a model during training: its loss on the validation pairs, and BLEU of a greedy translation of them."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nmt.config import Config
from nmt.config.model_settings import ModelSettings
from nmt.data.batching import evaluation_batches
from nmt.data.language_tags import Tagger
from nmt.data.prepared_data import Prepared
from nmt.decoding.engines import Machine
from nmt.decoding.hypothesis import NanProbabilities
from nmt.decoding.translator import Translator
from nmt.engine import Arithmetic
from nmt.evaluation.metrics import Scoring, build, default_tokenizer, validation_bleu
from nmt.evaluation.score_warnings import validation_warning
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.models.torch_engine import TorchEngine
from nmt.training.microbatches import increase_count, split, to_device
from nmt.training.objective import cross_entropy

TOKENS_PER_BATCH = 4096
_TRIED = 16
"""Number of sentences whose translation is timed first, to choose how many fit into the time of an estimate."""


@dataclass(frozen=True)
class ValidationResult:
    """The result of one validation."""

    loss: float
    """Nats per target token, EOS included, without label smoothing, over `scored_pairs`; may not be finite."""
    bleu: float | None
    """BLEU of a greedy translation, 0 to 100; None if `validation_bleu` is off, NaN if the probabilities are NaN."""
    samples: list[tuple[str, str, str]]
    """A few (source, translation, reference)."""


def bleu_hint(config: Config, references: Sequence[str]) -> str | None:
    """Return what to change if BLEU, which is validated or rewarded, cannot separate the words of the references."""
    if not config.training.validation_bleu and config.training.objective != "risk":
        return None
    return validation_warning(references, config.data.target_language)


def scored_pairs(config: Config, prepared: Prepared) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which validation pairs, (pairs,), the loss includes, and a note for the user if not all.

    Pairs whose source is cut in translation are excluded, so that loss and BLEU describe the same inputs. If every
    source is cut, all are included.
    """
    tag, limit = config.data.valid.tag, config.decoding.max_source_tokens
    tag_tokens = len(prepared.vocabularies.source.encode([tag])[0]) if tag else 0
    is_whole = np.asarray(prepared.valid.source_lengths <= limit + tag_tokens)
    cut = int((~is_whole).sum())
    if not cut:
        return is_whole, ""
    note = (
        f"data.valid: the sources of {cut:,} of {len(is_whole):,} pairs have more than decoding.max_source_tokens "
        f"{limit} tokens and are cut when they are translated; the loss is "
    )
    if cut == len(is_whole):
        return np.ones_like(is_whole), f"{note}over the whole lines"
    return is_whole, f"{note}without them"


class Validator:
    """Validates models on the prepared validation pairs."""

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, arithmetic: Arithmetic) -> None:
        self._config = config
        self._prepared = prepared
        self._device = device
        self._arithmetic = arithmetic
        self._is_scored, _ = scored_pairs(config, prepared)
        if config.training.validation_bleu:  # raise errors of the metric before any step is trained
            build("bleu", Scoring(tokenize=default_tokenizer(config.data.target_language)))
        tagger = Tagger(config.data, config.data.valid.tag or "", "set data.valid.tag")
        tagger.check(prepared.valid_text[0], "data.valid")

    def __call__(self, model: Seq2Seq, is_used: npt.NDArray[np.bool_] | None = None) -> ValidationResult:
        """Validate `model`; its mode, training or evaluation, is restored.

        If `is_used`, (pairs,), is given, compute only the loss of the pairs that are True.
        """
        is_scored = self._is_scored if is_used is None else is_used
        batches = [batch for batch, _ in evaluation_batches(self._prepared.valid, TOKENS_PER_BATCH, is_scored)]
        tokens = sum(batch.tokens for batch in batches)
        nll = torch.zeros((), dtype=torch.float64, device=self._device)
        with _evaluating(model):
            while batches:
                batch = batches.pop(0)
                try:
                    inputs = to_device(batch, self._device)
                    with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._arithmetic == "bf16"):
                        unrolled = [model(inputs.source, inputs.lengths, inputs.previous)]
                        nll += cross_entropy(model, unrolled, inputs).nll
                except (MemoryError, RuntimeError) as error:
                    unrolled = []
                    batches[:0] = split(batch, increase_count(error, batch, 1, "validation", "shorten data.valid"))
            is_translated = self._config.training.validation_bleu and is_used is None
            samples, bleu = self._translate(model, self._sentences) if is_translated else ([], None)
        return ValidationResult(float(nll) / max(1, tokens), bleu, samples)

    def estimate_seconds(self, model: Seq2Seq, budget: float) -> float:
        """Return about how long a validation will take, from parts of it that take about `budget` seconds.

        `model` need not be trained. As an untrained model rarely ends a sentence, its translations are limited to the
        mean length of the references.
        """
        tokens = np.asarray(self._prepared.valid.target_lengths, np.int64) + 1
        total = int(tokens[self._is_scored].sum())
        part = np.zeros_like(self._is_scored)
        part[np.flatnonzero(self._is_scored)[:: max(1, total // TOKENS_PER_BATCH)]] = True
        with _evaluating(model):
            self(model, part)  # the first pass compiles kernels
            seconds = _seconds(self, model, part) * total / tokens[part].sum()
            if self._config.training.validation_bleu:
                limits = {"max_length_ratio": self._length_ratio(), "max_length_extra": 1}
                first = self._sentences[:_TRIED]
                fits = budget / max(1e-6, _seconds(self._translate, model, first, **limits)) * len(first)
                some = self._sentences[:: max(1, math.ceil(len(self._sentences) / max(len(first), fits)))]
                seconds += _seconds(self._translate, model, some, **limits) * len(self._sentences) / len(some)
        return float(seconds)

    @property
    def _sentences(self) -> range:
        """The numbers of the validation sentences to translate."""
        count = len(self._prepared.valid_text[0])
        return range(min(count, self._config.training.validation_sentences or count))

    def _length_ratio(self) -> float:
        """Return the number of target tokens per source token in the validation pairs."""
        source, target = (int(lengths.sum()) for lengths in (
            self._prepared.valid.source_lengths, self._prepared.valid.target_lengths
        ))  # fmt: skip
        return min(100.0, target / max(1, source))

    def _translate(
        self, model: Seq2Seq, numbers: Sequence[int], **limits: Any
    ) -> tuple[list[tuple[str, str, str]], float]:
        """Return a few (source, translation, reference) of the sentences `numbers`, and the BLEU of all of these."""
        sources, references = ([lines[number] for number in numbers] for lines in self._prepared.valid_text)
        engine = TorchEngine(prepare_for_search(model, self._arithmetic))
        machine = Machine("torch", self._device.type, self._arithmetic)
        translator = Translator(engine, self._prepared.vocabularies, [ModelSettings.of(self._config)], machine)
        tag = self._config.data.valid.tag
        greedy = translator.options.changed(method="greedy", tag=tag, shortlist=0, **limits)
        try:
            texts = [translation.targets[0].text for translation in translator.translate(sources, options=greedy)]
        except NanProbabilities:  # training continues, and stops by itself if no gradient is finite either
            return [], math.nan
        samples = list(zip(sources, texts, references, strict=True))[:3]
        return samples, validation_bleu(texts, references, self._config.data.target_language)


@contextmanager
def _evaluating(model: Seq2Seq) -> Iterator[None]:
    """Let `model` compute without dropout and gradients in this block; its mode is restored."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def _seconds(function: Any, *arguments: Any, **keywords: Any) -> float:
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start
