"""A pretended GPU, for machines without one: tensors that say they are on "cuda", their numbers held on the processor.

It finds what goes wrong wherever the numbers are: tensors of both devices in one operation, and waits, which it counts
by the line that waits. It says nothing of CUDA's own kernels, of speed or of memory. torch's C++ side is told of a
device by a small library, which takes a C++ compiler and must be there before torch: see `conclude`.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import console
import torch
import torch.backends.cudnn.rnn
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.cpp_extension import include_paths, library_paths

import nmt
from nmt.errors import NmtError

LOADED = "NMT_PRETENDED_GPU"
"""In the environment of a process that has the library."""
PACKAGE = str(Path(nmt.__file__).parent)
LIBRARY = """
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
namespace c10::impl {
const Device GPU(DeviceType::CUDA, 0);
struct Guard : public NoOpDeviceGuardImpl<DeviceType::CUDA> {
  Device exchangeDevice(Device) const override { return GPU; }
  Device getDevice() const override { return GPU; }
  Stream getStream(Device) const noexcept override { return Stream(Stream::DEFAULT, GPU); }
  Stream exchangeStream(Stream) const noexcept override { return Stream(Stream::DEFAULT, GPU); }
  void record(void**, const Stream&, const DeviceIndex, const EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
}
namespace at {
struct Hooks : public CUDAHooksInterface {
  Hooks(CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  int getNumGPUs() const override { return 1; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
};
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, Hooks)
}
"""
INDEXING = ("aten::index", "aten::index_put_", "aten::_index_put_impl_")
"""May have indices of the processor, which are copied, for what is on the device."""
MOVES = ("aten::_to_copy", "aten::copy_")
WAITS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::repeat_interleave")
"""Of these the processor must know the outcome before it goes on."""


def build(folder: Path) -> Path:
    """Compile the library that tells torch of a device, and return its path."""
    source, made = folder / "pretended.cpp", folder / "pretended.so"
    source.write_text(LIBRARY, encoding="utf-8")
    line = ["c++", "-std=c++20", "-shared", "-fPIC", str(source), "-o", str(made), "-lc10", "-ltorch_cpu"]
    line += [f"-I{path}" for path in include_paths()]
    line += [option for path in library_paths() for option in (f"-L{path}", f"-Wl,-rpath,{path}")]
    try:
        found = subprocess.run(line, capture_output=True, text=True, check=False)
    except OSError:
        raise NmtError("no C++ compiler; install one (Debian: apt install g++)") from None
    if found.returncode:
        raise NmtError(f"torch's C++ side cannot be told of a device: {found.stderr.strip().splitlines()[-1]}")
    return made


def loaded(library: Path) -> dict[str, str]:
    """Return the environment of a process that has the library which was built."""
    return console.ENVIRONMENT | {LOADED: "1", "LD_PRELOAD": str(library)}


def conclude(name: str, work: Callable[[], None]) -> int:
    """Do the work of a script as `console.conclude` does, the script begun anew with the library where it lacks it."""
    if LOADED in os.environ:
        return console.conclude(name, work)
    status = 0

    def begin_anew() -> None:
        nonlocal status
        with tempfile.TemporaryDirectory(prefix="nmt-pretended-") as folder:
            line = [sys.executable, *sys.argv]
            status = os.spawnve(os.P_WAIT, sys.executable, line, loaded(build(Path(folder))))

    return console.conclude(name, begin_anew) or status


class OnGpu(Tensor):
    """A tensor that says it is on the GPU."""

    held: Tensor
    """Its numbers, on the processor."""
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGpu":
        """Say what `held` is, but for where."""
        made: OnGpu = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device("cuda", 0),
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Leave it to the GPU that is there."""
        assert PretendedGpu.now is not None, "a tensor outlived its device"
        return PretendedGpu.now.do(function, args, kwargs or {})

    def tolist(self) -> Any:
        """Wait for the numbers."""
        assert PretendedGpu.now is not None
        PretendedGpu.now.wait("tolist")
        return self.held.tolist()

    def data_ptr(self) -> int:
        """Return where the numbers are."""
        return self.held.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy, as a parameter where it is one."""
        made: Tensor = OnGpu(self.held.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            made = torch.nn.Parameter(made, self.requires_grad)
        return memo.setdefault(id(self), made)


class PretendedGpu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A GPU as long as the context lasts."""

    now: "PretendedGpu | None" = None

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: Counter[str] = Counter()
        """How often the processor waited, by the line of nmt that made it."""
        self._patches = contextlib.ExitStack()

    def __enter__(self) -> "PretendedGpu":
        """Put the device in."""
        for target, name, value in _replaced():
            self._patches.enter_context(patch.object(target, name, value))
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        PretendedGpu.now = self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """Take it out."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        PretendedGpu.now = None
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        self._patches.close()

    def wait(self, what: str) -> None:
        """Count a wait, by the innermost line of nmt."""
        frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(PACKAGE)]
        at = f"{'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno}" if frames else "elsewhere"
        self.waits[f"{at} {what.removeprefix('aten::')}"] += 1

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what no tensor of the device has part in, too: it may be what makes one."""
        return self.do(function, args, kwargs or {})

    def do(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute on the processor; raise `RuntimeError` where a GPU would refuse, and say where the outcome is."""
        name = function._schema.name
        if name == "aten::_pin_memory":
            return args[0]
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        here = [x for x in tensors if isinstance(x, OnGpu)]
        there = [x for x in tensors if not isinstance(x, OnGpu) and x.dim()]
        on_gpu = bool(here)
        if "device" in kwargs and kwargs["device"] is not None:
            device = torch.device(kwargs["device"])
            on_gpu = device.type == "cuda"
            kwargs = {**kwargs, "device": torch.device("cpu") if on_gpu else device, "pin_memory": False}
            if name == "aten::_to_copy":
                del kwargs["pin_memory"]
                if here and not on_gpu:
                    self.wait("to the processor")
        elif not here:
            return function(*args, **kwargs)
        if here and there and name not in MOVES:
            are_indices = name in INDEXING and isinstance(args[0], OnGpu) and all(x is not args[-1] for x in there)
            if not are_indices:
                raise RuntimeError(f"{function._schema}: tensors of both devices: {[x.device for x in tensors]}")
            self.wait("indices of the processor")
        if name == "aten::copy_":
            on_gpu = isinstance(args[0], OnGpu)
            if not on_gpu:
                self.wait("to the processor")
        if here and (name in WAITS or (name in INDEXING and any(_is_mask(x) for x in args[1]))):
            self.wait(name)
        owners = {id(x.held): x for x in here}
        work = FUSED.get(name, function)
        answer = work(*tree_map(_held, args), **tree_map(_held, kwargs))

        def say_where(x: Any) -> Any:
            if not on_gpu or not isinstance(x, Tensor):
                return x
            return owners[id(x)] if id(x) in owners else OnGpu(x)

        return tree_map(say_where, answer)


def _held(x: Any) -> Any:
    return x.held if isinstance(x, OnGpu) else x


def _is_mask(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dtype == torch.bool


# --- what torch has for a GPU only -----------------------------------------------------------------------------------


def _lstm(x: Tensor, h: Tensor, c: Tensor, *biases: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the next state and cell, and what the way back needs; `x` and `h` are shares in the gates."""
    i, f, n, o = (x + h + sum(bias for bias in biases if bias is not None)).chunk(4, 1)
    i, f, n, o = i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()
    cell = f * c + i * n
    return o * cell.tanh(), cell, torch.cat([i, f, n, o], 1)


def _lstm_back(dh: Tensor | None, dc: Tensor | None, c: Tensor, cell: Tensor, kept: Tensor, has_bias: bool) -> Any:
    i, f, n, o = kept.chunk(4, 1)
    tanh = cell.tanh()
    dh = torch.zeros_like(cell) if dh is None else dh
    dc = (0.0 if dc is None else dc) + dh * o * (1 - tanh * tanh)
    parts = dc * n * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - n * n), dh * tanh * o * (1 - o)
    gates = torch.cat(parts, 1)
    return gates, dc * f, gates.sum(0) if has_bias else None


def _gru(x: Tensor, h: Tensor, state: Tensor, *biases: Tensor) -> tuple[Tensor, Tensor]:
    """Return the next state and what the way back needs, likewise."""
    if biases and biases[0] is not None:
        x, h = x + biases[0], h + biases[1]
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, 1), h.chunk(3, 1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()
    return n + z * (state - n), torch.cat([r, z, n, state, hn], 1)


def _gru_back(dh: Tensor, kept: Tensor, has_bias: bool) -> Any:
    r, z, n, state, hn = kept.chunk(5, 1)
    dz, dn = dh * (state - n) * z * (1 - z), dh * (1 - z) * (1 - n * n)
    dr = dn * hn * r * (1 - r)
    x, h = torch.cat([dr, dz, dn], 1), torch.cat([dr, dz, dn * r], 1)
    return x, h, dh * z, x.sum(0) if has_bias else None, h.sum(0) if has_bias else None


FUSED: dict[str, Callable[..., Any]] = {
    "aten::_thnn_fused_lstm_cell": _lstm,
    "aten::_thnn_fused_lstm_cell_backward_impl": _lstm_back,
    "aten::_thnn_fused_gru_cell": _gru,
    "aten::_thnn_fused_gru_cell_backward": _gru_back,
}


def _replaced() -> Iterator[tuple[Any, str, Any]]:
    """Give what is other with a device in, where torch would ask a real one."""
    yield torch.cuda, "_lazy_init", lambda: None
    yield torch.cuda, "is_available", lambda: True
    yield torch.cuda, "is_bf16_supported", lambda including_emulation=True: True
    tensor = torch.tensor

    def make(data: Any, device: Any = None, **rest: Any) -> Tensor:
        made = tensor(data, **rest)
        return made if device is None else made.to(device)

    yield torch, "tensor", make
    yield torch.nn.Module, "to", _keep_tied(torch.nn.Module.to)
    for name in ("lstm", "gru", "rnn_tanh"):
        yield torch._VF, name, _as_cudnn(getattr(torch._VF, name))
    yield torch.backends.cudnn, "is_acceptable", lambda x: isinstance(x, OnGpu)
    yield torch.backends.cudnn.rnn, "get_cudnn_mode", lambda mode: 0
    yield torch.cuda, "device_of", lambda x: contextlib.nullcontext()
    yield torch, "_use_cudnn_rnn_flatten_weight", lambda: True
    yield torch, "_cudnn_rnn_flatten_weight", _flatten


def _keep_tied(move: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Module.to` that leaves one weight of several names one, though each module has its own made anew."""

    def to(module: torch.nn.Module, *rest: Any, **more: Any) -> Any:
        names: dict[int, list[str]] = {}
        for name, weight in module.named_parameters(remove_duplicate=False):
            names.setdefault(id(weight), []).append(name)
        moved = move(module, *rest, **more)
        for first, *others in names.values():
            for other in others:
                place, _, name = other.rpartition(".")
                setattr(moved.get_submodule(place), name, moved.get_parameter(first))
        return moved

    return to


def _flatten(weights: list[OnGpu], *rest: Any) -> None:
    """Put the numbers of a recurrent layer's weights into one piece, as cuDNN wants them."""
    whole = torch.cat([weight.held.flatten() for weight in weights])
    at = 0
    for weight in weights:
        weight.held = whole[at : at + weight.numel()].view(weight.shape)
        at += weight.numel()


def _as_cudnn(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return `run` of a recurrent layer with cuDNN's wants: it warns of weights that lie in pieces."""

    def layer(x: Tensor, state: Any, weights: list[Tensor], *rest: Any) -> Any:
        if not isinstance(x, OnGpu):
            return run(x, state, weights, *rest)
        if len({_held(weight).untyped_storage().data_ptr() for weight in weights}) > 1:
            warnings.warn("RNN module weights are not part of single contiguous chunk of memory", stacklevel=2)
        output, *final = run(x.transpose(0, 1), state, weights, *rest[:-1], False)  # outcomes cannot be turned in place
        return output.transpose(0, 1), *final

    return layer
