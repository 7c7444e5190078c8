"""Diagnose what a model translates: repetition, copies, empty or short output, attention, whether the source matters.

Axes: T target tokens, S source tokens.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nmt.corpora.near_duplicates import near_duplicate_key
from nmt.data.subword import UNK_SURFACE
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.texts import draw, examples, words
from nmt.evaluation.metrics import validation_bleu

SENTENCES = 120
"""Pairs of a set that are translated, at even distances."""
MAX_EMPTY, MAX_UNKNOWN, MAX_REPEATED, MAX_COPIED = 0.02, 0.05, 0.1, 0.1
"""Shares of translations with a fault that are tolerated."""
SHORT, LONG = 0.8, 1.3
"""Limits of the characters of all translations over those of the references."""
BEAM_LOSS, BEAM_LOSS_SHARE = 1.5, 0.05
"""BLEU that beam search may lose against greedy search, absolute and as a share."""
SOURCE_GAIN = 0.1
"""Nats per token that the right source must gain over a wrong one."""
FLAT = 0.92
"""Mean entropy of the attention, as a share of that of uniform attention, from which on it is flat."""
FIXED = 0.85
"""Share of target tokens with the same source position from which on attention does not move."""
SET_DIFFERENCE, SET_SHARE = 6.0, 0.55
"""BLEU by which validation and test set may differ, absolute and as the share of the lower one."""


@dataclass(frozen=True)
class Sample:
    """Some pairs of a set, with their translations by greedy search and by the search of the run."""

    name: str
    sources: list[str]
    references: list[str]
    greedy: list[Translation]
    beam: list[Translation]
    language: str

    @classmethod
    def translate(
        cls, translator: Translator, name: str, pairs: Sequence[tuple[str, str]], tag: str, language: str
    ) -> "Sample":
        """Translate at most `SENTENCES` of the pairs, also with the loops that `max_repeats` would end."""
        chosen = draw([pair for pair in pairs if all(pair)], SENTENCES)
        sources, references = [source for source, _ in chosen], [target for _, target in chosen]
        beam = translator.options.changed(tag=tag, shortlist=0, max_repeats=0)
        greedy = beam.changed(method="greedy", with_alignment=translator.has_attention)
        return cls(
            name,
            sources,
            references,
            list(translator.translate(sources, greedy)),
            list(translator.translate(sources, beam)),
            language,
        )

    def bleu(self, translations: Sequence[Translation]) -> float:
        """Return BLEU of translations of the sample, 0 to 100."""
        return validation_bleu([each.text for each in translations], self.references, self.language)


def diagnose_translations(sample: Sample, translator: Translator, tag: str) -> list[Finding]:
    """Return the findings about a model and its translations of a sample."""
    findings = [_ignored_source(sample, translator, tag), diagnose_attention(sample.greedy)]
    return [*(finding for finding in findings if finding is not None), *diagnose_output(sample)]


def diagnose_output(sample: Sample) -> list[Finding]:
    """Return the findings about the translations of a sample."""
    texts = [each.text for each in sample.beam]
    findings = [
        _share(sample, texts, is_faulty, most, name, what, remedy)
        for is_faulty, most, name, what, remedy in (
            (_is_empty, MAX_EMPTY, "empty translations", "are empty", _EMPTY_REMEDY),
            (_has_unknown, MAX_UNKNOWN, "unknown tokens", f"have an unknown token ({UNK_SURFACE})", _UNKNOWN_REMEDY),
            (_is_repetitive, MAX_REPEATED, "repetition", "repeat words three times in a row", _REPETITION_REMEDY),
            (_is_copy, MAX_COPIED, "copied source", "are copies of the source", _COPY_REMEDY),
        )
    ]  # fmt: skip
    findings += [_length(sample, texts), _beam(sample)]
    return [finding for finding in findings if finding is not None]


_EMPTY_REMEDY = (
    "Train longer. If this does not help, look for empty target lines in the training text (data.filters.empty)."
)
_UNKNOWN_REMEDY = (
    "Set subword.byte_fallback: true or a higher subword.character_coverage, use subwords instead of words "
    "(subword.kind: bpe), or let the model copy words (model.decoder.copy_source)."
)
_REPETITION_REMEDY = (
    "Train longer. If this does not help, translate with --no-repeat-ngram 3 (decoding.no_repeat_ngram), or train with "
    "model.attention.coverage: true."
)
_COPY_REMEDY = "Look for untranslated pairs in the training text, and set data.filters.copies: true, which drops them."


def _share(
    sample: Sample,
    texts: Sequence[str],
    is_faulty: Callable[[str, str, str], bool],
    most: float,
    name: str,
    what: str,
    remedy: str,
) -> Finding | None:
    rows = zip(texts, sample.sources, sample.references, strict=True)
    faulty = [i for i, row in enumerate(rows) if is_faulty(*row)]
    if len(faulty) <= max(1, most * len(texts)):
        return None
    i = faulty[0]
    shown = (
        ""
        if name == "empty translations"
        else f"; {', '.join(examples(sample.sources, [i]))} becomes {', '.join(examples(list(texts), [i], width=100))}"
    )
    return Finding(name, f"{len(faulty):,} of {len(texts):,} translations of {sample.name} {what}{shown}.", remedy)


def _is_empty(text: str, source: str, reference: str) -> bool:
    return not text.strip()


def _has_unknown(text: str, source: str, reference: str) -> bool:
    return UNK_SURFACE in text


def _is_repetitive(text: str, source: str, reference: str) -> bool:
    return _repeats(text) >= 3 and _repeats(reference) < 3


def _is_copy(text: str, source: str, reference: str) -> bool:
    return len(near_duplicate_key(source)) >= 4 and near_duplicate_key(text) == near_duplicate_key(
        source
    ) != near_duplicate_key(reference)


def _repeats(text: str) -> int:
    """Return the largest number of times that 1 to 6 words stand in a row."""
    tokens = words(text.lower())
    most = 1
    for size in range(1, 7):
        run = 0
        for i in range(size, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - size] and tokens[i].isalnum() else 0
            most = max(most, run // size + 1)
    return most


def _length(sample: Sample, texts: Sequence[str]) -> Finding | None:
    ratio = sum(map(len, texts)) / max(1, sum(map(len, sample.references)))
    if SHORT <= ratio <= LONG:
        return None
    is_short = ratio < SHORT
    return Finding(
        "translations too short" if is_short else "translations too long",
        f"The translations of {sample.name} have {ratio:.0%} of the characters of the references.",
        "Train longer. If this does not help, set decoding.length_penalty: average"
        + (" or a larger decoding.alpha, and look for long source lines of which the target has only a part."
           if is_short else ", and look for target lines that hold more than the source."),
    )  # fmt: skip


def _beam(sample: Sample) -> Finding | None:
    greedy, beam = sample.bleu(sample.greedy), sample.bleu(sample.beam)
    if greedy - beam <= max(BEAM_LOSS, BEAM_LOSS_SHARE * greedy):
        return None
    return Finding(
        "beam worse than greedy",
        f"The search of the run has BLEU {beam:.2f} on {len(sample.sources):,} pairs of {sample.name}, greedy search "
        f"{greedy:.2f}.",
        "Set decoding.length_penalty: average with decoding.alpha: 1, and a smaller decoding.beam_size (5); the values "
        "of the run favour short or strange translations.",
    )


def _ignored_source(sample: Sample, translator: Translator, tag: str) -> Finding | None:
    """Return the finding that references are as probable with the source of another line as with their own."""
    shifted = [*sample.sources[1:], *sample.sources[:1]]
    totals = []
    for sources in (sample.sources, shifted):
        pairs = list(zip(sources, sample.references, strict=True))
        values = [
            value
            for _, found in translator.token_log_probs(pairs, translator.options.tokens_per_batch, tag)
            for value in found
        ]
        totals.append(math.fsum(values) / max(1, len(values)))
    gain = totals[0] - totals[1]
    if not math.isfinite(gain):
        return Finding(
            "divergence", "The model's probabilities are not finite numbers.", "Lower training.learning_rate."
        )
    if gain >= SOURCE_GAIN:
        return None
    distinct = len({each.text for each in sample.beam})
    return Finding(
        "source ignored",
        f"The translations do not depend on the source: with the source of another line, the references of "
        f"{sample.name} are as probable as with their own ({-totals[1]:.2f} and {-totals[0]:.2f} nats per token), and "
        f"{len(sample.sources):,} sentences have {distinct:,} different translations.",
        "If training has just begun, let it continue. Otherwise check that the pairs are aligned, and that the "
        "learning rate is not too high.",
    )


def diagnose_attention(translations: Sequence[Translation]) -> Finding | None:
    """Return the finding that attention is the same for every source position, or for every target token."""
    entropies, positions = [], []
    for each in translations:
        attention = each.targets[0].attention
        if attention is None or attention.shape[0] < 4 or attention.shape[1] < 5:
            continue
        rows = np.maximum(attention / np.maximum(attention.sum(-1, keepdims=True), 1e-9), 1e-9)  # (T, S)
        entropies.append(float(-(rows * np.log(rows)).sum(-1).mean() / math.log(rows.shape[1])))
        positions.append(float(np.bincount(rows.argmax(-1)).max() / rows.shape[0]))
    if len(entropies) < 10:
        return None
    entropy, fixed = float(np.mean(entropies)), float(np.mean(positions))
    if entropy < FLAT and fixed < FIXED:
        return None
    how = (
        f"is almost uniform over the source (its entropy is {entropy:.0%} of the largest possible)"
        if entropy >= FLAT
        else f"stays at one source position for {fixed:.0%} of the target tokens"
    )
    return Finding(
        "alignments not found",
        f"The attention has not learned which source words belong to a target word: it {how}.",
        "Train longer. If this does not help, check that the pairs are aligned, use model.attention.score: general or "
        "additive, and a longer training.warmup_steps. `nmt attention` draws the attention of sentences.",
    )


def compare_sets(valid: Sample, test: Sample) -> Finding | None:
    """Return the finding that a test set has a BLEU far from that of the validation set."""
    scores = [valid.bleu(valid.greedy), test.bleu(test.greedy)]
    low, high = sorted(scores)
    if high - low <= SET_DIFFERENCE or low > SET_SHARE * high:
        return None
    return Finding(
        "test unlike validation",
        f"BLEU (greedy) is {scores[0]:.2f} on {len(valid.sources):,} pairs of {valid.name} and {scores[1]:.2f} on "
        f"{len(test.sources):,} pairs of {test.name}.",
        "Use a validation set of the same kind of text as the test set; check both for overlap with the training text, "
        "and for other case, tokenisation or alignment.",
    )
