"""From landing/ to the raw tables and on: time that passes, runs that die, what is read."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetKey

from umg_assets import partitions, tables
from umg_assets.definitions import build_definitions
from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.running import RunFailedError
from umg_assets_tests.lake import SOURCES, Lake


def play(play_id: str, at: str, user: str = "u1", track: str = "t1") -> tuple:
    """A play in Austria; at: `03-02`, at noon UTC, or `03-02T10:00`, of 2026."""
    started = f"2026-{at}:00Z" if "T" in at else f"2026-{at}T12:00:00Z"
    return (play_id, user, "s1", track, started, 190_000, "AT")


class Clock:
    """Sets the running day of every module of the package, and Dagster's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def set(self, day: str) -> None:
        """The running day, UTC and local."""
        import importlib
        import sys

        today = date.fromisoformat(day)
        for name in ("umg_assets.definitions", "umg_assets.running"):
            importlib.import_module(name)
        for name, module in list(sys.modules.items()):
            if name.startswith("umg_assets."):
                if hasattr(module, "utc_today"):
                    self._monkeypatch.setattr(module, "utc_today", lambda: today)
                if hasattr(module, "local_today"):
                    self._monkeypatch.setattr(module, "local_today", lambda zone: today)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock, to be set."""
    return Clock(monkeypatch)


def test_files_land_in_chunks_of_so_many_that_their_slices_stay_small(sail_lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("umg_assets.resources.ingest._FILES", 2)
    for day in ("03-02", "03-03", "03-04"):
        sail_lake.drop_plays(f"2026-{day}", [play(day, day)])
    sail_lake.run()
    assert [len(sail_lake.values(table, "play_id")) for table in ("raw_plays", "plays")] == [3, 3]
    assert sail_lake.version("raw_plays") == 2
    assert sail_lake.version("deliveries") == 4, "an entry before and one after each chunk"


def test_a_delivery_dated_tomorrow_waits_and_lands_when_its_day_has_come(sail_lake: Lake, clock: Clock):
    clock.set("2026-03-02")
    sail_lake.drop_plays("2026-03-03", [play("p1", "03-02")])
    report = sail_lake.run()
    assert report.runs == 0
    assert "still to come" in report.scan.waiting["plays/2026-03-03.csv"]
    clock.set("2026-03-03")
    assert not sail_lake.run().scan.waiting
    assert sail_lake.values("plays", "play_id") == [("p1",)]


def test_plays_of_a_day_that_has_not_begun_wait_in_raw_and_then_enter_day_month_and_chart(
    sail_lake: Lake, clock: Clock
):
    """03-02T23:30Z is on 3 March in Vienna."""
    clock.set("2026-03-02")
    sail_lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02"), play("p2", "03-02T23:30")])
    assert sail_lake.run().waiting_days == [date(2026, 3, 3)]
    assert sail_lake.values("plays", "play_id") == [("p1",)]
    assert len(sail_lake.rows("raw_plays")) == 2
    assert sail_lake.run().runs == 0
    clock.set("2026-03-03")
    report = sail_lake.run()
    assert report.waiting_days == []
    assert report.partitions["plays"] == ["2026-03-03"]
    assert sail_lake.values("plays", "play_id") == [("p1",), ("p2",)]
    assert sail_lake.values("monthly_track_plays", "plays", "data_through") == [(2, date(2026, 3, 3))]
    assert {row["plays"] for row in sail_lake.rows("top_tracks_by_country")} == {2}
    assert sail_lake.run().runs == 0


def dying(monkeypatch: pytest.MonkeyPatch, table: str, after: bool) -> Callable[[], None]:
    """Makes the next write of a table die, before or after its commit; returns what heals it."""
    write = Lakehouse.write_slice

    def die(self, of: tables.Table, *rest):
        if of.name == table:
            if after:
                write(self, of, *rest)
            raise RuntimeError("the power went")
        return write(self, of, *rest)

    monkeypatch.setattr(Lakehouse, "write_slice", die)
    return lambda: monkeypatch.setattr(Lakehouse, "write_slice", write)


@pytest.mark.parametrize("after", [False, True], ids=["before its commit", "after its commit"])
@pytest.mark.parametrize("table", ["raw_plays", "plays"])
def test_dying_at_any_table_costs_a_recomputation_and_never_a_wrong_table(
    sail_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
):
    bad = ("x", "u1", "s1", "t1", "noon", 1)
    sail_lake.drop_plays("2026-03-04", [play("p1", "03-02"), play("p2", "03-03"), bad])
    sail_lake.run()
    sail_lake.drop_plays("2026-03-04", [play("p2", "03-04"), bad])
    heal = dying(monkeypatch, table, after)
    with pytest.raises(RunFailedError, match="the power went"):
        sail_lake.run()
    heal()
    sail_lake.drop_plays("2026-03-04", [play("p3", "03-04"), bad])
    sail_lake.run()
    fresh = sail_lake.built_afresh(tmp_path / "fresh")
    assert sail_lake.content() == fresh.content()
    assert sail_lake.rows("quarantine") == fresh.rows("quarantine")
    assert sail_lake.run().runs == 0


def test_a_day_that_a_run_that_died_was_to_empty_is_made_again_though_it_was_made_meanwhile(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    sail_lake.drop_plays("2026-03-04", [play("p1", "03-02"), play("p2", "03-04")])
    sail_lake.run()
    sail_lake.drop_plays("2026-03-04", [play("p2", "03-04")])
    heal = dying(monkeypatch, "raw_plays", after=False)
    with pytest.raises(RunFailedError, match="the power went"):
        sail_lake.run()
    heal()
    job = build_definitions(sail_lake.settings).resolve_job_def("build_days")
    plays = job.get_subset(asset_selection={AssetKey("plays")}, asset_check_selection=set())
    assert plays.execute_in_process(instance=sail_lake.instance, tags={"dagster/partition": "2026-03-02"}).success
    assert sail_lake.values("plays", "play_id") == [("p1",), ("p2",)]
    sail_lake.run()
    assert sail_lake.values("plays", "play_id") == [("p2",)]


def test_tracks_that_change_after_a_run_died_between_plays_and_their_sums_still_reach_those_plays(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    sail_lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 10_000_000)])
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02")])
    heal = dying(monkeypatch, "daily_track_plays", after=False)
    with pytest.raises(RunFailedError):
        sail_lake.run()
    heal()
    assert sail_lake.values("plays", "is_complete") == [(False,)]
    sail_lake.drop_tracks("2026-03-03", [("t1", "One", "a1", "Ann", "Pop", 190_000)])
    sail_lake.run()
    assert sail_lake.values("plays", "is_complete") == [(True,)]
    assert sail_lake.values("daily_track_plays", "completes") == [(1,)]


def test_a_definition_that_dates_files_otherwise_moves_their_rows(sail_lake: Lake, tmp_path: Path):
    sail_lake.drop_plays("2026-03-02_of_2026-03-09", [play("p1", "03-02"), play("p2", "03-02")[:4]])
    sail_lake.drop_plays("2026-03-05_of_2026-03-05", [play("p1", "03-03")])
    sail_lake.run()
    assert sail_lake.values("plays", "play_date") == [(date(2026, 3, 3),)]
    sail_lake.configure(sources=SOURCES.replace("'(\\d{4}-\\d{2}-\\d{2})'", "'of_(\\d{4}-\\d{2}-\\d{2})'", 1))
    sail_lake.run()
    assert sail_lake.values("plays", "play_date") == [(date(2026, 3, 2),)]
    assert sorted(sail_lake.values("raw_plays", "delivery_date")) == [(date(2026, 3, 5),), (date(2026, 3, 9),)]
    assert sail_lake.values("quarantine", "delivery_date") == [(date(2026, 3, 9),)]
    assert sail_lake.content() == sail_lake.built_afresh(tmp_path / "fresh").content()
    assert sail_lake.run().runs == 0


@pytest.mark.sail_enough
def test_names_of_files_are_data_whatever_they_hold(lake: Lake):
    names = ["it's", "back\\slash", "100%", "a b=c", "two\nlines", "ä{x}", '"q"']
    for number, name in enumerate(names):
        lake.drop_plays(f"2026-03-02-{name}", [play(f"p{number}", "03-02"), ("bad",)])
    lake.run()
    for number, name in enumerate(names):
        lake.drop_plays(f"2026-03-02-{name}", [play(f"q{number}", "03-02"), ("bad",)])
    lake.run()
    expected = {f"plays/2026-03-02-{name}.csv" for name in names}
    assert {path for (path,) in lake.values("raw_plays", "source_file")} == expected
    assert lake.values("plays", "play_id") == [(f"q{number}",) for number in range(len(names))]
    assert sorted(path for (path,) in lake.values("quarantine", "source_file")) == sorted(expected)


def test_markets_in_any_order_have_their_charts(sail_lake: Lake):
    sail_lake.configure('markets = ["SK", "AT", "DE"]')
    sail_lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02")])
    sail_lake.run()
    assert {row["country"] for row in sail_lake.rows("top_tracks_by_country")} == {"AT"}
    assert sail_lake.run().runs == 0


@pytest.mark.sail_enough
def test_a_days_plays_are_made_of_its_own_deliveries_and_those_it_shares_plays_with(lake: Lake, engine: str):
    from umg_assets.assets.plays import plays_of

    for number in range(1, 10):
        lake.drop_plays(f"2026-03-{number:02}", [play(f"p{number}", f"03-{number:02}")])
    lake.drop_plays("2026-03-20", [play("p4", "03-06")])
    lake.run()
    lakehouse = Lakehouse(lake.home, lambda: session(engine))
    history = lake.history()
    users, tracks = lakehouse.read(tables.USERS), lakehouse.read(tables.TRACKS)

    def plays_on(day: date, *delivered: int) -> set[str]:
        """The day's plays, where no delivery can be read but those of some days of March."""
        others = {*range(1, 10), 20} - set(delivered)
        with lake.spoilt(*(f"raw_plays/delivery_date=2026-03-{number:02}" for number in others)):
            rows = plays_of([day], history, users, tracks, lake.settings, lakehouse)
            return {row["play_id"] for row in rows.collect()}

    assert plays_on(date(2026, 3, 3), 3) == {"p3"}
    assert plays_on(date(2026, 3, 6), 4, 6, 20) == {"p4", "p6"}
    assert plays_on(date(2026, 3, 4), 4, 6, 20) == set()
    with pytest.raises(Exception, match=r"(?i)parquet"):
        plays_on(date(2026, 3, 6), 4, 6)


def test_the_clock_of_the_package_is_what_these_tests_set(clock: Clock):
    clock.set("2026-03-02")
    assert partitions.utc_today() == date(2026, 3, 2)
    assert datetime.now().date() - partitions.utc_today() > timedelta(days=30)
