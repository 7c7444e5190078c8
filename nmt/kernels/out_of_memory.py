"""What to do when memory runs out: free the memory of the failed work so that smaller batches can be tried."""

import traceback

from nmt.errors import NmtError, is_short_of_memory
from nmt.kernels.allocator import return_freed_memory


class OutOfMemory(NmtError):
    """Memory does not suffice even for the smallest batch; the message names what to change."""


def free_after_shortage(error: BaseException) -> None:
    """Free the memory of the failed work after an out-of-memory `error`, so that a smaller batch may fit.

    Raise `error` again if it is not an out-of-memory error.
    """
    if not is_short_of_memory(error):
        raise error
    traceback.clear_frames(error.__traceback__)  # the local variables of the failed calls hold tensors
    return_freed_memory()
