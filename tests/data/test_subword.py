"""Subword models encode and decode without loss, are deterministic, and name the key of a mistake."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt import config
from nmt.data.subword import Subword, Vocabularies, has_seeded_samples
from nmt.data.token_ids import BOS, EOS, PAD, UNK
from nmt.errors import NmtError

LINES = [
    f"{who} {does} {what} {where} ."
    for who in ("the dog", "a small cat", "their neighbour")
    for does in ("sees", "wants", "is eating", "painted")
    for what in ("the house", "a red ball", "some bread")
    for where in ("in the garden", "today", "behind the station")
]
KINDS = ["bpe", "unigram", "char", "word"]


def train(folder: Path, lines: list[str] = LINES, size: int = 400, **keys: Any) -> Subword:
    options = config.Subword.model_validate(keys)
    return Subword.train(iter(lines), folder / "test.model", options, size)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subword]:
    return {kind: train(tmp_path_factory.mktemp(kind), kind=kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_undoes_encoding(models: dict[str, Subword], kind: str) -> None:
    subword = models[kind]
    ids = subword.encode(LINES)
    assert [subword.decode(i) for i in ids] == LINES
    assert not {PAD, UNK, BOS, EOS} & {i for line in ids for i in line}
    assert max(map(max, ids)) < subword.size
    assert subword.encode([]) == []
    assert subword.encode(["", "the"]) == [[], subword.encode(["the"])[0]]
    assert subword.decode([]) == ""


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581\ufffd"), max_size=20))
@settings(max_examples=50)
def test_byte_fallback_encodes_any_text(models: dict[str, Subword], kind: str, text: str) -> None:
    subword = models[kind]
    assert subword.decode(subword.encode([text])[0]) == text


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_other_than_unk_are_not_decoded(models: dict[str, Subword], kind: str) -> None:
    subword = models[kind]
    dog = subword.encode(["the dog"])[0]
    assert subword.decode([BOS, *dog, EOS, PAD]) == "the dog"
    assert "\u2047" in subword.decode([*dog, UNK])


def test_a_word_model_has_whole_words(models: dict[str, Subword]) -> None:
    subword = models["word"]
    assert [len(i) for i in subword.encode(["the dog sees", "the cow moos dog"])] == [3, 4]
    ids = subword.encode(["the cow moos dog"])[0]
    assert ids[1:3] == [UNK, UNK]
    assert subword.decode(ids) == "the \u2047 \u2047 dog"


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_deterministic(kind: str, tmp_path: Path) -> None:
    prints = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        prints.add(train(tmp_path / name, kind=kind).fingerprint)
    content = (tmp_path / "a" / "test.model").read_bytes()
    assert prints == {hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_samples_depend_on_the_seed_alone(models: dict[str, Subword], kind: str) -> None:
    subword = models[kind]
    first = subword.sample(LINES, 0.3, seed=1)
    assert subword.sample(LINES, 0.3, seed=2**62 + 5) != first
    assert subword.sample(LINES, 0.3, seed=1) == first != subword.encode(LINES)
    assert [subword.decode(i) for i in first] == LINES


@pytest.mark.skipif(not has_seeded_samples(), reason="this SentencePiece samples differently in each process")
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_samples_are_the_same_in_every_process(tmp_path: Path, kind: str) -> None:
    subword = train(tmp_path, kind=kind)
    code = (
        "import sys; from pathlib import Path; from nmt.data.subword import Subword; "
        "print(Subword.load(Path(sys.argv[1])).sample(['the dog sees a red ball'] * 9, 0.3, seed=1))"
    )
    line = [sys.executable, "-c", code, str(tmp_path / "test.model")]
    printed = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(subword.sample(["the dog sees a red ball"] * 9, 0.3, seed=1))


def test_samples_are_seeded_before_sentencepiece_0_2_2(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, expected in (("0.2.0", True), ("0.2.2", False), ("0.2.10", False), ("1.0", False)):
        monkeypatch.setattr("sentencepiece.__version__", version)
        assert has_seeded_samples() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_user_symbols_are_one_token(kind: str, tmp_path: Path) -> None:
    subword = train(tmp_path, kind=kind, user_symbols=["<2de>", 'a,"b'])
    ids = subword.encode(['<2de> the a,"b dog'])[0]
    pieces = [piece.removeprefix("\u2581") for piece in subword.pieces(ids)]
    assert "<2de>" in pieces and 'a,"b' in pieces
    assert subword.decode(ids) == '<2de> the a,"b dog'


@pytest.mark.parametrize(
    ("lines", "size", "keys", "message"),
    [
        (LINES, 20, {"byte_fallback": False}, r"subword.vocab_size 20 is too small.*need \d+"),
        (LINES, 200, {}, "subword.vocab_size 200 is too small"),
        ([], 300, {}, "training text is empty"),
        (["", ""], 300, {"kind": "unigram"}, "training text is empty"),
        (LINES, 400, {"user_symbols": ["<s>"]}, "user_symbols: '<s>'"),
        (LINES, 400, {"user_symbols": [""]}, "user_symbols: ''"),
        (LINES, 400, {"user_symbols": ["New York"]}, "user_symbols: 'New York'"),
        (LINES, 400, {"user_symbols": ["<x>", "<x>"]}, "'<x>' is given twice"),
    ],
)
def test_the_error_for_an_impossible_vocabulary_names_the_key(
    lines: list[str], size: int, keys: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(NmtError, match=message):
        train(tmp_path, lines, size, **keys)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_is_smaller_if_the_text_has_fewer_pieces(kind: str, tmp_path: Path) -> None:
    subword = train(tmp_path, size=50_000, kind=kind)
    assert subword.size < 1000
    assert [subword.decode(i) for i in subword.encode(LINES)] == LINES


def test_the_error_for_a_bad_model_file_names_the_file(tmp_path: Path) -> None:
    for content in (b"", b"not a model at all", b"\x0a\xff\xff\xff"):
        path = tmp_path / "bad.model"
        path.write_bytes(content)
        with pytest.raises(NmtError, match=r"bad\.model: not a SentencePiece model"):
            Subword.load(path)
    with pytest.raises(NmtError, match=r"none\.model: cannot read"):
        Subword.load(tmp_path / "none.model")


def test_copied_vocabularies_are_equal(models: dict[str, Subword], tmp_path: Path) -> None:
    joint = Vocabularies(models["bpe"], models["bpe"])
    separate = Vocabularies(models["bpe"], models["word"])
    for name, vocabularies in (("joint", joint), ("separate", separate)):
        vocabularies.copy_to(tmp_path / name)
        loaded = Vocabularies.load(tmp_path / name)
        assert loaded.fingerprint == vocabularies.fingerprint
        assert loaded.is_joint == vocabularies.is_joint == (loaded.source is loaded.target)
        assert sorted(p.name for p in (tmp_path / name).iterdir()) == sorted(vocabularies.names)
        assert loaded.target.encode(LINES) == vocabularies.target.encode(LINES)
    assert joint.fingerprint != separate.fingerprint


def test_a_model_can_be_sent_to_another_process(models: dict[str, Subword]) -> None:
    copy = pickle.loads(pickle.dumps(models["word"]))
    assert copy.encode(LINES) == models["word"].encode(LINES)
