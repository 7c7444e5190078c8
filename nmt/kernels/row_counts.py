"""Round numbers of rows, so that oneDNN compiles few matrix products."""

FEW = 8
"""Any number of rows up to this is in use; of larger ones only some."""


def _spacing(count: int) -> int:
    """Return the distance of the numbers of rows in use about `count` > `FEW`: up to 128 `FEW`, then 1/16 to 1/8.

    oneDNN compiles a product for every number of rows that it meets, and keeps it, half a megabyte to two megabytes
    each: so there are to be few.
    """
    return max(FEW, 1 << ((count - 1).bit_length() - 4))


def round_rows_up(count: int) -> int:
    """Return the least number of rows in use that is not below `count`."""
    return count if count <= FEW else -(-count // _spacing(count)) * _spacing(count)


def round_rows_down(count: int) -> int:
    """Return the largest number of rows in use that is not above `count`."""
    return count if count <= FEW else count // _spacing(count) * _spacing(count)
