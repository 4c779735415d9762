"""A lakehouse under test: files dropped as an exporter would, run as `umg run` does, read by delta-rs."""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Self

import deltalake

from umg_assets.cli.run import runner_of
from umg_assets.planning.history import History
from umg_assets.privacy.seals import Seals
from umg_assets.report import Report
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.locations import location_of
from umg_assets.settings.model import Settings, read_settings
from umg_assets.tables import BY_NAME, Table
from umg_assets_tests.instance import copy_history, instance_in_memory

PLAY_COLUMNS = ("play_id", "user_id", "session_id", "track_id", "started_at", "played_ms", "country")
USER_COLUMNS = ("user_id", "country", "age_group", "birth_date")
EVENT_COLUMNS = (
    "event_id",
    "event_name",
    "user_id",
    "session_id",
    "track_id",
    "occurred_at",
    "experiment",
    "variant",
    "properties",
)
TRACK_COLUMNS = ("track_id", "title", "artist_id", "artist_name", "genre", "duration_ms")

BUILT = (
    "users",
    "tracks",
    "plays",
    "daily_track_plays",
    "monthly_track_plays",
    "top_tracks_by_country",
    "sessions",
    "top_artists_by_genre",
    "age_group_favourites",
    "chart_movements",
)

SHORT_WINDOWS = "[charts]\ntop_artists_days = 4\nfavourites_days = 2\n"
SOURCES = """
[[sources.plays]]
files = "plays/*.csv*"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.plays.columns]
play_id = "play_id"
user_id = "user_id"
session_id = "session_id"
track_id = "track_id"
started_at = "to_timestamp(started_at)"
played_ms = "cast(played_ms as bigint)"
country = "country"

[[sources.users]]
files = "users/*.csv"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.users.columns]
user_id = "user_id"
country = "country"
age_group = "age_group"
birth_date = "cast(birth_date as date)"

[[sources.tracks]]
files = "tracks/*.csv"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.tracks.columns]
track_id = "track_id"
title = "title"
artist_id = "artist_id"
artist_name = "artist_name"
genre = "genre"
duration_ms = "cast(duration_ms as bigint)"
"""

EVENT_SOURCE = """
[[sources.events]]
files = "events/*.csv"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.events.columns]
event_id = "event_id"
event_name = "event_name"
user_id = "user_id"
session_id = "session_id"
track_id = "track_id"
occurred_at = "to_timestamp(occurred_at)"
experiment = "experiment"
variant = "variant"
properties = "properties"
"""
"""Added to SOURCES by tests of events."""

SECTION_SOURCES = SOURCES.replace('country = "country"\n', 'country = "country"\nsection = "section"\n', 1)
"""SOURCES of an exporter whose plays name the section of the app that started them."""


class Lake:
    """A home with landing/ and umg.toml. Days are `2026-03-..` unless a test says otherwise; markets AT and DE."""

    def __init__(self, home: Path, on_disk: bool = False) -> None:
        (home / "landing").mkdir(parents=True)
        self._open(home, on_disk)
        self.configure()

    def _open(self, home: Path, on_disk: bool) -> None:
        self.home = home
        self.instance = instance_in_memory()
        self.on_disk = on_disk

    @classmethod
    def opened(cls, home: Path, on_disk: bool = False) -> Self:
        """The lakehouse that another process has built in home, as it is."""
        lake = cls.__new__(cls)
        lake._open(home, on_disk)
        return lake

    def configure(self, text: str = "", sources: str = SOURCES, first_day: str = "2026-01-01") -> None:
        """Writes umg.toml: top-level settings as TOML text, then the sources.

        With a test's sources the windows are short (4 and 2 days), unless the text has [charts]. A file that shrinks
        is not held, unless the text has [thresholds].
        """
        windows = "" if "[charts]" in text or not sources else SHORT_WINDOWS
        windows += "" if "[thresholds]" in text else "[thresholds]\nshrunk_percent = 100\n"
        markets = "" if "markets" in text else 'markets = ["AT", "DE"]\n'
        (self.home / "umg.toml").write_text(f"first_day = {first_day}\n{markets}{text}\n{windows}{sources}")

    @property
    def settings(self) -> Settings:
        """The settings in umg.toml."""
        return read_settings(self.home)

    def drop(self, path: str, content: str | bytes) -> Path:
        """Puts a file into landing/ (.gz: compressed here, when content is text)."""
        file = self.home / "landing" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        file.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") and isinstance(content, str) else data)
        return file

    def drop_plays(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Path:
        """A plays file `plays/NAME.csv`; rows in the order of PLAY_COLUMNS and `section` (may be shorter), or mappings.

        Its header has `section` if one of its rows does: for SECTION_SOURCES.
        """
        plays = list(rows)
        section = any("section" in row if isinstance(row, Mapping) else len(row) > len(PLAY_COLUMNS) for row in plays)
        return self.drop(f"plays/{name}.csv", csv_text((*PLAY_COLUMNS, "section") if section else PLAY_COLUMNS, plays))

    def drop_events(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Path:
        """An events file `events/NAME.csv`; rows in the order of EVENT_COLUMNS (may be shorter), or mappings."""
        return self.drop(f"events/{name}.csv", csv_text(EVENT_COLUMNS, rows))

    def drop_users(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Path:
        """A users file `users/NAME.csv`; rows in the order of USER_COLUMNS, or mappings."""
        return self.drop(f"users/{name}.csv", csv_text(USER_COLUMNS, rows))

    def drop_tracks(self, name: str, rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Path:
        """A tracks file `tracks/NAME.csv`; rows in the order of TRACK_COLUMNS, or mappings."""
        return self.drop(f"tracks/{name}.csv", csv_text(TRACK_COLUMNS, rows))

    def run(self, rebuild: tuple[date, date] | None = None) -> Report:
        """`umg run`, against a Dagster instance in memory (several times faster) or the one on disk."""
        return runner_of(self.settings, instance=None if self.on_disk else self.instance).bring_up_to_date(rebuild)

    def built_afresh(self, home: Path) -> "Lake":
        """Another lakehouse with the same keys, built from this one's landing/ in one run."""
        fresh = Lake(home)
        for name in ("landing", "keys"):
            shutil.copytree(self.home / name, home / name, dirs_exist_ok=True)
        shutil.copy(self.home / "umg.toml", home / "umg.toml")
        fresh.run()
        return fresh

    def copied(self, home: Path) -> "Lake":
        """Another lakehouse with the same files and tables, to be changed.

        Its Dagster instance knows the same runs and events, unless this one's is on disk.
        """
        copy = Lake(home)
        left_out = {"dagster", "staging", "truth"}
        shutil.copytree(self.home, home, symlinks=True, dirs_exist_ok=True, ignore=lambda *_: left_out)
        copy_history(self.instance, copy.instance)
        return copy

    def content(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of the tables built from the raw ones, by table."""
        return {table: self.rows(table) for table in BUILT}

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """A table's rows in a fixed order, read by delta-rs; only the columns named, if any are.

        What is sealed at rest is opened; `stored` gives it as it is.
        """
        rows, known = self.stored(table, *columns), BY_NAME.get(table)
        sealed = known.sealed if known else None
        if known and sealed and rows and sealed in rows[0]:
            values = Seals(self.home).opened(known, [row[sealed] for row in rows])
            rows = [{**row, sealed: value} for row, value in zip(rows, values, strict=True)]
        return sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))

    def stored(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """A table's rows as they are stored; only the columns named, if any are."""
        stored = deltalake.DeltaTable(location_of(self.home, table).address)
        return stored.to_pyarrow_table(columns=list(columns) or None).to_pylist()

    def values(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """As `rows`, each as a tuple of the columns named, sorted."""
        return sorted((tuple(row[name] for name in columns) for row in self.rows(table, *columns)), key=repr)

    def version(self, table: str) -> int:
        """The table's Delta version."""
        return deltalake.DeltaTable(location_of(self.home, table).address).version()

    def versions(self) -> dict[str, int]:
        """Every table's Delta version."""
        return {path.name: self.version(path.name) for path in sorted((self.home / "tables").glob("[a-z]*"))}

    @contextmanager
    def spoilt(self, *folders: str) -> Iterator[None]:
        """Makes the only file of each partition (`TABLE/COLUMN=VALUE`) unreadable for a while: any read of it fails."""
        files = [file for folder in folders for file in (self.home / "tables" / folder).glob("*.parquet")]
        assert len(files) == len(folders)
        contents = {file: file.read_bytes() for file in files}
        for file in files:
            file.write_bytes(b"not Parquet")
        yield
        for file, content in contents.items():
            if file.exists():
                file.write_bytes(content)

    def history(self) -> History:
        """The deliveries ledger."""
        return Ledger(self.home).read()


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> str:
    """A CSV file with a header; rows in the order of the columns (may be shorter), or mappings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(name, "") for name in columns] if isinstance(row, Mapping) else list(row)
        writer.writerow(cells + [""] * (len(columns) - len(cells)))
    return text.getvalue()


def folder_of(lakehouse: Lakehouse, table: Table) -> Path:
    """The directory of a table."""
    return lakehouse.home / "tables" / table.name
