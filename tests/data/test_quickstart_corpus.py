"""The quickstart corpus: its files equal the output of the grammar, and the splits and the inflection are right."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from grammar import make_corpus
from grammar.clauses import CAN, WANT, Clause
from grammar.lexicon import ADJECTIVE, NOUN, NOUNS
from grammar.phrases import HE, NAMED, SHE, YOU, I, genitive_phrase, noun_phrase, pronoun_for
from grammar.splits import CONSTRUCTIONS, SIDES, SIZES, Corpus, build, tokens
from grammar.verbs import verb
from grammar.words import CASES, Triple

FOLDER = make_corpus.DEFAULT_FOLDER
ANNA = NAMED[0]
YESTERDAY = Triple("yesterday", "gestern", "昨天")


def lines(split: str, side: str) -> list[str]:
    return (FOLDER / f"{split}.{side}").read_bytes().decode("utf-8").removesuffix("\n").split("\n")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build()


def test_the_committed_files_are_the_output_of_the_grammar(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_corpus, "build", lambda: corpus)
    monkeypatch.setattr(sys, "argv", ["make", "--check"])
    assert make_corpus.main() == 0

    monkeypatch.setattr(sys, "argv", ["make", "--output", str(tmp_path / "new")])
    assert make_corpus.main() == 0
    (tmp_path / "new" / "valid.de").write_bytes(b"Hallo.\n")
    monkeypatch.setattr(sys, "argv", ["make", "--check", "--output", str(tmp_path / "new")])
    capsys.readouterr()
    assert make_corpus.main() == 1
    assert "valid.de differs" in capsys.readouterr().err


def test_the_splits_have_their_sizes_and_are_aligned() -> None:
    assert {(split, side): len(lines(split, side)) for split in SIZES for side in SIDES} == {
        (split, side): size for split, size in SIZES.items() for side in SIDES
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    for split in SIZES:
        for en, de, zh in zip(*(lines(split, side) for side in SIDES), strict=True):
            assert (en[-1], de[-1], zh[-1]) in ((".", ".", "。"), ("?", "?", "？"), ("!", "!", "！"))


def test_no_sentence_occurs_twice_on_any_side() -> None:
    for side in SIDES:
        counts = Counter(line for split in SIZES for line in lines(split, side))
        assert max(counts.values()) == 1


def test_lines_have_only_expected_characters_and_lengths() -> None:
    for split in SIZES:
        for side in SIDES:
            for line in lines(split, side):
                assert line == line.strip() and "  " not in line and "{" not in line
        for en, de in zip(lines(split, "en"), lines(split, "de"), strict=True):
            assert re.fullmatch(r"[A-Z][A-Za-zé,' -]*[.?!]", en), en
            assert re.fullmatch(r"[A-ZÄÖÜ][A-Za-zÄÖÜäöüßé,' -]*[.?!]", de), de
            assert all(3 <= len(tokens(line, "en")) <= 25 for line in (en, de))
        for zh in lines(split, "zh"):
            assert re.fullmatch(r"[\u4e00-\u9fff，]+[。？！]", zh), zh


def test_every_word_of_the_test_set_occurs_in_the_training_set() -> None:
    for side in SIDES:
        known = {token for line in lines("train", side) for token in tokens(line, side)}
        assert {token for line in lines("test", side) for token in tokens(line, side)} <= known


def test_every_test_sentence_and_no_other_has_a_held_out_pair(corpus: Corpus) -> None:
    assert {relation for relation, _, _ in corpus.held_out} == {"adjective", "object", "subject"}
    assert all(made.pairs & corpus.held_out for made in corpus.splits["test"])
    assert not any(made.pairs & corpus.held_out for split in ("train", "valid") for made in corpus.splits[split])
    assert [made.text.en for made in corpus.splits["test"]] == lines("test", "en")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{len(corpus.held_out)} pairs of lemmas" in readme and f"{len(CONSTRUCTIONS)} constructions" in readme


def test_held_out_adjectives_do_not_precede_their_nouns_in_the_training_text(corpus: Corpus) -> None:
    text = " ".join(" ".join(tokens(line, "en")) for split in ("train", "valid") for line in lines(split, "en"))
    bigrams = set(zip(text.split(" "), text.split(" ")[1:], strict=False))
    for relation, adjective, noun in corpus.held_out:
        if relation == "adjective":
            assert (adjective, noun) not in bigrams and (adjective, NOUN[noun].en_plural) not in bigrams


def test_all_constructions_occur_in_the_training_set_and_most_in_the_test_set(corpus: Corpus) -> None:
    names = {maker.__name__ for maker, _ in CONSTRUCTIONS}
    assert len(names) == len(CONSTRUCTIONS) >= 40
    assert {made.construction for made in corpus.splits["train"]} == names
    assert len({made.construction for made in corpus.splits["test"]}) >= 40


@pytest.mark.parametrize(
    ("determiner", "adjective", "noun", "plural", "forms"),
    [
        ("the", "old", "table", False, "der alte Tisch, den alten Tisch, dem alten Tisch, des alten Tisches"),
        ("the", "red", "lamp", False, "die rote Lampe, die rote Lampe, der roten Lampe, der roten Lampe"),
        ("the", "new", "book", False, "das neue Buch, das neue Buch, dem neuen Buch, des neuen Buches"),
        ("the", "big", "house", True, "die großen Häuser, die großen Häuser, den großen Häusern, der großen Häuser"),
        ("a", "old", "table", False, "ein alter Tisch, einen alten Tisch, einem alten Tisch, eines alten Tisches"),
        ("a", "red", "lamp", False, "eine rote Lampe, eine rote Lampe, einer roten Lampe, einer roten Lampe"),
        ("a", "expensive", "car", False, "ein teures Auto, ein teures Auto, einem teuren Auto, eines teuren Autos"),
        ("no", "big", "dog", True, "keine großen Hunde, keine großen Hunde, keinen großen Hunden, keiner großen Hunde"),
        ("our", "new", "hat", False, "unser neuer Hut, unseren neuen Hut, unserem neuen Hut, unseres neuen Hutes"),
        ("this", "tired", "woman", False, "diese müde Frau, diese müde Frau, dieser müden Frau, dieser müden Frau"),
        ("", "fresh", "bread", False, "frisches Brot, frisches Brot, frischem Brot, frischen Brotes"),
        ("", "hot", "coffee", False, "heißer Kaffee, heißen Kaffee, heißem Kaffee, heißen Kaffees"),
        ("", "hot", "milk", False, "heiße Milch, heiße Milch, heißer Milch, heißer Milch"),
        ("two", "white", "cat", True, "zwei weiße Katzen, zwei weiße Katzen, zwei weißen Katzen, zwei weißer Katzen"),
        ("many", "old", "car", True, "viele alte Autos, viele alte Autos, vielen alten Autos, vieler alter Autos"),
        ("the", None, "student", False, "der Student, den Studenten, dem Studenten, des Studenten"),
        ("my", None, "neighbor", False, "mein Nachbar, meinen Nachbarn, meinem Nachbarn, meines Nachbarn"),
        ("the", None, "child", True, "die Kinder, die Kinder, den Kindern, der Kinder"),
    ],
)  # fmt: skip
def test_german_declension(determiner: str, adjective: str | None, noun: str, plural: bool, forms: str) -> None:
    phrase = noun_phrase(NOUN[noun], determiner, ADJECTIVE[adjective] if adjective else None, plural)
    assert ", ".join(phrase.german(case) for case in CASES) == forms


@pytest.mark.parametrize(
    ("noun", "zh"),
    [
        ("cat", "两只猫"), ("book", "两本书"), ("car", "两辆汽车"), ("table", "两张桌子"), ("chair", "两把椅子"),
        ("horse", "两匹马"), ("cow", "两头牛"), ("letter", "两封信"), ("ship", "两艘船"), ("tree", "两棵树"),
        ("hat", "两顶帽子"), ("shirt", "两件衬衫"), ("skirt", "两条裙子"), ("lamp", "两盏灯"), ("teacher", "两位老师"),
        ("picture", "两幅画"), ("film", "两部电影"), ("song", "两首歌"), ("flower", "两朵花"), ("house", "两座房子"),
        ("door", "两扇门"), ("pencil", "两支铅笔"), ("computer", "两台电脑"), ("banana", "两根香蕉"),
        ("mirror", "两面镜子"),
    ],
)  # fmt: skip
def test_chinese_measure_words(noun: str, zh: str) -> None:
    assert noun_phrase(NOUN[noun], "two", plural=True).zh == zh


@pytest.mark.parametrize(
    ("clause", "en", "de", "final", "zh"),
    [
        (
            Clause(ANNA, verb("turn on"), "past", noun_phrase(NOUN["lamp"]), time=YESTERDAY),
            "Anna turned on the lamp yesterday",
            "Anna hat gestern die Lampe eingeschaltet",
            "Anna gestern die Lampe eingeschaltet hat",
            "安娜昨天把灯打开了",
        ),
        (
            Clause(HE, verb("swim"), "past", time=YESTERDAY),
            "he swam yesterday",
            "er ist gestern geschwommen",
            "er gestern geschwommen ist",
            "他昨天游了泳",
        ),
        (
            Clause(SHE, verb("watch television"), "now"),
            "she is watching television",
            "sie sieht gerade fern",
            "sie gerade fernsieht",
            "她正在看电视",
        ),
        (
            Clause(I, verb("pick up"), "habit", HE, modal=WANT),
            "I want to pick him up",
            "ich will ihn abholen",
            "ich ihn abholen will",
            "我想接他",
        ),
        (
            Clause(HE, verb("help"), "past", noun_phrase(NOUN["woman"]), negated=True),
            "he did not help the woman",
            "er hat der Frau nicht geholfen",
            "er der Frau nicht geholfen hat",
            "他没帮助那个女人",
        ),
        (
            Clause(ANNA, verb("play the piano"), "habit", modal=CAN, negated=True),
            "Anna cannot play the piano",
            "Anna kann nicht Klavier spielen",
            "Anna nicht Klavier spielen kann",
            "安娜不会弹钢琴",
        ),
        (
            Clause(SHE, verb("give"), "past", noun_phrase(NOUN["ring"], "a"), recipient=noun_phrase(NOUN["man"])),
            "she gave the man a ring",
            "sie hat dem Mann einen Ring gegeben",
            "sie dem Mann einen Ring gegeben hat",
            "她给了那个男人一枚戒指",
        ),
    ],
)
def test_word_order_of_clauses(clause: Clause, en: str, de: str, final: str, zh: str) -> None:
    assert (clause.english(), clause.german(), clause.german_final(), clause.chinese()) == (en, de, final, zh)


def test_word_order_of_questions() -> None:
    clause = Clause(YOU, verb("read"), "past", noun_phrase(NOUN["book"], "a"), time=YESTERDAY)
    assert clause.english_question() == "did you read a book yesterday"
    assert clause.german_inverted() == "hast du gestern ein Buch gelesen"
    assert clause.chinese(question=True) == "你昨天看书了吗"
    assert clause.german(front=True) == "gestern hast du ein Buch gelesen"


def test_pronouns_have_the_gender_of_their_noun() -> None:
    nominatives = [pronoun_for(noun_phrase(NOUN[noun])).german("nom") for noun in ("coat", "lamp", "book")]
    assert nominatives == ["er", "sie", "es"]
    teacher = noun_phrase(NOUN["teacher"], feminine=True)
    assert (teacher.german("dat"), teacher.own, pronoun_for(teacher).en) == ("der Lehrerin", "her", "she")


def test_genitive_phrases() -> None:
    red = ADJECTIVE["red"]
    named = genitive_phrase(NOUN["car"], ANNA, red)
    assert (named.en, named.german("acc"), named.zh) == ("Anna's red car", "Annas rotes Auto", "安娜的红色汽车")
    owned = genitive_phrase(NOUN["coat"], noun_phrase(NOUN["boy"]), red)
    assert (owned.en, owned.german("dat")) == ("the boy's red coat", "dem roten Mantel des Jungen")


def test_genitives_follow_the_declension_of_the_noun() -> None:
    for noun in NOUNS:
        if noun.gender == "f":
            assert noun.de_genitive == noun.de
        elif noun.weak:
            assert noun.de_genitive == noun.de_plural
        else:
            assert noun.de_genitive.endswith("s")
