"""Write matplotlib figures as files or inline SVG, without the global state of pyplot."""

import io
import warnings
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from nmt.errors import NmtError
from nmt.storage.atomic_files import convert_write_errors, write_atomically

FORMATS = (".png", ".svg", ".pdf")
_FAMILIES = (
    "'DejaVu Sans','Noto Sans CJK SC','Source Han Sans SC','PingFang SC','Microsoft YaHei','WenQuanYi Micro Hei',"
    "'WenQuanYi Zen Hei','Droid Sans Fallback',sans-serif"
)
"""Fonts of SVG text; for each character the browser uses the first of these fonts that has it."""


def save(figure: Figure, path: Path) -> None:
    """Write `figure` atomically in the format of the file extension; create missing folders.

    Raises `NmtError` for an unknown extension or if the file cannot be written.
    """
    check(path)
    remedy = "choose another file with --output"
    with convert_write_errors(path.parent, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _render(figure, path.suffix.lower()[1:]), remedy)


def check(path: Path) -> None:
    """Raise `NmtError` unless the file extension is one of `FORMATS`."""
    if path.suffix.lower() not in FORMATS:
        raise NmtError(f"{path}: the file extension must be one of {', '.join(FORMATS)}")


def inline_svg(figure: Figure) -> str:
    """Return `figure` as an <svg> element for an HTML page."""
    text = _render(figure, "svg").decode("utf-8")
    return text[text.index("<svg") :]


def _render(figure: Figure, kind: str) -> bytes:
    """Render the figure. Text stays text in SVG, and the bytes depend only on the content."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nmt"}), warnings.catch_warnings():
        if kind == "svg":
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(buffer, format=kind, metadata=metadata)
    content = buffer.getvalue()
    return (
        content.replace(b"<defs>", f"<style>text{{font-family:{_FAMILIES} !important}}</style><defs>".encode(), 1)
        if kind == "svg"
        else content
    )
