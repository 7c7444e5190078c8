"""What the learning curves of a run show: divergence, unsuitable learning rates, overfitting, underfitting.

Losses are in nats per target token. A network that has learned nothing but the frequencies of the V target tokens has a
training loss of about 0.6 to 0.75 ln V, one that has learned to translate has less than about 0.35 ln V.
"""

import itertools
import math
import statistics
from collections.abc import Sequence

from nmt.diagnosis.finding import Finding, sort_findings
from nmt.storage.history import History, Record, is_number

UNTRAINED, UNDERFITTED = 0.48, 0.40
"""Shares of ln V: losses above are those of a network that learned token frequencies, or too little."""
DIVERGED = 0.5
"""Rise of the training loss, in nats, from which on training diverges; also a fifth of the lowest loss."""
SKIPPED_SHARE = 0.05
"""Share of steps without a finite gradient that is too much."""
OVERFITTED, OVERFITTED_SHARE = 0.1, 0.05
"""Rise of the validation loss above its minimum, in nats and as a share of it."""
MEMORISED, OVERFITTED_IF_MEMORISED = 0.5, 0.02
"""Training loss, as a share of the validation loss, of a network that memorises; the rise that is enough then."""
IMPROVING_BLEU, IMPROVING_BLEU_SHARE = 1.5, 0.05
"""Gain of BLEU in the last fifth of the steps, absolute and as a share, from which on training ended too early."""
IMPROVING_LOSS, IMPROVING_LOSS_SHARE = 0.05, 0.04
"""The same of the validation loss."""
SMALLEST_RATE, LARGEST_RATE = 2e-4, 8e-3
"""Peak learning rates of Adam that are often too low, or too high, for recurrent networks."""
SPIKE = 0.5
"""Nats by which a spike of the training loss rises above the records beside it."""
LEFT_OUT_SHARE = 0.02
DOMAIN_GAP = 1.0
"""Nats by which the validation loss of a network that cannot have memorised much exceeds the training loss."""


def diagnose_curves(history: History) -> list[Finding]:
    """Return what the log of a run shows, the most likely cause first; empty if its curves are as they should be.

    Of divergence, unsuitable learning rates, over- and underfitting only the first that fits is returned, as it
    explains the others.
    """
    checks = (_divergence, _too_high_rate, _too_low_rate, _overfitting, _improvement, _underfitting)
    main = next((found for check in checks if (found := check(history)) is not None), None)
    others = [_left_out_pairs(history)]
    if main is None or main.name in ("still improving", "underfitting"):
        others.append(_validation_gap(history))
    return sort_findings(found for found in (main, *others) if found is not None)


def _divergence(history: History) -> Finding | None:
    remedy = (
        "Lower training.learning_rate (by a factor of 3 to 10) or lengthen training.warmup_steps, keep "
        "training.clip_norm at 1, and start again. If the loss is not finite, also try training.precision: fp32."
    )
    name = "divergence"
    for record in history.valid:
        if "loss" in record and not is_number(record["loss"]):
            return Finding(name, f"The validation loss at step {record['step']:,} is not a finite number.", remedy)
    steps, losses = history.series("train", "loss")
    skipped = sum(int(record.get("skipped") or 0) for record in history.train)
    if steps and skipped > max(SKIPPED_SHARE * steps[-1], 1):
        first = next(record["step"] for record in history.train if record.get("skipped"))
        text = f"{skipped:,} of {steps[-1]:,} steps had no finite gradient and were skipped, from step {first:,} on."
        return Finding(name, text, remedy)
    if len(losses) < 6:
        return None
    smooth = _medians(losses)
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    rise = min(smooth[-1], losses[-1]) - smooth[lowest]
    if lowest >= len(smooth) - 3 or rise <= max(DIVERGED, 0.2 * smooth[lowest]):
        return None
    text = (
        f"The training loss was lowest at step {steps[lowest]:,} ({smooth[lowest]:.2f}) and then rose to "
        f"{smooth[-1]:.2f} at step {steps[-1]:,}{_gradient_norms(history, steps[lowest])}. {_peak_rate(history)}"
    )
    return Finding(name, text, remedy)


def _gradient_norms(history: History, step: int) -> str:
    """Return a text about the gradient norm if its median after `step` is twice that before."""
    steps, norms = history.series("train", "gradient_norm")
    before = [norm for at, norm in zip(steps, norms, strict=True) if at <= step]
    after = [norm for at, norm in zip(steps, norms, strict=True) if at > step]
    if not before or not after or statistics.median(after) < 2 * statistics.median(before):
        return ""
    return f", and the median gradient norm from {statistics.median(before):.2g} to {statistics.median(after):.2g}"


def _too_high_rate(history: History) -> Finding | None:
    steps, losses = history.series("train", "loss")
    peak = max(history.series("train", "learning_rate")[1], default=0.0)
    if len(losses) < 6:
        return None
    remedy = (
        "Lower training.learning_rate by a factor of 3 to 10 (0.001 to 0.003 suits most recurrent networks) and start "
        "again; keep training.clip_norm at 1."
    )
    smooth = _medians(losses)
    middle = smooth[len(smooth) // 2]
    limit = UNTRAINED * math.log(_target_vocabulary(history))
    is_stuck = middle - smooth[-1] < 0.1 * middle or peak >= 3 * LARGEST_RATE
    if peak >= LARGEST_RATE and smooth[-1] > limit and is_stuck:
        text = (
            f"The training loss hardly falls: {middle:.2f} at step {steps[len(steps) // 2]:,} and {smooth[-1]:.2f} at "
            f"step {steps[-1]:,}, which is about what a network reaches that knows only how frequent each token is. "
            f"{_peak_rate(history)}"
        )
        return Finding("learning rate too high", text, remedy)
    spikes = _spikes(steps, losses)
    if len(spikes) >= 3:
        at = ", ".join(f"{step:,} ({height:.2f})" for step, height in spikes[:5])
        text = (
            f"The training loss is unstable: it jumps up {len(spikes)} times, at steps {at}"
            f"{', …' * (len(spikes) > 5)} (nats above the losses before and after). {_peak_rate(history)}"
        )
        return Finding("learning rate too high", text, remedy)
    return None


def _spikes(steps: Sequence[int], losses: Sequence[float]) -> list[tuple[int, float]]:
    """Return step and height of each loss that is far above those beside it; the noise of small batches is not."""
    changes = [abs(after - before) for before, after in itertools.pairwise(losses)]
    limit = max(SPIKE, 8 * statistics.median(changes))
    found = []
    for i in range(max(2, len(losses) // 10), len(losses) - 2):
        height = losses[i] - statistics.median([losses[i - 2], losses[i - 1], losses[i + 1], losses[i + 2]])
        if height > limit:
            found.append((steps[i], height))
    return found


def _too_low_rate(history: History) -> Finding | None:
    steps, losses = history.series("train", "loss")
    rates = history.series("train", "learning_rate")[1]
    if len(losses) < 6 or not rates or not 0 < max(rates) <= SMALLEST_RATE:
        return None
    if not history.end and rates[-1] == max(rates) and rates[-1] > rates[-2]:  # still in the warm-up
        return None
    smooth = _medians(losses)
    if smooth[-1] < UNTRAINED * math.log(_target_vocabulary(history)):
        return None
    text = (
        f"The training loss falls very slowly: {smooth[len(smooth) // 2]:.2f} at step {steps[len(steps) // 2]:,} and "
        f"{smooth[-1]:.2f} at step {steps[-1]:,}. {_peak_rate(history)}"
    )
    return Finding(
        "learning rate too low",
        text,
        "Raise training.learning_rate by a factor of 10 (0.001 to 0.003 suits most recurrent networks) and start "
        "again.",
    )


def _overfitting(history: History) -> Finding | None:
    steps, losses = history.series("valid", "loss")
    train_steps, train_losses = history.series("train", "loss")
    if len(losses) < 2:
        return None
    lowest = min(range(len(losses)), key=losses.__getitem__)
    later = losses[lowest + 1 :]
    before = _loss_at(train_steps, train_losses, steps[lowest])
    after = _loss_at(train_steps, train_losses, steps[-1])
    if not later or before is None or after is None or after >= before:
        return None
    is_memorised = after < min(MEMORISED * losses[-1], losses[-1] - 1)
    limit = OVERFITTED_IF_MEMORISED if is_memorised else max(OVERFITTED, OVERFITTED_SHARE * losses[lowest])
    if min(later[-2:]) - losses[lowest] <= limit:
        return None
    best = history.best("bleu", highest=True)
    bleu = "" if best is None else f" The best validation BLEU was {best[1]:.2f} at step {best[0]:,}."
    text = (
        f"Overfitting began at about step {steps[lowest]:,}: the validation loss was lowest there "
        f"({losses[lowest]:.2f}) and rose to {losses[-1]:.2f} at step {steps[-1]:,}, while the training loss fell from "
        f"{before:.2f} to {after:.2f}.{bleu}"
    )
    return Finding(
        "overfitting",
        text,
        "Add training text, raise model.dropout, or make the network smaller (model.encoder.size, model.decoder.size). "
        "training.patience: 5 ends training when validations stop improving. The checkpoint `best` is that of the best "
        "validation, so translations are not affected by the steps after it.",
    )


def _improvement(history: History) -> Finding | None:
    """Return the finding that the last validations were still improving."""
    for key, name, sign in (("bleu", "validation BLEU", 1), ("loss", "validation loss", -1)):
        steps, values = history.series("valid", key)
        if len(values) < 2 or (key == "loss" and not values[-1] > 0):
            continue
        signed = [sign * value for value in values]
        earlier = [value for step, value in zip(steps, signed, strict=True) if step <= 0.8 * steps[-1]] or signed[:-1]
        gain = signed[-1] - max(earlier)
        least, share = (IMPROVING_BLEU, IMPROVING_BLEU_SHARE) if sign > 0 else (IMPROVING_LOSS, IMPROVING_LOSS_SHARE)
        if signed[-1] < max(signed) or gain <= max(least, share * values[-1]):
            continue
        before = max(i for i, value in enumerate(signed[:-1]) if value == max(earlier))
        text = (
            f"The {name} was still {'rising' if sign > 0 else 'falling'} when training "
            f"{'ended' if history.end else 'stopped'}: {values[before]:.2f} at step {steps[before]:,}, "
            f"{values[-1]:.2f} at step {steps[-1]:,}."
        )
        return Finding("still improving", text, _resume(history))
    return None


def _resume(history: History) -> str:
    if history.end:
        return "Train longer: raise training.max_steps, and continue with nmt train --resume."
    return "Training has not reached its end: let it continue, or resume it with nmt train --resume."


def _underfitting(history: History) -> Finding | None:
    steps, losses = history.series("train", "loss")
    valid_steps, valid_losses = history.series("valid", "loss")
    if len(losses) < 6 or not valid_losses:
        return None
    limit = UNDERFITTED * math.log(_target_vocabulary(history))
    last = _loss_at(steps, losses, steps[-1])
    if last is None or last < limit or valid_losses[-1] < limit:
        return None
    text = (
        f"The network has learned too little: at step {valid_steps[-1]:,} the validation loss is "
        f"{valid_losses[-1]:.2f}, and the training loss at the end is {last:.2f}, which is high as well "
        f"(a perplexity of {math.exp(min(last, 50)):,.0f} among {_target_vocabulary(history):,} tokens)."
    )
    return Finding(
        "underfitting",
        text,
        "Train longer (training.max_steps), make the network larger (model.embedding.size, model.encoder.size, "
        "model.decoder.size) or lower model.dropout. If that changes nothing, check the text: misaligned pairs have "
        "the same effect.",
    )


def _left_out_pairs(history: History) -> Finding | None:
    left_out, pairs = history.facts.get("left_out", 0), history.facts.get("pairs", 0)
    if not isinstance(left_out, int) or not isinstance(pairs, int) or left_out <= LEFT_OUT_SHARE * pairs:
        return None
    text = (
        f"Training left out {left_out:,} of {pairs:,} pairs ({left_out / pairs:.0%}), because they have more than "
        "training.max_tokens subword tokens on a side."
    )
    return Finding(
        "pairs left out", text, "Raise training.max_tokens, split long lines into sentences, or enlarge the vocabulary."
    )


def _validation_gap(history: History) -> Finding | None:
    """Return the finding that the validation loss was far above the training loss from the first epochs on."""
    train_steps, train_losses = history.series("train", "loss")
    gaps = []
    for record in history.valid:
        loss, valid_loss = _loss_at(train_steps, train_losses, record["step"]), record.get("loss", math.nan)
        if loss is not None and is_number(valid_loss):
            gaps.append((record["step"], record.get("epoch", 0), loss, float(valid_loss)))
    if not gaps or gaps[0][1] > 1 or any(valid - train <= max(DOMAIN_GAP, 0.25 * train) for _, _, train, valid in gaps):
        return None
    step, _, train, valid = gaps[0]
    text = (
        f"The validation loss was far above the training loss from the beginning: {valid:.2f} and {train:.2f} at step "
        f"{step:,}, when the network cannot have memorised the training text yet."
    )
    return Finding(
        "validation unlike training",
        text,
        "Check that the validation set is aligned and is text of the same kind, language, case and tokenisation as the "
        "training text.",
    )


def _loss_at(steps: Sequence[int], losses: Sequence[float], step: int) -> float | None:
    """Return the mean of the last three training losses up to `step`; None if there is none."""
    found = [loss for at, loss in zip(steps, losses, strict=True) if at <= step][-3:]
    return statistics.fmean(found) if found else None


def _medians(losses: Sequence[float]) -> list[float]:
    """Return the median of each loss and the two before it."""
    return [statistics.median(losses[max(0, i - 2) : i + 1]) for i in range(len(losses))]


def _peak_rate(history: History) -> str:
    rates = history.series("train", "learning_rate")[1]
    return f"The peak learning rate was {max(rates):.2g}." if rates else ""


def _target_vocabulary(history: History) -> int:
    """Return the number of target tokens that the log names; 8,000 if it does not."""
    found: Record = history.facts
    text = str(found.get("vocabulary", "")).rpartition("/")[2].replace(",", "")
    return max(2, int(text)) if text.isdecimal() else 8000
