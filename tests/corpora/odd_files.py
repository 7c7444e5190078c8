"""Small corpora in every form that users have, made from the quickstart's text and from a few invented sentences."""

import bz2
import gzip
import json
import lzma
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COUNT = 120


def quickstart(language: str, count: int = COUNT) -> list[str]:
    """Return sentences of the quickstart corpus."""
    lines = (ROOT / f"data/quickstart/train.{language}").read_text(encoding="utf-8").split("\n")
    return lines[:count]


def invented(alphabet: str, seed: int, count: int = COUNT) -> list[str]:
    """Return sentences of random words from words of a language, so that the detector knows them."""
    words, chance = alphabet.split(), random.Random(seed)
    return [" ".join(chance.choices(words, k=chance.randint(4, 9))) for _ in range(count)]


ENGLISH, GERMAN = quickstart("en"), quickstart("de")
FRENCH = invented("le chat mange une pomme dans la maison avec son ami qui parle très vite et beaucoup pour nous", 1)
ARABIC = invented("ذهب الولد إلى المدرسة في الصباح ثم عاد البيت مع صديقه وقرأ كتابا جديدا عن التاريخ", 2)
RUSSIAN = invented("мальчик пошёл в школу утром потом вернулся домой со своим другом и читал новую книгу", 3)
THAI = ["".join(line.split()) + "ครับ" for line in invented("ผม ไป โรงเรียน ตอนเช้า แล้ว กลับ บ้าน กับ เพื่อน และ อ่าน หนังสือ", 4)]
CHINESE = [
    "".join(line.split()) + "。"
    for line in invented("我们 去 学校 早上 然后 回家 和 朋友 一起 读书 历史 新的 这个 问题", 5)
]


def table(*columns: list[str], separator: str = "\t") -> str:
    """Return columns as the text of a table."""
    return "".join(f"{separator.join(row)}\n" for row in zip(*columns, strict=True))


def numbered(pattern: str) -> list[str]:
    """Return `pattern` with the number of each line."""
    return [pattern.format(number) for number in range(COUNT)]


ATTRIBUTIONS = numbered("CC-BY 2.0 (France) Attribution: tatoeba.org #{} (CK) & #7 (Espi)")
PAIRS = table(ENGLISH, GERMAN)
QUOTED = table(*([f'"{text}"' for text in side] for side in (ENGLISH, GERMAN)), separator=",")
EXCEL = "sep=;\r\n" + "Englisch;Deutsch\r\n" + "".join(
    f'{a};"{b}\n""{i}"" ja"\r\n' for i, (a, b) in enumerate(zip(ENGLISH, GERMAN, strict=True))
)  # fmt: skip
JSON_LINES = "".join(
    json.dumps({"id": i, "translation": {"en": a, "de": b}}) + "\n"
    for i, (a, b) in enumerate(zip(ENGLISH, GERMAN, strict=True))
)
SWAPPED = table(GERMAN[:96], ENGLISH[:96]) + table(ENGLISH, GERMAN) + table(ENGLISH, [f"{text} Ja" for text in GERMAN])
TOKENIZED = [[text.lower().replace(".", " .").replace(",", " ,") for text in side] for side in (ENGLISH, GERMAN)]
PIECES = [
    [text.replace("e", "e@@ ").replace("@@  ", " ").replace("@@ .", ".") for text in side] for side in (ENGLISH, GERMAN)
]

READABLE = {
    "tatoeba.tsv": (table(ENGLISH, GERMAN, ATTRIBUTIONS).encode(), "en", "de", "tab-separated"),
    "links.tsv": (table(numbered("{}"), ENGLISH, numbered("9{}"), GERMAN).encode(), "en", "de", "tab-separated"),
    "header.tsv": (b"English\tGerman\n" + PAIRS.encode(), "en", "de", "with a header"),
    "reversed.tsv": (table(GERMAN, ENGLISH).encode(), "de", "en", "tab-separated"),
    "five.tsv": (
        table(numbered("{}"), ["eng"] * COUNT, ENGLISH, GERMAN, numbered("https://example.org/{}")).encode(),
        "en", "de", "tab-separated",
    ),
    "crlf.tsv": (PAIRS.replace("\n", "\r\n").encode(), "en", "de", "tab-separated"),
    "old-macintosh.tsv": (PAIRS.replace("\n", "\r").encode(), "en", "de", "tab-separated"),
    "excel.csv": (EXCEL.encode("utf-8-sig"), "en", "de", "semicolon-separated"),
    "quoted.csv": (QUOTED.encode(), "en", "de", "comma-separated"),
    "moses.txt": (table(ENGLISH, GERMAN, separator=" ||| ").encode(), "en", "de", "separated by |||"),
    "pairs.jsonl": (JSON_LINES.encode(), "en", "de", "JSON lines"),
    "mark.tsv": (PAIRS.encode("utf-8-sig"), "en", "de", "UTF-8"),
    "utf16.tsv": (PAIRS.encode("utf-16"), "en", "de", "UTF-16"),
    "utf16-without-mark.tsv": (table(ENGLISH, CHINESE).encode("utf-16-le"), "en", "zh", "UTF-16-LE"),
    "latin1.tsv": (PAIRS.encode("latin-1"), "en", "de", "Windows-1252"),
    "pairs.tsv.gz": (gzip.compress(PAIRS.encode()), "en", "de", "gzip"),
    "pairs.tsv.bz2": (bz2.compress(PAIRS.encode()), "en", "de", "bz2"),
    "pairs.tsv.xz": (lzma.compress(PAIRS.encode()), "en", "de", "xz"),
    "twenty.tsv": (table(ENGLISH[:20], GERMAN[:20]).encode(), "en", "de", "enough for a trial only"),
    "arabic.tsv": (table(ENGLISH, ARABIC).encode(), "en", "ar", "tab-separated"),
    "thai.tsv": (table(THAI, ENGLISH).encode(), "th", "en", "tab-separated"),
    "tokenized.tsv": (table(*TOKENIZED).encode(), "en", "de", "tokenised text"),
    "pieces.tsv": (table(*PIECES).encode(), "en", "de", "words are joined again"),
    "entities.tsv": (PAIRS.replace(".", "&apos;").encode(), "en", "de", "with HTML entities"),
    "nul.tsv": (PAIRS.replace("Paul", "Pa\0ul", 1).encode(), "en", "de", "tab-separated"),
    "some-empty.tsv": ((PAIRS + "\t\n" * 9).encode(), "en", "de", "9 with an empty side"),
    "swapped.tsv": (SWAPPED.encode(), "en", "de", "swapped back"),
    "some-invalid.tsv": (PAIRS.encode() + "Das\tÄußerst falsch\n".encode("latin-1"), "en", "de", "1 not decodable"),
}  # fmt: skip
"""Files that can be used: the bytes, the languages, and a part of what `nmt init` says."""

UNKNOWN_ENCODING = "encoding cannot be detected; name it with --encoding"
REFUSED = {
    "empty.tsv": (b"", "is empty"),
    "blank.tsv": (b"\n\n\n", "is empty"),
    "one-column.txt": (table(ENGLISH).encode(), "has one column"),
    "three.tsv": (table(ENGLISH, GERMAN, FRENCH).encode(), "3 columns hold sentences.*--source-language"),
    "numbers.tsv": (table(numbered("{}"), numbered("{}.5")).encode(), "fewer than two columns hold sentences"),
    "cyrillic.tsv": (table(ENGLISH, RUSSIAN).encode("koi8-r", "replace"), UNKNOWN_ENCODING),
    "chinese.tsv": (table(ENGLISH, CHINESE).encode("gb18030"), UNKNOWN_ENCODING),
    "mixed.tsv": (PAIRS.encode() + PAIRS.encode("latin-1"), "the file mixes encodings"),
    "binary.tsv": (random.Random(1).randbytes(9000), "is not text"),
    "table.xlsx": (b"PK\x03\x04" + bytes(500), "is a spreadsheet or an archive"),
    "same.tsv": (table(ENGLISH, ENGLISH).encode(), "source and target are the same in 120 of 120 pairs"),
    "duplicates.tsv": (("The house is red.\tDas Haus ist rot.\n" * 99).encode(), "99 pairs, of which 1 are different"),
    "long-line.tsv": (("word " * 250_000 + "\tdas\n").encode(), "more than 1,000,000 characters"),
    "array.json": (json.dumps([{"en": "a", "de": "b"}], indent=1).encode(), "JSON over several lines"),
    "memory.tmx": (b'<?xml version="1.0"?>\n<tmx></tmx>\n', "is XML or HTML"),
    "damaged.tsv.gz": (gzip.compress(PAIRS.encode())[:-30], "damaged or truncated gzip"),
    "damaged.tsv.xz": (lzma.compress(PAIRS.encode())[:-30], "damaged xz"),
    "open-quote.csv": (QUOTED.encode() + b'"open,' + b"x\n" * 600_000, "a quoted field is not closed"),
    "ragged.tsv": (PAIRS.encode() + b"alone\n" * 13, "13 of 133 rows have fewer than 2 columns"),
}
"""Files that cannot be used, and a part of the error."""
