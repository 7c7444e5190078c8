"""Charts: round ticks, scales that hold every value, readable labels, one colour per curve."""

import re

import pytest

from nmt.reports.page.chart import (
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    WIDTH,
    Curve,
    bar_chart,
    line_chart,
    short_number,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 97, [0, 20, 40, 60, 80]),
        (2.1, 4.2, [2, 2.5, 3, 3.5, 4]),
        (0, 0.003, [0, 0.001, 0.002, 0.003]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, [3]),
        (0, float("nan"), [0]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (999, "999"), (1500, "1.5k"), (2e6, "2M"), (3e9, "3G"), (1e-5, "1e-05")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


def test_curves_rise_to_the_right_and_stay_inside() -> None:
    svg = line_chart("title", "loss", [Curve("a", [0, 50, 100], [1.0, 2.0, 4.0]), Curve("b", [100], [3.0], True)], 100)
    first, second = re.findall(r'points="([^"]*)"', svg)
    points = [tuple(map(float, point.split(","))) for point in first.split()]
    xs, ys = zip(*points, strict=True)
    assert xs == (LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT)
    assert list(ys) == sorted(ys, reverse=True) and min(ys) > 0 and max(ys) < HEIGHT
    assert "curve first" in svg and "curve second" in svg
    assert "step 100: 3" in svg and 'aria-label="title"' in svg
    assert second.startswith(f"{WIDTH - RIGHT}")


def test_a_limit_cuts_off_high_values_and_a_single_value_is_drawn() -> None:
    cut = line_chart("t", "u", [Curve("a", [1, 2], [1000.0, 2.0])], 2, top=3.0)
    assert ">3<" in cut and ">1k<" not in cut
    assert "<circle" in line_chart("t", "u", [Curve("a", [7], [2.0])], 7)
    assert "not logged" in line_chart("t", "u", [Curve("a", [], [])], 7)


def test_long_series_are_averaged() -> None:
    count = 4 * MAX_POINTS
    svg = line_chart("t", "u", [Curve("a", list(range(1, count + 1)), [1.0, 3.0] * (count // 2))], count)
    points = re.findall(r'points="([^"]*)"', svg)[0].split()
    assert len(points) == MAX_POINTS
    assert len({point.split(",")[1] for point in points}) == 1


def test_bars_are_as_high_as_their_values_and_labels_do_not_overlap() -> None:
    labels = [f"label {n}" for n in range(30)]
    svg = bar_chart("t", "count", "below", labels, [("one", [float(n) for n in range(30)]), ("<two>", [1.0] * 30)])
    heights = [float(height) for height in re.findall(r'class="fill-first"[^>]*height="([\d.]+)"><title>', svg)]
    assert heights == sorted(heights) and heights[0] == 0 and heights[-1] > 29 * heights[1] * 0.9
    shown = re.findall(r">(label \d+)</text>", svg)
    assert shown[0] == "label 0" and 2 <= len(shown) < 10
    assert "&lt;two&gt;" in svg and "label 3: one 3" in svg
