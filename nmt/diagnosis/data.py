"""Diagnose the text of a configuration: alignment, languages, encoding, repetition, overlap, size, vocabulary."""

from collections import Counter
from collections.abc import Sequence

from nmt.config import Config
from nmt.data.corpus import corpus_name, failed_filter
from nmt.data.subword import Vocabularies
from nmt.diagnosis.alignment import diagnose_alignment
from nmt.diagnosis.characters import diagnose_damage, diagnose_differences
from nmt.diagnosis.diagnosis import Diagnosis
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.language import LanguageCheck
from nmt.diagnosis.repeated import diagnose_overlap, diagnose_repetition
from nmt.diagnosis.texts import Texts, read_texts
from nmt.diagnosis.vocabulary import diagnose_vocabulary

FEW_PAIRS, FEW_VALIDATION_PAIRS = 1000, 30
"""Numbers of pairs below which training, or validation, has too little text."""
MAX_DROPPED_SHARE = 0.1
"""Share of the training pairs that the filters may drop."""


def diagnose_data(
    config: Config, name: str, warnings: Sequence[str] = (), vocabularies: Vocabularies | None = None
) -> Diagnosis:
    """Diagnose the corpora of `config`, in messages called `name`.

    `warnings` are those of the configuration; `vocabularies` are those of a run. Raise `NmtError` for files that cannot
    be read.
    """
    data = config.data
    train = [read_texts(data, f"data.train.{i}", corpus) for i, corpus in enumerate(data.train)]
    others = [read_texts(data, f"data.{key}", corpus) for key, corpus in data.evaluated.items()]
    diagnosis = Diagnosis(name)
    findings = diagnosis.findings
    findings += [
        Finding("configuration", f"{warning}.", "Change the configuration as the message says.") for warning in warnings
    ]
    languages = LanguageCheck([code for texts in (*train, *others) for code in texts.languages])
    for texts in (*train, *others):
        of_language, strangers = languages(texts)
        of_damage, damaged = diagnose_damage(texts, data)
        of_repetition, repeated = diagnose_repetition(texts)
        findings += [*of_language, *of_damage, *(of_repetition if texts.is_train else [])]
        findings += diagnose_alignment(texts, strangers | damaged | repeated)
    for texts in others:
        findings += [*diagnose_overlap(train, texts), *diagnose_differences(train, texts)]
    findings += [*_too_few(train, others), *_dropped(config, train), *diagnose_vocabulary(config, train, vocabularies)]
    diagnosis.checked += [_scope(train, others)]
    diagnosis.sort()
    return diagnosis


def _scope(train: Sequence[Texts], others: Sequence[Texts]) -> str:
    examined, total = sum(len(texts.source) for texts in train), sum(texts.total for texts in train)
    pairs = (
        f"{total:,} training pairs" if examined == total else f"a sample of {examined:,} of {total:,} training pairs"
    )
    return ", ".join([pairs, *(f"{texts.key} ({texts.total:,} pairs)" for texts in others)])


def _too_few(train: Sequence[Texts], others: Sequence[Texts]) -> list[Finding]:
    total = sum(texts.total for texts in train)
    findings = []
    if total < FEW_PAIRS:
        findings.append(
            Finding(
                "too few pairs",
                f"The training text has {total:,} pairs.",
                "Find more text (a useful model needs at least several thousand pairs), or continue from a "
                "model that was trained on other text: training.init_from with subword.reuse.",
            )
        )
    findings += [
        Finding(
            "too few pairs",
            f"{texts.name} ({texts.key}) has {texts.total:,} pairs: too few for reliable scores.",
            "Use a set of 500 pairs or more.",
        )
        for texts in others
        if texts.total < FEW_VALIDATION_PAIRS
    ]
    return findings


def _dropped(config: Config, train: Sequence[Texts]) -> list[Finding]:
    """Return the finding that the filters drop many training pairs."""
    findings = []
    for texts, corpus in zip(train, config.data.train, strict=True):
        reasons: Counter[str] = Counter()
        first: dict[str, int] = {}
        for i, (source, target) in enumerate(zip(texts.source, texts.target, strict=True)):
            if (reason := failed_filter(source, target, config.data.filters)) is not None:
                reasons[reason] += 1
                first.setdefault(reason, i)
        dropped = reasons.total()
        if dropped <= MAX_DROPPED_SHARE * len(texts.source):
            continue
        causes = ", ".join(
            f"{reason} {count:,} (first {texts.lines([first[reason]])})" for reason, count in reasons.most_common()
        )
        findings.append(
            Finding(
                "pairs left out",
                f"The filters drop {dropped:,} of {len(texts.source):,} pairs of {corpus_name(corpus)}: {causes}.",
                "Check these lines, and the limits in data.filters.",
            )
        )
    return findings
