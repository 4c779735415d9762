"""A lakehouse with made-up charts, written straight into its tables: its dashboard needs no engine and no run."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import deltalake
import pyarrow as pa

from umg_assets import tables
from umg_assets.calendar import next_month
from umg_assets.planning.history import History
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.schema import create_table, delta_schema
from umg_assets.resources.table_location import Folder
from umg_assets.settings.model import Settings, read_settings
from umg_assets.tables import CRITERIA, Table


class Song(NamedTuple):
    """A track on a month's chart of a market. Half of its plays are streams; each is of two minutes."""

    track_id: str
    title: str | None
    plays: int
    listeners: int
    artist_name: str | None = "Ann"
    genre: str | None = "Pop"

    def row(self) -> dict[str, Any]:
        """The row of a chart, without its place."""
        return {**self._asdict(), "streams": self.plays // 2, "listening_ms": self.plays * 120_000}


Charts = Mapping[tuple[date, str], Sequence[Song]]
"""Songs by month and market."""


class MadeLake:
    """A home whose tables hold the charts of some songs. `publish` does what the asset exports does."""

    def __init__(self, home: Path, configuration: str = "") -> None:
        self.home = home
        home.mkdir(parents=True)
        (home / "staging").mkdir()
        (home / "umg.toml").write_text(f"first_day = 2026-01-01\n{configuration}\n", encoding="utf-8")

    @property
    def settings(self) -> Settings:
        """The settings in umg.toml."""
        return read_settings(self.home)

    def write(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Makes these the table's only rows; a column that a row has not is NULL."""
        path = self.home / "tables" / table.name
        create_table(Folder(path), table)
        schema = pa.schema(delta_schema(table).to_arrow())
        columns = {name: [row.get(name) for row in rows] for name in table.names}
        deltalake.write_deltalake(path, pa.table(columns, schema=schema), mode="overwrite")

    def chart(self, charts: Charts, newest: date | None = None) -> "MadeLake":
        """Writes every table that the dashboard reads. newest: the day of the newest play; default: the day after the
        last month. Each song is played on the 10th; window charts are those of the last month."""
        last = max(month for month, _ in charts)
        newest = newest or next_month(last)
        songs = [(month, market, song) for (month, market), of in charts.items() for song in of]
        of_tracks = {song.track_id: song.row() for *_, song in songs}
        self.write(tables.TRACKS, [{**row, "artist_id": row["artist_name"]} for row in of_tracks.values()])
        days = {newest, *(month for month, *_ in songs)}
        self.write(tables.PLAYS, [{"play_date": day, "play_id": f"{day}", "user_key": "k"} for day in sorted(days)])
        monthly = [{**song.row(), "month": month, "country": market} for month, market, song in songs]
        self.write(tables.MONTHLY_TRACK_PLAYS, [{**row, "data_through": newest} for row in monthly])
        daily = [{**row, "play_date": row["month"] + timedelta(days=9), "age_group": "18-24"} for row in monthly]
        self.write(tables.DAILY_TRACK_PLAYS, daily)
        ranked = list(_ranked(charts, newest))
        self.write(tables.TOP_TRACKS_BY_COUNTRY, ranked)
        self.write(tables.CHART_MOVEMENTS, list(_moved(ranked)))
        shown = newest - timedelta(days=1)
        artists = [
            {**song.row(), "chart_date": shown, "market": market, "artist_id": song.artist_name or "?", "rank": rank}
            for market, of in ((market, of) for (month, market), of in charts.items() if month == last)
            for rank, song in enumerate((song for song in of if song.genre), 1)
        ]
        of_criteria = [{**row, "criterion": name} for row in artists for name in tables.ARTIST_CRITERIA]
        self.write(tables.TOP_ARTISTS_BY_GENRE, [*of_criteria, *({**row, "market": None} for row in of_criteria)])
        favourites = [
            {**song.row(), "chart_date": shown, "age_group": "18-24", "rank": rank}
            for rank, (month, _, song) in enumerate(songs, 1)
            if month == last and rank <= 8
        ]
        self.write(tables.AGE_GROUP_FAVOURITES, favourites)
        return self

    def publish(self) -> "MadeLake":
        """Publishes a set of the tables as they are."""
        export_charts(self.settings, History(()))
        return self


def _ranked(charts: Charts, newest: date) -> list[dict[str, Any]]:
    rows = []
    for ((month, market), songs), (criterion, column) in itertools.product(charts.items(), CRITERIA.items()):
        ordered = sorted((song.row() for song in songs), key=lambda row: (-row[column], -row["plays"], row["track_id"]))
        placed = {"month": month, "country": market, "criterion": criterion, "data_through": newest}
        rows += [{**row, **placed, "rank": rank} for rank, row in enumerate(ordered, 1)]
    return rows


def _moved(ranked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Movements by their definition: each entry against all earlier ones of its market and criterion."""
    rows = []
    first = {row["country"]: min(one["month"] for one in ranked if one["country"] == row["country"]) for row in ranked}
    places: dict[tuple[Any, ...], dict[date, int]] = {}
    for row in sorted(ranked, key=lambda row: row["month"]):
        earlier = places.setdefault((row["country"], row["criterion"], row["track_id"]), {})
        before = next((rank for month, rank in earlier.items() if next_month(month) == row["month"]), None)
        moved = "re-entry" if earlier else "new"
        if before is not None:
            moved = "up" if row["rank"] < before else "down" if row["rank"] > before else "same"
        earlier[row["month"]] = row["rank"]
        rows.append(
            {
                **{name: row[name] for name in ("month", "country", "criterion", "rank", "track_id")},
                "previous_rank": before,
                "peak_rank": min(earlier.values()),
                "months_on_chart": len(earlier),
                "movement": None if row["month"] == first[row["country"]] else moved,
            }
        )
    return rows
