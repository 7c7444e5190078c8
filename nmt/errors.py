"""The one exception that means "the user can mend this"."""


class NmtError(Exception):
    """A mistake in the input, named with its file, line or key, and the remedy.

    The command line prints the message on stderr without a traceback and exits with status 1.
    """
