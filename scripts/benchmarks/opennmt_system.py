"""OpenNMT-py with the weights of an nmt run, as one of the systems that translate.py compares."""

import functools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import EOS, PAD, UNK
from nmt.errors import NmtError
from scripts.benchmarks import processes, toolkits
from scripts.benchmarks.translation_systems import BEAM, GREEDY, System, Task

if TYPE_CHECKING:
    from torch import Tensor

SEARCH_OPTIONS = {BEAM: ["-beam_size", "5"], GREEDY: ["-beam_size", "1"]}
SPECIAL_IDS = {"<blank>": PAD, "<unk>": UNK, "<s>": 2, "</s>": EOS}


def opennmt_weights(
    weights: "dict[str, Tensor]", source: Sequence[int], target: Sequence[int]
) -> "tuple[dict[str, Tensor], dict[str, Tensor]]":
    """Return our weights under OpenNMT-py's names: those of the network and those of its generator.

    `source` and `target` give our token id for each entry of the OpenNMT-py vocabularies. The conversion accounts for
    three differences. OpenNMT-py does not scale embeddings. Its attention score is (W q) . h, ours is
    q . (W h) / sqrt(D). Its readout reads [c; h], ours reads [h; c].
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


def nmt_ids(tokens: Sequence[str], subword: Subword) -> list[int]:
    """Return our id of each entry of an OpenNMT-py vocabulary; raise NmtError if an entry is not one of ours."""
    known = {piece: i for i, piece in enumerate(subword.pieces(range(subword.size)))} | SPECIAL_IDS
    if len(tokens) != subword.size or not known.keys() >= set(tokens):
        raise NmtError(f"the {len(tokens):,} vocabulary entries of OpenNMT-py are not our {subword.size:,}")
    return [known[token] for token in tokens]


def convert(request: dict[str, str]) -> None:
    """Replace all weights of the OpenNMT-py checkpoint `template` by ours, and write the result to `output`."""
    import torch
    from safetensors.torch import load_file

    vocabularies = Vocabularies.load(Path(request["subword"]))
    checkpoint = torch.load(request["template"], weights_only=False)
    tokens = checkpoint["vocab"]
    source, target = nmt_ids(tokens["src"], vocabularies.source), nmt_ids(tokens["tgt"], vocabularies.target)
    model, generator = opennmt_weights(load_file(request["weights"]), source, target)
    for name, tensor in {**checkpoint["model"], **checkpoint["generator"]}.items():
        ours = {**model, **generator}.get(name)
        if ours is None or ours.shape != tensor.shape:
            raise NmtError(f"OpenNMT-py's weight {name} {tuple(tensor.shape)} has no counterpart in our network")
    torch.save({**checkpoint, "model": model, "generator": generator, "optim": None}, request["output"])


def opennmt_checkpoint(task: Task, python: Path, segmented: Sequence[str]) -> Path:
    """Train OpenNMT-py for one step to get a checkpoint of the same network, and put our weights into it."""
    toolkits.write_vocabularies(task.work, task.vocabularies.source, task.vocabularies.target)
    for side in ("source", "target"):
        (task.work / f"train.{side}").write_text(f"{segmented[0]}\n", encoding="utf-8")
    text = toolkits.Text(task.work, 1, task.vocabularies.source.size, task.vocabularies.target.size)
    settings = {**toolkits.opennmt_settings(task.config, text, task.work, 1, 1), "batch_size": 1}
    path = toolkits.write_yaml(task.work / "template.yaml", settings)
    processes.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], task.work / "template.log")
    output = task.work / "opennmt.pt"
    request = {
        "template": str(task.work / "model_step_1.pt"),
        "subword": str(task.run.subword.absolute()),
        "weights": str((task.checkpoint / "model.safetensors").absolute()),
        "output": str(output),
    }
    processes.call("conversion", Path(sys.executable), "opennmt_system.convert", request, task.work)
    return output


def opennmt_system(task: Task, python: Path, single: int) -> System:
    """Return the system that translates with OpenNMT-py and our weights."""
    segmented = task.segmented()
    checkpoint = opennmt_checkpoint(task, python, segmented)
    source = task.work / "source.pieces"
    source.write_text("".join(f"{line}\n" for line in segmented), encoding="utf-8")
    shared = ["-model", str(checkpoint), "-src", str(source), "-output", str(task.work / "opennmt.txt")]
    shared += ["-batch_size", "64", "-length_penalty", "avg", "-max_length_ratio", "2"]
    searches = {name: [*shared, *arguments] for name, arguments in SEARCH_OPTIONS.items()}
    call = functools.partial(processes.call, "OpenNMT-py", python)

    def translate() -> dict[str, dict[str, Any]]:
        request = {"lines": segmented, "searches": searches, "single": {BEAM: single}}
        found: dict[str, dict[str, Any]]
        found, _ = call("opennmt_inference.translate", request, task.work)
        return found

    def command(search: str) -> processes.Usage:
        return call("opennmt_inference.command", searches[search], task.work)[1]

    return System("OpenNMT-py fp32", translate, command)


if __name__ == "__main__":
    processes.answer_call({"convert": convert})
