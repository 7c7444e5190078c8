"""Draw the parts of a network as SVG: encoder, attention and decoder side by side, read from the bottom up."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from nmt.config import Model
from nmt.reports.page.elements import Section, details, figure, paragraph, scrolling, table
from nmt.reports.page.network import Arrow, Box, Column, Network, Shapes, describe

BOX_WIDTH, LINE, GAP, MARGIN = 262, 17, 24, 14
COLUMN_X: dict[Column, int] = {"encoder": 8, "between": 344, "decoder": 688}
WIDTH = COLUMN_X["decoder"] + BOX_WIDTH + 62
LANES = {"context": 674, "query": 652, "state": 630, "skip": 968, "feed": 990}
"""The x of the vertical part of the arrows; `memory` has one lane for the attention and one for the first state."""
MEMORY_LANES = {"context": 298, "start": 318}
PORTS = {"context": -9, "query": 2, "state": 12, "skip": -6, "feed": 6}
"""The y of the arrows at the boxes of the decoder, from the middle of the box."""


@dataclass(frozen=True)
class Place:
    """The rectangle of a box."""

    x: float
    y: float
    height: float

    @property
    def middle(self) -> float:
        """The y of the middle."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """The x of the right side."""
        return self.x + BOX_WIDTH


def network_section(model: Model, shapes: Shapes | None, vocabulary: tuple[str, str]) -> Section:
    """Return the drawing of the network, and a table of its weights if their shapes are known."""
    network = describe(model, shapes, vocabulary)
    notes = "".join(map(paragraph, network.notes))
    caption = (
        "Read from the bottom up; each box gives its computation, the shape of its output, and the number of its "
        "weights (top right). S is the number of source tokens. The decoder is shown for one step; dashed arrows lead "
        "from one step to the next."
    )
    drawing = figure(scrolling(network_svg(network), "the network"), caption)
    weights = ""
    if shapes:
        rows = [(name, " × ".join(map(str, shape)), f"{_size(shape):,}") for name, shape in shapes.items()]
        head = ("weight", "shape", "parameters")
        weights = details("Every weight", table("Weights by their names in checkpoints.", head, rows, {2}))
    return Section("network", "Network", notes + drawing + weights)


def network_svg(network: Network) -> str:
    """Return the drawing of `network` as an <svg> element."""
    places, height = _places(network)
    parts = [_box(box, places[box.key]) for box in network.boxes]
    parts += [_arrow(arrow, places) for arrow in network.arrows]
    label = "The network: " + ", ".join(box.title for box in network.boxes)
    return (
        f'<svg class="network" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _height(box: Box) -> int:
    return 26 + LINE * len(box.lines)


def _places(network: Network) -> tuple[dict[str, Place], float]:
    """Return the place of each box, and the height of the drawing."""
    sides = [network.column("encoder"), network.column("decoder")]
    total = max(sum(_height(box) + GAP for box in boxes) for boxes in sides)
    middle = network.column("between")
    total = max(total, sum(_height(box) + 2 * GAP for box in middle) + 90) + MARGIN
    places: dict[str, Place] = {}
    for boxes in sides:
        bottom = float(total - MARGIN)
        for box in boxes:
            places[box.key] = Place(COLUMN_X[box.column], bottom - _height(box), _height(box))
            bottom -= _height(box) + GAP
    bottom = total - float(MARGIN)
    layers = [place for key, place in places.items() if key.startswith("decoder")]
    for box in middle:
        wanted = places["target_embedding"].middle if "target_embedding" in places else bottom
        if box.key == "context":
            wanted = (layers[0].middle + layers[-1].middle) / 2
        y = min(bottom - _height(box), wanted - _height(box) / 2)
        places[box.key] = Place(COLUMN_X["between"], y, _height(box))
        bottom = y - GAP
    return places, total


def _box(box: Box, place: Place) -> str:
    kind = "" if box.kind == "plain" else f" {box.kind}"
    texts = [f'<text class="strong" x="{place.x + 10:.0f}" y="{place.y + 19:.1f}">{escape(box.title)}</text>']
    if box.parameters:
        at = f'x="{place.right - 10:.0f}" y="{place.y + 19:.1f}"'
        texts.append(f'<text class="ink" {at} text-anchor="end">{box.parameters:,}</text>')
    for number, line in enumerate(box.lines, 1):
        y = place.y + 19 + LINE * number
        texts.append(f'<text x="{place.x + 10:.0f}" y="{y:.1f}">{escape(line)}</text>')
    return (
        f'<rect class="box{kind}" x="{place.x:.0f}" y="{place.y:.1f}" width="{BOX_WIDTH}" height="{place.height:.0f}" '
        f'rx="6"/>{"".join(texts)}'
    )


def _arrow(arrow: Arrow, places: dict[str, Place]) -> str:
    start, end = places[arrow.start], places[arrow.end]
    style = ("context" if arrow.kind in ("context", "query") else "") + (" next" if arrow.is_next else "")
    points = list(_path(arrow, start, end))
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    (before, _), (x, y) = points[-2:]
    shape = "-4 8h8z" if before == x else f"{'-8' if x > before else '8'} -4v8z"
    head = f"M{x:.1f} {y:.1f}l{shape}"
    color = " context" if "context" in style else ""
    return f'<path class="arrow {style.strip()}" d="M{line}"/><path class="head{color}" d="{head}"/>'


def _path(arrow: Arrow, start: Place, end: Place) -> Iterator[tuple[float, float]]:
    """Yield the corners of an arrow."""
    if arrow.kind == "up":
        yield start.x + BOX_WIDTH / 2, start.y
        yield end.x + BOX_WIDTH / 2, end.y + end.height
        return
    if arrow.kind == "memory":
        lane, port = MEMORY_LANES[arrow.end], -7 if arrow.end == "context" else 7
        yield from ((start.right, start.middle + port), (lane, start.middle + port))
        yield from ((lane, end.middle), (end.x, end.middle))
        return
    lane, port = LANES[arrow.kind], PORTS[arrow.kind]
    if arrow.kind in ("skip", "feed"):
        yield from ((start.right, start.middle + port), (lane, start.middle + port))
        yield from ((lane, end.middle + port), (end.right, end.middle + port))
    elif arrow.kind == "query":
        yield from ((start.x, start.middle + port), (lane, start.middle + port))
        yield from ((lane, end.middle + 12), (end.right, end.middle + 12))
    else:
        own = -8 if arrow.kind == "context" else 0
        yield from ((start.right, start.middle + own), (lane, start.middle + own))
        yield from ((lane, end.middle + port), (end.x, end.middle + port))
