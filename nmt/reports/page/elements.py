"""HTML elements of the report page: sections, tables, figures with a caption, and parts that the reader opens."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    key: str
    """The id of its heading, for links."""
    title: str
    body: str
    """HTML; "" if the run has nothing to show, and the section is left out."""


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{_of_class(style)}>{escape(text)}</p>"


def heading(text: str) -> str:
    """Return the heading of a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values, both plain text."""
    cells = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in rows)
    return f'<table class="facts"><tbody>{"".join(cells)}</tbody></table>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], numeric: Collection[int] = ()) -> str:
    """Return a table of plain text, which scrolls sideways if the screen is narrow.

    The first column names the row. The columns with the indices `numeric` are right-aligned.
    """
    titles = "".join(f'<th scope="col"{_number(n in numeric)}>{escape(text)}</th>' for n, text in enumerate(head))
    body = []
    for first, *others in rows:
        cells = "".join(f"<td{_number(n in numeric)}>{escape(text)}</td>" for n, text in enumerate(others, 1))
        body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return scrolling(
        f'<table class="grid"><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>",
        caption,
    )


def scrolling(content: str, label: str) -> str:
    """Return HTML `content` in a block that scrolls sideways if it is wider than the page."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def figure(drawing: str, caption: str, title: str = "") -> str:
    """Return an HTML `drawing` with a title and a sentence that says how to read it."""
    above = f'<p class="figure-title">{escape(title)}</p>' if title else ""
    return f"<figure>{above}{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def side_by_side(parts: Iterable[str]) -> str:
    """Return HTML parts in as many columns as fit."""
    return f'<div class="columns">{"".join(parts)}</div>'


def details(summary: str, content: str) -> str:
    """Return HTML `content` that is hidden until the reader opens it."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def sentence(rows: Iterable[tuple[str, str]], title: str = "") -> str:
    """Return a sentence with its translations: names in plain text, and texts that are HTML."""
    inner = "".join(f"<dt>{escape(name)}</dt><dd>{text or '&nbsp;'}</dd>" for name, text in rows)
    above = f'<p class="sentence-title">{escape(title)}</p>' if title else ""
    return f'<div class="sentence">{above}<dl>{inner}</dl></div>'


def _number(is_numeric: bool) -> str:
    return _of_class("n") if is_numeric else ""


def _of_class(name: str) -> str:
    return f' class="{name}"' if name else ""
