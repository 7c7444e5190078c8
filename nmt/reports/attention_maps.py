"""Draw attention maps: the attention of each target word to the source words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from nmt.errors import NmtError
from nmt.reports.alignment import Alignment
from nmt.reports.fonts import families_for, missing_font_advice

MAX_TOKENS = 200
"""Maximum number of rows or columns; more are not readable."""


def draw(alignment: Alignment, font: Path | None = None, may_lack: bool = False) -> Figure:
    """Return the map: source as columns, target as rows; darker cells have more attention.

    Raises `NmtError` if there is nothing to draw or no font has the characters. With `may_lack` missing characters are
    allowed, because the browser that shows the SVG has its own fonts.
    """
    rows, columns = alignment.weights.shape
    if not rows or not columns:
        raise NmtError("nothing to draw: the sentence or its translation is empty")
    if max(rows, columns) > MAX_TOKENS:
        raise NmtError(f"{rows} x {columns} tokens do not fit in one figure; give sentences of at most {MAX_TOKENS}")
    families, lacking = families_for([*alignment.source, *alignment.target], font)
    if lacking and not may_lack:
        raise NmtError(missing_font_advice(lacking))
    text = FontProperties(family=families, size=10)
    figure = Figure(figsize=(2.2 + 0.34 * columns, 1.6 + 0.30 * rows), dpi=120, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    rotation = _label_rotation(alignment.source)
    axes.set_xticks(range(columns), list(alignment.source), rotation=rotation, parse_math=False)
    axes.set_yticks(range(rows), list(alignment.target), parse_math=False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontproperties(text)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="#e4e4e4", linewidth=0.6)
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=30)
    bar.set_label("attention")
    return figure


def _label_rotation(labels: Sequence[str]) -> int:
    return 0 if all(len(label) <= 2 for label in labels) else 60
