"""Warnings if BLEU or TER would take whole clauses as words, and none otherwise."""

import pytest

from nmt.evaluation import score_warnings as module
from nmt.evaluation.metrics import DEFAULT_METRICS, Scoring
from nmt.evaluation.score_warnings import score_warnings, validation_warning

TEXTS = {
    "zh": "今天天气很好，我们去公园散步。您可以使用 Writer 打开文档。",
    "ja": "今日は天気がいいので、公園へ散歩に行きます。コンピューターを使います。",
    "th": "วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะ",
    "lo": "ມະນຸດທຸກຄົນເກີດມາມີອິດສະຫຼະພາບ ແລະ ສະເໝີພາບກັນ",
    "km": "មនុស្សទាំងអស់កើតមកមានសេរីភាព និងភាពស្មើគ្នាក្នុងសេចក្ដីថ្លៃថ្នូរ",
    "my": "လူတိုင်းသည် တူညီလွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့်လည်းကောင်း၊ တူညီလွတ်လပ်သောအခွင့်အရေးများဖြင့်လည်းကောင်း၊ မွေးဖွားလာသူများဖြစ်သည်။",
    "bo": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང༌།",
}
FINE = {
    "German": "Das ist ein kleiner Test mit Donaudampfschifffahrtsgesellschaften.",
    "Greenlandic": "inuit tamarmik inunngorput nammineersinnaassuseqarlutik assigiimmillu ataqqinassuseqarlutillu",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "segmented Chinese": "今天 天气 很 好 ， 我们 去 公园 散步 。",
    "segmented Thai": "วันนี้ อากาศ ดี มาก เรา ไป เดินเล่น ที่ สวนสาธารณะ",
    "German with a Chinese name": "Der Autor 鲁迅 schrieb die wahre Geschichte des Ah Q.",
    "one word": "Hund",
    "addresses": "https://example.com/a/very/long/path/that-goes-on?and=on&so=forth",
    "code": "org.apache.commons.lang3.builder.ReflectionToStringBuilder.toStringExclude(object)",
    "numbers": "12345678901234567890123456789012345678901234567890",
    "empty": "",
}


@pytest.fixture(autouse=True)
def no_mecab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.evaluation.metrics.importlib.util.find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("language", "tokenize"),
    # intl separates the syllables of Tibetan at the signs between them
    [(code, tokenize) for code in TEXTS for tokenize in ("13a", "none", "intl") if (code, tokenize) != ("bo", "intl")],
)
def test_text_without_spaces_gives_a_warning(language: str, tokenize: str) -> None:
    [hint] = score_warnings([("hyp", ["x"])], [("ref", [TEXTS[language]])], ["bleu"], Scoring(tokenize))
    wanted = {"zh": "--tokenize zh", "ja": "--tokenize ja-mecab (pip install 'sacrebleu[ja]') or char"}
    assert hint.startswith("ref is written without spaces between words")
    assert hint.endswith(wanted.get(language, "--tokenize char"))


@pytest.mark.parametrize("language", TEXTS)
def test_no_warning_with_the_right_tokeniser(language: str) -> None:
    right = "zh" if language == "zh" else "char"
    assert score_warnings([("hyp", ["x"])], [("ref", [TEXTS[language]])], ["bleu", "chrf"], Scoring(right)) == []


def test_chinese_tokeniser_on_thai_gives_a_warning() -> None:
    assert "--tokenize char" in str(score_warnings([], [("ref", [TEXTS["th"]])], ["bleu"], Scoring("zh")))


@pytest.mark.parametrize("text", FINE.values(), ids=FINE.keys())
@pytest.mark.parametrize("tokenize", ["13a", "none", "intl", "zh"])
def test_text_with_spaces_gives_no_warning(text: str, tokenize: str) -> None:
    assert score_warnings([("hyp", ["x"])], [("ref", [text] * 3)], DEFAULT_METRICS, Scoring(tokenize)) == []


def test_english_without_spaces_gives_a_warning() -> None:
    text = "dasisteinkleinertestohneeinzigesleerzeichen"
    assert "--tokenize char" in str(score_warnings([], [("ref", [text])], ["bleu"]))


def test_every_reference_is_checked_and_named() -> None:
    references = [("one", [FINE["German"]]), ("two", [TEXTS["zh"]])]
    assert score_warnings([], references, ["bleu"])[0].startswith("two is written")


def test_ter_on_text_without_spaces_gives_a_warning() -> None:
    [hint] = score_warnings([], [("ref", [TEXTS["zh"]])], DEFAULT_METRICS, Scoring("zh"))
    assert "TER takes whole clauses" in hint and "--ter-normalized --ter-asian-support" in hint
    characters = Scoring("zh", ter_normalized=True, ter_asian_support=True)
    assert score_warnings([], [("ref", [TEXTS["zh"]])], DEFAULT_METRICS, characters) == []
    [hint] = score_warnings([], [("ref", [TEXTS["th"]])], DEFAULT_METRICS, Scoring("13a"))
    assert "BLEU with the tokeniser 13a and TER take" in hint and "--tokenize char, and use chrF" in hint


def test_tokenised_hypotheses_give_a_warning() -> None:
    reference = [("ref", ["Ein Satz."] * 100)]
    [hint] = score_warnings([("a", ["Ein Satz."] * 100), ("b", ["ein Satz ."] * 100)], reference)
    assert hint.startswith("b looks tokenised") and "--tokenize none" in hint
    assert score_warnings([("b", ["ein Satz ."] * 100)], reference, DEFAULT_METRICS, Scoring("none")) == []
    assert score_warnings([("b", ["ein Satz ."] * 100)], reference, ["chrf"]) == []


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("code", ["tgt", "de"])
def test_validation_warning_names_the_right_language_code(language: str, code: str) -> None:
    hint = str(validation_warning([TEXTS[language]], code))
    assert f"set data.target_language to its code, e.g. {language}" in hint
    assert validation_warning([TEXTS[language]], language) is None


def test_every_suggested_code_has_a_tokeniser_without_spaces() -> None:
    codes = [*module._LANGUAGE.values(), "und-Java", "und-Tavt"]
    assert {module.default_tokenizer(code) for code in codes} <= {"zh", "char"}


def test_validation_warning_for_text_without_spaces() -> None:
    assert "training.metric: loss" in str(validation_warning(["einsatzohneeinzigesleerzeichenistdasda"], "de"))
    assert validation_warning(["Ein Satz mit Leerzeichen."], "tgt") is None
