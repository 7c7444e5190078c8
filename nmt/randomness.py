"""Random generators that depend only on a seed and names such as ("shuffle", epoch), so that a run can be resumed.

No generator is kept between steps: a resumed run needs only its step number.
"""

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on `seed` and on each of `names`."""
    digest = hashlib.blake2b(repr((seed, *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a new numpy generator for these names, e.g. ``generator(seed, "shuffle", epoch)``."""
    return np.random.default_rng(derive_seed(seed, *names))
