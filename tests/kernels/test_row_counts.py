"""Row counts are rounded to a few allowed values."""

from nmt.kernels.row_counts import round_rows_down, round_rows_up


def test_few_different_row_counts_occur():
    assert [round_rows_up(count) for count in (1, 3, 8, 9, 128, 129, 257)] == [1, 3, 8, 16, 128, 144, 288]
    assert all(count <= round_rows_up(count) <= max(1.125 * count, count + 7) for count in range(1, 3000))
    for count in range(1, 3000):
        assert round_rows_up(round_rows_up(count)) == round_rows_up(count)
        assert round_rows_up(round_rows_down(count)) == round_rows_down(count) <= count
    assert len({round_rows_up(count) for count in range(1, 1025)}) == 47
