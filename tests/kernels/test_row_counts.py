"""Row counts are rounded to few different values, up or down, by at most an eighth."""

import pytest

from nmt.kernels.row_counts import round_rows_down, round_rows_up


@pytest.mark.parametrize(("count", "rounded"), [(1, 1), (3, 3), (8, 8), (9, 16), (128, 128), (129, 144), (257, 288)])
def test_a_row_count_is_rounded_up(count, rounded):
    assert round_rows_up(count) == rounded


def test_rounding_gives_few_row_counts_close_to_the_original():
    for count in range(1, 3000):
        up, down = round_rows_up(count), round_rows_down(count)
        assert down <= count <= up <= max(1.125 * count, count + 7)
        assert round_rows_up(up) == up and round_rows_up(down) == down
    assert len({round_rows_up(count) for count in range(1, 1025)}) == 47
