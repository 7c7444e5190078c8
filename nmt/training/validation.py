"""How good the weights are now: loss over the validation pairs, and BLEU of a real translation of them."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nmt.config import Config
from nmt.data.batching import Batch, eval_batches
from nmt.data.language_tags import Tagger
from nmt.data.prepared_data import Prepared
from nmt.decoding.hypothesis import NotNumbers
from nmt.decoding.translator import Settings, Translator
from nmt.evaluation.metrics import Scoring, build, default_tokenizer, validation_bleu
from nmt.evaluation.score_warnings import validation_warning
from nmt.kernels.device import Arithmetic
from nmt.kernels.out_of_memory import run_with_retry
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.training.microbatches import run_in_microbatches, split, to_device
from nmt.training.objective import cross_entropy

TOKENS_PER_BATCH = 4096


@dataclass(frozen=True)
class Result:
    """One validation."""

    loss: float
    """Nats per target token, EOS included, without label smoothing, over `scored_pairs`; may not be finite."""
    bleu: float | None
    """BLEU of a greedy translation, 0 to 100; None where not asked for, NaN where the model's probabilities are NaN."""
    samples: list[tuple[str, str, str]]
    """A few (source, translation, reference)."""


def advice(config: Config, references: Sequence[str]) -> str | None:
    """Return what to change where BLEU, of validation or as the reward of risk training, finds no words to count."""
    if not config.training.validation_bleu and config.training.objective != "risk":
        return None
    return validation_warning(references, config.data.target_language)


def scored_pairs(config: Config, prepared: Prepared) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which validation pairs, (pairs,), the loss is over, and a note if these are not all.

    They are those whose source is not cut when it is translated, so that loss and BLEU describe the same inputs; all if
    every source is cut.
    """
    tag, limit = config.data.valid.tag, config.decoding.max_source_tokens
    before = len(prepared.vocabularies.source.encode([tag])[0]) if tag else 0
    is_whole = np.asarray(prepared.valid.source_lengths <= limit + before)
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
    """Validates networks on the prepared validation pairs."""

    def __init__(self, config: Config, prepared: Prepared, device: torch.device, arithmetic: Arithmetic) -> None:
        self._config = config
        self._prepared = prepared
        self._device = device
        self._arithmetic = arithmetic
        self._is_scored, _ = scored_pairs(config, prepared)
        if config.training.validation_bleu:  # now, not when steps would be lost
            build("bleu", Scoring(tokenize=default_tokenizer(config.data.target_language)))
        tagger = Tagger(config.data, config.data.valid.tag or "", "set data.valid.tag")
        tagger.check(prepared.valid_text[0], "data.valid")

    def __call__(self, model: Seq2Seq) -> Result:
        """Score `model`, which is left in the mode, training or not, that it was in."""
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad():
                loss = self._loss(model)
                samples, bleu = self._translate(model) if self._config.training.validation_bleu else ([], None)
        finally:
            model.train(was_training)
        return Result(loss, bleu, samples)

    def _loss(self, model: Seq2Seq) -> float:
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        tokens = 0
        for batch, _ in eval_batches(self._prepared.valid, TOKENS_PER_BATCH, self._is_scored):
            nll, _ = run_in_microbatches(
                batch, 1, functools.partial(self._nll, model, batch), "validation", "shorten data.valid"
            )
            total += nll
            tokens += batch.tokens
        return float(total) / max(1, tokens)

    def _nll(self, model: Seq2Seq, batch: Batch, parts: int) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        for part in split(batch, parts):
            here = to_device(part, self._device)
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._arithmetic == "bf16"):
                unrolled = model(here.source, here.lengths, here.previous)
                total += cross_entropy(model, [unrolled], here).nll
        return total

    def _translate(self, model: Seq2Seq) -> tuple[list[tuple[str, str, str]], float]:
        sources, references = self._prepared.valid_text
        count = self._config.training.validation_sentences or len(sources)
        sources, references = sources[:count], references[:count]
        data = self._config.data
        searched = run_with_retry(functools.partial(prepare_for_search, model, self._arithmetic))
        translator = Translator(
            searched,
            self._prepared.vocabularies,
            data,
            self._device,
            self._arithmetic,
            copies_source=self._config.model.decoder.copy_source,
            copies_words=self._config.model.decoder.copy_source,
        )
        settings = dataclasses.replace(Settings.of(self._config), tag=data.valid.tag or "")
        greedy = dataclasses.replace(settings, search=dataclasses.replace(settings.search, method="greedy", n_best=1))
        try:
            texts = [translation.targets[0].text for translation in translator.translate(sources, greedy)]
        except NotNumbers:  # training goes on, and ends by itself if no gradient is finite either
            return [], math.nan
        samples = list(zip(sources, texts, references, strict=True))[:3]
        return samples, validation_bleu(texts, references, data.target_language)
