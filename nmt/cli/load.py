"""Load the models that `--model` names, and tune the process for them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.decoding.loading import Checkpoint, LoadedTranslator


def load(found: "Sequence[Checkpoint]", given: dict[str, Any], shortlist: int = 0) -> "LoadedTranslator":
    """Load checkpoints with the options of `options.machine` in `given`; `shortlist` is that of the search.

    With torch the process keeps freed memory and shares its cores with other programs. That is for the command line
    only: a program that uses `nmt` as a library decides this itself.
    """
    from nmt.decoding.loading import load_translator

    loaded = load_translator(found, given["engine"], given["device"], given["precision"], shortlist)
    if loaded.translator.machine.engine == "torch":
        import torch

        from nmt.kernels.allocator import keep_freed_memory
        from nmt.kernels.openmp import share_cores

        keep_freed_memory()
        share_cores(torch.get_num_threads())
    return loaded
