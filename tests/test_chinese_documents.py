"""The Chinese pages have the code, commands, numbers, links and tables of the English ones, and Chinese punctuation."""

import re
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
PAIRS = {ROOT / "README.zh.md": ROOT / "README.md"} | {
    page: ROOT / "docs" / "tutorial" / page.name for page in sorted((ROOT / "docs/zh/tutorial").glob("*.md"))
}
PAGES = [*PAIRS, ROOT / "docs/zh/index.md"]
HAN = r"[\u3400-\u9fff]"
CHINESE = r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef“”…]"
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
every_pair = pytest.mark.parametrize(("page", "english"), PAIRS.items(), ids=[path.name for path in PAIRS])
every_page = pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])


def code_lines(text: str) -> list[str]:
    """Return the lines of all blocks of code, and the indented commands."""
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    return blocks + re.findall(r"^ {4}\S.*", FENCE.sub("", text), re.MULTILINE)


def prose(text: str) -> str:
    """Return a page without its code, the targets of its links, and addresses."""
    text = re.sub(r"^ {4}\S.*|`[^`]*`", "", FENCE.sub("", text), flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)|https?:\S+", "]", text)


def explains(chinese: str, english: str) -> bool:
    """Return whether a line of code with Chinese words has the code of the English line, with its words translated."""
    words, original = (re.findall(r"[!-~]+", re.sub("[,;:()]", " ", line)) for line in (chinese, english))
    rest = iter(original)
    signs = [re.sub(r"[^\x00-\x7f]|[\sA-Za-z_,;:?()']", "", line) for line in (chinese, english)]
    return all(word in rest for word in words) and signs[0] == signs[1]  # `in` goes on behind the last word found


def numbers(text: str) -> Counter[str]:
    """Return how often each number occurs in the prose."""
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", prose(text)))


def targets(page: Path) -> Counter[str]:
    """Return the targets of the links and pictures, those in Chinese replaced by their English originals."""
    found: Counter[str] = Counter()
    for target in re.findall(r"\]\(([^)]*)\)", page.read_text(encoding="utf-8")):
        path = target if target.startswith("http") else str((page.parent / target).resolve().relative_to(ROOT))
        found[path.replace("docs/zh/", "docs/").replace("README.zh.md", "README.md")] += 1
    return found


def shape(text: str) -> list[str]:
    """Return the level of each heading, and the number of cells of each row of a table, in the order of the page."""
    lines = FENCE.sub("", text).replace("\\|", "").splitlines()
    return [
        f"{line.count('|')} cells" if line[0] == "|" else line.split()[0] for line in lines if line[:1] in ("#", "|")
    ]


def test_every_chapter_is_translated() -> None:
    first, original = (code_lines((ROOT / "docs" / path).read_text("utf-8")) for path in ("zh/index.md", "index.md"))
    assert first and {*first} <= {*original}
    assert {page.name for page in (ROOT / "docs/tutorial").glob("*.md")} == {page.name for page in PAGES[1:-1]}


@every_pair
def test_code_and_commands_are_the_same(page: Path, english: Path) -> None:
    ours, theirs = code_lines(page.read_text("utf-8")), code_lines(english.read_text("utf-8"))
    assert len(ours) == len(theirs)
    for line, original in zip(ours, theirs, strict=True):
        assert line == original or (re.search(HAN, line) and explains(line, original)), line


@every_pair
def test_code_in_the_text_is_the_same(page: Path, english: Path) -> None:
    ours, theirs = (re.findall("`[^`]*`", FENCE.sub("", path.read_text("utf-8"))) for path in (page, english))
    # "`W`, `U` and `b`" may be in another order in a Chinese sentence.
    assert Counter(ours) == Counter(" ".join(code.split()) for code in theirs)


@every_pair
def test_numbers_are_the_same(page: Path, english: Path) -> None:
    assert numbers(page.read_text("utf-8")) == numbers(english.read_text("utf-8"))


@every_pair
def test_links_headings_and_tables_are_the_same(page: Path, english: Path) -> None:
    assert targets(page) == targets(english)
    assert shape(page.read_text("utf-8")) == shape(english.read_text("utf-8"))


@every_page
def test_punctuation_and_spaces_are_chinese(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", FENCE.sub("", page.read_text("utf-8")))
    found = re.findall(rf"{HAN}[,;:!?()].|.[,;!?(]{HAN}", text)  # half-width punctuation
    found += re.findall(rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9%`]{HAN}", text)  # no space between the scripts
    found += re.findall(rf"{CHINESE}\n[^\n#|\-\d ]", text)  # a line break inside a paragraph is shown as a space
    assert found == []


@every_page
def test_no_asterisk_is_shown(page: Path) -> None:
    """CommonMark shows the asterisks of `**text。**text`, where punctuation is inside and a word follows."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    shown = [part.content for token in tokens for part in token.children or [] if part.type == "text"]
    assert [text for text in shown if "*" in text] == []
    assert shown


def test_a_translated_comment_may_not_change_the_code() -> None:
    english = "c'  = f * c + i * g     forget some of the old, add some of the new"
    assert explains("c'  = f * c + i * g     忘掉一部分旧的", english)
    assert not explains("c'  = f * c - i * g     忘掉一部分旧的", english)
    assert not explains("c'  = f * c + i * h     忘掉一部分旧的", english)
    assert explains("echo a.en     # 或者：b.en", "echo a.en     # or: b.en")
    assert not explains("echo a.en     # 或者：b.en 2", "echo a.en     # or: b.en")
