"""Write and read prepared pairs: memory-mapped shards of token ids, or of text for subword sampling.

A store is a folder with `store.json` (written last; the counts and the size of every file), `source.lengths` and
`target.lengths` (int32, tokens of each pair without BOS and EOS). For every shard of `PAIRS_PER_SHARD` pairs and each
side there are NNNNN.SIDE.offsets (int64, one more than pairs), NNNNN.SIDE.data (token ids, or UTF-8 bytes) and
NNNNN.SIDE.crc (uint32, a checksum of every `PAIRS_PER_CHECKSUM` pairs in the two other files).
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

PAIRS_PER_SHARD = 1 << 20
PAIRS_PER_CHECKSUM = 128
"""Their token ids are about one or two pages (4 KiB)."""
_MAX_OPEN = 16
"""Sides of shards that a store keeps open. Each has two memory maps, and each of these a file descriptor."""
SIDES = ("source", "target")
_VERSION = 1

Ints = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One side of some pairs: `data` end to end, and of each sentence its `sizes` in `data` and `lengths` in tokens."""

    data: Ints
    sizes: Ints
    lengths: Ints


def id_type(vocabulary_size: int) -> str:
    """Return the smallest numpy type for the ids of a vocabulary."""
    return "uint16" if vocabulary_size < 1 << 16 else "uint32"


class StoreWriter:
    """Writes pairs to a new store in `folder`, in a `with` block. The store is valid if the block ends without error.

    `dtype` is the type of the ids, or uint8 for text.
    """

    def __init__(self, folder: Path, dtype: str, is_text: bool, pairs_per_shard: int = PAIRS_PER_SHARD) -> None:
        folder.mkdir(parents=True)
        self._folder, self._dtype, self._is_text, self._capacity = folder, dtype, is_text, pairs_per_shard
        self._pairs = 0
        self._sizes: dict[str, int] = {}
        self._open: dict[str, BinaryIO] = {}
        self._ends = dict.fromkeys(SIDES, 0)
        for side in SIDES:
            self._write(f"{side}.lengths", np.empty(0, np.int32))

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._close(list(self._open))
        if kind is not None:
            return
        self._write_checksums()
        header = {
            "version": _VERSION,
            "pairs": self._pairs,
            "pairs_per_shard": self._capacity,
            "pairs_per_checksum": PAIRS_PER_CHECKSUM,
            "dtype": self._dtype,
            "is_text": self._is_text,
            "files": self._sizes,
        }
        (self._folder / "store.json").write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")

    def append(self, source: Column, target: Column) -> None:
        """Write the next pairs."""
        start, count = 0, len(source.sizes)
        cuts = {side: np.concatenate(([0], np.cumsum(column.sizes, dtype=np.int64)))
                for side, column in zip(SIDES, (source, target), strict=True)}  # fmt: skip
        while start < count:
            shard, filled = divmod(self._pairs, self._capacity)
            if filled == 0:
                self._begin_shard(shard)
            stop = min(count, start + self._capacity - filled)
            for side, column in zip(SIDES, (source, target), strict=True):
                cut = cuts[side]
                self._write(f"{side}.lengths", column.lengths[start:stop].astype(np.int32))
                self._write(f"{shard:05}.{side}.data", column.data[cut[start] : cut[stop]].astype(self._dtype))
                self._write(f"{shard:05}.{side}.offsets", cut[start + 1 : stop + 1] - cut[start] + self._ends[side])
                self._ends[side] += int(cut[stop] - cut[start])
            self._pairs += stop - start
            start = stop

    def _begin_shard(self, shard: int) -> None:
        self._close([name for name in self._open if not name.endswith(".lengths")])
        self._write_checksums()
        for side in SIDES:
            self._ends[side] = 0
            self._write(f"{shard:05}.{side}.data", np.empty(0, self._dtype))
            self._write(f"{shard:05}.{side}.offsets", np.zeros(1, np.int64))

    def _write_checksums(self) -> None:
        """Write the checksums of the last shard, which is complete."""
        for side in SIDES if self._pairs else ():
            name = f"{(self._pairs - 1) // self._capacity:05}.{side}"
            found = _Shard(self._folder, np.dtype(self._dtype), name)
            self._write(f"{name}.crc", np.array([found.checksum(i) for i in range(found.blocks)], np.uint32))
            self._close([f"{name}.crc"])

    def _close(self, names: list[str]) -> None:
        for name in names:
            self._open.pop(name).close()

    def _write(self, name: str, values: Ints) -> None:
        """Append values to a file, which is made if it is missing."""
        if name not in self._open:
            self._open[name] = (self._folder / name).open("wb")
            self._sizes[name] = 0
        self._open[name].write(values.tobytes())
        self._sizes[name] += values.nbytes


class _Shard:
    """One side of a shard, read through memory maps."""

    def __init__(self, folder: Path, dtype: "np.dtype[Any]", name: str) -> None:
        self.offsets = _map(folder / f"{name}.offsets", np.dtype("int64"))
        self.data = _map(folder / f"{name}.data", dtype)

    @property
    def blocks(self) -> int:
        """The number of blocks that have a checksum."""
        return -(-(len(self.offsets) - 1) // PAIRS_PER_CHECKSUM)

    def checksum(self, block: int) -> int:
        """Return the CRC-32 of the data of a block, and then of its offsets."""
        offsets = self.offsets[block * PAIRS_PER_CHECKSUM : (block + 1) * PAIRS_PER_CHECKSUM + 1]
        return zlib.crc32(offsets.tobytes(), zlib.crc32(self.data[offsets[0] : offsets[-1]].tobytes()))


class Store:
    """A finished store, read through memory maps, of which a bounded number is open. `len` is its number of pairs."""

    def __init__(self, folder: Path, verifies: bool = False) -> None:
        """Open a store. Raise an NmtError that names the file if a file is missing or its size or header is wrong.

        If `verifies`, and the store has checksums, each block of pairs is verified before its first use, and `gather`
        and `texts` raise such an error for a damaged one.
        """
        self.folder = folder
        header = self._read_header()
        self.is_text: bool = header["is_text"]
        """Whether the store holds text, which is segmented again in each epoch, instead of token ids."""
        self._pairs: int = header["pairs"]
        self._capacity: int = header["pairs_per_shard"]
        self._dtype = np.dtype(header["dtype"])
        self._sizes: dict[str, int] = header["files"]
        self._check_sizes()
        self.source_lengths: Ints = _map(folder / "source.lengths", np.dtype("int32"))
        """(pairs,) int32: source tokens of each pair without EOS, segmented without sampling."""
        self.target_lengths: Ints = _map(folder / "target.lengths", np.dtype("int32"))
        """(pairs,) int32: target tokens of each pair without EOS, segmented without sampling."""
        self._shard = lru_cache(_MAX_OPEN)(partial(_Shard, folder, self._dtype))
        has_checksums = header.get("pairs_per_checksum") == PAIRS_PER_CHECKSUM
        self._verified: dict[str, npt.NDArray[np.bool_]] | None = {} if verifies and has_checksums else None
        """Which blocks of each side of a shard are verified; None if they are not to be verified."""

    def __len__(self) -> int:
        return self._pairs

    def read_lengths(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield the source and the target lengths of consecutive pairs, a bounded number at a time."""
        for start in range(0, self._pairs, PAIRS_PER_SHARD):
            chunk = slice(start, start + PAIRS_PER_SHARD)
            yield self.source_lengths[chunk], self.target_lengths[chunk]

    @property
    def verifies(self) -> bool:
        """Whether each block of pairs is verified before its first use."""
        return self._verified is not None

    def gather(self, side: str, indices: Ints) -> tuple[Ints, Ints]:
        """Return one side of the pairs `indices`, end to end in their order, and the size of each."""
        order = np.argsort(indices, kind="stable")
        rows = indices[order]
        shards = np.unique(rows // self._capacity)
        cuts = np.searchsorted(rows, shards[1:] * self._capacity)
        parts = [
            self._gather_ascending(f"{shard:05}.{side}", part - shard * self._capacity)
            for shard, part in zip(shards.tolist(), np.split(rows, cuts), strict=False)
        ] or [(np.empty(0, self._dtype), np.empty(0, np.int64))]
        data, sizes = (np.concatenate(column) if len(column) > 1 else column[0] for column in zip(*parts, strict=True))
        if (order[1:] > order[:-1]).all():
            return data, sizes
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        starts = (np.cumsum(sizes) - sizes)[place]
        sizes = sizes[place]
        return data[_ranges(starts, sizes)], sizes

    def _gather_ascending(self, name: str, rows: Ints) -> tuple[Ints, Ints]:
        """Return the ascending `rows` of one side of a shard, end to end, and the size of each."""
        shard = self._shard(name)
        if self._verified is not None:
            self._verify(name, shard, np.unique(rows // PAIRS_PER_CHECKSUM))
        starts = np.asarray(shard.offsets[rows])
        sizes = shard.offsets[rows + 1] - starts
        return np.asarray(shard.data[_ranges(starts, sizes)]), sizes

    def _verify(self, name: str, shard: _Shard, blocks: Ints) -> None:
        """Raise NmtError if a block is damaged. Each block is verified once."""
        assert self._verified is not None
        is_verified = self._verified.setdefault(name, np.zeros(shard.blocks, np.bool_))
        new = blocks[~is_verified[blocks]].tolist()
        if not new:
            return
        expected = np.fromfile(self.folder / f"{name}.crc", np.uint32)
        for block in new:
            if shard.checksum(block) != expected[block]:
                raise NmtError(
                    f"{self.folder / name}.data or .offsets: damaged: the checksum of pairs "
                    f"{block * PAIRS_PER_CHECKSUM:,} to {(block + 1) * PAIRS_PER_CHECKSUM - 1:,} is wrong; "
                    "run nmt preprocess --force"
                )
        is_verified[new] = True

    def texts(self, side: str, indices: Ints) -> list[str]:
        """Return one side of the pairs `indices` of a store of text."""
        data, sizes = self.gather(side, indices)
        raw, ends = data.tobytes(), np.cumsum(sizes).tolist()
        return [raw[start:end].decode("utf-8") for start, end in zip([0, *ends][:-1], ends, strict=True)]

    def _read_header(self) -> dict[str, Any]:
        path = self.folder / "store.json"
        try:
            header: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
            if header["version"] != _VERSION:
                raise NmtError(f"{path}: written by another version of nmt; run nmt preprocess again")
            np.dtype(header["dtype"])
            header["is_text"], -header["pairs"] // header["pairs_per_shard"], header["files"].items()
        except FileNotFoundError:
            raise NmtError(f"{path}: missing; run nmt preprocess again") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            raise NmtError(f"{path}: corrupt; run nmt preprocess --force") from None
        return header

    def _check_sizes(self) -> None:
        """Raise NmtError if a file does not have the recorded size, or the size that the number of pairs demands."""
        expected = {f"{side}.lengths": 4 * self._pairs for side in SIDES}
        for shard in range(-(-self._pairs // self._capacity)):
            pairs = min(self._capacity, self._pairs - shard * self._capacity)
            expected |= {f"{shard:05}.{side}.offsets": 8 * (pairs + 1) for side in SIDES}
            expected |= {f"{shard:05}.{side}.data": self._sizes.get(f"{shard:05}.{side}.data", -1) for side in SIDES}
        for name, size in {**self._sizes, **expected}.items():
            path = self.folder / name
            try:
                is_right = path.stat().st_size == size
                if is_right and name.endswith(".offsets"):
                    is_right = _ends(path) == (
                        0,
                        expected[f"{name.removesuffix('offsets')}data"] // self._dtype.itemsize,
                    )
            except OSError:
                raise NmtError(f"{path}: missing or corrupt; run nmt preprocess --force") from None
            if not is_right:
                raise NmtError(f"{path}: corrupt; run nmt preprocess --force")


def _ends(path: Path) -> tuple[int, int]:
    """Return the first and the last number of a file of offsets."""
    with path.open("rb") as file:
        first = file.read(8)
        file.seek(-8, 2)
        return int.from_bytes(first, "little"), int.from_bytes(file.read(8), "little")


def _ranges(starts: Ints, sizes: Ints) -> Ints:
    """Return the numbers from each of `starts` on, as many as its size says, end to end."""
    ends = np.cumsum(sizes)
    return np.asarray(np.repeat(starts - (ends - sizes), sizes) + np.arange(int(sizes.sum())))


def _map(path: Path, dtype: "np.dtype[Any]") -> Ints:
    try:
        if path.stat().st_size == 0:  # an empty file cannot be mapped
            return np.empty(0, dtype)
        return np.asarray(np.memmap(path, dtype, mode="r"))
    except (OSError, ValueError):
        raise NmtError(f"{path}: missing or corrupt; run nmt preprocess --force") from None
