"""`umg run`: what it runs, what it rebuilds, and what it says when a run fails."""

from datetime import date

import dagster as dg
import pytest

from umg_assets.resources.instance import open_instance
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.running import RunFailedError, Runner
from umg_assets_tests.lake import Lake

PLAYS = [
    ("p1", "u1", "s", "t1", "2026-03-02T10:00:00Z", 90_000, "AT"),
    ("p2", "u1", "s", "t1", "2026-03-03T10:00:00Z", 90_000, "AT"),
    ("p3", "u1", "s", "t1", "2026-04-03T10:00:00Z", 90_000, "AT"),
]


def test_a_range_is_rebuilt_in_one_run_a_table_and_ends_in_the_same_tables(lake: Lake):
    lake.drop_plays("2026-04-04", PLAYS)
    lake.run()
    plays, chart = lake.rows("plays"), lake.rows("top_tracks_by_country")
    version = lake.version("plays")
    report = lake.run(rebuild=(date(2026, 3, 1), date(2026, 3, 31)))
    landed = lake.instance.get_materialized_partitions(dg.AssetKey("landing_plays"))
    assert landed == {"2026-04-04"}, "the day of the files is reported, once"
    assert report.partitions["plays"][0] == "2026-03-01"
    assert len(report.partitions["plays"]) == 31
    assert report.partitions["monthly_track_plays"] == ["2026-03-01"]
    assert lake.version("plays") == version + 1
    assert (lake.rows("plays"), lake.rows("top_tracks_by_country")) == (plays, chart)


@pytest.mark.sail_enough
def test_stages_are_said_as_they_begin(lake: Lake):
    lake.drop_plays("2026-04-04", PLAYS)
    said: list[str] = []
    Runner(lake.settings, said.append).bring_up_to_date()
    assert [stage.split(":")[0] for stage in said] == [
        "landing 1 files",
        "plays",
        "daily_track_plays",
        "sessions",
        "top_artists_by_genre",
        "age_group_favourites",
        "monthly_track_plays",
        "top_tracks_by_country",
        "chart_movements",
        "exports",
    ]


@pytest.mark.sail_enough
def test_a_failed_run_names_the_job_the_partitions_and_the_cause_and_the_next_run_makes_up_for_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    lake.drop_plays("2026-04-04", PLAYS)
    write_slice = Lakehouse.write_slice

    def disk_full(self: Lakehouse, table, rows, replaced):
        if table.name == "daily_track_plays":
            raise OSError("No space left on device")
        return write_slice(self, table, rows, replaced)

    with monkeypatch.context() as patched:
        patched.setattr(Lakehouse, "write_slice", disk_full)
        with pytest.raises(RunFailedError, match=r"build_days \(2026-03-02 to 2026-03-03\).*No space left"):
            lake.run()
    assert lake.rows("daily_track_plays") == []
    lake.run()
    assert sum(row["plays"] for row in lake.rows("daily_track_plays")) == 3


@pytest.mark.sail_enough
def test_the_ui_finds_every_run_in_the_instance_under_umg_home(lake: Lake):
    lake.drop_plays("2026-04-04", PLAYS)
    report = Runner(lake.settings, lambda _: None).bring_up_to_date()
    with open_instance(lake.home) as instance:
        runs = instance.get_runs()
        assert len(runs) == report.runs
        assert all(run.is_success for run in runs)
