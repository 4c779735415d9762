"""Sums of files, kept from one set to the next: a Delta file never changes, so it is summed once."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from umg_assets import tables
from umg_assets.dashboard.track_sums import TrackSums
from umg_assets.resources.table_files import File, relation

FIGURES = ("plays", "streams", "listening_ms")
_Key = tuple[date, str | None]


class FileSums:
    """Sums of the files of daily_track_plays, by path."""

    def __init__(self) -> None:
        self._daily: dict[str, list[tuple[_Key, tuple[int, ...]]]] = {}
        self.tracks = TrackSums()

    def daily(self, files: Sequence[File], query: Callable[[str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Sums by play_date and country, over the files: rows with FIGURES, in order; reads only files that are new.

        Sums of files that are gone are dropped.
        """
        known = {file.path: self._daily[file.path] for file in files if file.path in self._daily}
        for file in files:
            known.setdefault(file.path, [])
        new = [file for file in files if file.path not in self._daily]
        sums = ", ".join(f"sum({name})::bigint as {name}" for name in FIGURES)
        rows = relation(tables.DAILY_TRACK_PLAYS, new, numbered=True)
        for row in query(f"select file_number, play_date, country, {sums} from {rows} group by all") if new else ():
            key = (row["play_date"], row["country"])
            known[new[row["file_number"]].path].append((key, tuple(row[name] or 0 for name in FIGURES)))
        self._daily = known
        totals: dict[_Key, Counter[str]] = {}
        for kept in known.values():
            for key, figures in kept:
                totals.setdefault(key, Counter()).update(dict(zip(FIGURES, figures, strict=True)))
        return [
            {"play_date": day, "country": country, **{name: totals[day, country][name] for name in FIGURES}}
            for day, country in sorted(totals, key=lambda key: (key[0], key[1] or ""))
        ]
