"""A small Transformer, trained by OpenNMT-py and run by CTranslate2: what `nmt` is compared with for speed of search.

python scripts/transformer_peer.py RUN --opennmt PYTHON --work FOLDER [--steps 8000]

trains it on the prepared data of RUN, whose subwords both then have, into FOLDER/transformer_step_N.pt; hours on two
cores. `bench_translate.py --ctranslate2 PYTHON --transformer FILE` compares. PYTHON is that of an environment with
OpenNMT-py and ctranslate2, which also runs the tasks of this file; so it imports at the top only what is there too.
"""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import console
import peers

SIZE, LAYERS, HEADS, FEED_FORWARD = 128, 4, 4, 256
"""Transformer-tiny, as published figures on Multi30k have it (Wu 2021)."""


def settings(text: peers.Text, folder: Path, steps: int) -> dict[str, Any]:
    """Return the YAML of OpenNMT-py: the network above, trained as Vaswani (2017) did with heavier dropout."""
    corpus = {"path_src": text.path("train", "source"), "path_tgt": text.path("train", "target")}
    return {
        "data": {"corpus": {**corpus, "transforms": [], "weight": 1}},
        "src_vocab": text.path("vocabulary", "source"),
        "tgt_vocab": text.path("vocabulary", "target"),
        "src_vocab_size": text.source_size,
        "tgt_vocab_size": text.target_size,
        "vocab_size_multiple": 1,
        "save_model": str(folder / "transformer"),
        "save_checkpoint_steps": 500,
        "keep_checkpoint": 2,
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "position_encoding": "true",
        "layers": LAYERS,
        "heads": HEADS,
        "hidden_size": SIZE,
        "word_vec_size": SIZE,
        "transformer_ff": FEED_FORWARD,
        "share_decoder_embeddings": "true",
        "dropout": [0.3],
        "attention_dropout": [0.1],
        "param_init": 0.0,
        "param_init_glorot": "true",
        "batch_type": "tokens",
        "batch_size": 4096,
        "bucket_size": min(262_144, text.pairs),
        "num_workers": 0,
        "normalization": "tokens",
        "optim": "adam",
        "adam_beta2": 0.98,
        "decay_method": "noam",
        "warmup_steps": 2000,
        "learning_rate": 2.0,
        "max_grad_norm": 0.0,
        "label_smoothing": 0.1,
        "average_decay": 0.0005,
        "train_steps": steps,
        "valid_steps": steps + 1,
        "report_every": 100,
        "seed": 1,
    }


def train(given: argparse.Namespace, folder: Path) -> None:
    """Train with OpenNMT-py on the pieces of the run's prepared data."""
    from nmt.config import load_run_config
    from nmt.data.prepared_data import Prepared
    from nmt.storage.run_folder import Run

    prepared = Prepared.open(load_run_config(Run.open(given.run)).prepared)
    text = peers.write_text(prepared, folder / "text")
    path = peers.write_yaml(folder / "transformer.yaml", settings(text, folder, given.steps))
    python = peers.peer_python(given.opennmt)
    assert python is not None
    log = folder / "transformer.log"
    console.say(f"training; {log} tells how it goes")
    usage = peers.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], log)
    console.say(f"{folder / f'transformer_step_{given.steps}.pt'}: trained in {usage.seconds / 60:.1f} minutes")


# --- run by the Python of the environment with ctranslate2 -----------------------------------------------------------


def convert(request: dict[str, str]) -> None:
    """Write the checkpoint `from` as a model of CTranslate2 with int8 weights, into the folder `to`."""
    ctranslate2, torch = import_module("ctranslate2"), import_module("torch")
    torch.serialization.add_safe_globals([argparse.Namespace])  # what OpenNMT-py keeps its options in
    checkpoint = torch.load(request["from"], map_location="cpu")
    checkpoint["opt"].self_attn_type = "scaled-dot"  # which its fused attention computes too, but CTranslate2 refuses
    path = f"{request['to']}.pt"
    torch.save(checkpoint, path)
    ctranslate2.converters.OpenNMTPyConverter(path).convert(request["to"], quantization="int8", force=True)


def _open(request: dict[str, Any]) -> Any:
    ctranslate2 = import_module("ctranslate2")
    # By far its fastest here: batches side by side, on one thread each.
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
    """Translate `lines` of pieces with each of `searches` (name: beam), and the first `single` of them one by one.

    The answer is that of bench_translate's `translate_with_nmt`.
    """
    translator, lines = _open(request), request["lines"]
    result: dict[str, Any] = {}
    for name, beam in request["searches"].items():
        _translate(translator, lines[: peers.WARM_UP], beam)
        began = time.perf_counter()
        answers = _translate(translator, lines, beam)
        seconds = time.perf_counter() - began
        single = []
        for line in lines[: request["single"].get(name, 0)]:
            began = time.perf_counter()
            _translate(translator, [line], beam)
            single.append(time.perf_counter() - began)
        pieces = [answer.hypotheses[0] for answer in answers]
        scores = [answer.scores[0] * len(line) for answer, line in zip(answers, pieces, strict=True)]
        result[name] = {"seconds": seconds, "pieces": pieces, "log_probs": scores, "single": single}
    return result


def command(request: dict[str, Any]) -> None:
    """Translate as a whole process: the model loaded, a file read and one written."""
    lines = Path(request["source"]).read_text(encoding="utf-8").split("\n")[:-1]
    answers = _translate(_open(request), lines, request["beam"])
    text = "".join(" ".join(answer.hypotheses[0]) + "\n" for answer in answers)
    Path(request["output"]).write_text(text, encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run of nmt, whose subwords and text are used")
    parser.add_argument("--opennmt", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=8000)
    given = parser.parse_args()

    def work() -> None:
        with console.workspace(given.work) as folder:
            train(given, folder)

    return console.conclude("transformer_peer", work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        peers.answer({"convert": convert, "translate": translate, "command": command})
    else:
        sys.exit(main())
