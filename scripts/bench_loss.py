"""Compare losses over an output layer, forward and backward: the whole logits, torch's chunks, and nmt's.

python scripts/bench_loss.py [--tokens 1024] [--width 512] [--vocabulary 8000] [--precision bf16] [--smoothing 0]

With label smoothing torch (2.13) takes its chunked loss for the plain one, and warns.
Each takes a process of its own; its peak is what it adds to the memory of a process that holds readouts and weights.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.kernels.allocator import keep_freed_memory
from nmt.reports.table import table
from nmt.training.cross_entropy import output_cross_entropy

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:
    sys.exit("bench_loss.py: reads the peak of memory as Unix systems tell it")

Loss = Callable[[nn.Linear, Tensor, Tensor, float], Tensor]


def whole(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of logits that are all held at once."""
    return F.cross_entropy(output(readout).float(), target, label_smoothing=smoothing, reduction="sum")


def fused(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """`F.linear_cross_entropy` in its own chunks (torch 2.13)."""
    kind = readout.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else output.weight.dtype
    parts = readout.to(dtype), output.weight.to(dtype), target
    bias = output.bias.to(dtype)
    options = nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(
        *parts, linear_bias=bias, label_smoothing=smoothing, reduction="sum", options=options
    ).float()


def ours(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """What `nmt train` does."""
    return output_cross_entropy(output, [readout], target, smoothing, 0.0)[0]


LOSSES: dict[str, Loss] = {"cross_entropy of whole logits": whole, "linear_cross_entropy": fused, "nmt": ours}


def peak_mib() -> float:
    """Return the most memory this process has had, in MiB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(loss: Loss, given: argparse.Namespace) -> dict[str, float]:
    """Return milliseconds of a step, MiB added, and the loss of a token."""
    keep_freed_memory()
    torch.manual_seed(0)
    output = nn.Linear(given.width, given.vocabulary)
    readout = torch.randn(given.tokens, given.width, requires_grad=True)
    target = torch.randint(0, given.vocabulary, (given.tokens,))
    for weight in (output.weight, output.bias, readout):
        weight.grad = torch.zeros_like(weight)
    _ = torch.ones(64, 64) @ torch.ones(64, 64)  # the libraries of matrix products are there
    before = peak_mib()
    seconds = []
    for _ in range(given.repeat):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=given.precision == "bf16"):
            value = loss(output, readout, target, given.smoothing)
        value.backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - began)
    return {
        "ms": 1000 * statistics.median(seconds),
        "mib": peak_mib() - before,
        "loss": float(value.detach()) / given.tokens,
    }


def main() -> None:
    """Measure each in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--smoothing", type=float, default=0.0)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--only", choices=list(LOSSES), help="Measure one, here, and print JSON.")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(LOSSES[given.only], given)))
        return
    rows: list[tuple[str, ...]] = [("loss", "ms", "ratio", "MiB added", "loss a token")]
    slowest = 0.0
    for name in LOSSES:
        if name == "linear_cross_entropy" and not hasattr(F, "linear_cross_entropy"):
            print(f"torch {torch.__version__} has no linear_cross_entropy", file=sys.stderr)
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        slowest = slowest or found["ms"]
        ratio = f"{slowest / found['ms']:.2f}"
        rows.append((name, f"{found['ms']:.1f}", ratio, f"{found['mib']:.0f}", f"{found['loss']:.4f}"))
    print(f"{given.tokens} tokens, {given.width} wide, {given.vocabulary:,} words, {given.precision}, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(table(rows, frozenset(range(1, 5))))


if __name__ == "__main__":
    main()
