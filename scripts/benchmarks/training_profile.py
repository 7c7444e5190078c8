"""Measure the time of each part of an nmt training step on the CPU, and the most expensive torch operators."""

import functools
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from nmt import config as schema
from nmt.config import Config
from nmt.reports.table import table
from scripts.benchmarks import processes

STEPS = 20
"""Training steps that are measured."""
OPERATORS = 10
"""Operators in the table."""


def profile(config: Config, work: Path, steps: int = STEPS) -> dict[str, Any]:
    """Return `measure` of a configuration whose text is prepared, in a child process."""
    path = work / "profile.yaml"
    path.write_text(schema.dump(config), encoding="utf-8")
    request = {"config": str(path), "folder": str(work / "profile"), "steps": steps}
    found: dict[str, Any]
    found, _ = processes.call("profile", Path(sys.executable), "training_profile.measure", request, work)
    return found


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Return milliseconds per step of each part, and [name, milliseconds, calls] per step of the torch operators."""
    import torch
    from torch.profiler import ProfilerActivity

    from nmt.data.batching import Position
    from nmt.data.prepared_data import Prepared
    from nmt.kernels.allocator import keep_freed_memory
    from nmt.kernels.device import choose_arithmetic, choose_device
    from nmt.storage.run_folder import Run
    from nmt.training import objective
    from nmt.training.trainer import Trainer

    keep_freed_memory()
    config = schema.load(Path(request["config"]))
    device = choose_device("cpu")
    arithmetic = choose_arithmetic(config.training.precision, device)
    trainer = Trainer(config, Run(Path(request["folder"])), Prepared.open(config.prepared), device, arithmetic)
    seconds: dict[str, float] = defaultdict(float)

    def add_timer(owner: Any, name: str, part: str) -> None:
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*arguments: Any, **rest: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*arguments, **rest)
            finally:
                seconds[part] += time.perf_counter() - start

        setattr(owner, name, timed)

    add_timer(trainer.model.encoder, "forward", "encoder")
    add_timer(trainer.model.decoder, "unroll", "decoder")
    add_timer(objective, "cross_entropy", "output, loss")
    add_timer(torch.Tensor, "backward", "backward")
    add_timer(torch.nn.utils, "get_total_norm", "clip, optimizer")
    add_timer(trainer.optimizer, "step", "clip, optimizer")

    stream, steps = trainer.batches.iterate_from(Position()), request["steps"]
    batches = [next(stream)[0] for _ in range(steps)]
    for batch in batches:  # warm-up: every shape once
        trainer.step(batch)
    seconds.clear()
    start = time.perf_counter()
    for batch in batches:
        trainer.step(batch)
    total = time.perf_counter() - start
    parts = {**seconds, "rest": total - sum(seconds.values()), "together": total}
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as record:
        for batch in batches:
            trainer.step(batch)
    costs = sorted(record.key_averages(), key=lambda event: -event.self_cpu_time_total)[:OPERATORS]
    return {
        "system": f"{config.name}, {arithmetic}",
        "parts": {name: value / steps * 1e3 for name, value in parts.items()},
        "operators": [[each.key, each.self_cpu_time_total / steps / 1e3, each.count / steps] for each in costs],
    }


def tables(found: dict[str, Any]) -> str:
    """Return the two tables of `measure`: parts and operators."""
    total = found["parts"]["together"]
    parts = [[f"{found['system']}: part", "ms per step", "share"]]
    parts += [[name, f"{ms:.1f}", f"{ms / total:.0%}"] for name, ms in found["parts"].items()]
    operators = [["operator", "ms per step", "calls per step"]]
    operators += [[name, f"{ms:.1f}", f"{calls:,.0f}"] for name, ms, calls in found["operators"]]
    return "\n\n".join(table(rows, right=frozenset((1, 2))) for rows in (parts, operators))


if __name__ == "__main__":
    processes.answer_call({"measure": measure})
