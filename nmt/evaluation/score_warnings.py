"""Warn about a word-based metric on text without spaces, and about text that is already tokenised."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.ter import TER

from nmt.data.languages import parse_language, unspaced_script
from nmt.evaluation.metrics import DEFAULT_METRICS, DEFAULTS, Named, Scoring, build, default_tokenizer

SAMPLE = 1000
"""Number of lines to sample, evenly spaced."""
MAX_MEAN_WORD = {"Hani": 4.0, "Yiii": 4.0, "Tang": 4.0, "Kits": 4.0, "Nshu": 4.0, "": 30.0}
"""Mean number of letters per word, by script, above which the text counts as written without spaces. "" stands for all
scripts with spaces. Segmented Chinese has 1.7 letters per word and 10 per clause; Greenlandic has 12 per word."""
_MAX_MEAN_WORD_OTHER = 8.0
"""The same for other scripts, such as Thai, which has 4 to 6 letters and marks per word and 12 to 40 per clause."""
_MIN_KANA = 0.05
"""Minimum share of kana in a text with Chinese characters that counts as Japanese."""
_LANGUAGE = {
    "Hani": "zh", "Jpan": "ja", "Thai": "th", "Laoo": "lo", "Khmr": "km", "Mymr": "my", "Tibt": "bo", "Yiii": "ii",
}  # fmt: skip
"""A language code with the right tokeniser for each script."""
_TOKENIZED_LINES = 100


def script_without_spaces(lines: Sequence[str], tokenize: Callable[[str], str]) -> str | None:
    """Return the script of `lines` if `tokenize` yields whole clauses instead of words; otherwise None.

    The script is one of `data.languages`, or "" for any other. Letters of a script with spaces count only in words
    without other characters, because addresses and program code are long as well.
    """
    letters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    kana = others = 0
    for line in lines[:: max(1, len(lines) // SAMPLE)]:
        for word in tokenize(line).split():
            scripts = Counter(unspaced_script(c) for c in word if unicodedata.category(c)[0] in "LM")
            kana += scripts["Jpan"]
            scripts["Hani"] += scripts.pop("Jpan", 0)  # a Japanese word may contain both
            plain = scripts.pop("", 0)
            if plain and plain == len(word.strip("\"'.,;:!?()")):
                scripts[""] = plain
            else:
                others += plain
            letters.update(scripts)
            words.update(script for script, count in scripts.items() if count)
    total = letters.total() + others
    for script, count in letters.most_common():
        is_main = count > (0.3 if script else 0.5) * total
        if is_main and count > MAX_MEAN_WORD.get(script, _MAX_MEAN_WORD_OTHER) * words[script]:
            return "Jpan" if script == "Hani" and kana > _MIN_KANA * total else script
    return None


def score_warnings(
    systems: Sequence[Named],
    references: Sequence[Named],
    metrics: Sequence[str] = DEFAULT_METRICS,
    scoring: Scoring = DEFAULTS,
) -> list[str]:
    """Return warnings about references without spaces and about hypotheses that are already tokenised."""
    found = []
    for name, lines in references:
        if hint := _warn_about_spaces(name, lines, metrics, scoring):
            found.append(hint)
            break
    if "bleu" in metrics and scoring.tokenize in ("13a", "intl"):
        tokenized = [name for name, lines in systems if sum(line.endswith(" .") for line in lines) >= _TOKENIZED_LINES]
        if tokenized:
            found.append(
                f"{tokenized[0]} looks tokenised ({_TOKENIZED_LINES} or more lines end in ' .'); for such text use "
                "--tokenize none"
            )
    return found


def _warn_about_spaces(name: str, lines: Sequence[str], metrics: Sequence[str], scoring: Scoring) -> str | None:
    """Return a warning if a metric takes whole clauses of these references as words; otherwise None."""
    counted, remedies = [], []
    if "bleu" in metrics:
        bleu = build("bleu", scoring)
        assert isinstance(bleu, BLEU)
        script = script_without_spaces(lines, bleu.tokenizer)
        if script is not None:
            counted.append(f"BLEU with the tokeniser {scoring.tokenize}")
            remedies.append(f"use --tokenize {_tokenizer(script)}")
    if "ter" in metrics:
        ter = build("ter", scoring)
        assert isinstance(ter, TER)
        script = script_without_spaces(lines, ter.tokenizer)
        if script is not None:
            counted.append("TER")
            is_splittable = script in ("Hani", "Jpan") and not (scoring.ter_normalized and scoring.ter_asian_support)
            remedies.append("use --ter-normalized --ter-asian-support" if is_splittable else "use chrF instead of TER")
    if not counted:
        return None
    takes = "takes" if len(counted) == 1 else "take"
    return (
        f"{name} is written without spaces between words: {' and '.join(counted)} {takes} whole clauses as words; "
        f"{', and '.join(remedies)}"
    )


def _tokenizer(script: str) -> str:
    if script == "Jpan":
        return "ja-mecab (pip install 'sacrebleu[ja]') or char" if default_tokenizer("ja") == "char" else "ja-mecab"
    return "zh" if script == "Hani" else "char"


def validation_warning(references: Sequence[str], target_language: str) -> str | None:
    """Return a warning if validation BLEU would take whole clauses of the references as words; otherwise None."""
    tokenize = default_tokenizer(target_language)
    bleu = build("bleu", Scoring(tokenize=tokenize))
    assert isinstance(bleu, BLEU)
    script = script_without_spaces(references, bleu.tokenizer)
    if script is None:
        return None
    if script and parse_language(target_language).script != script:
        remedy = f"set data.target_language to its code, e.g. {_LANGUAGE.get(script, f'und-{script}')}"
    else:
        remedy = "set training.metric: loss"
    return (
        f"data.valid: the target is written without spaces between words, but BLEU's tokeniser {tokenize}, chosen "
        f"by data.target_language: {target_language}, needs them; BLEU will stay near 0: {remedy}"
    )
