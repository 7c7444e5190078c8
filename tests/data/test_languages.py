"""Language codes in all notations give the tokeniser of BLEU and whether spaces separate the words."""

import pytest

from nmt.data.languages import has_spaces, parse_language, unspaced_script
from nmt.evaluation.metrics import default_tokenizer

CODES = {
    "zh": "zh ZH zho chi cmn yue wuu lzh nan hak zh-CN zh_TW zh-Hant-HK zho_Hans cmn-Hant yue_Hant zh-yue zh-min-nan "
    "zh_CN.UTF-8 und-Hans ko-Hani",
    "char": "th tha th-TH tha_Thai lo lao Lao_Laoo km khm khm_Khmr my mya bur mya_Mymr bo bod tib bod_Tibt dz dzo "
    "dzo_Tibt shn ksw nod khb ryu iii pi-Thai jv-Java und_Khmr",
    "13a": "de DE deu ger en_US pt-BR src tgt xx zha zh-Latn zh-Latn-pinyin th-Latn ja-Latn sr-Cyrl vi vie_Latn "
    "en-x-hans en-t-zh-hans javanese chinese jav sun mon hi hin_Deva ar arb_Arab zzz",
}


@pytest.mark.parametrize(("tokenizer", "code"), [(t, code) for t, codes in CODES.items() for code in codes.split()])
def test_a_code_gives_its_tokeniser_and_whether_it_has_spaces(tokenizer: str, code: str) -> None:
    assert default_tokenizer(code) == tokenizer
    assert default_tokenizer(code.upper().replace("-", "_")) == tokenizer
    assert has_spaces(code) == (tokenizer == "13a")


@pytest.mark.parametrize("code", ["", " ", "-", "zh-", " zh ", "_", "zh\n", "@", "日本語"])
def test_odd_codes_are_accepted(code: str) -> None:
    assert default_tokenizer(code) == ("zh" if "zh" in code else "13a")


def test_japanese_has_no_spaces_and_korean_has_spaces() -> None:
    assert [parse_language(code).base for code in ("jpn_Jpan", "JA", "kor", "ko-KR")] == ["ja", "ja", "ko", "ko"]
    assert not has_spaces("jpn") and has_spaces("kor_Hang")


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("中文𠀀々", "Hani"),
        ("かなカナｶﾅ", "Jpan"),
        ("ภาษาไทย", "Thai"),
        ("ພາສາລາວ", "Laoo"),
        ("ភាសាខ្មែរ", "Khmr"),
        ("မြန်မာ", "Mymr"),
        ("བོད་ཡིག", "Tibt"),
        ("ꆈꌠ", "Yiii"),
        ("aß€한국어ЖעعहинA\u0e7f\U0010ffff"[:9], ""),
    ],
)
def test_the_script_of_a_character_is_found(text: str, script: str) -> None:
    assert {unspaced_script(character) for character in text} == {script}
