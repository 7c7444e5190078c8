"""Learning curves: every run is distinguishable, every axis is labelled."""

import pytest

from nmt.errors import NmtError
from nmt.reports.figure import inline_svg
from nmt.reports.learning_curves import draw
from nmt.storage.history import History


def history(number: int, steps: int = 10, bleu: bool = True) -> History:
    train = [{"step": s, "loss": 9 / s + number, "learning_rate": 1e-3 / s} for s in range(1, steps + 1)]
    valid = [{"step": s, "loss": 8 / s, **({"bleu": 3.0 * s} if bleu else {})} for s in range(2, steps + 1, 2)]
    return History(f"run-{number}", train, valid)


@pytest.mark.parametrize("count", [1, 2, 8, 9])
def test_each_run_has_its_own_style_and_a_line_in_every_panel(count: int) -> None:
    figure = draw([history(n) for n in range(count)])
    looks = set()
    for axes in figure.axes:
        curves = [line for line in axes.get_lines() if len(line.get_xdata()) > 1]
        assert len(curves) == count
        looks |= {(line.get_color(), line.get_linestyle()) for line in curves}
    assert len(looks) == count
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [f"run-{n}: best BLEU 30.00 at step 10" for n in range(count)]


def test_axes_have_titles_and_units_and_losses_share_a_scale() -> None:
    figure = draw([history(1)])
    train, valid, bleu, rate = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "training loss",
        "validation loss",
        "validation BLEU (greedy)",
        "learning rate",
    ]
    assert {train.get_ylabel(), valid.get_ylabel()} == {"nats per target token"}
    assert {bleu.get_xlabel(), rate.get_xlabel()} == {"optimizer steps"}
    assert train.get_ylim() == valid.get_ylim()


def test_first_losses_do_not_set_the_scale() -> None:
    long = History("x", [{"step": s, "loss": 1000.0 if s == 1 else 2.0} for s in range(1, 101)], [])
    assert draw([long]).axes[0].get_ylim()[1] < 3


def test_run_without_bleu_or_with_one_point_is_drawn() -> None:
    figure = draw([history(0, bleu=False), History("young", [{"step": 1, "loss": 5.0}], [])])
    assert [text.get_text() for text in figure.axes[2].texts] == ["not logged"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["run-0: lowest loss 0.800 at step 10", "young"]


def test_empty_log_is_reported() -> None:
    with pytest.raises(NmtError, match="nothing to draw yet: no step in the log of new"):
        draw([History("new")])


def test_svg_is_deterministic_and_keeps_text() -> None:
    first, second = (inline_svg(draw([history(1)])) for _ in range(2))
    assert first == second
    assert first.startswith("<svg")
    assert "nats per target token" in first
    assert "font-family:'DejaVu Sans','Noto Sans CJK SC'" in first
