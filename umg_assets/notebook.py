"""A lakehouse opened to read, in a notebook or a script: tables as lazy frames, charts as tables, by DuckDB."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Self

import duckdb

from umg_assets import tables
from umg_assets.calendar import month_of, parse_day, parse_month
from umg_assets.resources.interop import create_views, versions_now
from umg_assets.resources.reading import day_shown
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_files import connect, duckdb_literal
from umg_assets.settings.home import home_of, refuse_half_restored
from umg_assets.tables import Criterion

Frame = duckdb.DuckDBPyRelation
"""A lazy frame: its rows are computed when they are asked for, by `.df()` (pandas), `.pl()` (polars),
`.to_arrow_table()` or `.fetchall()`. `.filter("...")`, `.aggregate("...")`, `.order("...")` and `.limit(n)` make
another one of it."""
_FEW = 12


class NotThereError(LookupError):
    """There is no such table, or a chart has no such rows; the message says which there are."""


class OpenLake:
    """A lakehouse as it was when it was opened: every table at one version, whose files stay for a week.

    home: its UMG_HOME. versions: of its tables. Not for several threads at once.
    """

    def __init__(self, home: Path | str | None = None, personal: bool = False) -> None:
        """As `umg_assets.open_lake`."""
        self.home = home_of(Path(home).expanduser() if home else None)
        refuse_half_restored(self.home)
        self.versions = versions_now(self.home, tables.ALL if personal else tables.CATALOGUED)
        self._database = connect(self.home, _spill(self.home), python_scan_all_frames=True)
        self._database.execute("set TimeZone = 'UTC'")
        self._unreadable = create_views(self._database, self.home, self.versions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it: frames that it gave cannot be read any more."""
        self._database.close()

    @property
    def tables(self) -> list[str]:
        """The names of its tables."""
        return [table.name for table in self.versions]

    def table(self, name: str) -> Frame:
        """A table, all of its rows; with a filter on its partition column (play_date of plays), those files are read.

        Raises NotThereError for a name that is no table's, or a personal one's; and for a table that cannot be read.
        """
        if name in self._unreadable:
            raise NotThereError(f"{name}: it cannot be read: {self._unreadable[name]}")
        if name not in self.tables:
            known = tables.BY_NAME.get(name)
            if known and known not in tables.CATALOGUED:
                raise NotThereError(f"{name}: it is opened by open_lake(..., personal=True)")
            raise NotThereError(f"{name}: expected one of {', '.join(self.tables)}")
        return self._database.table(name)

    def sql(self, query: str) -> Frame:
        """The rows of a query in DuckDB's SQL over the tables, and over DataFrames of its caller by their names."""
        return self._database.sql(query)

    def top_tracks(self, market: str, month: date | str | None = None, criterion: Criterion = "plays") -> Frame:
        """The chart of a market and a month (`2026-10`; default: the newest that has one), in order of rank.

        This and the other charts raise NotThereError where there is none, and say which there are.
        """
        rows = self.table(tables.TOP_TRACKS_BY_COUNTRY.name)
        return _chart(rows, {"month": _month(month, rows), "country": market.upper(), "criterion": criterion})

    def movements(self, market: str, month: date | str | None = None, criterion: Criterion = "plays") -> Frame:
        """How the chart of a market and a month moved, with title and artist_name, in order of rank."""
        rows = self.sql(
            """select moved.*, title, artist_name from chart_movements as moved
            left join top_tracks_by_country using (month, country, criterion, rank)"""
        )
        return _chart(rows, {"country": market.upper(), "month": _month(month, rows), "criterion": criterion})

    def top_artists(
        self, genre: str, market: str | None = None, day: date | str | None = None, criterion: Criterion = "plays"
    ) -> Frame:
        """The top artists of a genre over the window that ends on a day (default: the last complete one), by rank.

        market: None for all markets.
        """
        where = {"chart_date": self._day(day), "market": market and market.upper(), "genre": genre}
        return _chart(self.table(tables.TOP_ARTISTS_BY_GENRE.name), {**where, "criterion": criterion})

    def favourites(self, age_group: str, day: date | str | None = None) -> Frame:
        """The favourites of an age group over the window that ends on a day; default: the last complete one."""
        rows = self.table(tables.AGE_GROUP_FAVOURITES.name)
        return _chart(rows, {"chart_date": self._day(day), "age_group": age_group})

    def _day(self, day: date | str | None) -> date:
        if day:
            return parse_day(day) if isinstance(day, str) else day
        return day_shown(self.home, _newest(self.table(tables.PLAYS.name), "play_date"), self.versions)


def _month(month: date | str | None, rows: Frame) -> date:
    if month is None:
        return _newest(rows, "month")
    return parse_month(month) if isinstance(month, str) else month_of(month)


def _newest(rows: Frame, column: str) -> date:
    ((newest,),) = rows.aggregate(f'max("{column}")').fetchall()
    if newest is None:
        raise NotThereError("no chart yet: no play has been built: type `umg run`")
    return newest


def _chart(rows: Frame, wanted: Mapping[str, date | str | None]) -> Frame:
    """Those of the rows that have a value in each column, one column after the other, in order of rank."""
    for column, value in wanted.items():
        of_value = f'"{column}" is null' if value is None else f'"{column}" = {duckdb_literal(str(value))}'
        found = rows.filter(of_value)
        if not found.limit(1).fetchall():
            there = rows.aggregate(f'"{column}"').order(f'"{column}"').fetchall()
            raise NotThereError(f"no chart of {column} {value}: there are {_listed([row[0] for row in there])}")
        rows = found
    return rows.order("rank")


def _listed(values: list[Any]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown) if len(shown) <= _FEW else f"{shown[0]} to {shown[-1]}"


def _spill(home: Path) -> str:
    """Where DuckDB puts what does not fit into memory; nowhere in a home that can only be read."""
    try:
        return str(staging_folder(home))
    except OSError:
        return ""
