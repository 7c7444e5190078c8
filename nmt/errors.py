"""The one exception that means "the user can mend this", and what else is told apart from mistakes in the program."""


class NmtError(Exception):
    """A mistake in the input, named with its file, line or key, and the remedy.

    The command line prints the message on stderr without a traceback and exits with status 1.
    """


_NO_MEMORY = (
    "out of memory",
    "out_of_memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "ALLOC_FAILED",
    "can't start new thread",
)
_NO_MORE_CODE = ("could not create a primitive",)
"""What oneDNN says where it has no room for code that it compiles; from then on it compiles none in this thread."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory, of the machine or of a GPU, did not suffice; torch says so in several ways."""
    is_library = isinstance(error, ImportError) and "failed to map segment" in str(error)
    return is_short_of_memory(error) or is_short_of_code(error) or is_library


def is_short_of_memory(error: BaseException) -> bool:
    """Return whether a smaller piece of the work may fit into memory."""
    return isinstance(error, MemoryError) or _says(error, _NO_MEMORY)


def is_short_of_code(error: BaseException) -> bool:
    """Return whether oneDNN, for want of memory, compiles nothing any more in the thread that failed."""
    return _says(error, _NO_MORE_CODE)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(some in str(error) for some in words)
