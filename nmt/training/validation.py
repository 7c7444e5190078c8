"""Validate a model during training: its loss on the validation pairs, and BLEU of a greedy translation of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.models.torch_engine import TorchEngine
from nmt.reports.alignment import of_translation
from nmt.storage.validation_texts import AttentionOf, ValidationTexts
from nmt.training.microbatches import increase_count, split, to_device
from nmt.training.objective import cross_entropy

TOKENS_PER_BATCH = 4096
SAMPLES = 5
"""Sentences whose translations are logged."""
MAX_MAP_WORDS = 40
"""Words of the source or the translation of a sentence whose attention is kept, at most."""


@dataclass(frozen=True)
class ValidationResult:
    """The result of one validation."""

    loss: float
    """Nats per target token, EOS included, without label smoothing, over `scored_pairs`; may not be finite."""
    bleu: float | None
    """BLEU of a greedy translation, 0 to 100; None if `validation_bleu` is off, NaN if the probabilities are NaN."""
    texts: ValidationTexts | None = None
    """The translations; None if `validation_bleu` is off or the probabilities are NaN."""
    samples: tuple[tuple[str, str, str], ...] = ()
    """A few (source, translation, reference), the same sentences in every validation."""


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

    @torch.no_grad()
    def __call__(self, model: Seq2Seq, step: int = 0) -> ValidationResult:
        """Validate `model` after `step` optimizer steps; its mode, training or evaluation, is restored."""
        was_training = model.training
        model.eval()
        batches = [batch for batch, _ in evaluation_batches(self._prepared.valid, TOKENS_PER_BATCH, self._is_scored)]
        tokens = sum(batch.tokens for batch in batches)
        nll = torch.zeros((), dtype=torch.float64, device=self._device)
        try:
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
            texts, bleu = self._translate(model, step) if self._config.training.validation_bleu else (None, None)
        finally:
            model.train(was_training)
        samples = () if texts is None else tuple(
            (texts.sources[row], texts.translations[row], texts.references[row])
            for row in sample_rows(texts.sources)
        )  # fmt: skip
        return ValidationResult(float(nll) / max(1, tokens), bleu, texts, samples)

    def _translate(self, model: Seq2Seq, step: int) -> tuple[ValidationTexts | None, float]:
        sources, references = self._prepared.valid_text
        count = self._config.training.validation_sentences or len(sources)
        sources, references = sources[:count], references[:count]
        engine = TorchEngine(prepare_for_search(model, self._arithmetic))
        machine = Machine("torch", self._device.type, self._arithmetic)
        translator = Translator(engine, self._prepared.vocabularies, [ModelSettings.of(self._config)], machine)
        greedy = translator.options.changed(
            method="greedy",
            tag=self._config.data.valid.tag,
            shortlist=0,
            with_alignment=self._config.model.has_attention,
        )
        drawn, attention, texts = set(sample_rows(sources)), {}, []
        try:
            for translation in translator.translate(sources, options=greedy):
                texts.append(translation.targets[0].text)
                if translation.number in drawn and (found := _attention(translation)) is not None:
                    attention[translation.number] = found
        except NanProbabilities:  # training continues, and stops by itself if no gradient is finite either
            return None, math.nan
        bleu = validation_bleu(texts, references, self._config.data.target_language)
        maps = tuple(attention[row] for row in sample_rows(sources) if row in attention)
        return ValidationTexts(step, tuple(sources), tuple(texts), tuple(references), maps), bleu


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
