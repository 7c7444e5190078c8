"""Find installed fonts for characters that matplotlib's default font lacks, such as Chinese.

matplotlib falls back from one font to the next, but only among fonts that it is given: it does not search for a font
with the missing characters, and does not see fonts that were installed after its cache was written.
"""

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
"""Font families with Chinese characters on Linux, macOS and Windows, the preferred ones first."""


def missing(text: str, covered: frozenset[int]) -> str:
    """Return the visible characters of `text` that are not in `covered`, each once."""
    return "".join(sorted({c for c in text if ord(c) not in covered and not c.isspace()}))


def families_for(texts: Iterable[str], font: Path | None = None) -> tuple[list[str], str]:
    """Return the font families for `texts`, in order of use, and the characters that none of them has.

    The file `font` of the user comes after the default font. The installed fonts are searched only if characters are
    still missing. Raises `NmtError` if `font` is not a font file.
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


def missing_font_advice(lacking: str) -> str:
    """Return an error message with a remedy for characters that no font has."""
    shown = lacking[:12] + ("…" if len(lacking) > 12 else "")
    return (
        f"no installed font has the characters {shown}; install one (Debian, Ubuntu: apt install fonts-wqy-zenhei), "
        "give a font file with --font FILE, or write .svg, which browsers show with their own fonts"
    )


def _best_installed(needed: str) -> Path | None:
    """Return the installed font file with most of the characters `needed`, preferred families first; None if none."""
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
    """Return the code points of a font file; empty if it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError):
        return frozenset()


def _register(path: Path, text: str) -> str:
    """Register a font file with matplotlib and return its family for `text`.

    The first face of the Noto and Source Han collections has Japanese forms; matplotlib 3.11 and later also know the
    Chinese face.
    """
    try:
        family = FT2Font(path).family_name
    except (RuntimeError, OSError) as error:
        raise NmtError(f"--font {path}: not a readable font ({error}); give a .ttf, .otf or .ttc file") from None
    if all(Path(entry.fname) != path for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(path)
    inside = {entry.name for entry in font_manager.fontManager.ttflist if Path(entry.fname) == path}
    is_japanese = any("\u3040" <= character <= "\u30ff" for character in text)
    chinese = family.removesuffix("JP") + "SC"
    return chinese if family.endswith(" JP") and not is_japanese and chinese in inside else family
