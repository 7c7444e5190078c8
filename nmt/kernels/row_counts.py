"""Round numbers of rows up or down to a few values, so that oneDNN compiles few kernels."""

EXACT_UP_TO = 8
"""Row counts up to this are not rounded."""


def _spacing(count: int) -> int:
    """Return the distance between allowed row counts near `count` > 8: 8 up to 128 rows, then 1/16 to 1/8 of `count`.

    oneDNN compiles a kernel for every row count and keeps it: 0.5 to 2 MB each. Smaller caches are no replacement: with
    ONEDNN_PRIMITIVE_CACHE_CAPACITY and LRU_CACHE_CAPACITY (of torch) at 64, unrounded row counts took three times as
    much memory as rounded ones and more time.
    """
    return max(EXACT_UP_TO, 1 << ((count - 1).bit_length() - 4))


def round_rows_up(count: int) -> int:
    """Return the smallest allowed row count that is not below `count`."""
    return count if count <= EXACT_UP_TO else -(-count // _spacing(count)) * _spacing(count)


def round_rows_down(count: int) -> int:
    """Return the largest allowed row count that is not above `count`."""
    return count if count <= EXACT_UP_TO else count // _spacing(count) * _spacing(count)
