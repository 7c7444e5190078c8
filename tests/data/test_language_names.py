"""English names of language codes in the forms that users write."""

import pytest

from nmt.data.language_names import language_name, parse_code


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "English"),
        ("DE", "German"),
        ("deu", "German"),
        ("ger", "German"),
        ("deu_Latn", "German"),
        ("de_AT", "German (Austria)"),
        ("de-1996", "German"),
        ("zh", "Chinese"),
        ("cmn", "Chinese"),
        ("zh-Hans", "Chinese (Simplified)"),
        ("zho_Hans", "Chinese (Simplified)"),
        ("zh_hant_tw", "Chinese (Traditional, Taiwan)"),
        ("zh-TW", "Chinese (Taiwan)"),
        ("zh-yue", "Cantonese"),
        ("pt-BR", "Portuguese (Brazil)"),
        ("pt_BR.UTF-8", "Portuguese (Brazil)"),
        ("es-419", "Spanish (Latin America)"),
        ("en-US-x-custom", "English (United States)"),
        ("jpn_Jpan", "Japanese"),
        ("sr", "Serbian"),
        ("sr-Latn", "Serbian (Latin)"),
        ("srp_Cyrl", "Serbian"),
        ("nb", "Norwegian Bokmål"),
        ("ast", "Asturian"),
        ("arb_Arab", "Arabic"),
    ],
)
def test_known_codes(code: str, name: str) -> None:
    assert language_name(code) == name


@pytest.mark.parametrize("code", ["src", "tgt", "xx", "qaa-Latn", "", "C", "中文", "../x", "en1"])
def test_the_name_of_an_unknown_code_is_the_code(code: str) -> None:
    assert language_name(code) == code


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("de", "Latn"), ("ru", "Cyrl"), ("ru_Latn", "Latn"), ("zh", "Hans"), ("zh-TW", "Hant"), ("zh-SG", "Hans"),
        ("yue", "Hant"), ("ja", "Jpan"), ("src", ""), ("el", "Grek"), ("kas_Deva", "Deva"), ("ks", "Arab"),
    ],
)  # fmt: skip
def test_likely_script(code: str, script: str) -> None:
    assert parse_code(code).likely_script == script
