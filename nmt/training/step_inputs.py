"""What one rank computes in an optimizer step: its share of the batch, in micro-batches, with the samples they need.

Axes: B sentences, T target tokens.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from nmt.config import Config
from nmt.data.batching import Batch
from nmt.engine import Arithmetic
from nmt.kernels.device import search_arithmetic
from nmt.models.inference import prepare_for_search
from nmt.models.seq2seq import Seq2Seq
from nmt.randomness import derive_seed
from nmt.training.microbatches import DeviceBatch, share_out, split, to_device
from nmt.training.ranks import Ranks
from nmt.training.scheduled_sampling import sampled_previous, teacher_probability
from nmt.training.torch_state import seed_generators


@dataclass(frozen=True)
class StepInput:
    """One micro-batch."""

    batch: DeviceBatch
    """With scheduled sampling, some of its previous tokens are samples."""
    searched: Seq2Seq | None
    """The model, prepared for search, if the objective draws samples from it."""
    seed: int
    """The seed of the samples."""
    is_last: bool
    """Whether it is the last one of this rank in the step."""


class StepInputs:
    """Makes the inputs of each step, and seeds the generators for dropout."""

    def __init__(
        self, model: Seq2Seq, config: Config, device: torch.device, arithmetic: Arithmetic, ranks: Ranks
    ) -> None:
        self._model = model
        self._settings, self._seed = config.training, config.seed
        self._device, self._arithmetic = device, search_arithmetic(arithmetic)
        self._ranks = ranks

    def share(self, batch: Batch, step: int, count: int) -> Iterator[StepInput]:
        """Yield the micro-batches of this rank, at most `count`, one after the other; none if the batch is too small.

        The generators of torch are seeded before each is yielded.
        """
        shares, rank = share_out(batch, self._ranks.size), self._ranks.rank
        if rank >= len(shares):
            return
        settings, searched = self._settings, None
        is_risk, probability = settings.objective == "risk", teacher_probability(step, settings)
        if is_risk or probability < 1.0:
            searched = prepare_for_search(self._model, self._arithmetic, pack=False)
        parts = split(shares[rank], count)
        for number, part in enumerate(parts):
            # The names of rank 0 are those of a single process.
            names = step, number, *([rank] if rank else [])
            seed_generators(derive_seed(self._seed, "dropout", *names), self._device)
            seed = derive_seed(self._seed, "samples", *names)
            inputs = to_device(part, self._device)
            if searched is not None and not is_risk:
                previous = sampled_previous(searched, inputs, probability, seed)
                inputs = dataclasses.replace(inputs, previous=previous)
            yield StepInput(inputs, searched, seed, is_last=number + 1 == len(parts))
