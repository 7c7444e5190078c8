"""How translations are written: text, Moses n-best lists, JSON lines; and files that appear only when complete."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from nmt.decoding.alignment import pharaoh
from nmt.decoding.entries import SEPARATOR, escape
from nmt.decoding.translation import EMPTY, Target, Translation
from nmt.errors import NmtError
from nmt.files import NotReplaced, dump_json, hold, replacing, standard_output, writing

ELSEWHERE = "name another file"
Format = Literal["text", "moses", "json"]
_DESCRIPTORS = re.compile("/dev/fd|/proc/.+/fd")
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


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Give a binary file to write to: stdout for None or "-"; else `path`, which changes only if all went well.

    Until then its lines are in `.NAME.partial` beside it; such a file of a killed process is written over. A link is
    followed. A file that is not regular, or that is open already as /dev/stdout is, is written to at once.
    """
    if path is None or str(path) == "-":
        yield standard_output()
        return
    with writing(path, ELSEWHERE):
        real = real_place(path)
        if is_special(path):
            with _open_special(path) as special:
                yield special
            return
        partial = real.with_name(f".{real.name}.partial")
        handle = hold(partial, wait=False, replaces=real)
    if handle is None:
        raise NmtError(f"{path}: being written already, by another process or for another option; name another file")
    with writing(path, "nothing is there yet"):
        try:
            with replacing(real, partial, handle, keeps=True) as file:
                yield file
        except NotReplaced as error:
            raise NmtError(
                f"{path}: cannot be replaced: {error.strerror or error}; the whole output is in {partial}"
            ) from None


def real_place(path: Path) -> Path:
    """Return the file that `path` names, links followed; raises `NmtError` for a folder."""
    if path.name in ("", "..") or path.is_dir():
        raise NmtError(f"{path}: is a folder; name a file")
    if not path.is_symlink():
        return path
    with writing(path, ELSEWHERE):
        with contextlib.suppress(FileNotFoundError):
            path.stat()  # an OSError for a loop of links
        return path.resolve()


def is_special(path: Path | None) -> bool:
    """Tell whether an output is written to at once: stdout, or what is not a regular file of its own."""
    if path is None or str(path) == "-":
        return True
    with writing(path, ELSEWHERE):
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
    return not stat.S_ISREG(found.st_mode) or _standard(found) is not None or _is_descriptor(path)


def _open_special(path: Path) -> BinaryIO:
    """Open for writing; stdout and stderr as they are, so that nothing that was written to them is lost."""
    number = _standard(path.stat())
    return path.open("wb") if number is None else os.fdopen(os.dup(number), "wb")


def _standard(found: os.stat_result) -> int | None:
    """Return 1 or 2 for the file that is open as stdout or stderr, None for others."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # closed
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def _is_descriptor(path: Path) -> bool:
    """Tell whether links lead from `path`, which is there, to a file that some process has open."""
    while path.is_symlink():
        folder = path.parent.resolve()
        if _DESCRIPTORS.fullmatch(folder.as_posix()):
            return True
        path = folder / path.readlink()
    return False
