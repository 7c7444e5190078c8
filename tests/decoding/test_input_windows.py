"""Windows of input lines: full windows of a file, arrived lines of a live input."""

import queue

import pytest

from nmt.decoding.input_windows import MAX_CHARACTERS, live_windows, read_prefixes, read_windows
from nmt.errors import NmtError


def test_windows_are_full_and_limited_in_characters():
    assert list(read_windows("abcdefg", 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(read_windows([], 3)) == []
    long = "x" * (MAX_CHARACTERS // 2)
    assert [len(window) for window in read_windows([long] * 5, 100)] == [2, 2, 1]


def test_live_windows_contain_the_lines_that_have_arrived():
    """The reader blocks after each line, as at a terminal; the line must be yielded nevertheless."""
    typed: queue.Queue[str | None] = queue.Queue()
    windows = live_windows(iter(typed.get, None), 3)
    for line in ("one", "two"):
        typed.put(line)
        assert next(windows) == [line]
    for number in range(7):
        typed.put(str(number))
    typed.put(None)
    rest = list(windows)
    assert [line for window in rest for line in window] == [str(number) for number in range(7)]
    assert max(map(len, rest)) <= 3


def test_live_windows_read_at_most_one_window_ahead():
    read = []
    lines = (read.append(i) or str(i) for i in range(1000))
    windows = live_windows(lines, 4)
    next(windows)
    assert len(read) < 20


def test_live_windows_raise_the_exception_of_the_reader():
    def lines():
        yield "a"
        raise NmtError("no")

    windows = live_windows(lines(), 5)
    assert next(windows) == ["a"]
    with pytest.raises(NmtError, match="no"):
        next(windows)


def test_a_window_is_complete_when_it_has_enough_characters():
    pairs = [("ab", "c")] * 5
    for windows in (read_windows, live_windows):
        found = list(windows(iter(pairs), 100, 6, lambda pair: len(pair[0]) + len(pair[1])))
        assert [pair for window in found for pair in window] == pairs and max(map(len, found)) == 2


def test_too_few_prefixes_are_an_error():
    assert read_prefixes(iter("abc"), 2, 0) == ["a", "b"]
    with pytest.raises(NmtError, match="3 lines"):
        read_prefixes(iter("c"), 2, 2)
