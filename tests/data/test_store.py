"""The store gives back what was put in, over shards, and names a file that is damaged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.data.store import Column, Store, StoreWriter, id_type
from nmt.errors import NmtError

Pair = tuple[list[int], list[int]]
PAIRS: list[Pair] = [([i, i + 1, i + 2][: i % 4], [i] * (i % 3)) for i in range(11)]


def column(rows: list[list[int]]) -> Column:
    lengths = np.array([len(row) for row in rows], np.int64)
    return Column(np.array([i for row in rows for i in row], np.int64), lengths, lengths)


def write(folder: Path, groups: list[list[Pair]], shard: int, dtype: str = "uint16") -> Store:
    writer = StoreWriter(folder, dtype, is_text=False, pairs_per_shard=shard)
    for group in groups:
        writer.append(column([source for source, _ in group]), column([target for _, target in group]))
    writer.close()
    return Store.open(folder)


@pytest.mark.parametrize("shard", [1, 3, 11, 100])
@pytest.mark.parametrize("groups", [[PAIRS], [PAIRS[:4], [], PAIRS[4:]], [[pair] for pair in PAIRS]])
def test_pairs_come_back(groups: list[list[Pair]], shard: int, tmp_path: Path) -> None:
    store = write(tmp_path / "s", groups, shard)
    assert len(store) == len(PAIRS)
    assert [(s.tolist(), t.tolist()) for s, t in map(store.pair, range(len(store)))] == PAIRS
    assert store.source_lengths.tolist() == [len(source) for source, _ in PAIRS]
    assert store.target_lengths.tolist() == [len(target) for _, target in PAIRS]
    assert store.source_lengths.dtype == np.int32
    with pytest.raises(IndexError):
        store.pair(len(PAIRS))


@given(indices=st.lists(st.integers(0, len(PAIRS) - 1), max_size=20), shard=st.sampled_from([1, 3, 100]))
@settings(max_examples=40)
def test_gather_is_pair_by_pair(indices: list[int], shard: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = write(tmp_path_factory.mktemp("gather") / "s", [PAIRS], shard)
    for side in (0, 1):
        data, sizes = store.gather(("source", "target")[side], np.array(indices, np.int64))
        rows = [store.pair(i)[side].tolist() for i in indices]
        assert data.tolist() == [i for row in rows for i in row]
        assert sizes.tolist() == [len(row) for row in rows]


def test_text(tmp_path: Path) -> None:
    texts = [("é a", "你好"), ("", "\u2028"), ("x", "")]
    writer = StoreWriter(tmp_path / "s", "uint8", is_text=True, pairs_per_shard=2)
    columns = []
    for side in (0, 1):
        raw = [pair[side].encode() for pair in texts]
        sizes = np.array([len(text) for text in raw])
        columns.append(Column(np.frombuffer(b"".join(raw), np.uint8), sizes, np.array([5, 6, 7])))
    writer.append(*columns)
    writer.close()
    store = Store.open(tmp_path / "s")
    assert [store.text(i) for i in range(3)] == texts
    assert store.texts("target", np.array([2, 0, 0])) == ["", "你好", "你好"]
    assert store.texts("source", np.array([], np.int64)) == []
    assert store.source_lengths.tolist() == [5, 6, 7]


def test_empty(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [], 3)
    assert len(store) == 0 == len(store.source_lengths)
    assert store.gather("source", np.array([], np.int64))[0].tolist() == []


@pytest.mark.parametrize(("size", "largest"), [(1 << 16, "uint32"), ((1 << 16) - 1, "uint16")])
def test_the_id_type_holds_every_id(size: int, largest: str, tmp_path: Path) -> None:
    assert id_type(size) == largest
    store = write(tmp_path / "s", [[([size - 1], [0])]], 3, id_type(size))
    assert store.pair(0)[0].tolist() == [size - 1]


@pytest.mark.parametrize(
    "name", ["store.json", "source.lengths", "00000.source.data", "00001.target.offsets", "00001.target.data"]
)
@pytest.mark.parametrize("harm", ["truncate", "grow", "remove"])
def test_a_damaged_file_is_named(name: str, harm: str, tmp_path: Path) -> None:
    write(tmp_path / "s", [PAIRS], 6)
    path = tmp_path / "s" / name
    content = path.read_bytes()
    path.unlink()
    if harm != "remove":
        path.write_bytes(content[:-1] if harm == "truncate" else content + b"}")
    if (name, harm) == ("store.json", "truncate"):
        path.write_bytes(content[:-3])
    with pytest.raises(NmtError) as error:
        Store.open(tmp_path / "s")
    assert str(path) in str(error.value) and "nmt preprocess" in str(error.value)


def test_offsets_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write(tmp_path / "s", [PAIRS], 6)
    path = tmp_path / "s" / "00000.source.offsets"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(NmtError, match=r"00000\.source\.offsets: corrupt"):
        Store.open(tmp_path / "s")


def test_an_unfinished_store_does_not_open(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", "uint16", is_text=False)
    writer.append(column([[1]]), column([[2]]))
    writer.abandon()
    with pytest.raises(NmtError, match=r"store\.json: missing"):
        Store.open(tmp_path / "s")
