"""How the page of `nmt serve` shows texts: alignments, attention, keyboard, accessibility, themes, sizes."""

import itertools
import re

import pytest

pytest.importorskip("playwright", reason="the tests of the page need the package playwright: pip install playwright")

from playwright.sync_api import expect
from serving.accessibility import CONTRAST, HEADINGS, unnamed_controls
from serving.fake_translations import MODELS, FakeTranslations
from serving.page_driver import TWO_SENTENCES, OpenPage, highlighted, point_at, target, type_text, wait_for


def test_pointing_at_a_word_highlights_its_alignment(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    type_text(page, f"first line here.\n{TWO_SENTENCES}")
    point_at(page, "#mirror", "cat")
    expect(page.locator(".word.aligned")).to_have_count(0)  # those are of the last sentence, which has the focus
    assert highlighted(page, "aligned") == ["cat", "CAT"]
    assert highlighted(page, "word") == ["cat"]
    assert highlighted(page, "sentence") == ["a dog runs.", "RUNS. DOG A"]
    point_at(page, "#target", "DOG")
    expect(page.locator(".word.aligned")).to_have_text(["dog", "DOG"])
    assert highlighted(page, "word") == ["DOG"]
    page.mouse.down()
    page.mouse.up()
    point_at(page, "#target", "CAT")
    page.mouse.down()
    page.mouse.up()
    wait_for(page, "#sentence-number", "2 of 3")
    page.mouse.move(2, 2)
    expect(page.locator(".word.aligned")).to_have_count(0)
    assert highlighted(page, "aligned") == []


def test_attention_map_and_its_table(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    page = open_page(translations)
    type_text(page, TWO_SENTENCES)
    assert not any(body.get("attention") for body in translations.bodies)
    page.get_by_role("button", name="Show the attention map").click()
    expect(page.get_by_role("img", name="Attention of 3 pieces")).to_be_visible()
    assert page.locator(".cell").count() == 3 * 4
    page.get_by_text("As a table").click()
    rows = [row.inner_text().split("\t") for row in page.locator("#attention tbody tr").all()]
    assert rows == [["RUNS.", "runs.", "80 %"], ["DOG", "dog", "80 %"], ["A", "a", "80 %"]]
    page.locator(".matrix").hover(position={"x": 75, "y": 75})
    page.get_by_role("radio", name="RUNS. DOG A 1").check()
    wait_for(page, "#attention p", "This is the map of “RUNS. DOG A”.")  # the answer does not follow the prefix
    assert translations.bodies[-1]["prefixes"] == ["RUNS. DOG A 1"]
    page.get_by_role("button", name="Previous sentence").click()
    expect(page.get_by_role("img", name="Attention of 4 pieces")).to_be_visible()
    page.get_by_role("button", name="Hide the attention map").click()
    expect(page.locator(".matrix")).to_be_hidden()


def test_a_model_without_attention_has_no_map(open_page: OpenPage) -> None:
    [model] = MODELS["models"]
    translations = FakeTranslations()
    page = open_page(translations, {"v1/models": {"models": [{**model, "has_attention": False}]}})
    type_text(page, TWO_SENTENCES)
    expect(page.locator("#alternatives")).to_be_visible()
    expect(page.locator("#attention-toggle")).to_be_hidden()
    assert translations.bodies[0]["alignments"] is False


def test_keyboard_only(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the text")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("a dog runs.")
    wait_for(page, "#status", "Translated")
    page.keyboard.press("Home")
    assert highlighted(page, "aligned") == ["a", "A"]
    visited: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                 const e = document.activeElement;
                 const isVisible = getComputedStyle(e.closest(".alternative") ?? e).outlineStyle !== "none";
                 return e === document.body ? null : [e.id || e.name || e.textContent, isVisible];
               }"""
        )
        if found is None or found[0] in visited:
            break
        assert found[1], f"{found[0]} has no visible focus"
        visited.append(found[0])
        if found[0] == "a":
            page.keyboard.press("ArrowRight")
            expect(page.get_by_role("button", name="dog: aligned to DOG", exact=True)).to_be_focused()
            assert highlighted(page, "aligned") == ["dog", "DOG"]
        if found[0] == "alternative":
            page.keyboard.press("ArrowDown")
            wait_for(page, "#target", "RUNS. DOG A 1")
        if found[0] == "attention-toggle":
            page.keyboard.press("Enter")
            wait_for(page, ".matrix")
    order = ["open", "clear", "target-scroller", "download", "copy", "a", "RUNS.", "alternative", "attention-toggle"]
    assert [each for each in visited if each in order] == order


def test_markup_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    text = "<script>document.title='run'</script> <img src=x onerror=\"document.title='run'\"> &amp;"
    type_text(page, text)
    page.locator("#attention-toggle").click()
    wait_for(page, ".matrix")
    assert target(page) == " ".join(text.split()[::-1]).upper()
    assert page.locator("main img, main script").count() == 0
    assert "run" not in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(open_page: OpenPage, scheme: str) -> None:
    page = open_page(FakeTranslations(), scheme=scheme)
    type_text(page, TWO_SENTENCES)
    page.locator("#attention-toggle").click()
    page.locator("summary").click()
    point_at(page, "#target", "DOG")
    assert unnamed_controls(page) == []
    assert page.evaluate(CONTRAST) == []
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert {"header", "main", "footer"} <= set(page.evaluate("[...document.body.children].map(e => e.localName)"))


def test_themes(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations(), scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    button = page.get_by_role("button", name="Dark theme")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    light = page.evaluate(ground)
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (dark, light)]
    assert brightness[0] < 150 < 600 < brightness[1]
    page.reload()
    assert page.evaluate(ground) == light
    expect(button).to_have_attribute("aria-pressed", "false")


def test_phone_and_large_text_need_no_horizontal_scrolling(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations(), size=(360, 740))
    type_text(page, f"{TWO_SENTENCES} {'long' * 40}")  # the map is as wide as the page, and scrolls in itself
    page.locator("#attention-toggle").click()
    wait_for(page, ".matrix")
    width = """[document.documentElement, document.querySelector("#target-scroller")]
      .map(e => e.scrollWidth - e.clientWidth)"""
    assert page.evaluate("innerWidth") == 360
    assert page.evaluate(width) == [0, 0]
    boxes = [page.locator(each).bounding_box() for each in ("#source", "#target")]
    assert boxes[0] and boxes[1] and boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(width) == [0, 0]


def test_the_caret_of_a_long_text_is_visible_and_lines_break_alike(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    type_text(page, "\n".join(["a dog runs and the cat sleeps " * 5] * 40))
    page.locator("#source").press("Control+End")
    page.keyboard.type(" x")
    bottom = page.evaluate("(s => s.scrollHeight - s.clientHeight - s.scrollTop)(document.querySelector('.scroller'))")
    assert bottom < 30
    heights = page.evaluate("['source', 'mirror'].map(id => document.getElementById(id).scrollHeight)")
    assert heights[0] == heights[1]
