"""What bench_train.py and bench_translate.py share: child processes, and the files of the peers.

At the top only what OpenNMT-py's own Python can import too, because it runs this file: `translate_with_opennmt` and
`opennmt_command` are asked from there.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.config import Config
    from nmt.data.prepared_data import Prepared
    from nmt.data.store import Store
    from nmt.data.subword import Subword

ROOT = Path(__file__).resolve().parents[1]
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
"""Pieces 0 to 3 of our vocabularies; the peers have ones of their own."""
WARM_UP = 64
"""Sentences translated before the clock starts."""
SHARED = {
    "embedding.tie": "none",
    "encoder.cell": "lstm",
    "encoder.layers": 1,
    "encoder.kind": "recurrent",
    "encoder.bidirectional": True,
    "encoder.merge": "concat",
    "encoder.residual": False,
    "encoder.layer_norm": False,
    "encoder.gate_norm": False,
    "encoder.transitions": 1,
    "attention.score": "general",
    "attention.scaled": True,
    "attention.local": "none",
    "attention.heads": 1,
    "decoder.kind": "recurrent",
    "decoder.cell": "lstm",
    "decoder.layers": 1,
    "decoder.context_to": "next_input",
    "decoder.residual": False,
    "decoder.layer_norm": False,
    "decoder.gate_norm": False,
    "decoder.transitions": 1,
    "decoder.start": "last",
    "decoder.feedback": True,
    "decoder.readout": "tanh",
    "decoder.copy_source": False,
}
"""The `model` settings with which a network is one that OpenNMT-py and JoeyNMT can build."""


# --- child processes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a process took."""

    seconds: float
    """From its start to its end."""
    peak_mib: float
    """Largest resident memory of it, or of a process that it started and waited for.

    The kernel never reports less than what the parent had when it started the child, so the scripts import no torch.
    """


def run(name: str, command: Sequence[str | Path], log: Path) -> Usage:
    """Run `command` in the folder of `log`, which gets all it prints; raises `NmtError` where it fails."""
    cores = str(len(os.sched_getaffinity(0)))
    settings = {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", cores),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
        raise NmtError(f"{name} failed with status {process.returncode}: {lines[-1]} (--work FOLDER keeps {log.name})")
    return Usage(seconds, usage.ru_maxrss / 1024)


def ask(name: str, python: Path, script: str, task: str, request: Any, folder: Path) -> tuple[Any, Usage]:
    """Have `task` of `script` done by a process of its own and return its answer; both are JSON values."""
    question, reply = folder / f"{task}.request.json", folder / f"{task}.answer.json"
    question.write_text(json.dumps(request), encoding="utf-8")
    usage = run(name, [python, script, "--child", task, question, reply], folder / f"{task}.log")
    return json.loads(reply.read_text(encoding="utf-8")), usage


def answer(tasks: Mapping[str, Callable[[Any], Any]]) -> None:
    """Do what `ask` asked for on the command line."""
    task, question, reply = sys.argv[2:]
    result = tasks[task](json.loads(Path(question).read_text(encoding="utf-8")))
    Path(reply).write_text(json.dumps(result), encoding="utf-8")


def peer_python(path: Path | None) -> Path | None:
    """Return the absolute path of a peer's Python; raises `NmtError` where there is none."""
    if path is not None and not (path.is_file() and os.access(path, os.X_OK)):
        raise NmtError(f"{path}: no such Python; give bin/python of the peer's virtual environment")
    return None if path is None else path.absolute()


# --- the peers' files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """Files of subword pieces separated by spaces: `train`, `valid` and `vocabulary`, each `.source` and `.target`."""

    folder: Path
    pairs: int
    """Of the training text."""
    source_size: int
    """Entries of the vocabulary, the four specials counted."""
    target_size: int

    def path(self, name: str, side: str) -> str:
        """Return the path of a file, such as `train` of the `source`."""
        return str(self.folder / f"{name}.{side}")


def check_shared(config: "Config", where: str) -> None:
    """Raise `NmtError` where the peers cannot build the network of `config`; `where` begins the message."""
    model = config.model.model_dump()
    for key, wanted in SHARED.items():
        section, name = key.split(".")
        if model[section][name] != wanted:
            raise NmtError(f"{where}: the peers can build only model.{key} {wanted}, not {model[section][name]}")


def write_vocabularies(folder: Path, source: "Subword", target: "Subword") -> None:
    """Write the pieces of both sides, one a line, without the specials."""
    for side, subword in (("source", source), ("target", target)):
        pieces = subword.pieces(range(len(SPECIALS), subword.size))
        (folder / f"vocabulary.{side}").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def write_text(prepared: "Prepared", folder: Path) -> Text:
    """Write the prepared pairs as the same pieces for the peers."""
    vocabularies = prepared.vocabularies
    if any(weight != 1 for _, weight in prepared.train) or any(store.is_text for store, _ in prepared.train):
        raise NmtError("the peers know neither weighted corpora nor subword.sampling")
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabularies(folder, vocabularies.source, vocabularies.target)
    stores = [store for store, _ in prepared.train]
    for side, subword in (("source", vocabularies.source), ("target", vocabularies.target)):
        for name, parts in (("train", stores), ("valid", [prepared.valid])):
            lines = itertools.chain.from_iterable(_segmented(store, side, subword) for store in parts)
            (folder / f"{name}.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Text(folder, sum(map(len, stores)), vocabularies.source.size, vocabularies.target.size)


def _segmented(store: "Store", side: str, subword: "Subword") -> Iterator[str]:
    import numpy as np

    pieces = subword.pieces(range(subword.size))
    ids, sizes = store.gather(side, np.arange(len(store)))
    tokens = iter(ids.tolist())
    for size in sizes.tolist():
        yield " ".join(pieces[i] for i in itertools.islice(tokens, size))


def opennmt_settings(config: "Config", text: Text, folder: Path, steps: int, every: int) -> dict[str, Any]:
    """Return the YAML of OpenNMT-py for the network and the training of `config`.

    Its default of 262,144 sentences sorted at once would read a small corpus several times over before the first
    step, and then drop what is twice in a batch.
    """
    model, training = config.model, config.training
    return {
        "data": {
            "corpus": {
                "path_src": text.path("train", "source"),
                "path_tgt": text.path("train", "target"),
                "transforms": [],
                "weight": 1,
            }
        },
        "src_vocab": text.path("vocabulary", "source"),
        "tgt_vocab": text.path("vocabulary", "target"),
        "src_vocab_size": text.source_size,
        "tgt_vocab_size": text.target_size,
        "vocab_size_multiple": 1,
        "save_model": str(folder / "model"),
        "save_checkpoint_steps": steps,
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "layers": 1,
        "word_vec_size": model.embedding.size,
        "enc_hid_size": model.encoder.size,
        "dec_hid_size": model.decoder.size,
        "global_attention": "general",
        "input_feed": 1,
        "dropout": [model.dropout.layer],
        "param_init": 0.0,
        "param_init_glorot": "true",
        "batch_type": "sents",
        "batch_size": training.sentences_per_batch,
        "bucket_size": min(262_144, text.pairs),
        "num_workers": 0,
        "normalization": "tokens",
        "optim": "adam",
        "adam_beta1": training.betas[0],
        "adam_beta2": training.betas[1],
        "learning_rate": training.learning_rate,
        "max_grad_norm": training.clip_norm,
        "label_smoothing": training.label_smoothing,
        "train_steps": steps,
        "valid_steps": steps + 1,
        "report_every": every,
        "seed": config.seed,
    }


def joeynmt_settings(config: "Config", text: Text, folder: Path, steps: int, every: int) -> dict[str, Any]:
    """Return the YAML of JoeyNMT for the network and the training of `config`."""
    model, training = config.model, config.training

    def side(name: str) -> dict[str, Any]:
        return {"lang": name, "level": "word", "voc_file": text.path("vocabulary", name)}

    def part(size: int) -> dict[str, Any]:
        embeddings = {"embedding_dim": model.embedding.size, "scale": False, "dropout": model.dropout.embedding}
        shared = {"type": "recurrent", "rnn_type": "lstm", "num_layers": 1, "dropout": model.dropout.layer}
        return {**shared, "embeddings": embeddings, "hidden_size": size}

    decoder = {"hidden_dropout": model.dropout.output, "input_feeding": True, "init_hidden": "last"}
    return {
        "name": "bench",
        "model_dir": str(folder / "model"),
        "use_cuda": False,
        "random_seed": config.seed,
        "data": {
            "train": str(text.folder / "train"),
            "dev": str(text.folder / "valid"),
            "dataset_type": "plain",
            "src": side("source"),
            "trg": side("target"),
        },
        "testing": {"beam_size": 1},
        "training": {
            "optimizer": "adam",
            "adam_betas": list(training.betas),
            "learning_rate": training.learning_rate,
            "scheduling": "exponential",  # by 1: it cannot do without, and its plateau fails on torch 2.7 and later
            "decrease_factor": 1.0,
            "clip_grad_norm": training.clip_norm,
            "label_smoothing": training.label_smoothing,
            "normalization": "tokens",
            "batch_type": "sentence",
            "batch_size": training.sentences_per_batch,
            "epochs": steps,
            "updates": steps,
            "logging_freq": every,
            "validation_freq": every * (steps + 1),
            "keep_best_ckpts": 1,
        },
        "model": {
            "initializer": "xavier_uniform",
            "encoder": {**part(model.encoder.size // 2), "bidirectional": True},
            "decoder": {**part(model.decoder.size), **decoder, "attention": "luong"},
        },
    }


def write_yaml(path: Path, values: dict[str, Any]) -> Path:
    """Write `values` and return `path`."""
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def _add_readout_bias() -> None:
    """Give OpenNMT-py's readout, tanh(W [c; h]), the bias that ours has; its own has one only with attention mlp."""
    import torch

    attention = import_module("onmt.modules.global_attention").GlobalAttention
    build = attention.__init__

    def build_with_bias(self: Any, dim: int, **rest: Any) -> None:
        build(self, dim, **rest)
        self.linear_out = torch.nn.Linear(2 * dim, dim)

    attention.__init__ = build_with_bias


def opennmt_command(arguments: list[str]) -> None:
    """Be the command `onmt_translate` with these arguments."""
    _add_readout_bias()
    sys.argv = ["onmt_translate", *arguments]
    import_module("onmt.bin.translate").main()


def translate_with_opennmt(request: dict[str, Any]) -> dict[str, Any]:
    """Translate `lines` of pieces with each of `searches` (name: arguments), and the first `single` one by one.

    The answer is that of bench_translate's `translate_with_nmt`.
    """
    _add_readout_bias()
    get_parser = import_module("onmt.bin.translate")._get_parser
    checks = import_module("onmt.utils.parse").ArgumentParser
    build_engine = import_module("onmt.inference_engine").InferenceEnginePY
    lines = request["lines"]
    result: dict[str, Any] = {}
    for name, arguments in request["searches"].items():
        options = get_parser().parse_args(arguments)
        checks.validate_translate_opts(options)
        checks._get_all_transform_translate(options)
        checks._validate_transforms_opts(options)
        checks.validate_translate_opts_dynamic(options)
        engine = build_engine(options)
        engine.infer_list(lines[:WARM_UP])
        began = time.perf_counter()
        scores, texts = engine.infer_list(lines)
        seconds = time.perf_counter() - began
        pieces = [best[0].split() for best in texts]
        # Its mean counts the token before the first one, besides the end of the sentence.
        log_probs = [float(best[0]) * (len(line) + 2) for best, line in zip(scores, pieces, strict=True)]
        single = []
        for line in lines[: request["single"].get(name, 0)]:
            began = time.perf_counter()
            engine.infer_list([line])
            single.append(time.perf_counter() - began)
        result[name] = {"seconds": seconds, "pieces": pieces, "log_probs": log_probs, "single": single}
    return result


if __name__ == "__main__":
    answer({"translate_with_opennmt": translate_with_opennmt, "opennmt_command": opennmt_command})
