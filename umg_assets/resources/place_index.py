"""On which delivery days the ledger knows a path, or files of a folder: hashes and days, in two sorted columns."""

import hashlib
import zlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from umg_assets.planning.entry import Entry, folder_of

_BYTES = 8


class PlaceIndex:
    """Answers with all days of what it is asked for, and perhaps others: two places may have the same hash.

    hashes: sorted; days: of each, the delivery day as an ordinal. 12 bytes a path and delivery day.
    """

    def __init__(self, hashes: Any = None, days: Any = None) -> None:
        self._hashes = np.empty(0, np.int64) if hashes is None else hashes
        self._days = np.empty(0, np.int32) if days is None else days

    def days_of(self, places: Iterable[tuple[str, str]], folders: Iterable[tuple[str, str]]) -> set[date]:
        """The delivery days of these (source, path), and of files in these (source, folder)."""
        asked = np.unique(np.array([*map(_of_path, places), *map(_of_folder, folders)], np.int64))
        first, last = (np.searchsorted(self._hashes, asked, side) for side in ("left", "right"))
        found: set[int] = set()
        for low, high in zip(first.tolist(), last.tolist(), strict=True):
            found.update(self._days[low:high].tolist())
        return {date.fromordinal(day) for day in found}

    def with_entries(self, entries: Iterable[Entry]) -> "PlaceIndex":
        """This index, and what entries add to it."""
        places = {(entry.source, entry.path, entry.delivery_date) for entry in entries}
        folders = {(source, folder_of(path), day) for source, path, day in places}
        added = {(_of_path((source, path)), day.toordinal()) for source, path, day in places}
        added |= {(_of_folder((source, folder)), day.toordinal()) for source, folder, day in folders}
        pairs = np.array(sorted(added), np.int64).reshape(-1, 2)
        pairs = pairs[~self._holds(pairs)]
        at = np.searchsorted(self._hashes, pairs[:, 0])
        return PlaceIndex(
            np.insert(self._hashes, at, pairs[:, 0]), np.insert(self._days, at, pairs[:, 1].astype(np.int32))
        )

    def _holds(self, pairs: Any) -> Any:
        first, last = (np.searchsorted(self._hashes, pairs[:, 0], side) for side in ("left", "right"))
        held = first < last
        for at in np.flatnonzero(held):
            held[at] = pairs[at, 1] in self._days[first[at] : last[at]]
        return held

    def write(self, path: Path) -> dict[str, int]:
        """Writes it into a new file; returns what `read` has to be told."""
        hashes, days = self._hashes.tobytes(), self._days.tobytes()
        path.touch(0o600, exist_ok=False)
        path.write_bytes(hashes + days)
        return {"number": len(self._hashes), "crc": zlib.crc32(days, zlib.crc32(hashes))}

    @staticmethod
    def read(path: Path, number: int, crc: int) -> "PlaceIndex":
        """What was written, mapped into memory. Raises ValueError where the file holds anything else, or OSError."""
        if path.stat().st_size != number * (_BYTES + 4):
            raise ValueError(f"{path}: expected {number} places")
        if not number:
            return PlaceIndex()
        content = np.memmap(path, np.uint8, "r")
        if zlib.crc32(content.data) != crc:
            raise ValueError(f"{path}: expected the checksum {crc}")
        return PlaceIndex(content[: number * _BYTES].view(np.int64), content[number * _BYTES :].view(np.int32))


def _of_path(place: tuple[str, str]) -> int:
    return _hash("\0".join(place))


def _of_folder(folder: tuple[str, str]) -> int:
    return _hash("\0".join(folder) + "/")


def _hash(text: str) -> int:
    # a name that is not UTF-8 has lone surrogates
    return int.from_bytes(
        hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_BYTES).digest(), signed=True
    )
