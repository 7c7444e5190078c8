"""The page of `nmt serve` in headless Chromium."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import pytest
from playwright.sync_api import ConsoleMessage, Error, Page, Request, sync_playwright
from serving.fake_translations import FakeTranslations

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FAST = "const wait = setTimeout; window.setTimeout = (action, time) => wait(action, time / 10)"
"""Pauses of the page, such as that after the last key, are a tenth as long."""

TWO_SENTENCES = "the cat sleeps here. a dog runs."
OpenPage: TypeAlias = Callable[..., Page]
_visits = itertools.count()


@contextmanager
def chromium_tab() -> Iterator[Page]:
    """Start Chromium. Skip the test if there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(5000)
        page.add_init_script(FAST)
        yield page
        browser.close()


@contextmanager
def page_opener(tab: Page, url: str) -> Iterator[OpenPage]:
    """Return a function that opens the page, and check at the end that no script failed and all was from the server.

    The function takes `translations`, which answers requests for translations in place of the server; `answers` of
    other routes; the colour `scheme` of the system and the `size` of the window.
    """
    problems: list[str] = []
    own = f"{url}/"

    def on_request(request: Request) -> None:
        if not request.url.startswith((own, f"blob:{own}")):
            problems.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            problems.append(message.text)

    def on_error(error: Error) -> None:
        problems.append(str(error))

    def open_page(
        translations: FakeTranslations | None = None,
        answers: dict[str, Any] | None = None,
        scheme: Literal["light", "dark"] = "light",
        size: tuple[int, int] = (1200, 900),
    ) -> Page:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": size[0], "height": size[1]})
        for path, value in (answers or {}).items():
            tab.route(f"**/{path}", lambda route, _, value=value: route.fulfill(json=value))
        if translations:
            tab.route("**/v1/translate", translations.handle)
        tab.goto(f"{own}?{next(_visits)}")  # another address each time, so that the page is loaded again
        tab.locator("#source-language option[value=en]").wait_for(state="attached")
        return tab

    listeners: dict[Any, Any] = {"request": on_request, "console": on_console, "pageerror": on_error}
    for event, listener in listeners.items():
        tab.on(event, listener)
    yield open_page
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)
    if tab.url.startswith(own):
        tab.evaluate("localStorage.clear(); sessionStorage.clear()")
    tab.unroute_all()
    assert problems == []


def type_text(page: Page, text: str) -> None:
    """Replace the text, and wait for the translation."""
    page.locator("#source").fill(text)
    wait_for(page, "#status", "Translated")


def wait_for(page: Page, selector: str, text: str | None = None) -> None:
    """Wait until an element is visible, with this text; faster than `expect`, which looks once in half a second."""
    page.evaluate(
        """([selector, text]) => new Promise((resolve, reject) => {
             const find = () => document.querySelector(selector);
             const check = () => {
               if (find()?.getClientRects().length && (text === null || find().textContent.trim() === text)) resolve();
             };
             new MutationObserver(check).observe(document.body,
               { attributes: true, characterData: true, childList: true, subtree: true });
             check();
             const wait = 50000;  // 5 seconds, see FAST
             setTimeout(() => reject(new Error(`${selector} is: ${find()?.textContent}`)), wait);
           })""",
        [selector, text],
    )


def target(page: Page) -> str:
    return "\n".join(page.locator("#target .line").all_text_contents())


def highlighted(page: Page, name: str) -> list[str]:
    """The texts that a CSS highlight paints, those of the source first."""
    return list(page.evaluate("name => [...CSS.highlights.get(name)].map(String)", name))


def point_at(page: Page, selector: str, text: str) -> None:
    """Move the pointer to a word of the mirror or of the translation."""
    box = page.evaluate(
        """([selector, text]) => {
             const node = [...document.querySelectorAll(selector + " .line")].map(line => line.firstChild)
               .find(node => node.data.includes(text));
             const range = document.createRange();
             range.setStart(node, node.data.indexOf(text));
             range.setEnd(node, range.startOffset + text.length);
             const box = range.getBoundingClientRect();
             return [box.x + box.width / 2, box.y + box.height / 2];
           }""",
        [selector, text],
    )
    page.mouse.move(*box)
