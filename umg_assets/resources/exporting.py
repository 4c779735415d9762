"""Exports: files for people and for the app, written from the charts and switched as one set.

A set names the Delta version of every table that it was written from and that the dashboard reads beside it, so that
all who read the set see one state of the lakehouse.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from pydantic import BaseModel, Field

from umg_assets import clock, tables
from umg_assets.calendar import local_today, months_before, next_month
from umg_assets.planning.health import health_of
from umg_assets.planning.history import History
from umg_assets.resources.delta_log import newest_version
from umg_assets.resources.interop import CATALOG, write_catalog
from umg_assets.resources.json_files import write_json
from umg_assets.resources.locations import location_of
from umg_assets.resources.published import CURRENT, HEALTH, MANIFEST
from umg_assets.resources.reading import complete_through, day_shown, newest_day, partition_values, read_table
from umg_assets.settings.model import Settings
from umg_assets.text import spreadsheet

OVERALL = "overall"
"""The country of a chart over all markets."""


class Favourite(BaseModel):
    """One track of an age group's list."""

    rank: int = Field(description="1 is the most played")
    track_id: str
    title: str | None = Field(description="null where no catalogue names the track")
    artist_name: str | None
    plays: int = Field(
        description="plays by the age group over the window, without those started from the section that shows them"
    )


class Favourites(BaseModel):
    """age_group_favourites/latest.json: what the app shows to each age group."""

    chart_date: date = Field(description="local date on which the window ends")
    complete_through: date = Field(description="local date through which plays are complete")
    window_days: int = Field(description="days of the window")
    age_groups: dict[str, list[Favourite]] = Field(description="by age group such as 18-24, in order of rank")


def export_charts(settings: Settings, history: History) -> dict[str, str | int]:
    """Writes a new set of exports and switches to it in one step: a reader sees either the old set or the new one.

    exports/current then holds top_tracks_by_country and chart_movements of the last months, and top_artists_by_genre
    of the last complete day, each as one CSV (minutes listened; csv_for_spreadsheets guards its texts) and as Parquet
    partitioned by country; age_group_favourites of that day as JSON for the app; in catalog/, how other tools find the
    tables (interop.py); health.json, sums of the ledger (planning/health.py); and
    manifest.json: complete_through, months, rows by chart; when it was published, the versions of tables.CATALOGUED,
    and the definitions behind the figures with their hash. Returns complete_through, months and rows by chart; and
    without_view, the tables that catalog/ has no view of, where some cannot be read.

    Where `places` names a bucket for exports, the set is published there first (bucket_exports.py). Raises StoreError
    when it cannot be: then no reader sees it, here or there.
    """
    home, exports = settings.home, settings.home / "exports"
    versions = {table: newest_version(location_of(home, table)) for table in tables.CATALOGUED}
    newest = newest_day(home, tables.PLAYS) or local_today(settings.time_zone)
    charted = tables.TOP_TRACKS_BY_COUNTRY
    months = [date.fromisoformat(value) for value in partition_values(home, charted, "month", versions[charted])]
    shown = day_shown(home, newest, versions)
    wanted = months_before(months[-1] if months else newest.replace(day=1), settings.charts.export_months)
    last_days = {month: next_month(month) - timedelta(days=1) for month in wanted}
    folder = exports / f"set-{clock.now():%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:6]}"
    folder.mkdir(parents=True)

    def read(table: tables.Table, *where: tuple[str, str, Any]) -> pa.Table:
        return read_table(home, table, where, version=versions[table])

    charts = read(charted, ("month", "in", wanted))
    moved = read(tables.CHART_MOVEMENTS, ("month", "in", wanted))
    titles = charts.select([*tables.CHART_MOVEMENTS.key, "title", "artist_name"])
    artists = read(tables.TOP_ARTISTS_BY_GENRE, ("chart_date", "=", shown))
    artists = artists.rename_columns(["country" if name == "market" else name for name in artists.column_names])
    country = pc.call_function("coalesce", [artists.column("country"), pa.scalar(OVERALL)])
    artists = artists.set_column(artists.column_names.index("country"), "country", country)
    rows = {
        "top_tracks_by_country": (_in_minutes(charts), "month", ("month", "country", "criterion", "rank")),
        "chart_movements": (moved.join(titles, list(tables.CHART_MOVEMENTS.key)), "month", tables.CHART_MOVEMENTS.key),
        "top_artists_by_genre": (_in_minutes(artists), "chart_date", ("country", "genre", "criterion", "rank")),
    }
    for name, (table, period, order) in rows.items():
        ends = [last_days[value] if period == "month" else value for value in table.column(period).to_pylist()]
        through = pa.array([complete_through(newest, end) for end in ends], pa.date32())
        complete = table.append_column("complete_through", through)
        _write(complete, order, folder / name, settings.csv_for_spreadsheets)
    favourites = read(tables.AGE_GROUP_FAVOURITES, ("chart_date", "=", shown))
    _write_favourites(settings, favourites, shown, complete_through(newest, shown), folder / "age_group_favourites")
    last_whole = complete_through(newest, last_days[wanted[-1]])
    summary = {
        "complete_through": last_whole.isoformat(),
        "months": ", ".join(f"{month:%Y-%m}" for month in wanted),
        **{f"rows_{name}": table.num_rows for name, (table, *_) in rows.items()},
    }
    there = {table: version for table, version in versions.items() if version >= 0}
    if missing := write_catalog(home, there, last_whole, folder / CATALOG):
        summary["without_view"] = "; ".join(f"{name}: {why}" for name, why in missing.items())
    definitions = definitions_of(settings)
    manifest = {
        **summary,
        "newest_play": newest.isoformat(),
        "day_shown": shown.isoformat(),
        "published_at": clock.now().isoformat(timespec="seconds"),
        "csv_for_spreadsheets": settings.csv_for_spreadsheets,
        "versions": {table.name: version for table, version in versions.items()},
        "definitions": definitions,
        "definitions_hash": hashlib.sha256(json.dumps(definitions, sort_keys=True).encode()).hexdigest()[:12],
    }
    write_json(folder / HEALTH, health_of(history))
    write_json(folder / MANIFEST, manifest)
    if settings.places.exports:
        from umg_assets.resources.bucket_exports import publish  # only where there is a bucket: it takes a while

        publish(settings.places.exports, folder, manifest)
    _switch(exports, folder)
    return summary


def definitions_of(settings: Settings) -> dict[str, Any]:
    """The settings that say what a figure means: time zone, markets, chart sizes, windows, thresholds, age groups."""
    return {
        "time_zone": settings.time_zone,
        "markets": list(settings.markets),
        "age_groups": list(settings.age_groups),
        "correction_days": settings.correction_days,
        "first_day": settings.first_day.isoformat(),
        **settings.charts.model_dump(mode="json"),
        **{name: getattr(settings.thresholds, name) for name in ("stream_seconds", "complete_percent")},
    }


def _write(table: pa.Table, order: Sequence[str], target: Path, for_spreadsheets: bool) -> None:
    import pyarrow.dataset as pa_dataset  # brings pandas, which takes longer than all the rest of a command

    table = table.sort_by([(name, "ascending") for name in order])
    in_minutes = "listening_ms" in table.column_names
    people = table.drop_columns(["listening_ms"] if in_minutes else [])
    pa_csv.write_csv(_for_spreadsheets(people) if for_spreadsheets else people, target.with_suffix(".csv"))
    pa_dataset.write_dataset(
        table.drop_columns(["listening_minutes"] if in_minutes else []),
        target,
        format="parquet",
        partitioning=pa_dataset.partitioning(pa.schema([("country", pa.string())]), flavor="hive"),
        existing_data_behavior="overwrite_or_ignore",
    )


def _for_spreadsheets(table: pa.Table) -> pa.Table:
    """The table with its texts as `text.spreadsheet` gives them."""
    for at, column in enumerate(table.schema):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts = table.column(at).combine_chunks().dictionary_encode()  # the same few, again and again
            guarded = pa.array([spreadsheet(text) for text in texts.dictionary.to_pylist()], column.type)
            table = table.set_column(at, column, guarded.take(texts.indices))
    return table


def _in_minutes(chart: pa.Table) -> pa.Table:
    """The chart with listening_minutes, for people, beside listening_ms, for programs."""
    milliseconds = pc.cast(chart.column("listening_ms"), pa.float64())
    minutes = pc.call_function("round", [pc.call_function("divide", [milliseconds, 60_000.0])], pc.RoundOptions(1))
    return chart.add_column(chart.column_names.index("listening_ms"), "listening_minutes", minutes)


def _write_favourites(settings: Settings, rows: pa.Table, day: date, through: date, folder: Path) -> None:
    """Writes latest.json and its JSON schema. rows: age_group_favourites of the day."""
    groups: dict[str, list[Favourite]] = {}
    for row in rows.sort_by([("age_group", "ascending"), ("rank", "ascending")]).to_pylist():
        groups.setdefault(row["age_group"], []).append(Favourite.model_validate(row))
    favourites = Favourites(
        chart_date=day,
        complete_through=through,
        window_days=settings.charts.favourites_days,
        age_groups=groups,
    )
    folder.mkdir()
    (folder / "latest.json").write_text(favourites.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(Favourites.model_json_schema(), indent=1) + "\n", encoding="utf-8")


def _switch(exports: Path, folder: Path) -> None:
    """Points `current` at the new set in one rename; keeps the set before it, for readers that still use it."""
    link = exports / f".{uuid.uuid4().hex}"
    link.symlink_to(folder.name)
    link.replace(exports / CURRENT)
    older = sorted(path for path in exports.glob("set-*") if path != folder)
    for old in older[:-1]:
        shutil.rmtree(old, ignore_errors=True)
