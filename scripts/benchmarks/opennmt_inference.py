"""Translate with OpenNMT-py, in its own Python environment, for translate.py.

That environment does not have nmt's dependencies, so this module imports only what is in it.
"""

import sys
from importlib import import_module
from typing import Any

from scripts.benchmarks.processes import answer_call
from scripts.benchmarks.search_timing import time_search


def _add_readout_bias() -> None:
    """Add the bias of our readout, tanh(W [c; h] + b); OpenNMT-py has one only with attention of type mlp."""
    import torch

    attention = import_module("onmt.modules.global_attention").GlobalAttention
    build = attention.__init__

    def build_with_bias(self: Any, dim: int, **rest: Any) -> None:
        build(self, dim, **rest)
        self.linear_out = torch.nn.Linear(2 * dim, dim)

    attention.__init__ = build_with_bias


def command(arguments: list[str]) -> None:
    """Run the command `onmt_translate` with these arguments."""
    _add_readout_bias()
    sys.argv = ["onmt_translate", *arguments]
    import_module("onmt.bin.translate").main()


def translate(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` of pieces with each of `searches` (name: arguments); return `time_search` of each."""
    _add_readout_bias()
    get_parser = import_module("onmt.bin.translate")._get_parser
    checks = import_module("onmt.utils.parse").ArgumentParser
    build_engine = import_module("onmt.inference_engine").InferenceEnginePY

    def read(output: tuple[Any, Any]) -> tuple[list[str], float]:
        scores, texts = output
        pieces = texts[0].split()
        # The mean of OpenNMT-py divides by the token before the first one too, besides the end of the sentence.
        return pieces, float(scores[0]) * (len(pieces) + 2)

    result: dict[str, Any] = {}
    for name, arguments in request["searches"].items():
        options = get_parser().parse_args(arguments)
        checks.validate_translate_opts(options)
        checks._get_all_transform_translate(options)
        checks._validate_transforms_opts(options)
        checks.validate_translate_opts_dynamic(options)
        engine = build_engine(options)

        def translate_lines(lines: list[str], engine: Any = engine) -> list[tuple[Any, Any]]:
            return list(zip(*engine.infer_list(lines), strict=True))

        result[name] = time_search(translate_lines, read, request["lines"], request["single"].get(name, 0))
    return result


if __name__ == "__main__":
    answer_call({"translate": translate, "command": command})
