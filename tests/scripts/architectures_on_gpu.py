"""Compare architectures on a pretended GPU with the processor: loss, gradients, greedy and beam search.

python tests/scripts/architectures_on_gpu.py [EVERY]

takes each, or every EVERYth, of `architectures.EVERY`. Needs a C++ compiler.
"""

import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests"), str(ROOT / "scripts")]
import pretended_gpu  # noqa: E402
from architectures import EVERY, build, name_of  # noqa: E402
from pretended_gpu import PretendedGpu  # noqa: E402

from nmt.config import Training  # noqa: E402
from nmt.data.batching import Batch  # noqa: E402
from nmt.data.token_ids import EOS, PAD  # noqa: E402
from nmt.decoding.hypothesis import SearchBatch  # noqa: E402
from nmt.decoding.search import search_function  # noqa: E402
from nmt.decoding.search_options import SearchOptions  # noqa: E402
from nmt.errors import NmtError  # noqa: E402
from nmt.models.inference import prepare_for_search  # noqa: E402
from nmt.training.microbatches import to_device  # noqa: E402
from nmt.training.objective import likelihood_loss  # noqa: E402

SEARCHES = SearchOptions(method="greedy"), SearchOptions(beam_size=3, n_best=2)


def side(lengths):
    """Return made-up tokens (4, S) that end with EOS, padded, and their lengths."""
    draw = np.random.default_rng(1)
    table = np.full((len(lengths), max(lengths)), PAD, np.int64)
    for row, length in zip(table, lengths, strict=True):
        row[:length] = [*draw.integers(4, 19, length - 1), EOS]
    return table, np.array(lengths)


def outcome(architecture, device):
    """Return loss, gradients and translations on a device, all on the processor."""
    torch.manual_seed(1)
    model = build(**architecture).to(device).train()
    (source, lengths), (target, target_lengths) = side([8, 5, 3, 6]), side([5, 6, 2, 4])
    batch = to_device(Batch(source, lengths, target, target_lengths), torch.device(device))
    loss = likelihood_loss(model, batch, Training(), 1).minimised
    loss.backward()
    gradients = {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}
    searcher = prepare_for_search(model, "fp32")
    sentences = SearchBatch(batch.source, batch.lengths, [6] * 4)
    found = [search_function(options)(searcher, sentences, options) for options in SEARCHES]
    tokens = [[hypothesis.tokens for hypothesis in each] for answer in found for each in answer]
    return loss.detach().cpu(), gradients, tokens


def compare():
    """Compare, and tell of each that differs."""
    chosen = EVERY[:: int(sys.argv[1]) if len(sys.argv) > 1 else 1]
    wrong = 0
    for architecture in chosen:
        here = outcome(architecture, "cpu")
        try:
            with PretendedGpu():
                there = outcome(architecture, "cuda")
            torch.testing.assert_close(there[:2], here[:2], rtol=1e-3, atol=1e-5)
            assert there[2] == here[2], "other translations"
        except Exception as error:
            wrong += 1
            sys.stdout.write(f"{name_of(architecture)}: {type(error).__name__}: {error}\n")
    sys.stdout.write(f"{len(chosen)} architectures, {wrong} wrong\n")
    if wrong:
        raise NmtError(f"{wrong} architectures are wrong")


if __name__ == "__main__":
    sys.exit(pretended_gpu.conclude("architectures_on_gpu", compare))
