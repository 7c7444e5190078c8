"""Validate a model during training: its loss on the validation pairs, and BLEU of a greedy translation of them."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.engine import Arithmetic
from nmt.evaluation.metrics import Scoring, build, default_tokenizer, validation_bleu
from nmt.evaluation.score_warnings import validation_warning
from nmt.kernels.device import autocast, search_arithmetic, sum_dtype
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.models.torch_engine import TorchEngine
from nmt.reports.alignment import of_translation
from nmt.storage.validation_texts import AttentionOf, ValidationTexts
from nmt.training.events import ValidationScores
from nmt.training.microbatches import increase_count, split, to_device
from nmt.training.objective import cross_entropy
from nmt.training.ranks import ALONE, Ranks, interleave

TOKENS_PER_BATCH = 4096
_TRIED = 16
"""Number of sentences whose translation is timed first, to choose how many fit into the time of an estimate."""
SAMPLES = 5
"""Sentences whose translations are logged."""
MAX_MAP_WORDS = 40
"""Words of the source or the translation of a sentence whose attention is kept, at most."""


@dataclass(frozen=True)
class _Translated:
    """The translation of a sentence."""

    text: str
    attention: AttentionOf | None
    """The attention, for a few of the sentences."""


@dataclass(frozen=True)
class ValidationShare:
    """What one rank computes of a validation; the keys are those of the validation sets."""

    losses: dict[str, list[float]]
    """The NLL, in nats, of each of its batches."""
    tokens: dict[str, int]
    """The target tokens of all batches, also of those of other ranks."""
    translations: dict[str, list[_Translated] | None]
    """The translations of its sentences; None if the probabilities are NaN. Empty if `validation_bleu` is off."""


@dataclass(frozen=True)
class ValidationResult:
    """The result of one validation."""

    loss: float
    """Nats per target token, EOS included, without label smoothing, over `scored_pairs`; may not be finite."""
    bleu: float | None
    """BLEU of a greedy translation, 0 to 100; None if `validation_bleu` is off, NaN if the probabilities are NaN."""
    texts: ValidationTexts | None = None
    """The translations; None if `validation_bleu` is off or the probabilities are NaN."""
    more: dict[str, ValidationScores] = field(default_factory=dict)
    """The scores on the validation sets of `data.more_valid` by name."""

    @property
    def samples(self) -> tuple[tuple[str, str, str], ...]:
        """A few (source, translation, reference), the same sentences in every validation."""
        texts = self.texts
        if texts is None:
            return ()
        rows = sample_rows(texts.sources)
        return tuple((texts.sources[row], texts.translations[row], texts.references[row]) for row in rows)


def bleu_hint(config: Config, references: Sequence[str]) -> str | None:
    """Return what to change if BLEU, which is validated or rewarded, cannot separate the words of the references."""
    if not config.training.validation_bleu and config.training.objective != "risk":
        return None
    return validation_warning(references, config.data.target_language)


def scored_pairs(config: Config, prepared: Prepared, key: str = "valid") -> tuple[npt.NDArray[np.bool_], str]:
    """Return which pairs, (pairs,), of a validation set the loss includes, and a note for the user if not all.

    Pairs whose source is cut in translation are excluded, so that loss and BLEU describe the same inputs. If every
    source is cut, all are included.
    """
    tag, limit = config.data.validation[key].tag, config.decoding.max_source_tokens
    tag_tokens = len(prepared.vocabularies.source.encode([tag])[0]) if tag else 0
    is_whole = np.asarray(prepared.validation[key].store.source_lengths <= limit + tag_tokens)
    cut = int((~is_whole).sum())
    if not cut:
        return is_whole, ""
    note = (
        f"data.{key}: the sources of {cut:,} of {len(is_whole):,} pairs have more than decoding.max_source_tokens "
        f"{limit} tokens and are cut when they are translated; the loss is "
    )
    if cut == len(is_whole):
        return np.ones_like(is_whole), f"{note}over the whole lines"
    return is_whole, f"{note}without them"


class Validator:
    """Validates models on the prepared validation sets."""

    def __init__(
        self, config: Config, prepared: Prepared, device: torch.device, arithmetic: Arithmetic, ranks: Ranks = ALONE
    ) -> None:
        self._ranks = ranks
        self._config = config
        self._prepared = prepared
        self._device = device
        self._arithmetic = search_arithmetic(arithmetic)
        self._is_scored = {key: scored_pairs(config, prepared, key)[0] for key in prepared.validation}
        if config.training.validation_bleu:  # raise errors of the metric before any step is trained
            build("bleu", Scoring(tokenize=default_tokenizer(config.data.target_language)))
        for key, validation_set in prepared.validation.items():
            tagger = Tagger(config.data, config.data.validation[key].tag or "", f"set data.{key}.tag")
            tagger.check(validation_set.text[0], f"data.{key}")

    def __call__(self, model: Seq2Seq, step: int = 0) -> ValidationResult:
        """Validate `model` after `step` optimizer steps in this process alone."""
        return self.combine([self.work(model)], step)

    def work(self, model: Seq2Seq, only: dict[str, npt.NDArray[np.bool_]] | None = None) -> ValidationShare:
        """Compute the part of a validation that is the share of this rank; the mode of `model` is restored.

        If `only` is given, compute only the loss, of the pairs that are True in it; the keys are those of the sets.
        """
        losses: dict[str, list[float]] = {}
        tokens: dict[str, int] = {}
        with _evaluating(model):
            for key, is_scored in (self._is_scored if only is None else only).items():
                store = self._prepared.validation[key].store
                batches = [batch for batch, _ in evaluation_batches(store, TOKENS_PER_BATCH, is_scored)]
                tokens[key] = sum(batch.tokens for batch in batches)
                nll = torch.zeros(0, dtype=sum_dtype(self._device), device=self._device)
                for whole in self._ranks.share(batches):
                    parts, sums = [whole], []
                    while parts:
                        part = parts.pop(0)
                        try:
                            inputs = to_device(part, self._device)
                            with autocast(self._device, self._arithmetic):
                                unrolled = [model(inputs.source, inputs.lengths, inputs.previous)]
                                sums.append(cross_entropy(model, unrolled, inputs).nll.to(nll.dtype))
                        except (MemoryError, RuntimeError) as error:
                            unrolled = []
                            remedy = f"shorten data.{key}"
                            parts[:0] = split(part, increase_count(error, part, 1, "validation", remedy))
                    nll = torch.cat([nll, torch.stack(sums).sum(0, keepdim=True)])
                losses[key] = nll.tolist()
            is_translated = self._config.training.validation_bleu and only is None
            translated = self._translate_share(model) if is_translated else {}
        return ValidationShare(losses, tokens, translated)

    def combine(self, shares: Sequence[ValidationShare], step: int) -> ValidationResult:
        """Return the result of a validation after `step` optimizer steps, given the shares of all ranks."""
        found: dict[str, ValidationScores] = {}
        texts: dict[str, ValidationTexts | None] = {}
        for key, tokens in shares[0].tokens.items():
            nll = 0.0
            for value in interleave([share.losses[key] for share in shares]):
                nll += value
            bleu, texts[key] = None, None
            if self._config.training.validation_bleu:
                bleu, texts[key] = self._score(key, [share.translations[key] for share in shares], step)
            found[key] = ValidationScores(nll / max(1, tokens), bleu)
        more = {key.removeprefix("more_valid."): scores for key, scores in found.items() if key != "valid"}
        return ValidationResult(found["valid"].loss, found["valid"].bleu, texts["valid"], more)

    def estimate_seconds(self, model: Seq2Seq, budget: float) -> float:
        """Return about how long a validation will take, from parts of it that take about `budget` seconds.

        `model` need not be trained. As an untrained model rarely ends a sentence, its translations are limited to the
        mean length of the references. Further validation sets count by their sizes.
        """
        tokens = np.asarray(self._prepared.valid.store.target_lengths, np.int64) + 1
        is_scored = self._is_scored["valid"]
        total = int(tokens[is_scored].sum())
        part = np.zeros_like(is_scored)
        part[np.flatnonzero(is_scored)[:: max(1, total // TOKENS_PER_BATCH)]] = True
        sizes = [int(np.sum(each.store.target_lengths)) for each in self._prepared.validation.values()]
        with _evaluating(model):
            self.work(model, only={"valid": part})  # the first pass compiles kernels
            seconds = _seconds(self.work, model, only={"valid": part}) * total / tokens[part].sum()
            if self._config.training.validation_bleu:
                limits = {"max_length_ratio": self._length_ratio(), "max_length_extra": 1}
                numbers, translator = self._sentences("valid"), self._translator(model)
                first = numbers[:_TRIED]
                once = _seconds(self._translate, translator, "valid", first, **limits)
                fits = budget / max(1e-6, once) * len(first)
                some = numbers[:: max(1, math.ceil(len(numbers) / max(len(first), fits)))]
                of_some = _seconds(self._translate, translator, "valid", some, **limits)
                seconds += of_some * len(numbers) / len(some) / self._ranks.size
        return float(seconds) * sum(sizes) / max(1, int(tokens.sum()) - len(tokens))

    def _sentences(self, key: str) -> range:
        """Return the numbers of the sentences of a validation set to translate."""
        count = len(self._prepared.validation[key].text[0])
        return range(min(count, self._config.training.validation_sentences or count))

    def _length_ratio(self) -> float:
        """Return the number of target tokens per source token in the validation pairs."""
        store = self._prepared.valid.store
        source, target = (int(lengths.sum()) for lengths in (store.source_lengths, store.target_lengths))
        return min(100.0, target / max(1, source))

    def _translator(self, model: Seq2Seq) -> Translator:
        engine = TorchEngine(prepare_for_search(model, self._arithmetic))
        machine = Machine("torch", self._device.type, self._arithmetic)
        return Translator(engine, self._prepared.vocabularies, [ModelSettings.of(self._config)], machine)

    def _translate_share(self, model: Seq2Seq) -> dict[str, list[_Translated] | None]:
        """Return the translations of the share of this rank in each validation set by its key."""
        translator = self._translator(model)
        numbers = {key: self._ranks.share(list(self._sentences(key))) for key in self._prepared.validation}
        return {key: self._translate(translator, key, found) for key, found in numbers.items()}

    def _translate(
        self, translator: Translator, key: str, numbers: Sequence[int], **limits: Any
    ) -> list[_Translated] | None:
        """Return the translations of the sentences `numbers` of a validation set; None if the probabilities are NaN."""
        lines = self._prepared.validation[key].text[0]
        tag, has_attention = self._config.data.validation[key].tag, self._config.model.has_attention
        greedy = translator.options.changed(
            method="greedy", tag=tag, shortlist=0, with_alignment=has_attention, **limits
        )
        drawn = set(sample_rows([lines[number] for number in self._sentences(key)]))
        found = []
        try:
            for translation in translator.translate([lines[number] for number in numbers], options=greedy):
                attention = _attention(translation) if numbers[translation.number] in drawn else None
                found.append(_Translated(translation.targets[0].text, attention))
        except NanProbabilities:  # training continues, and stops by itself if no gradient is finite either
            return None
        return found

    def _score(
        self, key: str, shares: Sequence[list[_Translated] | None], step: int
    ) -> tuple[float, ValidationTexts | None]:
        """Return BLEU and the translations of a validation set; NaN and None if the probabilities are NaN."""
        complete = [share for share in shares if share is not None]
        if len(complete) < len(shares):
            return math.nan, None
        translated = interleave(complete)
        sources, references = (
            [lines[i] for i in self._sentences(key)] for lines in self._prepared.validation[key].text
        )
        hypotheses = [each.text for each in translated]
        bleu = validation_bleu(hypotheses, references, self._config.data.target_language)
        maps = (translated[row].attention for row in sample_rows(sources))
        attention = tuple(each for each in maps if each is not None)
        return bleu, ValidationTexts(step, tuple(sources), tuple(hypotheses), tuple(references), attention)


def _attention(translation: Translation) -> AttentionOf | None:
    """Return the attention of a translation; None if it has none or is too long to be drawn."""
    if translation.targets[0].attention is None or not translation.targets[0].attention.size:
        return None
    words = of_translation(translation, by_words=True)
    if max(words.weights.shape) > MAX_MAP_WORDS:
        return None
    weights = np.round(words.weights.astype(np.float64), 2).tolist()
    return AttentionOf(words.source, words.target, tuple(map(tuple, weights)))


def sample_rows(sources: Sequence[str]) -> list[int]:
    """Return the numbers of a few different sentences, the short ones first: spread evenly over the lengths."""
    first = {line: row for row, line in reversed(list(enumerate(sources))) if line}
    rows = sorted(first.values(), key=lambda row: (len(sources[row]), row))
    return (
        [rows[int(len(rows) * (number + 0.5) / SAMPLES)] for number in range(SAMPLES)] if len(rows) > SAMPLES else rows
    )


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
