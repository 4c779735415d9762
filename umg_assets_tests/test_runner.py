"""`umg run`: what it runs, what it rebuilds, and what it says when a run fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import pytest

from umg_assets.cli.run import runner_of
from umg_assets.report import Report
from umg_assets.resources.dagster_internals import LOCATION
from umg_assets.resources.instance import open_instance
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.runner import RunFailedError
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

PLAYS = [
    ("p1", "u1", "s", "t1", "2026-03-02T10:00:00Z", 90_000, "AT"),
    ("p2", "u1", "s", "t1", "2026-03-03T10:00:00Z", 90_000, "AT"),
    ("p3", "u1", "s", "t1", "2026-04-03T10:00:00Z", 90_000, "AT"),
]
MONTHLY = "monthly_track_plays"
LATER_PLAYS = [
    ("p4", "u1", "s", "t1", "2026-05-02T10:00:00Z", 90_000, "AT"),
    ("p5", "u1", "s", "t1", "2026-05-03T10:00:00Z", 90_000, "AT"),
]


@dataclass(frozen=True)
class FirstRun:
    """A lake after its first `umg run` over PLAYS: the run's report, its messages, the runs in the instance, and by
    asset the partitions that it calls materialized."""

    lake: Lake
    report: Report
    messages: list[str]
    runs: Sequence[dg.DagsterRun]
    materialized: dict[str, set[str]]


@pytest.fixture(scope="module")
def first(new_lake: NewLake) -> FirstRun:
    """A lake with its instance on disk, as `umg run` leaves it."""
    lake = new_lake("runner")
    lake.on_disk = True
    lake.drop_plays("2026-04-04", PLAYS)
    messages: list[str] = []
    report = runner_of(lake.settings, messages.append).bring_up_to_date()
    with open_instance(lake.home) as instance:
        materialized = {
            name: instance.get_materialized_partitions(dg.AssetKey(name)) for name in ("plays", "sessions", MONTHLY)
        }
        return FirstRun(lake, report, messages, instance.get_runs(), materialized)


def test_every_run_belongs_to_the_code_location_that_dagsters_ui_serves_and_names_what_it_builds(first: FirstRun):
    origins = [run.remote_job_origin for run in first.runs]
    assert all(origin and origin.repository_origin.get_label() == f"__repository__@{LOCATION}" for origin in origins)
    selected = {run.job_name: {key.path[-1] for key in run.asset_selection or ()} for run in first.runs}
    assert selected["sum_months"] == {"monthly_track_plays"}
    assert {"plays", "daily_track_plays"} <= selected["build_days"]
    checks = {run.job_name: {key.name for key in run.asset_check_selection or ()} for run in first.runs}
    assert checks["sum_months"] == {"sums_hold_every_play"}, "a run that is executed again has the same checks"


def test_stages_are_announced_as_they_begin(first: FirstRun):
    assert [message.split(":")[0] for message in first.messages] == [
        "landing 1 file",
        "plays",
        "sessions",
        "daily_track_plays",
        "top_artists_by_genre",
        "age_group_favourites",
        "monthly_track_plays",
        "top_tracks_by_country",
        "chart_movements",
        "exports",
    ]
    assert first.messages[-1] == "exports", "what has no partitions is named without any"


def test_the_ui_finds_every_run_in_the_instance_under_umg_home(first: FirstRun):
    assert len(first.runs) == first.report.runs
    assert all(run.is_success for run in first.runs)


def test_a_run_of_scattered_days_materializes_them_and_no_day_between(first: FirstRun):
    [run] = [run for run in first.runs if run.job_name == "build_days"]
    assert run.tags["dagster/asset_partition_range_start"] == "2026-03-02"
    assert run.tags["umg/partitions"].startswith("plays: 2026-03-02 to 2026-03-03, 2026-04-03; sessions: ")
    assert first.materialized["plays"] == first.materialized["sessions"] == {"2026-03-02", "2026-03-03", "2026-04-03"}
    assert first.materialized[MONTHLY] == {"2026-03-01", "2026-04-01"}


def test_a_range_is_rebuilt_in_one_run_a_table_and_ends_in_the_same_tables(first: FirstRun):
    lake = first.lake
    plays, chart = lake.rows("plays"), lake.rows("top_tracks_by_country")
    version = lake.version("plays")
    report = lake.run(rebuild=(date(2026, 3, 1), date(2026, 3, 31)))
    with open_instance(lake.home) as instance:
        landed = instance.get_materialized_partitions(dg.AssetKey("landing_plays")) - {"2026-05-04"}
    assert landed == {"2026-04-04"}, "the day of the files is reported, once"
    assert report.partitions["plays"][0] == "2026-03-01"
    assert len(report.partitions["plays"]) == 31
    assert report.partitions["monthly_track_plays"] == ["2026-03-01"]
    assert lake.version("plays") == version + 1
    assert (lake.rows("plays"), lake.rows("top_tracks_by_country")) == (plays, chart)


def fill_disk(patched: pytest.MonkeyPatch, full: str) -> None:
    """Has every write of one table fail as on a full disk."""
    write_slice = Lakehouse.write_slice

    def disk_full(self: Lakehouse, table, rows, replaced):
        if table.name == full:
            raise OSError("No space left on device")
        return write_slice(self, table, rows, replaced)

    patched.setattr(Lakehouse, "write_slice", disk_full)


def test_a_failed_run_names_the_job_the_partitions_and_the_cause_and_the_next_run_catches_up(
    first: FirstRun, monkeypatch: pytest.MonkeyPatch
):
    lake = first.lake
    lake.drop_plays("2026-05-04", LATER_PLAYS)
    with monkeypatch.context() as patched:
        fill_disk(patched, "daily_track_plays")
        failed = r"in daily_track_plays \(2 partitions, 2026-05-02 to 2026-05-03\).*No space left"
        with pytest.raises(RunFailedError, match=failed):
            lake.run()
    assert plays_by_day(lake, since=date(2026, 5, 1)) == {}
    lake.run()
    assert plays_by_day(lake, since=date(2026, 5, 1)) == {date(2026, 5, 2): 1, date(2026, 5, 3): 1}


def test_what_does_not_follow_from_a_failed_run_is_built_all_the_same(first: FirstRun, monkeypatch: pytest.MonkeyPatch):
    lake = first.lake
    lake.drop_plays("2026-06-04", [("p6", "u1", "s", "t1", "2026-06-02T10:00:00Z", 90_000, "AT")])
    with monkeypatch.context() as patched:
        fill_disk(patched, "sessions")
        with pytest.raises(RunFailedError, match=r"in sessions \(2026-06-02\).*No space left") as failure:
            lake.run()
    assert str(failure.value).count("No space left") == 1, "what has failed is not tried again"
    june = date(2026, 6, 1)
    assert june in {month for (month,) in lake.values(MONTHLY, "month")}
    assert june not in {day.replace(day=1) for (day,) in lake.values("sessions", "session_date")}
    lake.run()
    assert june in {day.replace(day=1) for (day,) in lake.values("sessions", "session_date")}


def plays_by_day(lake: Lake, since: date) -> dict[date, int]:
    """The plays in daily_track_plays, by day."""
    rows = lake.rows("daily_track_plays", "play_date", "plays")
    return {row["play_date"]: row["plays"] for row in rows if row["play_date"] >= since}
