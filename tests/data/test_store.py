"""A store gives back its pairs, also over several shards, and names a damaged file."""

from pathlib import Path

import numpy as np
import pytest

from nmt.data.store import Column, Store, StoreWriter, id_type
from nmt.errors import NmtError

Pair = tuple[list[int], list[int]]
PAIRS: list[Pair] = [([i, i + 1, i + 2][: i % 4], [i] * (i % 3)) for i in range(11)]


def column(rows: list[list[int]]) -> Column:
    lengths = np.array([len(row) for row in rows], np.int64)
    return Column(np.array([i for row in rows for i in row], np.int64), lengths, lengths)


def write(folder: Path, groups: list[list[Pair]], shard: int, dtype: str = "uint16") -> Store:
    with StoreWriter(folder, dtype, is_text=False, pairs_per_shard=shard) as writer:
        for group in groups:
            writer.append(column([source for source, _ in group]), column([target for _, target in group]))
    return Store(folder)


def rows(store: Store, side: str, indices: list[int]) -> list[list[int]]:
    """Return one side of the pairs `indices`."""
    data, sizes = store.gather(side, np.array(indices, np.int64))
    assert len(data) == sizes.sum()
    return [part.tolist() for part in np.split(data, np.cumsum(sizes)[:-1])] if indices else []


@pytest.mark.parametrize("shard", [1, 3, 11, 100])
@pytest.mark.parametrize("groups", [[PAIRS], [PAIRS[:4], [], PAIRS[4:]], [[pair] for pair in PAIRS]])
def test_pairs_are_read_back_in_any_order(groups: list[list[Pair]], shard: int, tmp_path: Path) -> None:
    store = write(tmp_path / "s", groups, shard)
    assert len(store) == len(PAIRS)
    for indices in (list(range(len(PAIRS))), [7, 2, 2, 10, 0], [5], []):
        assert rows(store, "source", indices) == [PAIRS[i][0] for i in indices]
        assert rows(store, "target", indices) == [PAIRS[i][1] for i in indices]
    assert store.source_lengths.tolist() == [len(source) for source, _ in PAIRS]
    assert store.target_lengths.tolist() == [len(target) for _, target in PAIRS]
    assert store.source_lengths.dtype == np.int32


def test_text_is_read_back(tmp_path: Path) -> None:
    texts = [("é a", "你好"), ("", "\u2028"), ("x", "")]
    columns = []
    for side in (0, 1):
        raw = [pair[side].encode() for pair in texts]
        sizes = np.array([len(text) for text in raw])
        columns.append(Column(np.frombuffer(b"".join(raw), np.uint8), sizes, np.array([5, 6, 7])))
    with StoreWriter(tmp_path / "s", "uint8", is_text=True, pairs_per_shard=2) as writer:
        writer.append(*columns)
    store = Store(tmp_path / "s")
    assert store.texts("source", np.arange(3)) == [source for source, _ in texts]
    assert store.texts("target", np.array([2, 0, 0])) == ["", "你好", "你好"]
    assert store.texts("source", np.array([], np.int64)) == []
    assert store.source_lengths.tolist() == [5, 6, 7]


def test_a_store_can_be_empty(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [], 3)
    assert len(store) == 0 == len(store.source_lengths)
    assert store.gather("source", np.array([], np.int64))[0].tolist() == []


@pytest.mark.parametrize(("size", "largest"), [(1 << 16, "uint32"), ((1 << 16) - 1, "uint16")])
def test_the_id_type_holds_every_id(size: int, largest: str, tmp_path: Path) -> None:
    assert id_type(size) == largest
    store = write(tmp_path / "s", [[([size - 1], [0])]], 3, id_type(size))
    assert rows(store, "source", [0]) == [[size - 1]]


@pytest.mark.parametrize(
    "name", ["store.json", "source.lengths", "00000.source.data", "00001.target.offsets", "00001.target.data"]
)
@pytest.mark.parametrize("harm", ["truncate", "grow", "remove"])
def test_the_error_for_a_damaged_file_names_the_file(name: str, harm: str, tmp_path: Path) -> None:
    write(tmp_path / "s", [PAIRS], 6)
    path = tmp_path / "s" / name
    content = path.read_bytes()
    path.unlink()
    if harm != "remove":
        path.write_bytes(content[:-1] if harm == "truncate" else content + b"}")
    if (name, harm) == ("store.json", "truncate"):
        path.write_bytes(content[:-3])
    with pytest.raises(NmtError) as error:
        Store(tmp_path / "s")
    assert str(path) in str(error.value) and "nmt preprocess" in str(error.value)


def test_the_error_for_wrong_offsets_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "s", [PAIRS], 6)
    path = tmp_path / "s" / "00000.source.offsets"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(NmtError, match=r"00000\.source\.offsets: corrupt"):
        Store(tmp_path / "s")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_store_of_many_shards_keeps_few_files_open(tmp_path: Path) -> None:
    pairs: list[Pair] = [([i], [i, i]) for i in range(60)]
    store = write(tmp_path / "s", [pairs], 1)
    for _ in range(2):
        assert rows(store, "source", list(range(60))) == [[i] for i in range(60)]
        assert rows(store, "target", [59, 0, 30]) == [[59, 59], [0, 0], [30, 30]]
        opened = [link for link in Path("/proc/self/fd").iterdir() if str(tmp_path) in str(link.resolve())]
        assert len(opened) <= 2 * 16 + 2
        assert Path("/proc/self/maps").read_text(encoding="utf-8").count(str(tmp_path)) <= 2 * 16 + 2


@pytest.mark.parametrize("name", ["00000.target.data", "00000.target.offsets"])
def test_blocks_are_verified_before_their_first_use(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.store.PAIRS_PER_CHECKSUM", 4)
    pairs: list[Pair] = [([i], [i, i]) for i in range(30)]
    write(tmp_path / "s", [pairs[:13], pairs[13:]], 20)
    content = bytearray((tmp_path / "s" / name).read_bytes())
    content[len(content) // 2 + 1] ^= 1  # in the block of the pairs 8 to 11
    (tmp_path / "s" / name).write_bytes(content)
    store = Store(tmp_path / "s", verifies=True)
    assert store.verifies
    assert rows(store, "source", list(range(30))) == [[i] for i in range(30)]
    good = [*range(4), *range(12, 30)]
    for _ in range(2):
        assert rows(store, "target", good) == [[i, i] for i in good]
        with pytest.raises(NmtError, match=r"00000\.target\.data or .*pairs 8 to 11 is wrong; run nmt preprocess"):
            store.gather("target", np.array([2, 9]))
    assert len(store.gather("source", np.arange(30))[0]) == 30


def test_an_unfinished_store_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), StoreWriter(tmp_path / "s", "uint16", is_text=False) as writer:
        writer.append(column([[1]]), column([[2]]))
        raise KeyboardInterrupt
    with pytest.raises(NmtError, match=r"store\.json: missing"):
        Store(tmp_path / "s")
