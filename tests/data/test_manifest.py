"""Prepared data is up to date if text and settings are the same, wherever the files are."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from text_files import write_lines

from nmt import config
from nmt.data import manifest, manifest_v1
from nmt.data.prepared_data import Prepared, read_header
from nmt.data.preprocess import preprocess
from nmt.errors import NmtError
from nmt.storage import checksums

SOURCE = [f"the {a} {b} number {i % 30}" for i, (a, b) in enumerate((x, y) for x in "abcdef" for y in "uvwxyz")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, lines in (("train.s", SOURCE), ("train.t", map(str.upper, SOURCE)), ("v.s", ["the a"]), ("v.t", ["A"])):
        write_lines(name, lines)
    return tmp_path


def settings(**data: Any) -> config.Config:
    train = {"source": "train.s", "target": "train.t"}
    values = {"train": train, "valid": {"source": "v.s", "target": "v.t"}, "prepared": "prepared", "workers": 1}
    return config.parse({"name": "x", "data": values | data, "subword": {"vocab_size": 320}}, "test")


def preprocess_again(wanted: config.Config, messages: list[str]) -> list[str]:
    """Return the messages of preprocessing."""
    messages.clear()
    preprocess(wanted)
    return messages


UP_TO_DATE = ["nothing to do: prepared is up to date"]


def zipped(name: str) -> Path:
    path = Path(name)
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


@pytest.mark.parametrize("how", ["moved", "absolute", "zipped", "unzipped", "zipped under the same name"])
def test_the_same_text_in_other_files_is_not_prepared_again(here: Path, messages: list[str], how: str) -> None:
    wanted = settings()
    if how == "unzipped":
        wanted = settings(train={"source": zipped("train.s"), "target": "train.t"})
    first = preprocess(wanted)
    source = wanted.data.train[0].source
    assert source is not None
    if how == "moved":
        Path("text").mkdir()
        source = source.rename("text/other.name")
    elif how == "absolute":
        source = source.absolute()
    elif how == "zipped":
        source = zipped("train.s")
    elif how == "unzipped":
        source = Path("plain")
        source.write_bytes(gzip.decompress(Path("train.s.gz").read_bytes()))
    else:
        zipped("train.s").rename("train.s")
    wanted = settings(train={"source": source, "target": "train.t"})
    assert preprocess_again(wanted, messages) == UP_TO_DATE
    # Data prepared again has the same fingerprint, which checkpoints hold.
    assert preprocess(wanted, force=True).fingerprint == first.fingerprint


def test_other_text_is_prepared_again_and_the_file_named(here: Path, messages: list[str]) -> None:
    first = preprocess(settings())
    Path("other").write_text(Path("train.s").read_text().replace("the a", "the b"))
    said = preprocess_again(settings(train={"source": "other", "target": "train.t"}), messages)
    assert said[0] == "prepared was made from other text (data.train.0.source: other); preparing it again"
    assert read_header(Path("prepared"))["fingerprint"] != first.fingerprint
    swapped = settings(train={"source": "train.t", "target": "other"})
    assert preprocess_again(swapped, messages)[0].startswith(
        "prepared was made from other text (data.train.0.source: train.t)"
    )


def test_a_file_with_the_same_path_size_and_time_is_not_read(
    here: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess(settings())
    monkeypatch.setattr(manifest, "inspect_file", lambda path: pytest.fail(f"{path} was read"))
    assert preprocess_again(settings(), messages) == UP_TO_DATE


def test_a_new_weight_is_used_without_preparing_again(here: Path, messages: list[str]) -> None:
    preprocess(settings())
    messages.clear()
    made = preprocess(settings(train={"source": "train.s", "target": "train.t", "weight": 2.5}))
    assert messages == UP_TO_DATE and made.train[0][1] == 2.5
    assert Prepared.open(made.folder, [0.5]).train[0][1] == 0.5
    with pytest.raises(NmtError, match=r"was made from 1 training corpora, but data\.train has 2; run"):
        Prepared.open(made.folder, [1.0, 1.0])


def test_the_languages_of_a_corpus_do_not_matter(here: Path, messages: list[str]) -> None:
    first = preprocess(settings())
    named = settings(train={"source": "train.s", "target": "train.t", "source_language": "en", "target_language": "de"})
    assert preprocess_again(named, messages) == UP_TO_DATE
    assert preprocess(named, force=True).fingerprint == first.fingerprint


def as_format_1(wanted: config.Config) -> str:
    """Write the header of format 1 to the prepared folder; return its fingerprint."""
    path = wanted.prepared / "prepared.json"
    header = json.loads(path.read_text())
    dumped = wanted.model_dump(mode="json")
    names = ("source", "target", "tsv", "source_column", "target_column", "weight")
    corpora = [*dumped["data"]["train"], dumped["data"]["valid"]]
    train = [{key: corpus[key] for key in names} for corpus in corpora]
    data = {key: dumped["data"][key] for key in ("normalization", "collapse_whitespace", "lowercase")}
    names = ("empty", "min_words", "max_words", "max_characters", "max_ratio", "copies", "duplicates")
    data |= {"filters": {key: dumped["data"]["filters"][key] for key in names}, "train": train[:-1], "valid": train[-1]}
    names = (
        "kind", "joint", "vocab_size", "source_vocab_size", "target_vocab_size", "character_coverage", "byte_fallback",
        "user_symbols", "training_sentences",
    )  # fmt: skip
    subword = {key: dumped["subword"][key] for key in names} | {"sampling": False}
    old = {"format": 1, "data": data, "subword": subword}
    for entry in header["inputs"]:
        entry["sha256"] = hashlib.sha256(Path(entry["path"]).read_bytes()).hexdigest()
    content = [old, [entry["sha256"] for entry in header["inputs"]], header["vocabularies"]]
    fingerprint = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    del header["files"]
    path.write_text(json.dumps(header | {"settings": old, "fingerprint": fingerprint}))
    checksums.write(wanted.prepared)
    return fingerprint


@pytest.mark.parametrize("is_zipped", [False, True])
def test_data_prepared_by_an_older_version_is_up_to_date(here: Path, messages: list[str], is_zipped: bool) -> None:
    source = zipped("train.s") if is_zipped else Path("train.s")
    wanted = settings(train={"source": source, "target": "train.t"}, filters={"max_words": 9}, lowercase=True)
    made = preprocess(wanted)
    old = as_format_1(wanted)
    assert preprocess_again(wanted, messages) == UP_TO_DATE
    opened = Prepared.open(made.folder)
    assert opened.fingerprint_v1 == old
    assert (opened.fingerprint == made.fingerprint) != is_zipped
    assert manifest_v1.fingerprint_v1(wanted, wanted, made.vocabularies) == old
    moved = Path("moved")
    moved.write_bytes(source.read_bytes())
    train = {"source": moved, "target": "train.t", "weight": 2}
    assert preprocess_again(settings(train=train, filters={"max_words": 9}, lowercase=True), messages) == UP_TO_DATE
    said = preprocess_again(settings(train=train, filters={"max_words": 8}, lowercase=True), messages)
    assert said[0] == "prepared was made with other settings; preparing it again"


def test_a_header_without_the_required_keys_is_corrupt(here: Path) -> None:
    made = preprocess(settings())
    for content in ("[]", "{}", '{"settings": {"format": 1}}', '{"settings": {"format": 2}}', '{"settings": 3}'):
        (made.folder / "prepared.json").write_text(content)
        with pytest.raises(NmtError, match=r"prepared\.json: corrupt; run nmt preprocess --force"):
            read_header(made.folder)


def test_reusing_subwords_of_text_normalised_in_another_way_gives_a_warning(here: Path, messages: list[str]) -> None:
    made = preprocess(settings(lowercase=True, normalization="nfkc"))
    values = settings(prepared="again").model_dump()
    for place in (made.folder, made.folder / "joint.model"):
        values["subword"]["reuse"] = place
        said = preprocess_again(config.parse(values, "test"), messages)
        assert said[0] == (
            'warning: subword.reuse: prepared/prepared.json: data.normalization is "nfkc" there and "nfc" here, '
            "data.lowercase is true there and false here; the subword model was trained on text normalised in another "
            "way: set the same values in 'data'"
        )
    values["data"] |= {"lowercase": True, "normalization": "nfkc"}
    assert not preprocess_again(config.parse(values, "test"), messages)[0].startswith("warning")


def test_a_joint_model_can_be_reused_from_its_file(here: Path) -> None:
    made = preprocess(settings())
    values = settings(prepared="again").model_dump()
    values["subword"]["reuse"] = Path("own.model")
    Path("own.model").write_bytes((made.folder / "joint.model").read_bytes())
    again = preprocess(config.parse(values, "test"))
    assert again.vocabularies.fingerprint == made.vocabularies.fingerprint
    values["subword"]["joint"] = False
    values["model"]["embedding"]["tie"] = "none"
    with pytest.raises(
        NmtError, match=r"subword\.reuse: own\.model is one file, .* holds source\.model and target\.model"
    ):
        preprocess(config.parse(values, "test"))
    values["subword"]["reuse"] = made.folder
    with pytest.raises(NmtError, match=r"it has joint\.model: set subword\.joint: true"):
        preprocess(config.parse(values, "test"))
    values["subword"] |= {"joint": True, "reuse": Path("train.s")}
    with pytest.raises(NmtError, match=r"subword\.reuse: train\.s: not a SentencePiece model"):
        preprocess(config.parse(values, "test"))
