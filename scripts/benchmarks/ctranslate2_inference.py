"""Convert a Transformer of OpenNMT-py to CTranslate2 and translate with it, in the Python environment that has both.

That environment does not have nmt's dependencies, so this module imports only what is in it.
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from scripts.benchmarks.processes import answer_call
from scripts.benchmarks.search_timing import time_search


def convert(request: dict[str, str]) -> None:
    """Write the checkpoint `from` to the folder `to`, as a CTranslate2 model with int8 weights."""
    ctranslate2, torch = import_module("ctranslate2"), import_module("torch")
    torch.serialization.add_safe_globals([argparse.Namespace])  # the type of OpenNMT-py's options
    checkpoint = torch.load(request["from"], map_location="cpu")
    checkpoint["opt"].self_attn_type = "scaled-dot"  # its fused attention computes the same, but is not convertible
    path = f"{request['to']}.pt"
    torch.save(checkpoint, path)
    ctranslate2.converters.OpenNMTPyConverter(path).convert(request["to"], quantization="int8", force=True)


def _open(request: dict[str, Any]) -> Any:
    ctranslate2 = import_module("ctranslate2")
    # The fastest setting measured: batches in parallel, with one thread each.
    options = {"compute_type": "int8", "inter_threads": request["threads"], "intra_threads": 1}
    return ctranslate2.Translator(request["model"], device="cpu", **options)


def _translate(translator: Any, lines: list[str], beam: int) -> list[Any]:
    tokens = [line.split() for line in lines]
    longest = 2 * max(map(len, tokens)) + 20
    answers: list[Any] = translator.translate_batch(
        tokens, beam_size=beam, length_penalty=1, max_batch_size=64, max_decoding_length=longest, return_scores=True
    )
    return answers


def translate(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` of pieces with each of `searches` (name: beam size); return `time_search` of each."""
    translator = _open(request)

    def read(answer: Any) -> tuple[list[str], float]:
        pieces = answer.hypotheses[0]
        return pieces, answer.scores[0] * len(pieces)

    return {
        name: time_search(
            lambda lines, beam=beam: _translate(translator, lines, beam),  # type: ignore[misc]
            read,
            request["lines"],
            request["single"].get(name, 0),
        )
        for name, beam in request["searches"].items()
    }


def command(request: dict[str, Any]) -> None:
    """Translate as a whole process: load the model, read a file and write one."""
    lines = Path(request["source"]).read_text(encoding="utf-8").split("\n")[:-1]
    answers = _translate(_open(request), lines, request["beam"])
    text = "".join(" ".join(answer.hypotheses[0]) + "\n" for answer in answers)
    Path(request["output"]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    answer_call({"convert": convert, "translate": translate, "command": command})
