"""Exports: what lies in exports/current after a run, and that a reader never sees half a set."""

import csv
import json
from datetime import date

import pyarrow.dataset as pa_dataset
import pytest

from umg_assets.resources.exporting import export_charts
from umg_assets.resources.reading import complete_through
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


def two_markets_over_four_months(lake: Lake) -> None:
    lake.drop_tracks("2026-02-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    for month in ("02", "03", "04", "05"):
        at = f"2026-{month}-10T10:00:00Z"
        lake.drop_plays(
            f"2026-{month}-10",
            [(f"p{month}a", "u1", "s", "t1", at, 90_000, "AT"), (f"p{month}d", "u2", "s", "t1", at, 90_000, "DE")],
        )
    lake.run()


def test_the_last_three_months_are_exported_as_csv_and_as_parquet_by_country_with_the_day_they_are_complete_through(
    lake: Lake,
):
    two_markets_over_four_months(lake)
    current = lake.home / "exports" / "current"
    with (current / "top_tracks_by_country.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["month"] for row in rows} == {"2026-03-01", "2026-04-01", "2026-05-01"}
    assert {row["complete_through"] for row in rows if row["month"] == "2026-04-01"} == {"2026-04-30"}
    assert {row["complete_through"] for row in rows if row["month"] == "2026-05-01"} == {"2026-05-09"}
    assert {(row["title"], row["listening_minutes"]) for row in rows} == {("One", "1.5")}
    assert sorted(path.name for path in (current / "top_tracks_by_country").iterdir()) == ["country=AT", "country=DE"]
    parquet = pa_dataset.dataset(current / "top_tracks_by_country", partitioning="hive").to_table()
    assert parquet.num_rows == len(rows) == 3 * 2 * 4
    assert json.loads((current / "manifest.json").read_text())["complete_through"] == "2026-05-09"


def test_a_new_set_replaces_the_old_one_in_one_step_and_the_old_one_stays_for_who_still_reads_it(lake: Lake):
    two_markets_over_four_months(lake)
    link = lake.home / "exports" / "current"
    before = link.resolve()
    export_charts(lake.settings)
    assert link.resolve() != before
    assert (before / "top_tracks_by_country.csv").exists()
    export_charts(lake.settings)
    export_charts(lake.settings)
    assert not before.exists()
    assert (link / "top_tracks_by_country.csv").exists()


def test_the_day_of_the_newest_play_may_still_be_filling_and_is_not_called_complete():
    assert complete_through(date(2026, 5, 10), date(2026, 5, 31)) == date(2026, 5, 9)
    assert complete_through(date(2026, 5, 10), date(2026, 4, 30)) == date(2026, 4, 30)
