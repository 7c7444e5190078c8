"""The gradient of one optimizer step: a batch, shared out over the ranks, and on each rank over micro-batches.

Axes: B sentences, T target tokens.
"""

import dataclasses

import torch
from torch import Tensor, nn

from nmt.config import Config
from nmt.data.batching import Batch
from nmt.data.subword import Vocabularies
from nmt.engine import Arithmetic
from nmt.evaluation.metrics import sentence_scorer
from nmt.kernels.device import autocast, search_arithmetic, sum_dtype
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.randomness import derive_seed
from nmt.training.gradient_sum import GradientSum
from nmt.training.microbatches import DeviceBatch, split, to_device
from nmt.training.minimum_risk import risk_loss
from nmt.training.objective import Loss, likelihood_loss
from nmt.training.ranks import RankLost, Ranks
from nmt.training.scheduled_sampling import sampled_previous, teacher_probability
from nmt.training.torch_state import seed_generators


class TrainingStep(nn.Module):
    """Computes the loss of a batch and its gradient, for every objective of `training.objective`."""

    def __init__(
        self,
        model: Seq2Seq,
        config: Config,
        vocabularies: Vocabularies,
        device: torch.device,
        arithmetic: Arithmetic,
        ranks: Ranks,
    ) -> None:
        super().__init__()
        self.model = model
        self.ranks = ranks
        self._settings, self._seed = config.training, config.seed
        self._target = vocabularies.target
        self._device, self._arithmetic = device, arithmetic
        self.scaler = torch.amp.GradScaler(device.type, enabled=arithmetic == "fp16")
        """Multiplies the loss, so that small gradients are not rounded to zero in fp16."""
        self._gradients = GradientSum(model.parameters(), ranks)
        self._sentence_score = None  # BLEU of a sentence, for minimum-risk training
        if config.training.objective == "risk":
            self._sentence_score = sentence_scorer(config.data.target_language)

    def add_gradients(self, batch: Batch, step: int, count: int) -> Tensor:
        """Give the weights the gradient of the mean loss of `batch`, the same on all ranks.

        Every rank computes its share of the sentences in `count` micro-batches. The mean is over all target tokens of
        the batch, or over its sentences for minimum-risk training, so it does not depend on the number of ranks.
        Return the sums (2,) over the whole batch: what is minimised, as a sum over target tokens, and the NLL in nats.
        Raise a memory error on all ranks if memory ran out on one of them; the gradients are of no use then.
        """
        losses = torch.zeros(2, dtype=sum_dtype(self._device), device=self._device)
        failure: Exception | None = None
        self._gradients.start()
        try:
            self._add_share(batch, step, count, losses)
        except RankLost:
            raise
        except Exception as error:
            failure = error
        self._gradients.finish(losses)
        self.ranks.agree(failure)
        return losses

    def _add_share(self, batch: Batch, step: int, count: int, losses: Tensor) -> None:
        """Add the gradients and the losses of the sentences of this rank, which may be none."""
        shares = split(batch, self.ranks.size)
        share = shares[self.ranks.rank] if self.ranks.rank < len(shares) else None
        if share is None:
            return
        searched: Seq2Seq | None = None
        if self._sentence_score is not None or teacher_probability(step, self._settings) < 1.0:
            searched = prepare_for_search(self.model, search_arithmetic(self._arithmetic), pack=False)
        divisor = batch.tokens if self._sentence_score is None else batch.pairs
        rank = [self.ranks.rank] if self.ranks.rank else []
        parts = split(share, count)
        for number, part in enumerate(parts):
            seed_generators(derive_seed(self._seed, "dropout", step, number, *rank), self._device)
            seed = derive_seed(self._seed, "samples", step, number, *rank)
            self._gradients.is_last = number + 1 == len(parts)
            loss: Loss = self(part, searched, step, seed)
            scaled: Tensor = self.scaler.scale(loss.minimised / divisor)
            scaled.backward()  # type: ignore[no-untyped-call]
            losses += torch.stack([loss.minimised.detach() / divisor * batch.tokens, loss.nll])

    def forward(self, microbatch: Batch, searched: Seq2Seq | None, step: int, seed: int) -> Loss:
        """Return the loss of a micro-batch as sums. `searched`, the model prepared for search, draws samples."""
        inputs = to_device(microbatch, self._device)
        settings = self._settings
        if searched is not None and self._sentence_score is None:
            inputs = self._with_samples(inputs, searched, step, seed)
        with autocast(self._device, self._arithmetic):
            if searched is None or self._sentence_score is None:
                return likelihood_loss(self.model, inputs, settings, step)
            return risk_loss(self.model, searched, inputs, settings, self._target, self._sentence_score, seed)

    def _with_samples(self, inputs: DeviceBatch, searched: Seq2Seq, step: int, seed: int) -> DeviceBatch:
        """Replace previous tokens by samples, for scheduled sampling."""
        previous = sampled_previous(searched, inputs, teacher_probability(step, self._settings), seed)
        return dataclasses.replace(inputs, previous=previous)
