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
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory, of the machine or of a GPU, did not suffice; torch says so in several ways."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    )
