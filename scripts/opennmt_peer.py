"""OpenNMT-py with the weights of a run of nmt, for bench_translate.py."""

import functools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
from translation_task import BEAM, GREEDY, System, Task

from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import EOS, PAD, UNK
from nmt.errors import NmtError

if TYPE_CHECKING:
    from torch import Tensor

OPENNMT_SEARCHES = {BEAM: ["-beam_size", "5"], GREEDY: ["-beam_size", "1"]}
OPENNMT_SPECIALS = {"<blank>": PAD, "<unk>": UNK, "<s>": 2, "</s>": EOS}


def opennmt_weights(
    weights: "dict[str, Tensor]", source: Sequence[int], target: Sequence[int]
) -> "tuple[dict[str, Tensor], dict[str, Tensor]]":
    """Return our weights as OpenNMT-py's, those of the network and of its generator.

    `source` and `target` give our id for each entry of its vocabularies. Its embeddings are the rows themselves where
    ours are scaled, its attention scores (W q) . h where ours scores q . (W h), scaled, and its readout reads [c; h]
    where ours reads [h; c].
    """
    import torch

    from nmt.models.embedding import embedding_scale

    rows = {"source": torch.tensor(source), "target": torch.tensor(target)}
    model = {}
    for side, part in (("source", "encoder"), ("target", "decoder")):
        table = weights[f"{side}_embedding.table.weight"]
        scaled = table[rows[side]] * embedding_scale(table.shape[1], "recurrent")
        model[f"{part}.embeddings.make_embedding.emb_luts.0.weight"] = scaled
    key = weights["decoder.attention.score.key.weight"]  # (D, M)
    model["decoder.attn.linear_in.weight"] = key.t().contiguous() / math.sqrt(len(key))
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        model[f"encoder.rnn.{kind}_l0"] = weights[f"encoder.layers.0.forwards.network.{kind}_l0"]
        model[f"encoder.rnn.{kind}_l0_reverse"] = weights[f"encoder.layers.0.backwards.network.{kind}_l0"]
        model[f"decoder.rnn.layers.0.{kind}"] = weights[f"decoder.layers.0.network.{kind}_l0"]
    readout = weights["decoder.readout.weight"]
    width = model["decoder.rnn.layers.0.weight_hh"].shape[1]
    model["decoder.attn.linear_out.weight"] = torch.cat([readout[:, width:], readout[:, :width]], dim=1)
    model["decoder.attn.linear_out.bias"] = weights["decoder.readout.bias"]
    generator = {name: weights[f"output.{name}"][rows["target"]] for name in ("weight", "bias")}
    return model, generator


def our_ids(tokens: Sequence[str], subword: Subword) -> list[int]:
    """Return our id for each of OpenNMT-py's vocabulary entries; raises `NmtError` where one is not ours."""
    known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))} | OPENNMT_SPECIALS
    if len(tokens) != subword.size or not known.keys() >= set(tokens):
        raise NmtError(f"OpenNMT-py made {len(tokens):,} vocabulary entries of our {subword.size:,}, or others")
    return [known[token] for token in tokens]


def convert(request: dict[str, str]) -> None:
    """Overwrite all weights of the OpenNMT-py checkpoint `template` with those of ours, and write it to `output`."""
    import torch
    from safetensors.torch import load_file

    vocabularies = Vocabularies.load(Path(request["subword"]))
    checkpoint = torch.load(request["template"], weights_only=False)
    words = checkpoint["vocab"]
    source, target = our_ids(words["src"], vocabularies.source), our_ids(words["tgt"], vocabularies.target)
    model, generator = opennmt_weights(load_file(request["weights"]), source, target)
    for name, tensor in {**checkpoint["model"], **checkpoint["generator"]}.items():
        ours = {**model, **generator}.get(name)
        if ours is None or ours.shape != tensor.shape:
            raise NmtError(f"OpenNMT-py's weight {name} {tuple(tensor.shape)} has no like in ours")
    torch.save({**checkpoint, "model": model, "generator": generator, "optim": None}, request["output"])


def opennmt_checkpoint(task: Task, python: Path, segmented: Sequence[str]) -> Path:
    """Let OpenNMT-py make a checkpoint of the same network, and put our weights into it."""
    peers.write_vocabularies(task.work, task.vocabularies.source, task.vocabularies.target)
    for side in ("source", "target"):
        (task.work / f"train.{side}").write_text(f"{segmented[0]}\n", encoding="utf-8")
    text = peers.Text(task.work, 1, task.vocabularies.source.size, task.vocabularies.target.size)
    settings = {**peers.opennmt_settings(task.config, text, task.work, 1, 1), "batch_size": 1}
    path = peers.write_yaml(task.work / "template.yaml", settings)
    peers.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], task.work / "template.log")
    output = task.work / "opennmt.pt"
    request = {
        "template": str(task.work / "model_step_1.pt"),
        "subword": str(task.run.subword.absolute()),
        "weights": str((task.checkpoint / "model.safetensors").absolute()),
        "output": str(output),
    }
    peers.ask("conversion", Path(sys.executable), __file__, "convert", request, task.work)
    return output


def opennmt_system(task: Task, python: Path, single: int) -> System:
    """Return OpenNMT-py with our weights."""
    segmented = task.segmented()
    checkpoint = opennmt_checkpoint(task, python, segmented)
    source = task.work / "source.pieces"
    source.write_text("".join(f"{line}\n" for line in segmented), encoding="utf-8")
    shared = ["-model", str(checkpoint), "-src", str(source), "-output", str(task.work / "opennmt.txt")]
    shared += ["-batch_size", "64", "-length_penalty", "avg", "-max_length_ratio", "2"]
    searches = {name: [*shared, *arguments] for name, arguments in OPENNMT_SEARCHES.items()}
    ask = functools.partial(peers.ask, "OpenNMT-py", python, peers.__file__)

    def translate() -> dict[str, dict[str, Any]]:
        request = {"lines": segmented, "searches": searches, "single": {BEAM: single}}
        found: dict[str, dict[str, Any]]
        found, _ = ask("translate_with_opennmt", request, task.work)
        return found

    def command(search: str) -> peers.Usage:
        return ask("opennmt_command", searches[search], task.work)[1]

    return System("OpenNMT-py fp32", translate, command)


if __name__ == "__main__":
    peers.answer({"convert": convert})
