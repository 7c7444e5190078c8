"""Randomness with an address: the same (seed, names) always gives the same stream.

Nothing keeps a generator alive between steps, so resuming a run needs only its step number.
"""

import hashlib

import numpy as np


def address(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on `seed` and on every one of `names`."""
    digest = hashlib.blake2b(repr((seed, *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a fresh numpy generator for this address, e.g. ``generator(seed, "shuffle", epoch)``."""
    return np.random.default_rng(address(seed, *names))
