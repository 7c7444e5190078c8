"""The section of the report page on learning curves, with a diagnosis in words."""

from collections.abc import Iterator, Sequence
from html import escape

from nmt.diagnosis.curves import diagnose_curves
from nmt.reports.page.chart import Curve, line_chart
from nmt.reports.page.elements import Section, figure, paragraph, side_by_side
from nmt.storage.history import History

EARLY_SHARE = 0.05
"""The share of the steps at the beginning whose high losses do not set the scale."""
UNFINISHED = ("still improving", "underfitting")
"""Findings that are usual as long as the run trains."""


def curves_section(history: History, is_training: bool) -> Section:
    """Return the diagnosis in words, and the curves of loss, BLEU, learning rate and gradient norm."""
    if not history.train and not history.valid:
        return Section("curves", "Learning curves", paragraph("No step has been logged yet."))
    return Section("curves", "Learning curves", _diagnosis(history, is_training) + side_by_side(_figures(history)))


def loss_limit(histories: Sequence[History]) -> float | None:
    """Return the upper limit of a plot of losses, without the first steps, whose high losses would hide the rest."""
    later = []
    for history in histories:
        for event, name in (("train", ""), ("valid", ""), *(("valid", name) for name in history.more_valid)):
            steps, values = history.series(event, "loss", name)
            later += [value for step, value in zip(steps, values, strict=True) if step >= EARLY_SHARE * steps[-1]]
    return max(later) * 1.05 if later and max(later) > 0 else None


def _diagnosis(history: History, is_training: bool) -> str:
    findings = [
        f"<li><b>{escape(found.name.capitalize())}.</b> {escape(found.text)} <em>{escape(found.remedy)}</em></li>"
        for found in diagnose_curves(history)
        if not (is_training and found.name in UNFINISHED)
    ]
    if not findings:
        return paragraph("The curves show nothing unusual.")
    return f'<ul class="findings">{"".join(findings)}</ul>'


def _figures(history: History) -> Iterator[str]:
    last = max(records[-1]["step"] for records in (history.train, history.valid) if records)
    train, valid = history.series("train", "loss"), history.series("valid", "loss")
    losses = [Curve("training", *train), Curve("validation", *valid, is_marked=True)]
    losses += [Curve(name, *history.series("valid", "loss", name), is_marked=True) for name in history.more_valid]
    yield figure(
        line_chart("Training and validation loss over steps", "nats per token", losses, last, loss_limit([history])),
        "Lower is better. If the validation loss rises while the training loss falls, the model memorises its "
        "training pairs (overfitting). With dropout the training loss may be the higher one.",
        "Loss",
    )
    best = history.best("bleu", highest=True)
    bleu = [Curve("validation", *history.series("valid", "bleu"), is_marked=True)]
    bleu += [Curve(name, *history.series("valid", "bleu", name), is_marked=True) for name in history.more_valid]
    if bleu[0].steps:
        star = f" The star marks the best, {best[1]:.2f} at step {best[0]:,}." if best else ""
        yield figure(
            line_chart("Validation BLEU over steps", "BLEU", bleu, last, best=best, from_zero=True),
            f"Greedy translations of the validation set; higher is better.{star}",
            "Validation BLEU",
        )
    rate = [Curve("learning rate", *history.series("train", "learning_rate"))]
    yield figure(
        line_chart("Learning rate over steps", "learning rate", rate, last, from_zero=True),
        "The schedule that was used: it rises during the warm-up, and falls or stays afterwards.",
        "Learning rate",
    )
    norm = [Curve("gradient norm", *history.series("train", "gradient_norm"))]
    if norm[0].steps:
        yield figure(
            line_chart("Gradient norm over steps", "norm", norm, last, from_zero=True),
            "The norm of the gradient before clipping. A sudden rise by a factor of ten or more, or a norm that keeps "
            "growing, is a sign that training becomes unstable.",
            "Gradient norm",
        )
