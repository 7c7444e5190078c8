"""Format translations as text, Moses n-best lists, JSON lines or scored lists, and alignments in Pharaoh format."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from nmt.decoding.input_formats import SEPARATOR, escape
from nmt.decoding.translation import EMPTY_TARGET, Target, Translation
from nmt.decoding.word_alignment import to_pharaoh
from nmt.storage.json_text import dump_json, parse_json

Format = Literal["text", "moses", "json", "scored"]
"""`scored` is the format in which `nmt augment` and `nmt distill` keep hypotheses, see `parse_scored`."""
_SCORE_DIGITS = 4
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def render(translation: Translation, output_format: Format, n_best: int, with_alignment: bool) -> str:
    """Return the output for one input line; each output line ends with a newline.

    text: `n_best` lines, which are empty if fewer translations were found. moses: for each translation
    ``number ||| text ||| F0= -0.78 ||| -0.13``, with the log-probability as a feature and the score that the search
    ranks by. json: one object, with the other keys of the input object. scored: one list, see `parse_scored`.
    `with_alignment` appends ``||| 0-0 1-2`` to each line of text or moses; json always contains the alignment.
    """
    if output_format == "scored":
        return to_json_line([_scored(target) for target in translation.targets]) + "\n"
    if output_format == "json":
        return _to_json(translation) + "\n"
    lines = []
    for target in _targets(translation, output_format, n_best):
        line = target.text
        if output_format == "moses":
            fields = [str(translation.number), escape(line), f"F0= {target.log_prob:.6f}", f"{target.score:.6f}"]
            line = SEPARATOR.join(fields)
        lines.append(f"{line} ||| {to_pharaoh(target.alignment or ())}".rstrip(" ") if with_alignment else line)
    return "".join(line + "\n" for line in lines)


def render_alignments(translation: Translation, output_format: Format, n_best: int) -> str:
    """Return a Pharaoh line for each translation that `render` prints."""
    targets = _targets(translation, output_format, n_best)
    return "".join(to_pharaoh(target.alignment or ()) + "\n" for target in targets)


def parse_scored(line: str) -> list[tuple[str, float]]:
    """Return the hypotheses in a line of the format `scored`, the best first, each with its score.

    The score is the mean log-probability of its tokens, EOS included, in nats. Raise `ValueError` for other lines.
    """
    try:
        return [(str(text), float(score)) for text, score in parse_json(line)]
    except TypeError:
        raise ValueError("not a list of hypotheses with scores") from None


def _targets(translation: Translation, output_format: Format, n_best: int) -> Sequence[Target]:
    """Return the translations of a line; for text always `n_best`, with empty ones at the end."""
    missing = n_best - len(translation.targets) if output_format == "text" else 0
    return [*translation.targets, *[EMPTY_TARGET] * missing]


def _to_json(translation: Translation) -> str:
    hypotheses = [
        {
            "text": target.text,
            "score": target.score,
            "log_prob": target.log_prob,
            "alignment": [list(pair) for pair in target.alignment or ()],
        }
        for target in translation.targets
    ]
    return to_json_line({**translation.other_keys, "source": translation.source, "hypotheses": hypotheses})


def _scored(target: Target) -> tuple[str, float]:
    return target.text, round(target.log_prob / max(1, len(target.token_log_probs)), _SCORE_DIGITS)


def to_json_line(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a JSON object or list as one printable line."""
    text = dump_json(values, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
