"""The page of `nmt serve`. The server is real; some tests answer the browser's requests for translations themselves."""

import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the tests of the page need the package playwright: pip install playwright")

from playwright.sync_api import expect
from serving.fake_translations import (
    DETECTED,
    LANGUAGES,
    MODELS,
    MODELS_BOTH,
    SETTINGS,
    FakeTranslations,
    fail,
    reverse,
)
from serving.page_driver import TWO_SENTENCES, OpenPage, target, type_text, wait_for
from serving.server_process import Server


def test_typing_translates_with_the_model(open_page: OpenPage, running_server: Server) -> None:
    page = open_page()
    page.locator("#source").press_sequentially("a dog runs\n\nthe cat", delay=5)
    wait_for(page, "#status", "Translated")
    lines = target(page).split("\n")
    body = {"source": ["a dog runs", "", "the cat"], "source_language": "en", "target_language": "de", "n_best": 2}
    direct = page.request.post(f"{running_server.url}/v1/translate", data=body).json()["translations"]
    assert lines == [each["text"] for each in direct]
    # The last line has the focus: its alternatives, and its attention map with one row for each piece.
    alternatives = list(dict.fromkeys(each["text"] for each in direct[2]["targets"]))
    assert page.locator("#alternatives label").all_text_contents()[:2] == alternatives[: 2 if alternatives[1:] else 0]
    page.locator("#attention-toggle").click()
    wait_for(page, ".matrix")
    mapped = page.request.post(
        f"{running_server.url}/v1/translate", data={**body, "source": ["the cat"], "attention": True}
    )
    assert page.locator("#attention tbody tr").count() == len(mapped.json()["translations"][0]["pieces"])


def test_words_end_at_spaces_and_line_breaks_only(open_page: OpenPage) -> None:
    """As the server numbers them."""
    split = "async (text) => (await import('./page/lines.js')).wordSpans(text)"
    assert open_page().evaluate(split, "  a b\u00a0! c\td\u2028e") == [[2, 3], [4, 7], [8, 11], [12, 13]]


def test_the_server_forbids_everything_from_elsewhere(running_server: Server) -> None:
    with urllib.request.urlopen(f"{running_server.url}/") as response:
        headers = response.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}


def test_only_changed_lines_are_sent_and_few_elements_change(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    page = open_page(translations)
    lines = [f"line {i} of a text that is {'very ' * 15}long." for i in range(180)]
    type_text(page, "\n".join(lines))
    assert 18_000 < len("\n".join(lines)) < 20_000
    assert target(page) == "\n".join(reverse(line, {"n_best": 1, "source": [line]})["text"] for line in lines)
    sent = len(translations.bodies)
    page.evaluate(
        """() => {
             window.changes = [];
             new MutationObserver(found => window.changes.push(...found))
               .observe(document.querySelector(".panes"), { subtree: true, childList: true, characterData: true });
             const text = document.querySelector("#source");
             text.setSelectionRange(0, 0);
             // Before the page, which waits a moment, sends a request.
             window.changesAtInput = new Promise(resolve => {
               text.addEventListener("input", () => setTimeout(() => resolve(window.changes.length)));
             });
           }"""
    )
    page.locator("#source").press("x")
    assert page.evaluate("window.changesAtInput") <= 4  # a line of the mirror, the counter, the status
    expect(page.locator("#target .line").first).to_contain_text("A OF 0 XLINE")
    split = [body for body in translations.bodies[sent:] if body.get("split_sentences")]
    assert [body["source"] for body in split] == [[f"x{lines[0]}"]]


def test_the_next_request_aborts_the_running_one(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    translations.failures = [lambda _: None]  # the first request gets no answer
    page = open_page(translations)
    page.evaluate(
        """() => {  // the browser does not always report a request that is aborted before it has left
             const send = window.fetch;
             window.signals = [];
             window.fetch = (url, options) => {
               if (String(url).includes("v1/translate")) window.signals.push(options.signal);
               return send(url, options);
             };
           }"""
    )
    page.locator("#source").fill("one")
    wait_for(page, "#status", "Translating…")
    while not translations.bodies:  # the page has sent the request, but it has not arrived yet
        page.wait_for_timeout(10)
    page.locator("#source").fill("one two")
    wait_for(page, "#target", "TWO ONE")
    assert page.evaluate("window.signals.map(signal => signal.aborted)") == [True, False]


def test_alternatives_are_chosen_and_remain_while_typing(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations(), {"v1/models": MODELS})
    type_text(page, TWO_SENTENCES)
    expect(page.locator("#alternatives label")).to_have_count(5)
    page.get_by_role("radio", name="RUNS. DOG A 2").check()
    assert target(page) == "HERE. SLEEPS CAT THE RUNS. DOG A 2"
    page.locator("#source").press("End")
    page.keyboard.type(" yes.")
    wait_for(page, "#target", "HERE. SLEEPS CAT THE RUNS. DOG A 2 YES.")
    wait_for(page, "#sentence-number", "3 of 3")


def test_typing_brings_back_the_sentence_of_the_caret(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    type_text(page, f"first line here.\n{TWO_SENTENCES}")
    for number in ("2 of 3", "1 of 3"):
        page.get_by_role("button", name="Previous sentence").click()
        wait_for(page, "#sentence-number", number)
    page.locator("#source").focus()  # the caret is still at the end
    page.keyboard.type(" yes.")
    wait_for(page, "#sentence-number", "4 of 4")


def test_a_busy_server_is_asked_again_when_it_wants(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    busy, too_fast = (
        fail(503, "The server is busy", **{"Retry-After": "1"}),
        fail(429, "Slowdown", **{"Retry-After": "0"}),
    )
    translations.failures = [too_fast, busy]
    page = open_page(translations)
    page.locator("#source").fill("a dog")
    wait_for(page, "#status", "Slowdown. Trying again in 1 s.")
    wait_for(page, "#status", "The server is busy. Trying again in 1 s.")
    wait_for(page, "#status", "Translated")
    assert target(page) == "DOG A"


def test_a_stopped_server_is_asked_until_it_is_back(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    translations.failures = [lambda route: route.abort("connectionrefused")]
    page = open_page(translations)
    page.locator("#source").fill("a dog")
    wait_for(page, "#status", "The server does not answer. Trying again until it does.")
    wait_for(page, "#target", "DOG A")


def test_the_text_of_an_error_is_shown(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    translations.failures = [fail(400, "zz is not supported"), lambda route: route.fulfill(status=500, body="<b>no")]
    page = open_page(translations)
    page.locator("#source").fill("a")
    wait_for(page, "#status", "zz is not supported.")
    page.locator("#source").fill("b")
    wait_for(page, "#status", "The server answered with status 500.")
    type_text(page, "c")


def test_the_character_limit(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    page = open_page(translations, {"frontend/settings": {**SETTINGS, "charLimit": 1000}})
    page.locator("#source").fill("😀" * 1000)
    wait_for(page, "#count", "1,000 / 1,000")
    wait_for(page, "#status", "Translated")
    page.locator("#source").fill("x" * 1001)
    wait_for(page, "#status", "The text has 1,001 characters; the server accepts 1,000.")
    assert len(translations.bodies) == 1


def test_the_api_key(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    page = open_page(translations, {"frontend/settings": {**SETTINGS, "keyRequired": True}})
    page.locator("#source").fill("a dog")
    wait_for(page, "#status", "Enter the API key to translate.")
    page.get_by_label("API key").fill("schlüssel mit leerzeichen")
    page.keyboard.press("Enter")
    wait_for(page, "#status", "Invalid API key.")
    translations.failures = [fail(403, "Unknown API key.")]  # another text, to wait for this answer
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    wait_for(page, "#status", "Unknown API key.")
    page.get_by_label("API key").fill("right")
    page.keyboard.press("Enter")
    wait_for(page, "#target", "DOG A")
    assert [headers["authorization"] for headers in translations.headers[:2]] == ["Bearer wrong", "Bearer right"]
    stored = page.evaluate("[localStorage.length, sessionStorage.getItem('nmt-key'), location.href]")
    assert stored[:2] == [0, "right"]
    assert "right" not in stored[2]


def test_languages_detection_and_swap(open_page: OpenPage) -> None:
    translations = FakeTranslations()
    page = open_page(translations, {"languages": LANGUAGES, "v1/models": MODELS_BOTH, "detect": DETECTED})
    page.get_by_label("Language of the text").select_option("auto")
    expect(page.get_by_label("Language of the translation").locator("option")).to_have_text(
        ["German", "Arabic", "English"]
    )
    page.get_by_label("Language of the translation").select_option("ar")
    type_text(page, "a dog")
    wait_for(page, "#detected", "English, 98 %")
    assert [translations.bodies[-1][name] for name in ("source_language", "target_language")] == ["en", "ar"]
    assert page.locator("#target").get_attribute("lang") == "ar"
    page.get_by_role("link", name="Skip to the text").press("Enter")
    expect(page.locator("#source")).to_be_focused()
    assert page.locator("#target-language").input_value() == "ar"
    assert page.evaluate("location.hash") == "#source=auto&target=ar"
    expect(page.get_by_role("button", name="Swap the languages")).to_be_disabled()
    page.get_by_label("Language of the translation").select_option("de")
    page.get_by_role("button", name="Swap the languages").click()
    wait_for(page, "#target", "A DOG")
    assert page.locator("#source").input_value() == "DOG A"
    assert [translations.bodies[-1][name] for name in ("source_language", "target_language")] == ["de", "en"]
    page.reload()
    expect(page.get_by_label("Language of the text")).to_have_value("de")
    page.locator("#source").fill("x")
    page.get_by_label("Language of the text").select_option("auto")
    page.get_by_label("Language of the translation").select_option("en")
    wait_for(page, "#status", "No model translates from English to English; choose another language.")


def test_files_copy_and_clear(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(FakeTranslations())
    file = tmp_path / "in.txt"
    file.write_bytes(b"\xef\xbb\xbfa dog\r\n\r\nthe cat\r\n")
    page.locator("#file").set_input_files(file)
    wait_for(page, "#status", "Translated")
    assert page.locator("#source").input_value() == "a dog\n\nthe cat"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the translation").click()
    assert download.value.suggested_filename == "translation.de.txt"
    assert download.value.path().read_text(encoding="utf-8") == "DOG A\n\nCAT THE\n"
    page.get_by_role("button", name="Copy the translation").click()
    wait_for(page, "#status", "Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "DOG A\n\nCAT THE"
    file.write_bytes(b"caf\xe9")
    page.locator("#file").set_input_files(file)
    wait_for(page, "#status", "in.txt is not a text file in UTF-8.")
    page.get_by_role("button", name="Clear the text").click()
    expect(page.locator("#target .line")).to_have_count(0)
    expect(page.locator("#sentence")).to_be_hidden()


def test_dropping_a_file(open_page: OpenPage) -> None:
    page = open_page(FakeTranslations())
    page.evaluate(
        """() => {
             const data = new DataTransfer();
             data.items.add(new File(["a dropped dog"], "a.txt", { type: "text/plain" }));
             for (const type of ["dragenter", "dragover", "drop"])
               document.querySelector("#source")
                 .dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
           }"""
    )
    wait_for(page, "#target", "DOG DROPPED A")
    expect(page.locator("#drop-hint")).to_be_hidden()
