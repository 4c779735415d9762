"""Exports: files for people and for the app, made from the charts and switched as one set."""

import json
import shutil
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as pa_dataset

from umg_assets import tables
from umg_assets.partitions import local_today, months_before, next_month
from umg_assets.resources.reading import newest_day, partition_values, read_table
from umg_assets.settings import Settings

CURRENT = "current"


def complete_through(newest: date, month: date) -> date:
    """The local date through which a month is complete, when `newest` is the day of the newest play.

    That day may still be filling: the day before it is the last complete one.
    """
    return min(newest - timedelta(days=1), next_month(month) - timedelta(days=1))


def export_charts(settings: Settings) -> dict[str, str | int]:
    """Writes the last months' chart as one CSV and as Parquet partitioned by country; then switches to the new set.

    `exports/current` names the set; a reader sees the old one or the new one, never a part. The CSV gives minutes
    listened. Returns what was written: rows, months, complete_through.
    """
    exports = settings.home / "exports"
    months = [
        date.fromisoformat(value) for value in partition_values(settings.home, tables.TOP_TRACKS_BY_COUNTRY, "month")
    ]
    newest = newest_day(settings.home, tables.PLAYS)
    last = months[-1] if months else local_today(settings.time_zone).replace(day=1)
    wanted = months_before(last, settings.charts.export_months)
    chart = read_table(settings.home, tables.TOP_TRACKS_BY_COUNTRY, [("month", "in", wanted)])
    chart = chart.sort_by([(name, "ascending") for name in ("month", "country", "criterion", "rank")])
    through = [complete_through(newest, month) if newest else None for month in chart.column("month").to_pylist()]
    chart = chart.append_column("complete_through", pa.array(through, pa.date32()))
    folder = exports / f"set-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder.mkdir(parents=True)
    pa_csv.write_csv(_for_people(chart), folder / "top_tracks_by_country.csv")
    pa_dataset.write_dataset(
        chart,
        folder / "top_tracks_by_country",
        format="parquet",
        partitioning=pa_dataset.partitioning(pa.schema([("country", pa.string())]), flavor="hive"),
        existing_data_behavior="overwrite_or_ignore",
    )
    said = {
        "complete_through": complete_through(newest, last).isoformat() if newest else "",
        "months": ", ".join(f"{month:%Y-%m}" for month in wanted),
        "rows": chart.num_rows,
    }
    (folder / "manifest.json").write_text(json.dumps(said, indent=2) + "\n")
    _switch(exports, folder)
    return said


def _for_people(chart: pa.Table) -> pa.Table:
    milliseconds = pc.cast(chart.column("listening_ms"), pa.float64())
    minutes = pc.call_function("round", [pc.call_function("divide", [milliseconds, 60_000.0])], pc.RoundOptions(1))
    position = chart.column_names.index("listening_ms")
    return chart.set_column(position, "listening_minutes", minutes)


def _switch(exports: Path, folder: Path) -> None:
    """Points `current` at the new set in one rename; keeps the set before, for readers that still hold it."""
    link = exports / f".{uuid.uuid4().hex}"
    link.symlink_to(folder.name)
    link.replace(exports / CURRENT)
    for old in sorted(exports.glob("set-*"))[:-2]:
        shutil.rmtree(old, ignore_errors=True)
