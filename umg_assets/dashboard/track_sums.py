"""Plays by track of many days at once: each file of daily_track_plays is summed once and kept as numbers.

A file of a day is small but takes about a millisecond to open; kept, the day takes a few microseconds. A kept row is
10 bytes (track, market, plays). What is used least gives way when the room is taken.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from umg_assets import tables
from umg_assets.resources.table_files import File, relation

KEPT_BYTES = 48 * 1024 * 1024
READ_TOGETHER = 32
"""Files that a query sums at a time: bounds what it takes beside what is kept."""
Query = Callable[[str], pa.Table]


class _Sums(NamedTuple):
    track: np.ndarray
    market: np.ndarray
    plays: np.ndarray

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self)


_NOTHING = _Sums(np.zeros(0, np.int32), np.zeros(0, np.int16), np.zeros(0, np.int32))


class TrackSums:
    """Plays by market and track of files of daily_track_plays, by path. Threads may share it."""

    def __init__(self, room: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[str, _Sums] = OrderedDict()
        self._tracks = pa.nulls(0, pa.string())
        self._markets: dict[str | None, int] = {}
        self._room, self._bytes, self._lock = room, 0, Lock()

    def __len__(self) -> int:
        """How many files are kept."""
        return len(self._kept)

    def plays(self, periods: Mapping[str, Sequence[File]], market: str | None, query: Query) -> pa.Table:
        """By track that was played in any of the periods: track_id, and a column of plays a period.

        periods: by name of the column, its files. market: plays of this market only; None: all, unknown ones included.
        query: the rows of an SQL query. Reads only files that are not kept.
        """
        with self._lock:
            totals = {name: self._total(files, market, query) for name, files in periods.items()}
            tracks = self._tracks
        size = len(tracks)
        columns = {name: np.pad(total, (0, size - len(total))) for name, total in totals.items()}
        played = np.flatnonzero(sum(columns.values(), np.zeros(size, np.int64)))
        shown = {name: _to_arrow(column[played]) for name, column in columns.items()}
        return pa.Table.from_arrays([tracks.take(_to_arrow(played)), *shown.values()], ["track_id", *shown])

    def _total(self, files: Sequence[File], market: str | None, query: Query) -> np.ndarray:
        total = np.zeros(len(self._tracks), np.int64)
        for start in range(0, len(files), READ_TOGETHER):
            some = files[start : start + READ_TOGETHER]
            self._read([file for file in some if file.path not in self._kept], query)
            kept = [self._kept[file.path] for file in some]
            track, of_market, plays = (np.concatenate(arrays) for arrays in zip(*kept, strict=True))
            if market is not None:
                chosen = of_market == self._markets.get(market, -1)
                track, plays = track[chosen], plays[chosen]
            total = np.pad(total, (0, len(self._tracks) - len(total)))
            total += np.bincount(track, plays, len(total)).astype(np.int64)
            self._make_room([file.path for file in some])
        return total

    def _read(self, files: Sequence[File], query: Query) -> None:
        if not files:
            return
        rows = query(
            "select file_number, country, track_id, coalesce(plays, 0) as plays "
            f"from {relation(tables.DAILY_TRACK_PLAYS, files, numbered=True)}"
        )
        self._kept.update(dict.fromkeys((file.path for file in files), _NOTHING))
        if not rows.num_rows:
            return
        number = _to_numpy(rows.column("file_number").combine_chunks(), np.int32)
        track, market = self._numbered(rows.column("track_id")), self._numbered_markets(rows.column("country"))
        plays = _to_numpy(rows.column("plays").combine_chunks(), np.int64)
        order = np.argsort(number.astype(np.int16), kind="stable")
        ends = np.searchsorted(number[order], np.arange(len(files) + 1))
        for file, start, end in zip(files, ends[:-1], ends[1:], strict=True):
            chosen = order[start:end]
            self._kept[file.path] = _summed(track[chosen], market[chosen], plays[chosen])
            self._bytes += self._kept[file.path].bytes

    def _numbered(self, ids: pa.ChunkedArray) -> np.ndarray:
        """Each track's place among those that are known; new ones are added."""
        texts = ids.cast(pa.string()).combine_chunks()
        unique = texts.unique()
        new = unique.filter(pc.call_function("is_null", [self._places(unique)]))
        self._tracks = pa.concat_arrays([self._tracks, new])
        return _to_numpy(self._places(texts), np.int32)

    def _places(self, texts: pa.Array) -> pa.Array:
        return pc.call_function("index_in", [texts], pc.SetLookupOptions(self._tracks))

    def _numbered_markets(self, markets: pa.ChunkedArray) -> np.ndarray:
        encoded = markets.combine_chunks().dictionary_encode(null_encoding="encode")
        places = [self._markets.setdefault(name, len(self._markets)) for name in encoded.dictionary.to_pylist()]
        return np.array(places, np.int16)[_to_numpy(encoded.indices, np.int32)]

    def _make_room(self, used: Sequence[str]) -> None:
        """Lets go of what was used least recently, until the rest fits. used: paths that were used just now."""
        for path in used:
            self._kept.move_to_end(path)
        while self._bytes > self._room and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].bytes


def _summed(track: np.ndarray, market: np.ndarray, plays: np.ndarray) -> _Sums:
    """Rows of a day to sums by track and market; the day has a row for each age group."""
    key = track.astype(np.int64) << 16 | market
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    chosen = order[first]
    return _Sums(track[chosen], market[chosen], np.add.reduceat(plays[order], first).astype(np.int32))


def _to_numpy(array: pa.Array, type_: Any) -> np.ndarray:
    """The numbers of an array without NULL; pyarrow's own way would import pandas, which takes a second."""
    return np.frombuffer(array.buffers()[1], type_, len(array), array.offset * np.dtype(type_).itemsize)


def _to_arrow(numbers: np.ndarray) -> pa.Array:
    wide = np.ascontiguousarray(numbers, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(wide), [None, pa.py_buffer(wide)])
