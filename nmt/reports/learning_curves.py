"""Draw the learning curves of one or several runs: training and validation loss, BLEU, learning rate."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from nmt.errors import NmtError
from nmt.reports.page.curves import loss_limit
from nmt.storage.history import History

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000", "#e69f00", "#7f7f7f")
"""Colours for every kind of colour vision (Okabe & Ito 2008, yellow replaced by grey)."""
MARKERS = "osD^vPX*"
DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def draw(histories: Sequence[History]) -> Figure:
    """Return a figure with four panels over optimizer steps; each run has its own colour and marker.

    Raises `NmtError` if no run has logged a step yet.
    """
    if not any(history.train or history.valid for history in histories):
        names = ", ".join(history.name for history in histories)
        raise NmtError(f"nothing to draw yet: no step in the log of {names}; try again after the first log line")
    figure = Figure(figsize=(11, 7), dpi=120, layout="constrained")
    (train, valid), (bleu, rate) = figure.subplots(2, 2, sharex=True)
    valid.sharey(train)
    panels = (
        (train, "train", "loss", "training loss", "nats per target token"),
        (valid, "valid", "loss", "validation loss", "nats per target token"),
        (bleu, "valid", "bleu", "validation BLEU (greedy)", "BLEU"),
        (rate, "train", "learning_rate", "learning rate", "learning rate"),
    )
    for axes, event, key, title, unit in panels:
        for number, history in enumerate(histories):
            steps, values = history.series(event, key)
            _line(axes, number, steps, values, marked=event == "valid")
            if event == "valid":
                _more_lines(axes, number, history, key)
        _format_axes(axes, title, unit)
    top = loss_limit(histories)
    if top is not None:
        train.set_ylim(top=top)
    for axes in (bleu, rate):
        axes.set_xlabel("optimizer steps")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    _mark_best(bleu, histories)
    handles = [
        Line2D(
            [], [], label=_label(history), color=_color(number), linestyle=_dash(number),
            marker=MARKERS[number % len(MARKERS)], markersize=5,
        )
        for number, history in enumerate(histories)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(handles)), frameon=False, fontsize=9)
    return figure


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _dash(number: int) -> Literal["-", "--", ":", "-."]:
    return DASHES[number // len(COLORS) % len(DASHES)]


def _line(axes: Axes, number: int, steps: list[int], values: list[float], marked: bool) -> None:
    marker = MARKERS[number % len(MARKERS)] if marked or len(steps) == 1 else ""
    axes.plot(
        steps, values, color=_color(number), linestyle=_dash(number), linewidth=1.4, marker=marker, markersize=3.5,
        markevery=max(1, len(steps) // 25), alpha=0.9,
    )  # fmt: skip


def _more_lines(axes: Axes, number: int, history: History, key: str) -> None:
    """Draw the curves of further validation sets (`data.more_valid`) as thin dotted lines with their names."""
    for name in history.more_valid:
        steps, values = history.series("valid", key, name)
        if steps:
            axes.plot(steps, values, color=_color(number), linestyle=":", linewidth=1.1)
            axes.annotate(
                name, (steps[-1], values[-1]), xytext=(-2, 3), textcoords="offset points", fontsize=7, ha="right",
                color=_color(number),
            )  # fmt: skip


def _format_axes(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_ylabel(unit)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.tick_params(labelbottom=True)
    if not any(np.size(line.get_xdata()) for line in axes.get_lines()):
        axes.text(0.5, 0.5, "not logged", transform=axes.transAxes, ha="center", va="center", color="#999999")


def _mark_best(axes: Axes, histories: Sequence[History]) -> None:
    for number, history in enumerate(histories):
        best = history.best("bleu", highest=True)
        if best is not None:
            axes.plot(*best, marker="*", markersize=12, color=_color(number), markeredgecolor="white")


def _label(history: History) -> str:
    best = history.best("bleu", highest=True)
    if best is not None:
        return f"{history.name}: best BLEU {best[1]:.2f} at step {best[0]:,}"
    lowest = history.best("loss", highest=False)
    return f"{history.name}: lowest loss {lowest[1]:.3f} at step {lowest[0]:,}" if lowest else history.name
