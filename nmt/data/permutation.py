"""A pseudo-random permutation that is computed where it is needed, so that its memory does not grow with its size."""

from math import isqrt

import numpy as np
import numpy.typing as npt

from nmt.randomness import generator

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
_ROUNDS = 8
_MAX_DRAWN = 1 << 16
"""Up to this size a permutation is drawn and stored (512 KiB), because networks over few numbers are less random."""


class Permutation:
    """A permutation of the numbers 0 to `size` - 1, drawn from a seed and names as `nmt.randomness.generator` takes.

    A generalised Feistel network with cycle walking (Black & Rogaway 2002, "Ciphers with arbitrary finite domains",
    methods 2 and 3). A number m < a b, with a b >= size, has a left part L = m mod a and a right part R = m div a. A
    round replaces (L, R) by (R, (L + F(R)) mod a), or mod b in every second round; F is a hash with a key for each
    round. A result that is not below `size` is permuted again until it is. A permutation of at most `_MAX_DRAWN`
    numbers is drawn instead, by Fisher and Yates' method.
    """

    def __init__(self, size: int, seed: int, *names: str | int) -> None:
        self.size = size
        self._left = isqrt(max(0, size - 1)) + 1
        self._right = -(-size // self._left)
        draw = generator(seed, *names)
        self._keys = draw.integers(1 << 64, size=_ROUNDS, dtype=np.uint64)
        self._drawn = draw.permutation(size) if size <= _MAX_DRAWN else None

    def __call__(self, positions: Ints) -> Ints:
        """Return the numbers at `positions`, each of which is below `size`."""
        if self._drawn is not None:
            return np.asarray(self._drawn[positions])
        numbers = self._permute_once(positions)
        while len(outside := np.flatnonzero(numbers >= self.size)):
            numbers[outside] = self._permute_once(numbers[outside])
        return numbers

    def _permute_once(self, numbers: Ints) -> Ints:
        """Return the images of `numbers` in the permutation of 0 to a b - 1."""
        right, left = np.divmod(numbers.astype(np.uint64), np.uint64(self._left))
        for number, key in enumerate(self._keys):
            modulus = np.uint64(self._right if number % 2 else self._left)
            left, right = right, (left + mix(right ^ key) % modulus) % modulus
        return (right * np.uint64(self._left) + left).astype(np.int64)


def mix(values: Hashes) -> Hashes:
    """Return values with their bits mixed, as the finalizer of MurmurHash3 does."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))
