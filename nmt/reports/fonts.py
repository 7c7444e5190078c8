"""Finding a font that has the characters a picture needs; matplotlib's own has no Chinese, Japanese or Korean."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from nmt.errors import NmtError

DEFAULT = "DejaVu Sans"
PREFERRED = (
    "Noto Sans CJK", "Noto Sans SC", "Source Han Sans", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans",
    "PingFang", "Hiragino Sans GB", "Heiti", "Microsoft YaHei", "SimHei", "SimSun", "Arial Unicode", "Unifont",
)  # fmt: skip
"""Families known to cover Chinese, on Linux, macOS and Windows, the best looking first."""


def missing(text: str, covered: frozenset[int]) -> str:
    """Return the visible characters of `text` that are not `covered`, each once."""
    return "".join(sorted({c for c in text if ord(c) not in covered and not c.isspace()}))


def families_for(texts: Iterable[str], font: Path | None = None) -> tuple[list[str], str]:
    """Return the font families to draw `texts` with, in order of use, and the characters that none of them has.

    `font`, a file the user names, comes first after the default; else, and only if the default lacks something, the
    fonts of the system are searched anew, so that one installed a minute ago is found. Raises `NmtError` for a file
    that is no font.
    """
    text = "".join(texts)
    families = [DEFAULT]
    needed = missing(text, _coverage(Path(font_manager.findfont(DEFAULT))))
    if font is not None:
        families.append(_register(font, text))
        needed = missing(needed, _coverage(font))
    while needed:
        best = _best_installed(needed)
        if best is None:
            break
        families.append(_register(best, text))
        needed = missing(needed, _coverage(best))
    return families, needed


def advice(lacking: str) -> str:
    """Return what to do about characters that no font has."""
    shown = lacking[:12] + ("…" if len(lacking) > 12 else "")
    return (
        f"no installed font has the characters {shown}; install one (Debian, Ubuntu: apt install fonts-wqy-zenhei), "
        "name a font file with --font FILE, or write .svg, which the browser shows with its own fonts"
    )


def _best_installed(needed: str) -> Path | None:
    """Return the font file that has most of `needed`, of equal ones the preferred; None where none has any."""
    found = []
    for name in sorted(font_manager.findSystemFonts()):
        path = Path(name)
        count = len(needed) - len(missing(needed, _coverage(path)))
        if count:
            found.append((-count, _preference(path), name))
    return Path(min(found)[2]) if found else None


def _preference(path: Path) -> tuple[int, bool]:
    face = FT2Font(path)
    family = face.family_name
    rank = next((n for n, known in enumerate(PREFERRED) if family.startswith(known)), len(PREFERRED))
    return rank, face.style_name not in ("Regular", "Book", "Medium", "Normal")


@lru_cache(maxsize=2048)
def _coverage(path: Path) -> frozenset[int]:
    """Return the code points a font file has, none where it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError):
        return frozenset()


def _register(path: Path, text: str) -> str:
    """Make a font file known to matplotlib and return the family in it that suits `text`.

    Noto's and Source Han's collections begin with the Japanese forms; matplotlib 3.11 and later know the others too.
    """
    try:
        family = FT2Font(path).family_name
    except (RuntimeError, OSError) as error:
        raise NmtError(
            f"--font {path}: not a font that can be read ({error}); give a .ttf, .otf or .ttc file"
        ) from None
    if all(Path(entry.fname) != path for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(path)
    inside = {entry.name for entry in font_manager.fontManager.ttflist if Path(entry.fname) == path}
    is_japanese = any("\u3040" <= character <= "\u30ff" for character in text)
    chinese = family.removesuffix("JP") + "SC"
    return chinese if family.endswith(" JP") and not is_japanese and chinese in inside else family
