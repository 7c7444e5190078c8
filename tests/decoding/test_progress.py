"""What a translation says off a terminal."""

import re

from nmt.decoding.progress import LongLines, Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def said(seconds: list[float], is_live: bool = False) -> list[tuple[float, str]]:
    """Return when what was said, of a translation that finishes 100 lines at each of the `seconds`."""
    clock, found = Clock(), []
    with Progress(
        lambda line: found.append((clock.now - 100, line)), lambda n: n / 1e4, "", is_live, clock
    ) as progress:
        for second in seconds:
            clock.now = 100 + second
            progress.advance(100, 2500)
    return found


def test_a_line_every_so_often_off_a_terminal() -> None:
    found = said([1.0 * second for second in range(1, 101)])
    assert [when for when, _ in found] == [10, 40, 70, 100]
    assert found[1][1] == "4,000 lines in 40.0 s: 100.0 lines/s, 2,500 target tokens/s, 40 %, 0:01:00 left"
    assert said([1.0 * second for second in range(1, 10)]) == []


def test_lines_about_live_input_become_rare() -> None:
    times = [when for when, _ in said([10.0 * second for second in range(1, 8640)], is_live=True)]
    assert times[:4] == [10, 40, 100, 220] and len(times) < 40


def test_nobody_is_told_when_quiet() -> None:
    clock = Clock()
    with Progress(None, clock=clock) as progress:
        clock.now += 1000
        progress.advance(5, 9)
    assert (progress.lines, progress.tokens, progress.seconds) == (5, 9, 1000)


def test_long_lines_are_counted_and_told_once() -> None:
    found: list[str] = []
    long = LongLines(found.append, 10, "in.txt")
    for number, tokens in enumerate([3, 10, 11, 4, 50, 0]):
        long.see(number, tokens)
    assert found == []
    long.finish()
    assert len(found) == 1 and re.match(
        r"warning: in.txt: 2 lines \(the first is line 3\) are longer than 99.9 %", found[0]
    )
    assert "one sentence a line" in found[0] and "--max-source-tokens 10" in found[0]


def test_live_long_lines_are_told_at_once() -> None:
    found: list[str] = []
    long = LongLines(found.append, 10, "standard input", is_live=True)
    long.see(6, 11)
    assert len(found) == 1 and "line 7 is longer" in found[0]
    long.see(7, 11)
    long.finish()
    assert len(found) == 1


def test_lines_of_old_runs_are_not_judged() -> None:
    long = LongLines(lambda line: 1 / 0, None)
    long.see(0, 10_000)
    long.finish()
