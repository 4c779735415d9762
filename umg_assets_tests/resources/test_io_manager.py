"""What a run reads, what it writes into Dagster's metadata, and how it stamps what it made."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg
import deltalake
import pytest

from umg_assets.definitions import build_definitions
from umg_assets.resources.stamps import read_stamps
from umg_assets.runs import LAND, RAW
from umg_assets_tests.lake import Lake

RANGE: tuple[str, str] = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def play(name: str, day: str, market: str = "AT") -> tuple:
    """A play at ten in the morning."""
    return (name, f"user of {name}", "s1", "t1", f"{day}T10:00:00Z", 190_000, market)


def metadata(instance: dg.DagsterInstance, asset: str, partition: str) -> Mapping[str, Any]:
    """The metadata of a partition's latest materialization, as Dagster shows it."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    (record, *_) = instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def run_job(lake: Lake, instance: dg.DagsterInstance, job: str, *bounds: str, assets: tuple[str, ...] = RAW) -> None:
    """One run of some assets of one job over a range of partitions, without checks."""
    chosen = build_definitions(lake.settings).resolve_job_def(job)
    chosen = chosen.get_subset(asset_selection=set(map(dg.AssetKey, assets)), asset_check_selection=set())
    tags: dict[str, str] = dict(zip(RANGE, bounds, strict=True))
    assert chosen.execute_in_process(instance=instance, tags=tags).success


@pytest.mark.sail_enough
def test_a_range_run_tells_each_partitions_rows_and_its_commit(lake: Lake):
    lake.drop_tracks("2026-03-02", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_plays("2026-03-03", [play("p1", "2026-03-02"), play("p2", "2026-03-02"), play("p3", "2026-03-03", "DE")])
    lake.run()
    instance = lake.instance
    for day, rows in (("2026-03-02", 2), ("2026-03-03", 1)):
        told = metadata(instance, "plays", day)
        assert told["dagster/partition_row_count"] == told["raw_copies"] == rows
        assert (told["delta_version"], told["files"]) == (lake.version("plays"), 2)
        files = deltalake.DeltaTable(lake.home / "tables" / "plays").file_uris()
        assert told["bytes"] == sum(_size(uri) for uri in files)
    assert metadata(instance, "raw_plays", "2026-03-03")["dagster/partition_row_count"] == 3
    assert metadata(instance, "monthly_track_plays", "2026-03-01")["dagster/partition_row_count"] == 2
    assert metadata(instance, "top_tracks_by_country", "DE|2026-03-01")["dagster/partition_row_count"] == 4
    emptied = lake.drop_plays("2026-03-03", [play("p1", "2026-03-02")])
    assert emptied.exists()
    lake.run()
    assert metadata(instance, "plays", "2026-03-03")["dagster/partition_row_count"] == 0
    assert metadata(instance, "top_tracks_by_country", "DE|2026-03-01")["dagster/partition_row_count"] == 0


def _size(uri: str) -> int:
    from pathlib import Path

    return Path(uri.removeprefix("file://")).stat().st_size


def test_a_days_run_reads_its_day_its_month_and_its_windows_and_a_stale_upstream_lowers_the_stamp(lake: Lake):
    lake.drop_tracks("2026-02-10", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users(
        "2026-02-10", [(f"user of {name}", "AT", "18-24") for name in ("p2026-02-10", "p2026-03-02", "late")]
    )
    for day in ("2026-02-10", "2026-03-02", "2026-03-10"):
        lake.drop_plays(day, [play(f"p{day}", day)])
    lake.drop_plays("2026-03-11", [play("before", "2026-02-10"), play("after", "2026-03-10")])
    lake.run()
    with lake.spoilt(
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
        report = lake.run(rebuild=(date(2026, 3, 2), date(2026, 3, 2)))
    assert report.partitions["plays"] == ["2026-03-02"]

    instance = lake.instance
    built = read_stamps(instance, ("plays", "daily_track_plays"))
    lake.drop_plays("2026-03-04", [play("late", "2026-03-02")])
    run_job(lake, instance, LAND, "2026-03-04", "2026-03-04")
    run_job(lake, instance, "build_days", "2026-03-02", "2026-03-03", assets=("daily_track_plays",))
    stamps = read_stamps(instance, ("plays", "daily_track_plays"))
    assert lake.history().sequence > stamps["plays"]["2026-03-02"].sequence
    assert stamps["daily_track_plays"]["2026-03-02"] == built["plays"]["2026-03-02"], "plays of that day were stale"
    report = lake.run()
    assert report.partitions["plays"] == ["2026-03-02"]
    assert "2026-03-02" in report.partitions["daily_track_plays"]
    assert (date(2026, 3, 2), 2) in lake.values("daily_track_plays", "play_date", "plays")


def test_a_run_of_a_delivery_day_lands_that_days_files_and_no_others(sail_lake: Lake):
    for day in ("2026-03-02", "2026-03-03", "2026-03-04"):
        sail_lake.drop_plays(day, [play(f"p{day}", day)])
    run_job(sail_lake, sail_lake.instance, LAND, "2026-03-03", "2026-03-03")
    assert sail_lake.values("raw_plays", "delivery_date") == [(date(2026, 3, 3),)]
    run_job(sail_lake, sail_lake.instance, LAND, "2026-03-02", "2026-03-02")
    assert sail_lake.values("raw_plays", "delivery_date") == [(date(2026, 3, 2),), (date(2026, 3, 3),)]
    assert sail_lake.run().partitions["plays"] == ["2026-03-02", "2026-03-03", "2026-03-04"]
