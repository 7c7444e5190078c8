"""Format translations as text, Moses n-best lists or JSON lines."""

import re
from collections.abc import Sequence
from typing import Literal

from nmt.decoding.input_formats import SEPARATOR, escape
from nmt.decoding.translation import EMPTY, Target, Translation
from nmt.decoding.word_alignment import pharaoh
from nmt.storage.json_text import dump_json

Format = Literal["text", "moses", "json"]
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def render(translation: Translation, form: Format, n_best: int, with_links: bool) -> str:
    """Return what is printed for one input line, each line with its newline.

    text: `n_best` lines, empty if fewer were found. moses: for each one found ``number ||| text ||| F0= -0.78 |||
    -0.13``, the log-probability as feature and the score that search ranks by. json: one object, which keeps the other
    keys of an object that was read. `with_links` appends ``||| 0-0 1-2`` to a line of text or moses; json always has
    the alignment.
    """
    if form == "json":
        return _json(translation) + "\n"
    lines = []
    for target in _shown(translation, form, n_best):
        line = target.text
        if form == "moses":
            fields = [str(translation.number), escape(line), f"F0= {target.log_prob:.6f}", f"{target.score:.6f}"]
            line = SEPARATOR.join(fields)
        lines.append(f"{line} ||| {pharaoh(target.words or ())}".rstrip(" ") if with_links else line)
    return "".join(line + "\n" for line in lines)


def render_links(translation: Translation, form: Format, n_best: int) -> str:
    """Return the Pharaoh line of each translation that `render` prints."""
    shown = translation.targets if form == "json" else _shown(translation, form, n_best)
    return "".join(pharaoh(target.words or ()) + "\n" for target in shown)


def _shown(translation: Translation, form: Format, n_best: int) -> Sequence[Target]:
    missing = n_best - len(translation.targets) if form == "text" else 0
    return [*translation.targets, *[EMPTY] * missing]


def _json(translation: Translation) -> str:
    hypotheses = [
        {
            "text": target.text,
            "score": target.score,
            "log_prob": target.log_prob,
            "alignment": [list(pair) for pair in target.words or ()],
        }
        for target in translation.targets
    ]
    values = {**translation.others, "source": translation.source, "hypotheses": hypotheses}
    text = dump_json(values, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
