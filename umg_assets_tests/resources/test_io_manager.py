"""What a run reads, what it writes into Dagster's metadata, and which watermark it gives to what it built."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import deltalake
import pytest

from umg_assets.catalogue import LAND_FILES, Catalogue
from umg_assets.report import Report
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.watermarks import read_watermarks
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.jobs import metadata, run_job
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough


def play(name: str, day: str, market: str = "AT") -> tuple:
    """A play at ten in the morning."""
    return (name, f"user of {name}", "s1", "t1", f"{day}T10:00:00Z", 190_000, market)


def values(lake: Lake, asset: str, partition: str) -> dict[str, Any]:
    """The metadata of a partition's latest materialization, as plain values."""
    return {name: value.value for name, value in metadata(lake, asset, partition).items()}


def test_a_range_run_reports_the_rows_of_each_partition_and_its_commit(lake: Lake):
    def build_charts() -> None:
        run_job(lake, LAND_FILES, "2026-03-02", "2026-03-03")
        run_job(lake, "update_dimensions")
        run_job(lake, "build_days", "2026-03-02", "2026-03-03", "plays", "daily_track_plays")
        run_job(lake, "sum_months", "2026-03-01")
        run_job(lake, "rank_tracks", "AT|2026-03-01", "DE|2026-03-01")

    lake.drop_tracks("2026-03-02", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_plays("2026-03-03", [play("p1", "2026-03-02"), play("p2", "2026-03-02"), play("p3", "2026-03-03", "DE")])
    build_charts()
    for day, rows in (("2026-03-02", 2), ("2026-03-03", 1)):
        of_day = values(lake, "plays", day)
        assert of_day["dagster/partition_row_count"] == of_day["raw_copies"] == rows
        files = deltalake.DeltaTable(lake.home / "tables" / "plays").file_uris()
        size = sum(_size(uri) for uri in files)
        assert f"Delta version {lake.version('plays')}: 2 files, {size:,} bytes, in " in of_day["written"]
    assert values(lake, "raw_plays", "2026-03-03")["dagster/partition_row_count"] == 3
    assert values(lake, "monthly_track_plays", "2026-03-01")["dagster/partition_row_count"] == 2
    assert values(lake, "top_tracks_by_country", "DE|2026-03-01")["dagster/partition_row_count"] == 4
    corrected = lake.drop_plays("2026-03-03", [play("p1", "2026-03-02")])
    assert corrected.exists()
    build_charts()
    assert values(lake, "plays", "2026-03-03")["dagster/partition_row_count"] == 0
    assert values(lake, "top_tracks_by_country", "DE|2026-03-01")["dagster/partition_row_count"] == 0


def _size(uri: str) -> int:
    return Path(uri.removeprefix("file://")).stat().st_size


@dataclass(frozen=True)
class Landed:
    """A lake built by `umg run` after deliveries of two days were landed on their own."""

    lake: Lake
    after_the_13th: list[tuple[Any, ...]]
    after_the_12th: list[tuple[Any, ...]]
    report: Report


@pytest.fixture(scope="module")
def landed(new_lake: NewLake) -> Landed:
    """Deliveries of 2026-03-12 to 14, two of them landed by day; then earlier deliveries, and `umg run` over all."""
    lake = new_lake("io_manager")
    for number in (12, 13, 14):
        day = f"2026-03-{number - 1}"
        lake.drop_plays(f"2026-03-{number}", [play(f"p{day}", day)])
    run_job(lake, LAND_FILES, "2026-03-13")
    after_the_13th = lake.values("raw_plays", "delivery_date")
    run_job(lake, LAND_FILES, "2026-03-12")
    after_the_12th = lake.values("raw_plays", "delivery_date")
    lake.drop_tracks("2026-02-10", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users(
        "2026-02-10", [(f"user of {name}", "AT", "18-24") for name in ("p2026-02-10", "p2026-03-02", "late")]
    )
    for day in ("2026-02-10", "2026-03-02", "2026-03-10"):
        lake.drop_plays(day, [play(f"p{day}", day)])
    lake.drop_plays("2026-03-11", [play("before", "2026-02-10"), play("after", "2026-03-10")])
    return Landed(lake, after_the_13th, after_the_12th, lake.run())


def test_a_run_of_a_delivery_day_lands_that_days_files_and_no_others(landed: Landed):
    assert landed.after_the_13th == [(date(2026, 3, 13),)]
    assert landed.after_the_12th == [(date(2026, 3, 12),), (date(2026, 3, 13),)]
    built = [day for day in landed.report.partitions["plays"] if day > "2026-03-10"]
    assert built == ["2026-03-11", "2026-03-12", "2026-03-13"]


def test_a_days_run_reads_its_day_its_month_and_its_windows(landed: Landed):
    with landed.lake.spoilt(
        "raw_plays/delivery_date=2026-03-11",
        "raw_plays/delivery_date=2026-02-10",
        "raw_plays/delivery_date=2026-03-10",
        "plays/play_date=2026-02-10",
        "sessions/session_date=2026-02-10",
        "sessions/session_date=2026-03-10",
        "daily_track_plays/play_date=2026-02-10",
        "daily_track_plays/play_date=2026-03-10",
        "monthly_track_plays/month=2026-02-01",
    ):
        report = landed.lake.run(rebuild=(date(2026, 3, 2), date(2026, 3, 2)))
    assert report.partitions["plays"] == ["2026-03-02"]


def test_a_stale_upstream_lowers_the_watermark_of_what_is_built_from_it(landed: Landed):
    lake, instance = landed.lake, landed.lake.instance
    catalogue = Catalogue.of(lake.settings)
    assets = [catalogue["plays"], catalogue["daily_track_plays"]]
    built = read_watermarks(instance, assets)
    lake.drop_plays("2026-03-04", [play("late", "2026-03-02")])
    run_job(lake, LAND_FILES, "2026-03-04")
    run_job(lake, "build_days", "2026-03-02", "2026-03-03", "daily_track_plays")
    watermarks = read_watermarks(instance, assets)
    assert lake.history().sequence > watermarks["plays"]["2026-03-02"].sequence
    assert watermarks["daily_track_plays"]["2026-03-02"] == built["plays"]["2026-03-02"], "plays of that day were stale"
    report = lake.run()
    assert report.partitions["plays"] == ["2026-03-02"]
    assert "2026-03-02" in report.partitions["daily_track_plays"]
    assert (date(2026, 3, 2), 2) in lake.values("daily_track_plays", "play_date", "plays")


def test_what_reads_plays_while_another_run_builds_them_is_stale_afterwards(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    lake.drop_plays("2026-03-03", [play("p1", "2026-03-02")])
    lake.run()
    lake.drop_plays("2026-03-04", [play("late", "2026-03-02")])
    run_job(lake, LAND_FILES, "2026-03-04")
    write = Lakehouse.write_slice

    def write_while_plays_are_built(self, table, *arguments):
        written = write(self, table, *arguments)
        if table.name == "monthly_track_plays":
            run_job(lake, "build_days", "2026-03-02", "2026-03-02", "plays")
        return written

    with monkeypatch.context() as patch:
        patch.setattr(Lakehouse, "write_slice", write_while_plays_are_built)
        run_job(lake, "sum_months", "2026-03-01")
    assert lake.values("plays", "play_id") == [("late",), ("p1",)]
    assert lake.values("monthly_track_plays", "plays") == [(1,)], "it was read before"
    assert lake.run().partitions["monthly_track_plays"] == ["2026-03-01"]
    assert lake.values("monthly_track_plays", "plays") == [(2,)]
