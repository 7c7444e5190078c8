"""Write and read prepared pairs: memory-mapped shards of token ids, or of text for subword sampling.

A store is a folder with `store.json` (written last; the counts and the size of every file), `source.lengths` and
`target.lengths` (int32, tokens of each pair without BOS and EOS). For every shard of `PAIRS_PER_SHARD` pairs and each
side there are NNNNN.SIDE.offsets (int64, one more than pairs) and NNNNN.SIDE.data (token ids, or UTF-8 bytes).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nmt.errors import NmtError
from nmt.storage.json_text import parse_json

PAIRS_PER_SHARD = 1 << 20
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
        header = {
            "version": _VERSION,
            "pairs": self._pairs,
            "pairs_per_shard": self._capacity,
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
        for side in SIDES:
            self._ends[side] = 0
            self._write(f"{shard:05}.{side}.data", np.empty(0, self._dtype))
            self._write(f"{shard:05}.{side}.offsets", np.zeros(1, np.int64))

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


class Store:
    """A finished store, read through memory maps. `len` is its number of pairs."""

    def __init__(self, folder: Path) -> None:
        """Open a store. Raise an NmtError that names the file if a file is missing, truncated or corrupt."""
        self.folder = folder
        header = self._read_header()
        self.is_text: bool = header["is_text"]
        """Whether the store holds text, which is segmented again in each epoch, instead of token ids."""
        self._pairs: int = header["pairs"]
        self._capacity: int = header["pairs_per_shard"]
        self.source_lengths: Ints = self._map("source.lengths", "int32")
        """(pairs,) int32: source tokens of each pair without EOS, segmented without sampling."""
        self.target_lengths: Ints = self._map("target.lengths", "int32")
        """(pairs,) int32: target tokens of each pair without EOS, segmented without sampling."""
        for name, lengths in (("source.lengths", self.source_lengths), ("target.lengths", self.target_lengths)):
            if len(lengths) != self._pairs:
                raise NmtError(f"{folder / name}: corrupt; run nmt preprocess --force")
        shards = range(-(-self._pairs // self._capacity))
        self._offsets = {s: [self._map(f"{i:05}.{s}.offsets", "int64") for i in shards] for s in SIDES}
        self._data = {s: [self._map(f"{i:05}.{s}.data", header["dtype"]) for i in shards] for s in SIDES}
        for side in SIDES:
            for shard, (offsets, data) in enumerate(zip(self._offsets[side], self._data[side], strict=True)):
                if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(data):
                    raise NmtError(f"{folder / f'{shard:05}.{side}.offsets'}: corrupt; run nmt preprocess --force")

    def __len__(self) -> int:
        return self._pairs

    def gather(self, side: str, indices: Ints) -> tuple[Ints, Ints]:
        """Return one side of the pairs `indices`, end to end in their order, and the size of each."""
        shards, rows = np.divmod(indices, self._capacity)
        starts, sizes = np.empty(len(indices), np.int64), np.empty(len(indices), np.int64)
        for shard in np.unique(shards):
            is_here = shards == shard
            offsets = self._offsets[side][shard]
            starts[is_here] = offsets[rows[is_here]]
            sizes[is_here] = offsets[rows[is_here] + 1] - starts[is_here]
        ends = np.cumsum(sizes)
        positions = np.repeat(starts - (ends - sizes), sizes) + np.arange(sizes.sum())  # in the data of their shards
        if len(self._data[side]) == 1:
            return np.asarray(self._data[side][0][positions]), sizes
        data_shards = np.repeat(shards, sizes)
        data = np.empty(len(positions), self._data[side][0].dtype if self._data[side] else np.uint16)
        for shard in np.unique(shards):
            is_here = data_shards == shard
            data[is_here] = self._data[side][shard][positions[is_here]]
        return data, sizes

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
            header["is_text"], -header["pairs"] // header["pairs_per_shard"]
        except FileNotFoundError:
            raise NmtError(f"{path}: missing; run nmt preprocess again") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            raise NmtError(f"{path}: corrupt; run nmt preprocess --force") from None
        return header

    def _map(self, name: str, dtype: str) -> Ints:
        path = self.folder / name
        try:
            if path.stat().st_size == 0:  # an empty file cannot be mapped
                return np.empty(0, dtype)
            return np.asarray(np.memmap(path, dtype, mode="r"))
        except (OSError, ValueError):
            raise NmtError(f"{path}: missing or corrupt; run nmt preprocess --force") from None
