"""Prepared pairs on disk: shards of token ids, or of text where subwords are sampled, mapped into memory.

A store is a folder: `store.json` (written last: counts, and the size of every file), `source.lengths` and
`target.lengths` (int32, tokens of each pair without BOS and EOS), and for every shard of `PAIRS_PER_SHARD` pairs and
each side NNNNN.SIDE.offsets (int64, one more than pairs) and NNNNN.SIDE.data (token ids, or UTF-8 bytes).
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
    """One side of some pairs: `data` end to end, `sizes` the elements of `data` and `lengths` the tokens of each."""

    data: Ints
    sizes: Ints
    lengths: Ints


def id_type(vocabulary_size: int) -> str:
    """Return the narrowest numpy type that holds the ids of a vocabulary."""
    return "uint16" if vocabulary_size < 1 << 16 else "uint32"


class StoreWriter:
    """Appends pairs to a new store in `folder`; `close` makes it valid. `dtype` is of ids, or uint8 for text."""

    def __init__(self, folder: Path, dtype: str, is_text: bool, pairs_per_shard: int = PAIRS_PER_SHARD) -> None:
        folder.mkdir(parents=True)
        self._folder, self._dtype, self._is_text, self._capacity = folder, dtype, is_text, pairs_per_shard
        self._pairs = 0
        self._files: dict[str, int] = {}
        self._open: dict[str, BinaryIO] = {}
        self._ends = dict.fromkeys(SIDES, 0)
        for side in SIDES:
            self._append(f"{side}.lengths", np.empty(0, np.int32))

    def append(self, source: Column, target: Column) -> None:
        """Write pairs after those that are there."""
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
                self._append(f"{side}.lengths", column.lengths[start:stop].astype(np.int32))
                self._append(f"{shard:05}.{side}.data", column.data[cut[start] : cut[stop]].astype(self._dtype))
                self._append(f"{shard:05}.{side}.offsets", cut[start + 1 : stop + 1] - cut[start] + self._ends[side])
                self._ends[side] += int(cut[stop] - cut[start])
            self._pairs += stop - start
            start = stop

    def close(self) -> None:
        """Finish the files and write the header."""
        self._close_files(self._open)
        header = {
            "version": _VERSION,
            "pairs": self._pairs,
            "pairs_per_shard": self._capacity,
            "dtype": self._dtype,
            "is_text": self._is_text,
            "files": self._files,
        }
        (self._folder / "store.json").write_text(json.dumps(header, indent=1) + "\n", encoding="utf-8")

    def abandon(self) -> None:
        """Close the files of a store that will not be finished."""
        self._close_files(self._open)

    def _begin_shard(self, shard: int) -> None:
        self._close_files([name for name in self._open if not name.endswith(".lengths")])
        for side in SIDES:
            self._ends[side] = 0
            self._append(f"{shard:05}.{side}.data", np.empty(0, self._dtype))
            self._append(f"{shard:05}.{side}.offsets", np.zeros(1, np.int64))

    def _close_files(self, names: list[str] | dict[str, BinaryIO]) -> None:
        for name in list(names):
            self._open.pop(name).close()

    def _append(self, name: str, values: Ints) -> None:
        if name not in self._open:
            self._open[name] = (self._folder / name).open("wb")
            self._files[name] = 0
        self._open[name].write(values.tobytes())
        self._files[name] += values.nbytes


class Store:
    """A finished store, read through memory maps. `len` is its number of pairs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        header = self._read_header()
        self.is_text: bool = header["is_text"]
        """Whether it holds text, to be segmented anew each time, in place of ids."""
        self._pairs: int = header["pairs"]
        self._capacity: int = header["pairs_per_shard"]
        self._check_sizes(header)
        self.source_lengths: Ints = self._map("source.lengths", "int32")
        """Source tokens of each pair without EOS, plainly segmented; int32, (pairs,)."""
        self.target_lengths: Ints = self._map("target.lengths", "int32")
        """Target tokens of each pair without EOS, plainly segmented; int32, (pairs,)."""
        shards = range(-(-self._pairs // self._capacity))
        self._offsets = {s: [self._map(f"{i:05}.{s}.offsets", "int64") for i in shards] for s in SIDES}
        self._data = {s: [self._map(f"{i:05}.{s}.data", header["dtype"]) for i in shards] for s in SIDES}
        for side in SIDES:
            for shard, (offsets, data) in enumerate(zip(self._offsets[side], self._data[side], strict=True)):
                if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(data):
                    raise NmtError(f"{folder / f'{shard:05}.{side}.offsets'}: corrupt; run nmt preprocess --force")

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open a store; raises `NmtError` naming the file that is missing, truncated or corrupt."""
        return cls(folder)

    def __len__(self) -> int:
        return self._pairs

    def pair(self, index: int) -> tuple[Ints, Ints]:
        """Return the (source, target) token ids of one pair, without BOS and EOS; not for a store of text."""
        assert not self.is_text
        return self._get("source", index), self._get("target", index)

    def text(self, index: int) -> tuple[str, str]:
        """Return the (source, target) text of one pair of a store of text."""
        assert self.is_text
        source, target = (self._get(side, index).tobytes().decode("utf-8") for side in SIDES)
        return source, target

    def gather(self, side: str, indices: Ints) -> tuple[Ints, Ints]:
        """Return one side of many pairs, end to end in the order of `indices`, and the size of each.

        A hundred times as fast as `pair` one by one.
        """
        shards, rows = np.divmod(indices, self._capacity)
        starts, sizes = np.empty(len(indices), np.int64), np.empty(len(indices), np.int64)
        for shard in np.unique(shards):
            here = shards == shard
            offsets = self._offsets[side][shard]
            starts[here] = offsets[rows[here]]
            sizes[here] = offsets[rows[here] + 1] - starts[here]
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if len(ends) else 0
        where = np.repeat(starts - (ends - sizes), sizes) + np.arange(total)
        if len(self._data[side]) == 1:
            return np.asarray(self._data[side][0][where]), sizes
        shard_of = np.repeat(shards, sizes)
        data = np.empty(total, self._data[side][0].dtype if self._data[side] else np.uint16)
        for shard in np.unique(shards):
            here = shard_of == shard
            data[here] = self._data[side][shard][where[here]]
        return data, sizes

    def texts(self, side: str, indices: Ints) -> list[str]:
        """Return one side of many pairs of a store of text."""
        data, sizes = self.gather(side, indices)
        raw, ends = data.tobytes(), np.cumsum(sizes).tolist()
        return [raw[start:end].decode("utf-8") for start, end in zip([0, *ends][:-1], ends, strict=True)]

    def _get(self, side: str, index: int) -> Ints:
        if not 0 <= index < self._pairs:
            raise IndexError(index)
        shard, row = divmod(index, self._capacity)
        offsets = self._offsets[side][shard]
        return self._data[side][shard][offsets[row] : offsets[row + 1]]

    def _read_header(self) -> dict[str, Any]:
        path = self.folder / "store.json"
        try:
            header: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
            if header["version"] != _VERSION:
                raise NmtError(f"{path}: written by another version of nmt; run nmt preprocess again")
            np.dtype(header["dtype"])
            header["is_text"], header["files"].items(), -header["pairs"] // header["pairs_per_shard"]
        except FileNotFoundError:
            raise NmtError(f"{path}: missing; run nmt preprocess again") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            raise NmtError(f"{path}: corrupt; run nmt preprocess --force") from None
        return header

    def _check_sizes(self, header: dict[str, Any]) -> None:
        for name, size in header["files"].items():
            path = self.folder / name
            found = path.stat().st_size if path.exists() else -1
            if found != size:
                state = "missing" if found < 0 else f"{found:,} bytes long where {size:,} were written"
                raise NmtError(f"{path}: {state}; run nmt preprocess --force")

    def _map(self, name: str, dtype: str) -> Ints:
        path = self.folder / name
        try:
            if path.stat().st_size == 0:  # an empty file cannot be mapped
                return np.empty(0, dtype)
            return np.asarray(np.memmap(path, dtype, mode="r"))
        except (OSError, ValueError):
            raise NmtError(f"{path}: missing or corrupt; run nmt preprocess --force") from None
