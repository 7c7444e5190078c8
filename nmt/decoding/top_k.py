"""The k largest values of each row of an array, with a defined order of equal values.

Axes: N rows, V columns, C chosen columns, W blocks of a row.
"""

import numpy as np

from nmt.engine import Floats, Ints

BLOCK = 32
"""Number of values whose maximum is found first."""


def top_k(values: Floats, count: int) -> Ints:
    """Return the columns (N, C) of the C largest values of each row of `values` (N, V), the largest first.

    C is `count`, or V if that is less. Of equal values the one with the lower column comes first. The `count` largest
    values are in the `count` blocks with the largest maxima.
    """
    size = values.shape[1]
    count = min(count, size)
    if count == 1:
        best: Ints = values.argmax(1)[:, None]
        return best
    whole = size // BLOCK
    if count * BLOCK >= size or whole < 2:
        return _largest(_sort_keys(values, np.arange(size)), count)
    maxima = values[:, : whole * BLOCK].reshape(len(values), whole, BLOCK).max(-1)  # (N, W)
    if size % BLOCK:
        maxima = np.concatenate([maxima, values[:, whole * BLOCK :].max(-1, keepdims=True)], 1)
    blocks = _largest(_sort_keys(maxima, np.arange(maxima.shape[1])), min(count, maxima.shape[1]))
    columns = (blocks[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(len(values), -1)
    inside = np.take_along_axis(values, np.minimum(columns, size - 1), 1)
    inside[columns >= size] = -np.inf
    return np.take_along_axis(columns, _largest(_sort_keys(inside, columns), count), 1)


def _sort_keys(values: Floats, columns: Ints) -> Ints:
    """Return integers that sort by value, then by lower column; all of a row differ."""
    bits = (values + np.float32(0)).view(np.int32)  # + 0 turns -0.0 into 0.0
    ascending = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)
    return (ascending << 32) - columns


def _largest(keys: Ints, count: int) -> Ints:
    """Return the columns (N, C) of the `count` largest of `keys`, the largest first."""
    if count < keys.shape[1]:
        chosen = np.argpartition(keys, keys.shape[1] - count, axis=1)[:, keys.shape[1] - count :]
    else:
        chosen = np.broadcast_to(np.arange(count), keys.shape)
    order = np.argsort(-np.take_along_axis(keys, chosen, 1), axis=1)
    return np.take_along_axis(chosen, order, 1)
