"""One published set as it is served: its manifest, an index of its tables' files, and queries over just those files.

Tables are read at the versions that the manifest names, so a page never mixes two states of the lakehouse. The index is
made once a set, from the Delta logs; a query opens only the files whose partition values it asks for.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from umg_assets import tables
from umg_assets.dashboard.figures import readable
from umg_assets.dashboard.sums import FileSums
from umg_assets.resources.copies import Copies
from umg_assets.resources.delta_log import TableDamagedError
from umg_assets.resources.json_files import read_json
from umg_assets.resources.locations import location_of
from umg_assets.resources.published import CURRENT, HEALTH, MANIFEST
from umg_assets.resources.reading import TableMissingError
from umg_assets.resources.table_files import File, files_of, relation
from umg_assets.settings.groups import Dashboard
from umg_assets.settings.model import drop_place
from umg_assets.tables import Table

Rows = list[dict[str, Any]]


class NothingPublishedError(RuntimeError):
    """There is no published set yet; the message says what to type."""


class SetBrokenError(RuntimeError):
    """A published set, or what it names, is not whole; the message says what is missing and what to type."""


class Kept:
    """What is kept of files from one set to the next."""

    def __init__(self, home: Path) -> None:
        self.sums, self.copies = FileSums(), Copies(home)


class Served:
    """A published set.

    manifest, health: as exports wrote them. pages: by experiment, the page of its readout. settings: what may be shown.
    Threads may share it.
    """

    def __init__(self, home: Path, folder: Path, settings: Dashboard, kept: Kept | None = None) -> None:
        self.home, self.folder, self.settings = home, folder, settings
        self.manifest, self.health = _manifest(folder), read_json(folder / HEALTH)
        self.pages = {path.parent.name: read_json(path) for path in _experiment_pages(home)}
        self.id = set_id(home, folder)
        self._files = _index(home, self.manifest)
        self._database = duckdb.connect(
            config={"temp_directory": str(home / "staging"), "memory_limit": "256MB", "threads": 2}
        )
        self._kept = kept or Kept(home)
        self._kept.copies.keep(file for files in self._files.values() for file in files)
        self._most_listeners: dict[tuple[str, date], dict[str, int]] = {}

    @classmethod
    def newest(cls, home: Path, settings: Dashboard, kept: Kept | None = None) -> "Served":
        """The set that is published now. Raises NothingPublishedError before the first, and SetBrokenError."""
        return cls(home, published_now(home), settings, kept)

    @property
    def complete_through(self) -> date:
        """The last local day whose plays are complete."""
        return date.fromisoformat(self.manifest["complete_through"])

    @property
    def day_shown(self) -> date:
        """The day whose window charts are shown unless another is asked for."""
        return date.fromisoformat(self.manifest["day_shown"])

    @property
    def published_at(self) -> datetime:
        """When the set was published, UTC."""
        return datetime.fromisoformat(self.manifest["published_at"])

    @property
    def definitions(self) -> Mapping[str, Any]:
        """The settings behind the figures, as resources/exporting.py: definitions_of."""
        return self.manifest["definitions"]

    @property
    def csv_for_spreadsheets(self) -> bool:
        """Whether CSV files of the set are guarded for spreadsheets: downloads are as the exports beside them."""
        return self.manifest.get("csv_for_spreadsheets", True)

    @cached_property
    def months(self) -> dict[str, list[date]]:
        """By market that has a chart, in the order of umg.toml, its months in order."""
        found: dict[str, set[date]] = {}
        for file in self._files.get(tables.TOP_TRACKS_BY_COUNTRY, ()):
            market, month = file.values["country"], file.values["month"]
            if market and month:
                found.setdefault(market, set()).add(date.fromisoformat(month))
        order = [market for market in self.definitions["markets"] if market in found]
        return {market: sorted(found[market]) for market in [*order, *sorted(found.keys() - {*order})]}

    def days(self, table: Table) -> list[date]:
        """The days that a table has, in order, by its partition column."""
        (column,) = table.partitioned_by
        return sorted(
            {date.fromisoformat(text) for file in self._files.get(table, ()) if (text := file.values[column])}
        )

    def files(self, table: Table, **wanted: Any) -> list[File]:
        """The files of a table; by partition column, of a value or of several only."""
        allowed = {column: _texts(values) for column, values in wanted.items()}
        files = [
            file
            for file in self._files.get(table, ())
            if all(file.values[column] in texts for column, texts in allowed.items())
        ]
        try:
            return self._kept.copies.of(location_of(self.home, table), files)
        except FileNotFoundError as error:
            raise SetBrokenError(_gone(self.manifest, "a file of its tables")) from error

    def relation(self, table: Table, **wanted: Any) -> str:
        """SQL to select from: the rows of `files(table, **wanted)`, with every column of the contract."""
        return relation(table, self.files(table, **wanted))

    def query(self, sql: str, *values: Any, **given: pa.Table) -> Rows:
        """The rows of a DuckDB query, as `readable` gives them; values: for its question marks, in order; given: other
        tables, by name. Raises SetBrokenError when a file has gone since the set was indexed."""
        cursor = self._database.cursor()
        for name, table in given.items():
            cursor.register(name, table)
        try:
            result = cursor.execute(sql, list(values))
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall()
        except duckdb.IOException as error:
            raise SetBrokenError(_gone(self.manifest, "a file of its tables")) from error
        return [readable(dict(zip(names, row, strict=True))) for row in rows]

    def most_listeners(self, market: str, month: date) -> dict[str, int]:
        """By each criterion by which a market has a chart of a month, the listeners of the track that had most."""
        known = self._most_listeners.get((market, month))
        if known is None:
            chart = self.relation(tables.TOP_TRACKS_BY_COUNTRY, country=market, month=month)
            rows = self.query(f"select criterion, max(listeners) as listeners from {chart} group by criterion")
            known = self._most_listeners[market, month] = {row["criterion"]: row["listeners"] for row in rows}
        return known

    @cached_property
    def withheld(self) -> dict[tuple[str, date], str]:
        """By market and month, the track whose figures go with those of the only one that had few listeners.

        A chart that is not full holds every track of its market, and adds up to the market's plays: the one would be
        what the others leave of them. It is the one of least plays among the others.
        """
        rows = self.query(
            f"""select country, month, arg_min(track_id, (plays, track_id)) filter (listeners >= $1) as track_id
            from {self.relation(tables.TOP_TRACKS_BY_COUNTRY)} where criterion = 'plays' group by country, month
            having count(*) < $2 and count(*) filter (listeners < $1) = 1""",
            self.settings.minimum_listeners, self.definitions["top_tracks"],
        )  # fmt: skip
        return {(row["country"], row["month"]): row["track_id"] for row in rows if row["track_id"]}

    @cached_property
    def daily(self) -> Rows:
        """Sums of every day and market: play_date, country (None: unknown), plays, streams, listening_ms; in order."""
        return self._kept.sums.daily(self.files(tables.DAILY_TRACK_PLAYS), self.query)

    @cached_property
    def first_days(self) -> dict[str | None, date]:
        """By country (None: unknown), the first day on which it was played: before it, nothing can be compared."""
        return {row["country"]: row["play_date"] for row in reversed(self.daily)}

    def track_plays(self, periods: Mapping[str, Collection[date]], market: str | None) -> pa.Table:
        """By track that was played in any of the periods: track_id, and a column of plays a period.

        periods: by name of the column, its days. market: plays of this market only; None: all, unknown ones included.
        """
        files = {name: self.files(tables.DAILY_TRACK_PLAYS, play_date=days) for name, days in periods.items()}
        try:
            return self._kept.sums.tracks.plays(
                files, market, lambda sql: self._database.cursor().sql(sql).to_arrow_table()
            )
        except duckdb.IOException as error:
            raise SetBrokenError(_gone(self.manifest, "a file of its tables")) from error


def published_now(home: Path) -> Path:
    """The folder of the set that is published now.

    Raises NothingPublishedError before the first, and SetBrokenError for one that is not whole, or that an older umg
    wrote, which named no versions.
    """
    link = home / "exports" / CURRENT
    if not link.is_symlink():
        raise NothingPublishedError(
            f"No charts are published yet: drop files into {drop_place(home)} and type `umg run` (or try `umg demo`)."
        )
    folder = link.resolve()
    _manifest(folder)
    return folder


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / MANIFEST)
    if "complete_through" not in manifest:
        raise SetBrokenError(_gone({}, f"{folder.name}/{MANIFEST}"))
    names = {table.name for table in tables.PUBLISHED}
    versions = manifest.get("versions")
    if not isinstance(versions, dict) or not names <= versions.keys():
        day = manifest["complete_through"]
        raise SetBrokenError(
            f"The published set was written by another version of umg: expected the versions of {len(names)} tables in "
            f"{MANIFEST}. Type `umg run --range {day}:{day}`, which publishes a new one."
        )
    return manifest


def _index(home: Path, manifest: Mapping[str, Any]) -> dict[Table, list[File]]:
    """The files of each table that has a version (-1: none yet). Raises SetBrokenError when one is not there."""
    found = {}
    for table in tables.PUBLISHED:
        version = manifest["versions"][table.name]
        if version < 0:
            continue
        try:
            found[table] = files_of(home, table, version)
        except (TableDamagedError, TableMissingError) as error:
            raise SetBrokenError(_gone(manifest, f"version {version} of {table.name}")) from error
        location = location_of(home, table)
        if not location.holds(file.path.removeprefix(f"{location}/") for file in found[table]):
            raise SetBrokenError(_gone(manifest, f"a file of version {version} of {table.name}"))
    return found


def _gone(manifest: Mapping[str, Any], what: str) -> str:
    day = manifest.get("complete_through")
    command = f"umg run --range {day}:{day}" if day else "umg run --range DAY:DAY"
    return f"The published set is not whole: {what} is not there. Type `{command}`, which publishes a new one."


def set_id(home: Path, folder: Path) -> str:
    """What tells a set from others: its folder, and the state of the experiments' pages beside it."""
    stamps = [(path.parent.name, path.stat().st_mtime_ns) for path in _experiment_pages(home)]
    return f"{folder.name.removeprefix('set-')}-{hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:6]}"


def _experiment_pages(home: Path) -> list[Path]:
    return sorted((home / "exports" / "experiments").glob("*/page.json"))


def _texts(values: Any) -> set[str | None]:
    several = values if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    return {None if value is None else str(value) for value in several}
