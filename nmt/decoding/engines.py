"""Choose the engine, the device and the arithmetic of a search, and load the engine of each checkpoint.

torch is imported only where it computes: on a GPU, in bfloat16, and if the user asks for it. On a CPU ONNX Runtime
computes in int8, or in fp32 if that is asked for.
"""

import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.data.subword import Vocabularies
from nmt.engine import Arithmetic, Device, Engine, EngineName, Precision, is_gpu
from nmt.errors import NmtError
from nmt.runtime.graph_files import EXPORT_REMEDY, NoGraphsError, load_graphs, read_description
from nmt.storage.checkpoint_meta import load_meta
from nmt.storage.run_folder import Run

logger = logging.getLogger(__name__)
TORCH_REMEDY = "install torch (pip install torch)"
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files that exist on Linux if there may be a GPU: importing torch to look for one takes a second."""


@dataclass(frozen=True)
class Machine:
    """What computes."""

    engine: EngineName
    """onnx or torch."""
    device: str
    """cpu, cuda, cuda:N or mps."""
    arithmetic: Arithmetic

    @property
    def description(self) -> str:
        """What a translation depends on, for results: device and arithmetic, and the engine if it is not torch."""
        return f"{'onnx ' * (self.engine == 'onnx')}{self.device} {self.arithmetic}"

    @property
    def explanation(self) -> str:
        """What computes, for the user."""
        return f"{'ONNX Runtime' if self.engine == 'onnx' else 'torch'} computes in {self.arithmetic} on {self.device}"


def choose_machine(engine: EngineName, device: Device, precision: Precision, exported: Sequence[Path]) -> Machine:
    """Return what computes, as the user asks or, for auto, as it is fastest.

    `exported` folders have graphs only, which ONNX Runtime runs in the precision they were exported in. Raise
    `NmtError` if the requests contradict each other or something is not installed.
    """
    if engine == "auto":
        engine = _choose_engine(device, precision, bool(exported))
    if engine == "torch":
        return _choose_in_torch(device, precision, bool(exported))
    if is_gpu(device):
        raise NmtError(f"--engine onnx computes on the CPU: leave out --device {device}, or use --engine torch")
    if precision == "bf16":
        raise NmtError("--engine onnx computes in int8 or fp32: choose one of them, or use --engine torch")
    if not _is_installed("onnxruntime"):
        raise NmtError("--engine onnx needs ONNX Runtime: pip install onnxruntime")
    found = {folder: read_description(folder, EXPORT_REMEDY).precision for folder in exported}
    for folder, other in found.items():
        if other != found[exported[0]]:
            raise NmtError(f"{exported[0]} and {folder} have different precisions; export one of the models again")
        if precision not in ("auto", other):
            raise NmtError(
                f"{folder} was exported in {other}: leave out --precision {precision}, or export the run again with "
                f"--precision {precision}"
            )
        precision = other
    return Machine("onnx", "cpu", "int8" if precision == "auto" else precision)


def load_engines(
    checkpoints: Sequence[tuple[Run, Path]], vocabularies: Vocabularies, machine: Machine
) -> list[Engine[Any, Any]]:
    """Load the network of each checkpoint folder. All of them have the same vocabularies."""
    load = _load_onnx if machine.engine == "onnx" else _load_torch
    return [load(run, folder, vocabularies, machine) for run, folder in checkpoints]


def _choose_engine(device: Device, precision: Precision, are_exported: bool) -> EngineName:
    if are_exported and not is_gpu(device) and precision != "bf16":
        return "onnx"
    if is_gpu(device) or precision == "bf16" or not _is_installed("onnxruntime"):
        return "torch"
    if device == "auto" and any(Path(path).exists() for path in GPU_DEVICES) and _is_installed("torch"):
        import torch

        return "torch" if torch.cuda.is_available() else "onnx"
    return "onnx"


def _choose_in_torch(device: Device, precision: Precision, are_exported: bool) -> Machine:
    if are_exported:
        raise NmtError(
            "an exported model computes in ONNX Runtime on the CPU: leave out --engine torch, --device cuda and "
            "--precision bf16, or give the run that it was exported from"
        )
    if not _is_installed("torch"):
        raise NmtError(f"--engine torch, --device cuda and --precision bf16 need torch: {TORCH_REMEDY}")
    from nmt.kernels.device import choose_arithmetic, choose_device

    found = choose_device(device)
    if precision == "auto" and found.type == "cpu":
        precision = "int8" if has_int8_products() else "fp32"
    return Machine("torch", str(found), choose_arithmetic(precision, found))


def choose_torch_instead(
    error: NoGraphsError, engine: EngineName, device: Device, precision: Precision, are_exported: bool
) -> Machine:
    """Return what computes, with torch, if the graphs that ONNX Runtime runs cannot be made.

    Raise `NmtError` with the remedies if the user has asked for ONNX Runtime, if some models of an ensemble are
    exported, which only ONNX Runtime can run, or if torch is not installed.
    """
    if engine != "auto" or are_exported or not _is_installed("torch"):
        in_torch = "give runs instead of exported folders" if are_exported else "use --engine torch"
        remedies = [*error.remedies, in_torch if _is_installed("torch") else TORCH_REMEDY]
        raise NmtError(f"{error}; {', or '.join(remedies)}") from None
    logger.info(f"{error}; torch translates instead")
    return _choose_in_torch(device, precision, are_exported=False)


def has_int8_products() -> bool:
    """Return whether torch multiplies 8-bit integers exactly on this CPU (`nmt.kernels.int8`)."""
    import torch

    return hasattr(torch.ops.onednn, "qlinear_pointwise")


def _load_torch(run: Run, folder: Path, vocabularies: Vocabularies, machine: Machine) -> Any:
    import torch

    from nmt.config import load_run_config
    from nmt.kernels.device import set_cudnn_precision
    from nmt.models.inference import prepare_for_search
    from nmt.models.torch_engine import TorchEngine
    from nmt.models.weights import load_model

    _check_vocabularies(run, folder, str(load_meta(folder).get("vocabularies")), vocabularies)
    device = torch.device(machine.device)
    set_cudnn_precision(machine.arithmetic, device)
    network = load_model(folder, load_run_config(run), vocabularies.source.size, vocabularies.target.size, device)
    return TorchEngine(prepare_for_search(network, machine.arithmetic, False))


def _load_onnx(run: Run, folder: Path, vocabularies: Vocabularies, machine: Machine) -> Any:
    from nmt.runtime.checkpoint_graphs import graphs_of_checkpoint
    from nmt.runtime.onnx_engine import OnnxEngine

    if run.is_exported:
        graphs = load_graphs(folder, EXPORT_REMEDY)
    else:
        _check_vocabularies(run, folder, str(load_meta(folder).get("vocabularies")), vocabularies)
        graphs = graphs_of_checkpoint(run, folder, vocabularies, machine.arithmetic)
    _check_vocabularies(run, folder, graphs.description.vocabularies, vocabularies)
    try:
        return OnnxEngine(graphs.encoder, graphs.decoder, vocabularies.target.size)
    except ValueError as error:
        remedy = EXPORT_REMEDY if run.is_exported else "update onnxruntime, or use --engine torch"
        raise NmtError(f"{folder}: the graphs of the model are wrong: {error}; {remedy}") from None


def _check_vocabularies(run: Run, folder: Path, fingerprint: str, vocabularies: Vocabularies) -> None:
    if fingerprint != vocabularies.fingerprint:
        raise NmtError(
            f"{run.subword} is not the subword model that {folder} was trained with; copy the whole run folder again"
        )


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
