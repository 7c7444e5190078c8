"""Charts of the report page as SVG: curves over steps and grouped bars, with the colours of the page's style sheet.

They are written by hand, since a page is written after a validation: importing matplotlib alone takes half a second,
and its SVG is ten times as large and has fixed colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 26, 40
STYLES = ("first", "second", "third", "fourth", "fifth")
"""Classes of the style sheet, one per curve or kind of bar."""
MAX_POINTS = 500
"""Points of a curve; a longer series is averaged over neighbouring points."""


@dataclass(frozen=True)
class Curve:
    """A series of values over steps."""

    label: str
    steps: Sequence[float]
    values: Sequence[float]
    is_marked: bool = False
    """Whether each point has a marker, which shows its value under the mouse pointer."""


@dataclass(frozen=True)
class Axis:
    """A linear axis: values from `low` to `high` on pixels from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the pixel of `value`."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.start + share * (self.stop - self.start), 1)


def line_chart(
    title: str,
    unit: str,
    curves: Sequence[Curve],
    last: int,
    top: float | None = None,
    best: tuple[float, float] | None = None,
    from_zero: bool = False,
) -> str:
    """Return the curves over optimizer steps from 0 to `last`.

    Parts above `top` are cut off, and a star marks the point `best`.
    """
    curves = [_shortened(curve) for curve in curves if len(curve.steps)]
    if not curves:
        return _svg(title, f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">not logged</text>')
    low = min(0.0 if from_zero else math.inf, *(min(curve.values) for curve in curves))
    high = max(max(curve.values) for curve in curves) if top is None else top
    if high <= low:
        low, high = low - (abs(low) or 1) * 0.1, low + (abs(low) or 1) * 0.1
    y_ticks, x_ticks = ticks(low, high), ticks(0, max(1, last))
    x = Axis(0, max(1, last), LEFT, WIDTH - RIGHT)
    y = Axis(min(low, y_ticks[0]) if y_ticks else low, max(high, y_ticks[-1]), HEIGHT - BOTTOM, TOP)
    parts = [_y_axis(y, y_ticks, unit), _x_axis([(x(tick), short_number(tick)) for tick in x_ticks], "optimizer steps")]
    inner = "".join(_curve(curve, STYLES[number % len(STYLES)], x, y) for number, curve in enumerate(curves))
    parts.append(f'<svg x="0" y="{TOP - 6}" width="{WIDTH}" height="{HEIGHT - BOTTOM - TOP + 8}" '
                 f'viewBox="0 {TOP - 6} {WIDTH} {HEIGHT - BOTTOM - TOP + 8}">{inner}</svg>')  # fmt: skip
    if best is not None:
        parts.append(f'<path class="fill-second" d="{_star(x(best[0]), y(best[1]))}"><title>best</title></path>')
    if len(curves) > 1:
        parts.append(_legend([curve.label for curve in curves], "line"))
    return _svg(title, "".join(parts))


def bar_chart(
    title: str, unit: str, below: str, labels: Sequence[str], groups: Sequence[tuple[str, list[float]]]
) -> str:
    """Return bars: for each of `labels`, one bar of each group, which has a name and a value for each label.

    The bars of a single group have their values above them.
    """
    high = max((value for _, values in groups for value in values), default=0) or 1
    y_ticks = ticks(0, high)
    y = Axis(0, max(high, y_ticks[-1]), HEIGHT - BOTTOM, TOP + 14 if len(groups) == 1 else TOP)
    slot = (WIDTH - RIGHT - LEFT) / max(1, len(labels))
    width = max(1.0, slot * 0.8 / len(groups))
    every = max(1, math.ceil(max(map(len, labels), default=1) * 7.5 / slot))
    marks = [(LEFT + slot * (n + 0.5), label) for n, label in enumerate(labels) if n % every == 0]
    parts = [_y_axis(y, y_ticks, unit), _x_axis(marks, below)]
    for number, (name, values) in enumerate(groups):
        for n, value in enumerate(values):
            x = LEFT + slot * (n + 0.1) + width * number
            parts.append(
                f'<rect class="fill-{STYLES[number % len(STYLES)]}" x="{x:.1f}" y="{y(value)}" width="{width:.1f}" '
                f'height="{HEIGHT - BOTTOM - y(value):.1f}">'
                f"<title>{escape(labels[n])}: {escape(f'{name} {value:,.6g}'.strip())}</title></rect>"
            )
            if len(groups) == 1:
                at = f'x="{x + width / 2:.1f}" y="{y(value) - 4:.1f}"'
                parts.append(f'<text class="ink" {at} text-anchor="middle">{value:.1f}</text>')
    if len(groups) > 1:
        parts.append(_legend([name for name, _ in groups], "bar"))
    return _svg(title, "".join(parts))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from below `low` to above or near `high`."""
    step = (high - low) / count
    if not step > 0 or not math.isfinite(step):
        return [low]
    power = 10.0 ** math.floor(math.log10(step))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
    first = math.floor(low / step + 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def short_number(value: float) -> str:
    """Return a number as a short text, such as 2k for 2,000."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{letter}"
    return f"{value:.4g}"


def _shortened(curve: Curve) -> Curve:
    group = -(-len(curve.steps) // MAX_POINTS)
    if group <= 1:
        return curve
    starts = range(0, len(curve.steps), group)
    values = [sum(part) / len(part) for part in (curve.values[n : n + group] for n in starts)]
    return Curve(curve.label, [curve.steps[min(n + group, len(curve.steps)) - 1] for n in starts], values)


def _curve(curve: Curve, style: str, x: Axis, y: Axis) -> str:
    points = [(x(step), y(value)) for step, value in zip(curve.steps, curve.values, strict=True)]
    line = f'<polyline class="curve {style}" points="{" ".join(f"{a},{b}" for a, b in points)}"/>'
    if not curve.is_marked and len(points) > 1:
        return line
    texts = [f"step {step:,}: {value:.5g}" for step, value in zip(curve.steps, curve.values, strict=True)]
    return line + "".join(
        f'<circle class="fill-{style}" cx="{a}" cy="{b}" r="3"><title>{text}</title></circle>'
        for (a, b), text in zip(points, texts, strict=True)
    )


def _y_axis(y: Axis, values: Sequence[float], unit: str) -> str:
    lines = [
        f'<path class="grid-line" d="M{LEFT} {y(value)}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{short_number(value)}</text>'
        for value in values
    ]
    return f'{"".join(lines)}<text x="4" y="14">{escape(unit)}</text>'


def _x_axis(marks: Sequence[tuple[float, str]], unit: str) -> str:
    texts = [
        f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
        for at, text in marks
    ]
    line = f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
    at = f'x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}"'
    return f'{line}{"".join(texts)}<text {at} text-anchor="middle">{escape(unit)}</text>'


def _legend(labels: Sequence[str], kind: str) -> str:
    parts, x = [], float(WIDTH - RIGHT)
    for number, label in reversed(list(enumerate(labels))):
        style = STYLES[number % len(STYLES)]
        x -= len(label) * 7 + 8
        parts.append(f'<text class="ink" x="{x:.1f}" y="14">{escape(label)}</text>')
        x -= 22
        parts.append(
            f'<path class="curve {style}" d="M{x:.1f} 10h16"/>'
            if kind == "line"
            else f'<rect class="fill-{style}" x="{x + 4:.1f}" y="4" width="10" height="10"/>'
        )
        x -= 8
    return "".join(parts)


def _star(x: float, y: float) -> str:
    angles = [math.pi * n / 5 for n in range(10)]
    corners = [(8 if n % 2 == 0 else 3.3, angle) for n, angle in enumerate(angles)]
    return "M" + "L".join(f"{x + r * math.sin(a):.1f} {y - r * math.cos(a):.1f}" for r, a in corners) + "Z"


def _svg(title: str, content: str) -> str:
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{content}</svg>'
