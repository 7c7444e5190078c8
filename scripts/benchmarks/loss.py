"""Compare losses over an output layer, forward and backward: whole logits, torch's chunked loss, and nmt's.

    python scripts/benchmarks/loss.py [--tokens 1024] [--width 512] [--vocabulary 8000] [--precision bf16]
                                      [--smoothing 0] [--repeat 20]

Each loss is measured in its own process. The memory is the increase of the peak over a process that holds only
readouts and weights. With label smoothing torch 2.13 uses its plain loss in place of the chunked one, and warns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.kernels.allocator import keep_freed_memory
from nmt.reports.table import table
from nmt.training.cross_entropy import output_cross_entropy
from scripts.reporting import parser

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:
    sys.exit("loss.py: error: needs a Unix system, to read the peak memory of a process")

Loss = Callable[[nn.Linear, Tensor, Tensor, float], Tensor]


def whole(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Compute the cross-entropy of logits that are all in memory at once."""
    return F.cross_entropy(output(readout).float(), target, label_smoothing=smoothing, reduction="sum")


def fused(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Compute `F.linear_cross_entropy` in torch's own chunks (torch 2.13)."""
    kind = readout.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else output.weight.dtype
    parts = readout.to(dtype), output.weight.to(dtype), target
    bias = output.bias.to(dtype)
    options = nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(
        *parts, linear_bias=bias, label_smoothing=smoothing, reduction="sum", options=options
    ).float()


def ours(output: nn.Linear, readout: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Compute the loss of `nmt train`."""
    return output_cross_entropy(output, [readout], target, smoothing, 0.0)[0]


LOSSES: dict[str, Loss] = {"cross_entropy of whole logits": whole, "linear_cross_entropy": fused, "nmt": ours}


def peak_mib() -> float:
    """Return the peak memory of this process in MiB."""
    return getrusage(RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(loss: Loss, options: argparse.Namespace) -> dict[str, float]:
    """Return milliseconds per step, MiB added, and the loss per token."""
    keep_freed_memory()
    torch.manual_seed(0)
    output = nn.Linear(options.width, options.vocabulary)
    readout = torch.randn(options.tokens, options.width, requires_grad=True)
    target = torch.randint(0, options.vocabulary, (options.tokens,))
    for weight in (output.weight, output.bias, readout):
        weight.grad = torch.zeros_like(weight)
    _ = torch.ones(64, 64) @ torch.ones(64, 64)  # loads the libraries of matrix products
    before = peak_mib()
    seconds = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            value = loss(output, readout, target, options.smoothing)
        value.backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - start)
    return {
        "ms": 1000 * statistics.median(seconds),
        "mib": peak_mib() - before,
        "loss": float(value.detach()) / options.tokens,
    }


def main() -> None:
    """Measure each loss in a child process and print the table."""
    add = (arguments := parser(__doc__)).add_argument
    add("--tokens", type=int, default=1024, help="target tokens of a step (default %(default)s)")
    add("--width", type=int, default=512, help="width of the readouts (default %(default)s)")
    add("--vocabulary", type=int, default=8000, help="size of the target vocabulary (default %(default)s)")
    add("--precision", choices=["fp32", "bf16"], default="bf16", help="precision (default %(default)s)")
    add("--smoothing", type=float, default=0.0, help="label smoothing (default %(default)s)")
    add("--repeat", type=int, default=20, help="measured steps (default %(default)s)")
    add("--only", choices=list(LOSSES), help="measure one loss in this process and print JSON")
    options = arguments.parse_args()
    if options.only:
        print(json.dumps(measure(LOSSES[options.only], options)))
        return
    rows: list[tuple[str, ...]] = [("loss", "ms", "ratio", "MiB added", "loss per token")]
    first = 0.0
    for name in LOSSES:
        if name == "linear_cross_entropy" and not hasattr(F, "linear_cross_entropy"):
            print(f"torch {torch.__version__} has no linear_cross_entropy", file=sys.stderr)
            continue
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        first = first or found["ms"]
        ratio = f"{first / found['ms']:.2f}"
        rows.append((name, f"{found['ms']:.1f}", ratio, f"{found['mib']:.0f}", f"{found['loss']:.4f}"))
    print(f"{options.tokens} tokens, width {options.width}, vocabulary {options.vocabulary:,}, ", end="")
    print(f"{options.precision}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(table(rows, frozenset(range(1, 5))))


if __name__ == "__main__":
    main()
