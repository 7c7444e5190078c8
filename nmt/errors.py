"""NmtError, the error for mistakes that a user can correct, and functions that recognise errors of other libraries."""


class NmtError(Exception):
    """A mistake in the input. The message names the file, line or key, and what to do.

    The command line prints the message on stderr without a traceback and exits with status 1.
    """


class Reported(NmtError):
    """An error that another process of the same training has reported: the command line prints nothing."""


_INSTALL_SERVE = "pip install '.[serve]', in nmt's repository"
INSTALL_COMMANDS = {
    "torch": "pip install torch onnx matplotlib (all that training needs), or in nmt's repository: pip install .",
    "onnx": "pip install onnx",
    "matplotlib": "pip install matplotlib",
    "fastapi": _INSTALL_SERVE,
    "starlette": _INSTALL_SERVE,
    "uvicorn": _INSTALL_SERVE,
    "httptools": _INSTALL_SERVE,
    "uvloop": _INSTALL_SERVE,
    "python_multipart": _INSTALL_SERVE,
    "ray": "pip install '.[ray]', in nmt's repository",
    "py3langid": "pip install py3langid",
    "tensorboardX": "pip install tensorboardX",
    "prometheus_client": _INSTALL_SERVE,
    "fastapi_offline": _INSTALL_SERVE,
}
"""Modules that requirements/runtime.txt leaves out, as nmt can translate without them, and how to install each."""


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return what to install if one of `INSTALL_COMMANDS` is missing, else None."""
    if error.name not in INSTALL_COMMANDS:
        return None
    return f"this command needs {error.name}, which is not installed; install it: {INSTALL_COMMANDS[error.name]}"


_OUT_OF_MEMORY = (
    "out of memory",
    "out_of_memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "ALLOC_FAILED",
    "can't start new thread",
)
_OUT_OF_CODE_MEMORY = ("could not create a primitive", "could not execute a primitive")
"""oneDNN's messages if it cannot allocate memory for a kernel. It then compiles no further kernel in this thread."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the memory of the machine or of a GPU is exhausted, which torch reports in several ways."""
    is_library = isinstance(error, ImportError) and "failed to map segment" in str(error)
    return is_short_of_memory(error) or _contains(error, _OUT_OF_CODE_MEMORY) or is_library


def is_short_of_memory(error: BaseException) -> bool:
    """Return whether a smaller batch may fit into memory."""
    return isinstance(error, MemoryError) or _contains(error, _OUT_OF_MEMORY)


def _contains(error: BaseException, messages: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(message in str(error) for message in messages)
