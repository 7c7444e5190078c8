"""Hints where text and metric do not suit each other: no spaces where words are counted, text already tokenised."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.ter import TER

from nmt.data.languages import parse_language, unspaced_script
from nmt.evaluation.metrics import ALL, DEFAULTS, Named, Scoring, build, default_tokenizer

SAMPLE = 1000
"""Lines that are looked at, evenly spaced."""
LONGEST_WORD = {"Hani": 4.0, "Yiii": 4.0, "Tang": 4.0, "Kits": 4.0, "Nshu": 4.0, "": 30.0}
"""Mean letters of a word, by script, above which the text has no spaces between words; "" is every spaced script. Words
of segmented Chinese have 1.7 letters on average, clauses 10; words of Greenlandic have 12."""
_OTHER_SCRIPTS = 8.0
"""The same for scripts such as Thai, whose words have 4 to 6 letters and marks, and clauses 12 to 40."""
_KANA = 0.05
"""Share of the letters from which a text with Chinese characters is Japanese."""
_LANGUAGE = {
    "Hani": "zh", "Jpan": "ja", "Thai": "th", "Laoo": "lo", "Khmr": "km", "Mymr": "my", "Tibt": "bo", "Yiii": "ii",
}  # fmt: skip
"""A code that chooses the tokeniser of a script."""
_TOKENIZED_LINES = 100


def without_spaces(lines: Sequence[str], tokenize: Callable[[str], str]) -> str | None:
    """Return the script of lines whose words, as `tokenize` separates them, are whole clauses; None where they are not.

    The script is one of `data.languages`, "" for every other. Letters of a spaced script count only in words of nothing
    else, as addresses and program code are long as well.
    """
    letters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    kana = others = 0
    for line in lines[:: max(1, len(lines) // SAMPLE)]:
        for word in tokenize(line).split():
            scripts = Counter(unspaced_script(c) for c in word if unicodedata.category(c)[0] in "LM")
            kana += scripts["Jpan"]
            scripts["Hani"] += scripts.pop("Jpan", 0)  # one Japanese word has both
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
        if is_main and count > LONGEST_WORD.get(script, _OTHER_SCRIPTS) * words[script]:
            return "Jpan" if script == "Hani" and kana > _KANA * total else script
    return None


def advice(
    systems: Sequence[Named], references: Sequence[Named], metrics: Sequence[str] = ALL, scoring: Scoring = DEFAULTS
) -> list[str]:
    """Return hints on the references, written without spaces, and on the hypotheses, already tokenised; one a line."""
    found = []
    for name, lines in references:
        if hint := _on_spaces(name, lines, metrics, scoring):
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


def _on_spaces(name: str, lines: Sequence[str], metrics: Sequence[str], scoring: Scoring) -> str | None:
    """Return what to do where a metric takes whole clauses of these references as words."""
    counted, remedies = [], []
    if "bleu" in metrics:
        bleu = build("bleu", scoring)
        assert isinstance(bleu, BLEU)
        script = without_spaces(lines, bleu.tokenizer)
        if script is not None:
            counted.append(f"BLEU with the tokeniser {scoring.tokenize}")
            remedies.append(f"use --tokenize {_tokenizer(script)}")
    if "ter" in metrics:
        ter = build("ter", scoring)
        assert isinstance(ter, TER)
        script = without_spaces(lines, ter.tokenizer)
        if script is not None:
            counted.append("TER")
            is_splittable = script in ("Hani", "Jpan") and not (scoring.ter_normalized and scoring.ter_asian_support)
            remedies.append("use --ter-normalized --ter-asian-support" if is_splittable else "read chrF and not TER")
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


def validation_advice(references: Sequence[str], target_language: str) -> str | None:
    """Return what to change where BLEU of the validation references would count whole clauses as words."""
    tokenize = default_tokenizer(target_language)
    bleu = build("bleu", Scoring(tokenize=tokenize))
    assert isinstance(bleu, BLEU)
    script = without_spaces(references, bleu.tokenizer)
    if script is None:
        return None
    if script and parse_language(target_language).script != script:
        remedy = f"set data.target_language to its code, e.g. {_LANGUAGE.get(script, f'und-{script}')}"
    else:
        remedy = "set training.metric: loss"
    return (
        f"data.valid: the target is written without spaces between words, but the tokeniser {tokenize}, which "
        f"data.target_language: {target_language} chooses for BLEU, needs them; BLEU will stay near 0: {remedy}"
    )
