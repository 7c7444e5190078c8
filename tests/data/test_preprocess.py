"""Preprocessing gives the right data, depends on text and settings alone, and never leaves an incomplete folder."""

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from text_files import write_lines

from nmt import config
from nmt.cli.preprocess import command
from nmt.data.lexicon_learning import learn_lexicon
from nmt.data.prepared_data import Prepared
from nmt.data.preprocess import preprocess
from nmt.data.store import SIDES, Store, StoreWriter
from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import UNK
from nmt.errors import NmtError

SOURCE = [f"the {a} {b} number {i % 30}" for i, (a, b) in enumerate((x, y) for x in "abcdef" for y in "uvwxyz")]
TARGET = [line.upper() for line in SOURCE]


def corpus(folder: Path, name: str, source: list[str], target: list[str]) -> dict[str, Any]:
    return {"source": write_lines(folder / f"{name}.s", source), "target": write_lines(folder / f"{name}.t", target)}


def settings(folder: Path, **sections: Any) -> config.Config:
    """Return a config for a small corpus, whose files are written to `folder`."""
    data = {
        "train": corpus(folder, "train", SOURCE, TARGET),
        "valid": corpus(folder, "valid", ["the a  u", ""], ["THE  A U", "X\u2028\r"]),
        "prepared": folder / "prepared",
        "workers": 1,
    }
    sections["data"] = data | sections.get("data", {})
    sections["subword"] = {"vocab_size": 320} | sections.get("subword", {})
    return config.parse({"name": "small", **sections}, "test")


def text(store: Store, vocabularies: Vocabularies) -> list[tuple[str, str]]:
    if store.is_text:
        rows = np.arange(len(store))
        return list(zip(store.texts("source", rows), store.texts("target", rows), strict=True))
    return [(vocabularies.source.decode(s), vocabularies.target.decode(t)) for s, t in ids(store)]


def ids(store: Store) -> list[tuple[list[int], list[int]]]:
    """Return the token ids of all pairs."""
    sides = [[store.gather(side, np.array([i]))[0].tolist() for i in range(len(store))] for side in SIDES]
    return list(zip(*sides, strict=True))


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("sampling", [0.0, 0.1])
def test_prepared_data_has_all_pairs_and_texts(joint: bool, sampling: float, tmp_path: Path) -> None:
    made = preprocess(settings(tmp_path, subword={"joint": joint, "sampling": sampling}))
    [(store, weight)] = made.train
    assert weight == 1.0 and store.is_text == (sampling > 0)
    assert text(store, made.vocabularies) == list(zip(SOURCE, TARGET, strict=True))
    assert made.vocabularies.is_joint == joint
    plain = made.vocabularies.source.encode(SOURCE)
    assert store.source_lengths.tolist() == [len(ids) for ids in plain]
    assert not made.valid.store.is_text
    assert text(made.valid.store, made.vocabularies) == [("the a u", "THE A U"), ("", "X")]
    assert made.valid.text == (["the a u", ""], ["THE  A U", "X\u2028"])
    again = Prepared.open(tmp_path / "prepared")
    assert again.fingerprint == made.fingerprint
    expected = {"prepared.json", "checksums.json", "train-0", "valid"} | set(made.vocabularies.names)
    assert {path.name for path in (tmp_path / "prepared").iterdir()} == expected


def test_the_result_does_not_depend_on_workers_or_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = {"duplicates": True, "max_characters": 17}
    results = []
    for workers, chunk in ((1, 1000), (1, 5), (2, 7)):
        monkeypatch.setattr("nmt.data.cleaning.PAIRS_PER_CHUNK", chunk)
        keys = {"workers": workers, "filters": filters, "train": corpus(tmp_path, "t", SOURCE * 2, TARGET * 2)}
        preprocess(settings(tmp_path, data=keys), force=True)
        files = digest(tmp_path / "prepared")
        del files["prepared.json"], files["checksums.json"]  # they have the times of the input files
        results.append((files, Prepared.open(tmp_path / "prepared").fingerprint))
    assert results[0] == results[1] == results[2]


def test_filters_are_counted_and_duplicates_found_over_all_corpora(messages: list[str], tmp_path: Path) -> None:
    first = corpus(tmp_path, "a", ["x y", "", "x  y ", "z"], ["1 2", "1", "1 2", "1 2 3"])
    second = corpus(tmp_path, "b", ["x y", "x y", "n"], ["1 2", "1 3", "n"])
    keys = {"train": [first | {"weight": 2}, second], "filters": {"duplicates": True, "max_words": 2, "copies": True}}
    made = preprocess(settings(tmp_path, data=keys))
    assert [text(store, made.vocabularies) for store, _ in made.train] == [[("x y", "1 2")], [("x y", "1 3")]]
    assert [weight for _, weight in made.train] == [2.0, 1.0]
    table = [line.split() for line in messages if line.startswith(("corpus", "a.s", "b.s", "together"))]
    assert table == [
        ["corpus", "pairs", "empty", "max_words", "max_characters", "copies", "duplicates", "kept"],
        ["a.s", "+", "a.t", "4", "1", "1", "0", "0", "1", "1"],
        ["b.s", "+", "b.t", "3", "0", "0", "0", "1", "1", "1"],
        ["together", "7", "1", "1", "0", "1", "2", "2"],
    ]


def test_all_characters_are_kept(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    codes = [*range(0x20), *range(0x20, 0x110), *range(0x2020, 0x2040), *range(0x4E00, 0x4E20), 0xE000, 0x1F600]
    chosen = "".join(chr(codes[i]) for i in draw.integers(0, len(codes), 1500)).replace("\n", " ")
    raw = [chosen[i : i + 30].encode() for i in range(0, 1500, 30)]
    raw += ["a\u2028b\x85c\x0cd".encode(), b"", b"\x00"]
    for name in ("s", "t"):
        (tmp_path / name).write_bytes(b" " + b"\n".join(raw) + b"\n")
    keys = {
        "train": {"source": tmp_path / "s", "target": tmp_path / "t"},
        "collapse_whitespace": False,
        "normalization": "none",
        "filters": {"empty": False},
    }
    made = preprocess(settings(tmp_path, data=keys, subword={"vocab_size": 900}))
    lines = [line.decode() for line in raw]
    lines[0] = " " + lines[0]
    decoded = text(made.train[0][0], made.vocabularies)
    assert [source for source, _ in decoded] == [line.removesuffix("\r") for line in lines]


def test_the_training_text_of_the_subword_model_is_taken_at_even_distances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    train = Subword.train

    def spy(sentences: Any, *rest: Any) -> Any:
        drawn.extend(sentences)
        return train(iter(drawn), *rest)

    monkeypatch.setattr("nmt.data.encoding.Subword.train", spy)
    monkeypatch.setattr("nmt.data.cleaning.PAIRS_PER_CHUNK", 5)
    preprocess(settings(tmp_path, subword={"training_sentences": 24}))
    assert drawn == [line for i in range(2, 36, 3) for line in (SOURCE[i], TARGET[i])]


def test_data_that_is_up_to_date_is_not_made_again(messages: list[str], tmp_path: Path) -> None:
    first = preprocess(settings(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    for changes in (
        {},
        {"data": {"workers": 2, "source_language": "en"}},
        {"seed": 7, "training": {"max_steps": 3}},
    ):
        messages.clear()  # settings() writes the files again: same content, new time
        assert preprocess(settings(tmp_path, **changes)).fingerprint == first.fingerprint
        assert messages == [f"nothing to do: {first.folder} is up to date"]
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")} == before


def test_a_new_amount_of_sampling_needs_no_new_data(messages: list[str], tmp_path: Path) -> None:
    preprocess(settings(tmp_path, subword={"sampling": 0.1}))
    messages.clear()
    preprocess(settings(tmp_path, subword={"sampling": 0.2}))
    assert len(messages) == 1
    preprocess(settings(tmp_path))
    assert len(messages) > 2


@pytest.mark.parametrize("change", ["content", "settings", "damage", "force", "model"])
def test_data_is_made_again_if_something_has_changed(change: str, tmp_path: Path) -> None:
    first = preprocess(settings(tmp_path))
    store = tmp_path / "prepared" / "train-0" / "source.lengths"
    changes = {"lowercase": True} if change == "settings" else {}
    changed = settings(tmp_path, data=changes)
    if change == "content":
        corpus(tmp_path, "train", [SOURCE[0].swapcase(), *SOURCE[1:]], TARGET)  # of the same size
    elif change == "damage":
        store.write_bytes(b"")
    elif change == "model":
        (tmp_path / "prepared" / "joint.model").write_bytes(b"")
    second = preprocess(changed, force=change == "force")
    assert store.stat().st_size == 4 * len(SOURCE)
    assert (second.fingerprint == first.fingerprint) == (change in ("damage", "force", "model"))


def test_a_failure_leaves_the_old_folder_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preprocess(settings(tmp_path))
    before = digest(tmp_path / "prepared")
    names = {path.name for path in tmp_path.iterdir()}

    def full(self: StoreWriter, source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StoreWriter, "append", full)
    with pytest.raises(NmtError, match=r"No space left.*data\.prepared"):
        preprocess(settings(tmp_path), force=True)

    def interrupted(self: StoreWriter, source: Any, target: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StoreWriter, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        preprocess(settings(tmp_path), force=True)
    assert digest(tmp_path / "prepared") == before
    assert {path.name for path in tmp_path.iterdir()} == names


def test_dropping_all_pairs_is_an_error_with_the_table(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"data\.filters") as error:
        preprocess(settings(tmp_path, data={"filters": {"max_words": 2}}))
    assert "max_words" in str(error.value) and "36" in str(error.value)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"subword": {"vocab_size": 100}}, "subword.vocab_size 100 is too small"),
        ({"data": {"valid": {"tsv": "/nothing/valid.tsv"}}}, "/nothing/valid.tsv: no such file"),
        ({"data": {"train": {"tsv": "/"}}}, "/: is a folder"),
        ({"data": {"train": {"tsv": "/dev/null"}}}, "/dev/null: .*save the stream"),
    ],
)
def test_the_error_for_a_mistake_names_it(sections: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=message):
        preprocess(settings(tmp_path, **sections))
    assert not (tmp_path / "prepared").exists()


def tagged(folder: Path, tag: str, **subword: Any) -> config.Config:
    train, valid = corpus(folder, "t", SOURCE, TARGET), corpus(folder, "v", ["the a u", "None"], ["A", "B"])
    test = {"test": {**valid, "tag": tag}}
    data = {"train": {**train, "tag": "<2up>"}, "valid": {**valid, "tag": "<2up>"}, "test": test}
    return settings(folder, data=data, subword={"user_symbols": ["<2up>", tag], **subword})


def test_encoded_lines_begin_with_the_tag_and_the_validation_text_does_not(tmp_path: Path) -> None:
    made = preprocess(tagged(tmp_path, "<2low>"))
    assert made.vocabularies.source.has_symbol("<2up>")
    symbol = made.vocabularies.source.encode(["<2up>"])[0]
    for store in (made.train[0][0], made.valid.store):
        sources = [source for source, _ in ids(store)]
        assert sources and all(tokens[: len(symbol)] == symbol != tokens for tokens in sources)
    assert made.valid.text[0] == ["the a u", "None"]


def test_without_a_tag_no_word_is_removed_as_one(tmp_path: Path) -> None:
    valid = corpus(tmp_path, "none", ["None of them"], ["X"])
    assert preprocess(settings(tmp_path, data={"valid": valid})).valid.text[0] == ["None of them"]


def test_a_reused_subword_model_must_have_every_tag(tmp_path: Path) -> None:
    first = preprocess(tagged(tmp_path, "<2low>"))
    values = tagged(tmp_path, "<2mid>", reuse=first.folder).model_dump()
    values["data"]["prepared"] = tmp_path / "again"
    with pytest.raises(NmtError, match="the tag <2mid> of a corpus is not a symbol"):
        preprocess(config.parse(values, "test"))
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("data", "symbol", "normal"),
    [({"lowercase": True}, "<2UP>", "<2up>"), ({"normalization": "nfkc"}, "＜2up＞", "<2up>")],
)
def test_a_symbol_that_normalisation_changes_is_an_error(
    data: dict[str, Any], symbol: str, normal: str, tmp_path: Path
) -> None:
    with pytest.raises(NmtError, match=f"user_symbols: '{symbol}' cannot be a symbol: .* make '{normal}' of it"):
        preprocess(settings(tmp_path, data=data, subword={"user_symbols": [symbol]}))


def test_sampling_with_a_reused_subword_model_needs_its_kind(tmp_path: Path) -> None:
    first = preprocess(settings(tmp_path, subword={"kind": "word", "byte_fallback": False}))
    values = settings(tmp_path, subword={"reuse": first.folder, "sampling": 0.1}).model_dump()
    values["data"]["prepared"] = tmp_path / "again"
    with pytest.raises(NmtError, match=r"are of kind word: set subword\.kind to that, not bpe"):
        preprocess(config.parse(values, "test"))


@pytest.mark.parametrize("workers", [1, 2])
def test_misaligned_files_and_an_empty_validation_corpus_are_errors(workers: int, tmp_path: Path) -> None:
    bad = corpus(tmp_path, "bad", SOURCE, TARGET[:-1])
    with pytest.raises(NmtError, match=r"bad\.s has 36 lines but .*bad\.t has 35"):
        preprocess(settings(tmp_path, data={"train": bad, "workers": workers}))
    with pytest.raises(NmtError, match=r"empty\.s.*validation corpus is empty"):
        preprocess(settings(tmp_path, data={"valid": corpus(tmp_path, "empty", [], [])}))


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    precious = write_lines(tmp_path / "prepared" / "thesis.tex", ["x"])
    with pytest.raises(NmtError, match=r"files other than prepared data.*data\.prepared"):
        preprocess(settings(tmp_path), force=True)
    assert precious.exists()


def test_opening_a_missing_or_exchanged_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"nmt preprocess --config"):
        Prepared.open(tmp_path / "nothing")
    made = preprocess(settings(tmp_path))
    other = preprocess(settings(tmp_path, data={"prepared": tmp_path / "other", "lowercase": True}))
    (other.folder / "joint.model").replace(made.folder / "joint.model")
    with pytest.raises(NmtError, match=r"joint\.model: damaged or missing: its checksum is wrong; run nmt preprocess"):
        Prepared.open(made.folder)
    (made.folder / "checksums.json").unlink()  # as an older version left it
    with pytest.raises(NmtError, match=r"joint\.model is not the subword model that .*prepared\.json"):
        Prepared.open(made.folder)


def test_a_damaged_file_is_named_and_the_data_made_again(messages: list[str], tmp_path: Path) -> None:
    wanted = settings(tmp_path)
    made = preprocess(wanted)
    names = sorted(path.relative_to(made.folder) for path in made.folder.rglob("*") if path.is_file())
    assert {Path("prepared.json"), Path("checksums.json"), Path("valid", "target.txt")} <= {*names}
    for name in names:
        before = (made.folder / name).read_bytes()
        for damaged in (before[:-2], bytes([before[0] ^ 1]) + before[1:]):
            (made.folder / name).write_bytes(damaged)
            with pytest.raises(NmtError, match=rf"{name.name}.*run nmt preprocess --force"):
                Prepared.open(made.folder)
            messages.clear()
            again = preprocess(wanted)
            assert "preparing it again" in messages[0] and again.fingerprint == made.fingerprint
            assert (made.folder / name).read_bytes() == before


def test_of_a_large_folder_the_shards_are_verified_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = preprocess(settings(tmp_path)).folder
    shard, header = folder / "train-0" / "00000.source.data", folder / "train-0" / "store.json"

    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    damage(shard)
    with pytest.raises(NmtError, match=r"00000\.source\.data: damaged or missing"):
        Prepared.open(folder)
    monkeypatch.setattr("nmt.data.prepared_data.VERIFIED_BYTES", 1000)
    [(store, _)] = Prepared.open(folder).train
    with pytest.raises(NmtError, match=r"00000\.source\.data or \.offsets: damaged"):
        store.gather("source", np.array([len(store) - 1]))
    for other in ("train-0/source.lengths", "train-0/00000.source.crc", "valid/00000.source.data", "joint.model"):
        damage(folder / other)
        with pytest.raises(NmtError, match=rf"{Path(other).name}: damaged or missing"):
            Prepared.open(folder)
        damage(folder / other)
    # A store of an older version has no checksums of blocks, so that its shards are verified when it is opened.
    header.write_text(header.read_text(encoding="utf-8").replace("pairs_per_checksum", "x"), encoding="utf-8")
    sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    sums["train-0/store.json"] = hashlib.sha256(header.read_bytes()).hexdigest()
    (folder / "checksums.json").write_text(json.dumps(sums), encoding="utf-8")
    with pytest.raises(NmtError, match=r"00000\.source\.data: damaged or missing"):
        Prepared.open(folder)
    damage(shard)
    assert not Prepared.open(folder).train[0][0].verifies


def test_an_unseen_character_is_unk_without_byte_fallback(tmp_path: Path) -> None:
    keys = {"valid": corpus(tmp_path, "v", ["the 你"], ["X"])}
    made = preprocess(settings(tmp_path, data=keys, subword={"byte_fallback": False, "vocab_size": 80}))
    assert ids(made.valid.store)[0][0].count(UNK) == 1


def test_out_of_vocabulary_words_get_extended_ids_for_a_model_that_copies(tmp_path: Path) -> None:
    source = [f"aa bb N{i} aa N{i} M{i}" for i in range(40)]
    target = [f"M{i} aa N{i} Q{i}" for i in range(40)]
    data = {"train": corpus(tmp_path, "names", source, target)}
    subword = {"kind": "word", "vocab_size": 6}
    for changes in ({}, {"reuse": tmp_path / "prepared"}):
        for copies in (False, True):
            chosen = {"subword": subword | changes, "model": {"decoder": {"copy_source": copies}}}
            made = preprocess(settings(tmp_path, data=data, **chosen))
            vocabulary = made.vocabularies.source
            assert vocabulary.size == 6
            a, b, n, m = vocabulary.encode(["aa bb"])[0] + ([6, 7] if copies else [UNK, UNK])
            [(store, _)] = made.train
            assert ids(store) == [([a, b, n, a, n, m], [m, a, n, UNK])] * 40
            assert learn_lexicon(made).candidates.max() < 6


def test_the_command_prepares_the_data_and_logs_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(config.dump(settings(tmp_path)), encoding="utf-8")
    arguments = ["--config", str(path), "--set", "data.lowercase=true"]
    command.main(arguments, standalone_mode=False)
    out, err = capsys.readouterr()
    assert out == "" and "kept" in err and "saved in" in err
    made = Prepared.open(tmp_path / "prepared")
    assert text(made.train[0][0], made.vocabularies)[0][1] == SOURCE[0]
    command.main(arguments, standalone_mode=False)
    assert "nothing to do" in capsys.readouterr().err


def with_invalid(folder: Path, lines: int, invalid: int) -> config.Config:
    """Return a config whose training source has so many lines, of which the last `invalid` lines are Latin-1."""
    made = settings(folder, data={"train": corpus(folder, "other", ["a dog"] * lines, ["ein Hund"] * lines)})
    raw = (folder / "other.s").read_bytes().split(b"\n")[:-1]
    raw[-invalid:] = [f"mü{number}".encode("latin-1") for number in range(invalid)]
    (folder / "other.s").write_bytes(b"".join(line + b"\n" for line in raw))
    return made


def test_too_many_lines_of_invalid_utf8_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"other\.s: 3 of 2,000 lines are .*, the first is line 1,998; .*iconv"):
        preprocess(with_invalid(tmp_path, 2000, 3))
    assert not (tmp_path / "prepared").exists()


def test_a_few_pairs_of_invalid_utf8_are_dropped_and_counted(messages: list[str], tmp_path: Path) -> None:
    made = preprocess(with_invalid(tmp_path, 2000, 2))
    assert len(made.train[0][0]) == 1998
    assert any("other.s: 2 of 2,000 lines are not valid UTF-8, the first is line 1,999" in line for line in messages)
    assert any("not UTF-8" in line and "kept" in line for line in messages)


def test_lines_with_html_entities_are_counted_or_unescaped(messages: list[str], tmp_path: Path) -> None:
    source, target = ["don &apos;t go &amp; stay"] * 5 + ["go"] * 5, ["geh &quot;nicht&quot;"] * 3 + ["geh"] * 7
    data = {"train": corpus(tmp_path, "other", source, target)}
    preprocess(settings(tmp_path, data=data))
    assert any("8 lines with HTML entities (&apos; &quot;)" in line and "unescape_html" in line for line in messages)
    messages.clear()
    made = preprocess(settings(tmp_path, data=data | {"unescape_html": True}))
    pairs = text(made.train[0][0], made.vocabularies)
    assert pairs[0] == ("don 't go & stay", 'geh "nicht"') and not any("HTML" in line for line in messages)


def test_a_line_with_a_tag_in_the_file_gets_no_second_tag(tmp_path: Path) -> None:
    symbols = {"vocab_size": 320, "user_symbols": ["<2de>", "<2fr>"]}
    data = {
        "train": [
            corpus(tmp_path, "other", ["<2de> the a", "the a", "<2fr> the a"], ["x"] * 3) | {"tag": "<2de>"},
            corpus(tmp_path, "more", ["the a u"], ["y"]) | {"tag": "<2fr>"},
        ],
        "valid": corpus(tmp_path, "held", ["<2de> the a", "the b", "<2fr> the c"], ["x"] * 3) | {"tag": "<2de>"},
    }
    made = preprocess(settings(tmp_path, data=data, subword=symbols))
    sources = [
        source for store, _ in (*made.train, (made.valid.store, 1.0)) for source, _ in text(store, made.vocabularies)
    ]
    assert sources == [
        *("<2de> the a", "<2de> the a", "<2fr> the a", "<2fr> the a u"),
        *("<2de> the a", "<2de> the b", "<2fr> the c"),
    ]


def test_an_undeclared_header_gives_a_hint(messages: list[str], tmp_path: Path) -> None:
    write_lines(tmp_path / "t.tsv", ["English\tGerman", *(f"{s}\t{t}" for s, t in zip(SOURCE, TARGET, strict=True))])
    made = preprocess(settings(tmp_path, data={"train": {"tsv": tmp_path / "t.tsv"}}))
    assert len(made.train[0][0]) == 1 + len(SOURCE)
    assert any("looks like a header" in line and "header: true" in line for line in messages)
    made = preprocess(settings(tmp_path, data={"train": {"tsv": tmp_path / "t.tsv", "header": True}}))
    assert len(made.train[0][0]) == len(SOURCE)
