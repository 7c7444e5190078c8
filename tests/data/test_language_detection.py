"""Detecting the language of a text among those that are served."""

import threading

import pytest

from nmt.data.language_detection import MAX_CHARACTERS, Detected, LanguageDetector, main_script

SENTENCES = {
    "en": [
        "A man in a blue shirt is standing on a ladder.",
        "Two dogs are playing in the snow.",
        "A little girl climbs into a wooden playhouse.",
        "People are waiting for the bus in the rain.",
        "a woman with a large bag walks down the street .",
        "Three children sit around a table and draw.",
        "A cyclist jumps over a ramp in a park.",
        "An old man sleeps on a bench.",
        "Several boats lie in the harbour at night.",
        "The boy throws a red ball to his sister.",
    ],
    "de": [
        "Ein Mann in einem blauen Hemd steht auf einer Leiter.",
        "Zwei Hunde spielen im Schnee.",
        "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
        "Leute warten im Regen auf den Bus.",
        "eine frau mit einer großen tasche geht die straße entlang .",
        "Drei Kinder sitzen um einen Tisch und malen.",
        "Ein Radfahrer springt in einem Park über eine Rampe.",
        "Ein alter Mann schläft auf einer Bank.",
        "Mehrere Boote liegen nachts im Hafen.",
        "Der Junge wirft seiner Schwester einen roten Ball zu.",
    ],
    "fr": [
        "Un homme en chemise bleue est debout sur une échelle.",
        "Deux chiens jouent dans la neige.",
        "Une petite fille grimpe dans une cabane en bois.",
        "Des gens attendent le bus sous la pluie.",
        "une femme avec un grand sac marche dans la rue .",
        "Trois enfants sont assis autour d'une table et dessinent.",
        "Un cycliste saute par-dessus une rampe dans un parc.",
        "Un vieil homme dort sur un banc.",
        "Plusieurs bateaux sont au port la nuit.",
        "Le garçon lance un ballon rouge à sa sœur.",
    ],
    "cs": [
        "Muž v modré košili stojí na žebříku.",
        "Dva psi si hrají ve sněhu.",
        "Malá holčička leze do dřevěného domečku.",
        "Lidé čekají v dešti na autobus.",
        "žena s velkou taškou jde po ulici .",
        "Tři děti sedí kolem stolu a kreslí.",
        "Cyklista skáče v parku přes rampu.",
        "Starý muž spí na lavičce.",
        "V noci kotví v přístavu několik lodí.",
        "Chlapec hází své sestře červený míč.",
    ],
    "zh": ["一个穿蓝色衬衫的男人站在梯子上。", "两只狗在雪地里玩耍。", "你好", "我喜欢用 Python 编程"],
    "ja": [
        "青いシャツを着た男性がはしごの上に立っています。",
        "二匹の犬が雪の中で遊んでいる。",
        "こんにちは",
        "東京の駅",
    ],
    "th": ["สุนัขสองตัวเล่นหิมะ"],
    "ru": ["Две собаки играют в снегу.", "привет"],
}


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(list(SENTENCES))


@pytest.mark.parametrize("language", SENTENCES)
def test_sentences(detector: LanguageDetector, language: str) -> None:
    found = {text: detector.detect(text)[0].language for text in SENTENCES[language]}
    assert {text: code for text, code in found.items() if code != language} == {}


@pytest.mark.parametrize(("text", "language"), [("Hund", "de"), ("street", "en"), ("garçon", "fr"), ("žebřík", "cs")])
def test_single_words(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.detect(text)[0].language == language


def test_the_best_is_first_and_confidence_is_the_share(detector: LanguageDetector) -> None:
    found = detector.detect("Hund")
    confidences = [each.confidence for each in found]
    assert confidences == sorted(confidences, reverse=True) and len(found) > 1
    assert sum(confidences) == pytest.approx(100, abs=5)
    assert len({each.language for each in found}) == len(found)
    assert detector.detect(" ".join(SENTENCES["de"]))[0].confidence > 99


@pytest.mark.parametrize("text", ["", "  \n\t", "123 + 4.5", "!?…", "😀", "\ud800", "\x00"])
def test_no_letters(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text) == LanguageDetector(["en"]).detect(text) == []


def test_mixed_text_is_in_the_language_of_most_of_it(detector: LanguageDetector) -> None:
    assert detector.detect(f"{SENTENCES['en'][0]} {' '.join(SENTENCES['de'])}")[0].language == "de"
    assert detector.detect(f"{' '.join(SENTENCES['zh'])} {SENTENCES['en'][1]}")[0].language == "zh"
    assert detector.detect(f"{' '.join(SENTENCES['en'])} 你好")[0].language == "en"


def test_only_the_beginning_of_a_long_text_is_read(detector: LanguageDetector) -> None:
    beginning = (" ".join(SENTENCES["fr"]) * 20)[:MAX_CHARACTERS]
    assert len(beginning) == MAX_CHARACTERS
    assert detector.detect(beginning + " 你好" * 10**6) == detector.detect(beginning)


def test_a_script_that_no_served_language_has() -> None:
    """The confidence is 0."""
    assert LanguageDetector(["en"]).detect("привет") == [Detected("en", 0.0)]
    (found,) = LanguageDetector(["en", "de"]).detect("привет")
    assert found.confidence == 0.0


@pytest.mark.parametrize(
    ("codes", "text", "language"),
    [
        (["deu_Latn", "eng_Latn"], "Zwei Hunde spielen im Schnee.", "deu_Latn"),
        (["en-GB", "de_AT.UTF-8"], "Zwei Hunde spielen im Schnee.", "de_AT.UTF-8"),
        (["zho_Hans", "eng_Latn"], "两只狗在雪地里玩耍。", "zho_Hans"),
        (["cmn", "jpn"], "东京的狗", "cmn"),
        (["cmn", "jpn"], "東京の犬", "jpn"),
        (["zh-Hans", "zh-Hant"], "优先顺序", "zh-Hans"),
        (["zh-Hans", "zh-Hant"], "優先順序", "zh-Hant"),
        (["zh-CN", "zh-TW"], "優先順序", "zh-TW"),
        (["nb", "en"], "Jeg heter Anna og bor i Oslo.", "nb"),
        (["fil", "en"], "Kumusta ka na, kaibigan ko?", "fil"),
        (["sr_Latn", "sr_Cyrl"], "Добар дан", "sr_Cyrl"),
        (["sr_Latn", "sr_Cyrl"], "Dobar dan", "sr_Latn"),
        (["en", "en-GB"], "Two dogs play.", "en"),
        (["en", "bo"], "བོད་སྐད།", "bo"),  # py3langid does not know Tibetan, but the script decides
        (["en", "src"], "Two dogs play.", "en"),
        (["src"], "Two dogs play.", "src"),
        (["bo"], "བོད་སྐད།", "bo"),
    ],
)
def test_codes_of_other_forms(codes: list[str], text: str, language: str) -> None:
    found = LanguageDetector(codes).detect(text)[0]
    assert found.language == language and found.confidence > 50


def test_a_language_that_is_unknown_is_not_detected() -> None:
    assert LanguageDetector(["src", "tgt"]).detect("Two dogs play.") == LanguageDetector([]).detect("x") == []
    assert [each.language for each in LanguageDetector(["src", "en"]).detect("Два")] == ["en"]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("a", "Latn"), ("Ａ", "Latn"), ("ж", "Cyrl"), ("λόγος", "Grek"), ("中", "Hani"), ("の中", "Jpan"),
        ("優の良品是一個品牌名稱而已啊", "Hani"), ("한국어", "Hang"), ("ไทย", "Thai"), ("शब्द", "Deva"), ("1", ""),
        ("Python 编程语言", "Hani"), ("𐌰", "Zyyy"),
    ],
)  # fmt: skip
def test_main_script(text: str, script: str) -> None:
    assert main_script(text) == script


def test_threads_share_a_detector(detector: LanguageDetector) -> None:
    texts = [text for sentences in SENTENCES.values() for text in sentences] * 20
    expected = [detector.detect(text) for text in texts]
    results: list[list[list[Detected]]] = []
    threads = [threading.Thread(target=lambda: results.append([detector.detect(t) for t in texts])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
