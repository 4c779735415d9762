"""One lake on which runs crash at their writes, between other deliveries, and its files built afresh."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from dagster import AssetKey

from umg_assets import tables
from umg_assets.build import build_definitions
from umg_assets.report import Report
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.runner import RunFailedError
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.landing.test_land import play

pytestmark = pytest.mark.exhaustive

CRASHES = [
    pytest.param(number, table, after, id=f"{table}-{'after' if after else 'before'} its commit")
    for number, (table, after) in enumerate(
        [("raw_plays", False), ("raw_plays", True), ("plays", False), ("plays", True)], 1
    )
]
"""Crash NUMBER has three days of February and the plays cNUMBER-..."""
BAD = ("x", "u1", "s1", "t1", "noon", 1)
NAMES = ["it's", "back\\slash", "100%", "a b=c", "two\nlines", "ä{x}", '"q"']
MOVED = """
[[sources.plays]]
files = "moved/*.csv"
delivered_on = '{}(\\d{{4}}-\\d{{2}}-\\d{{2}})'
""" + SOURCES[SOURCES.index("[sources.plays.columns]") : SOURCES.index("[[sources.users]]")]


def crash_at(patch: pytest.MonkeyPatch, table: str, after: bool) -> Callable[[], None]:
    """Makes the next writes of a table crash, before or after their commit; returns what mends that."""
    write = Lakehouse.write_slice

    def crash(self, written: tables.Table, *rest):
        if written.name == table:
            if after:
                write(self, written, *rest)
            raise RuntimeError("the power went")
        return write(self, written, *rest)

    patch.setattr(Lakehouse, "write_slice", crash)
    return lambda: patch.setattr(Lakehouse, "write_slice", write)


def crashed_run(lake: Lake, patch: pytest.MonkeyPatch, table: str, after: bool = False) -> None:
    """A run that crashes when it writes a table."""
    mend = crash_at(patch, table, after)
    with pytest.raises(RunFailedError, match="the power went"):
        lake.run()
    mend()


@dataclass
class Crashes:
    """The lake of this module's crashes, what it held in between, and its files built afresh in one run."""

    lake: Lake
    fresh: Lake
    held: dict[str, Any] = field(default_factory=dict)
    last: Report = field(default_factory=Report)


def rows_of(lake: Lake, prefix: str, *columns: str, table: str = "plays") -> list[tuple]:
    """The columns of rows whose play_id begins so, sorted."""
    rows = (row for row in lake.rows(table) if row["play_id"].startswith(prefix))
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def days_of(number: int) -> list[date]:
    """The days of a crash, of which the last is that of its delivery: the days of all are one unbroken range."""
    return [date(2026, 2, 3 * number - 1 + offset) for offset in range(3)]


def crash_story(lake: Lake, patch: pytest.MonkeyPatch, number: int, table: str, after: bool) -> None:
    """A file is delivered again with other plays, in a run that crashes, and a third time."""
    last = days_of(number)[-1]
    lake.drop_plays(f"{last}", [play(f"c{number}-2", f"{last:%m-%d}"), BAD])
    crashed_run(lake, patch, table, after)
    lake.drop_plays(f"{last}", [play(f"c{number}-3", f"{last:%m-%d}"), BAD])
    lake.run()


def drop_first_files(lake: Lake) -> None:
    """The first files of every story: each has its own plays and days, without a gap, for a gap costs a run each."""
    lake.configure('markets = ["SK", "AT", "DE"]', MOVED.format("") + SOURCES)
    lake.drop_tracks("2026-01-15", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_tracks("2026-01-16", [("late", "Late", "a1", "Ann", "Pop", 10_000_000)])
    for number in range(1, 5):
        first, second, last = (f"{day:%m-%d}" for day in days_of(number))
        lake.drop_plays(f"2026-{last}", [play(f"c{number}-1", first), play(f"c{number}-2", second), BAD])
    lake.drop_plays("2026-02-16", [play("emptied-1", "02-14"), play("emptied-2", "02-16")])
    lake.drop_plays("2026-02-15", [play("between", "02-15")])
    header = "play_id,user_id,session_id,track_id,started_at,played_ms,country"
    early, late = (",".join(map(str, play("moved-1", day))) for day in ("02-15", "02-17"))
    lake.drop("moved/2026-02-15_of_2026-02-23.csv", f"{header}\n{early}\nmoved-2,u1,s1,t1\n")
    lake.drop("moved/2026-02-19_of_2026-02-19.csv", f"{header}\n{late}\n")
    for number, name in enumerate(NAMES):
        lake.drop_plays(f"2026-02-18-{name}", [play(f"named-p{number}", "02-18"), ("bad",)])
    lake.drop_plays("2026-02-19", [play("keyed-1", "02-19")])


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Crashes:
    """All first files, one run; then one crash after the other; then the other second files, one run."""
    folder = tmp_path_factory.mktemp("crashes")
    lake = Lake(folder / "home")
    drop_first_files(lake)
    lake.run()
    held: dict[str, Any] = {"runs after the first": lake.run().runs, "moved": rows_of(lake, "moved", "play_date")}
    for story in CRASHES:
        crash_story(lake, patch, *story.values)  # pyright: ignore[reportArgumentType]
        held[f"crash {story.values[0]}"] = rows_of(lake, f"c{story.values[0]}-", "play_id", "play_date")

    key = lake.home / "keys" / "user_key"
    held["key"] = key.read_text()
    key.unlink()
    lake.drop_plays("2026-02-20", [play("keyed-2", "02-20")])
    with pytest.raises(RunFailedError) as without_key:
        lake.run()
    held["without a key"], held["a key was created"] = str(without_key.value), key.exists()
    key.write_text(held["key"])

    lake.drop_plays("2026-02-21", [play("late-1", "02-21", track="late")])
    crashed_run(lake, patch, "daily_track_plays")
    held["late"] = rows_of(lake, "late", "is_complete")

    lake.drop_plays("2026-02-16", [play("emptied-2", "02-16")])
    crashed_run(lake, patch, "raw_plays")
    job = build_definitions(lake.settings).resolve_job_def("build_days")
    plays = job.get_subset(asset_selection={AssetKey("plays")}, asset_check_selection=set())
    assert plays.execute_in_process(instance=lake.instance, tags={"dagster/partition": "2026-02-14"}).success
    held["emptied"] = rows_of(lake, "emptied", "play_id")

    lake.drop_tracks("2026-02-22", [("late", "Late", "a1", "Ann", "Pop", 190_000)])
    for number, name in enumerate(NAMES):
        lake.drop_plays(f"2026-02-18-{name}", [play(f"named-q{number}", "02-18"), ("bad",)])
    lake.configure('markets = ["SK", "AT", "DE"]', MOVED.format("of_") + SOURCES)
    lake.run()
    return Crashes(lake, lake.built_afresh(folder / "fresh"), held, lake.run())


def test_the_lake_of_the_crashes_ends_in_the_tables_of_a_fresh_build_and_finds_nothing_left_to_do(crashes: Crashes):
    assert crashes.lake.content() == crashes.fresh.content()
    assert crashes.lake.rows("quarantine") == crashes.fresh.rows("quarantine")
    assert crashes.last.runs == 0


@pytest.mark.parametrize(("number", "table", "after"), CRASHES)
def test_a_crash_at_any_table_costs_a_recomputation_and_never_a_wrong_table(
    crashes: Crashes, number: int, table: str, after: bool
):
    last = days_of(number)[-1]
    assert crashes.held[f"crash {number}"] == [(f"c{number}-3", last)]
    for name, day in (("plays", "play_date"), ("daily_track_plays", "play_date"), ("sessions", "session_date")):
        rows, fresh = (
            [row for row in lake.rows(name) if row[day] in days_of(number)] for lake in (crashes.lake, crashes.fresh)
        )
        assert rows == fresh
        assert [row[day] for row in rows] == [last]
    rejects, fresh = (
        [row for row in lake.rows("quarantine") if row["delivery_date"] == last]
        for lake in (crashes.lake, crashes.fresh)
    )
    assert rejects == fresh
    assert [row["record"] for row in rejects] == [2]


def test_a_day_that_a_crashed_run_should_have_emptied_is_rebuilt_even_if_it_was_rebuilt_in_between(crashes: Crashes):
    assert crashes.held["emptied"] == [("emptied-1",), ("emptied-2",)]
    assert rows_of(crashes.lake, "emptied", "play_id") == [("emptied-2",)]


def test_tracks_that_change_after_a_crash_between_plays_and_their_sums_still_reach_those_plays(crashes: Crashes):
    assert crashes.held["late"] == [(False,)]
    assert rows_of(crashes.lake, "late", "is_complete") == [(True,)]
    sums = [row for row in crashes.lake.rows("daily_track_plays") if row["track_id"] == "late"]
    assert [row["completes"] for row in sums] == [1]


def test_a_definition_that_dates_files_differently_moves_their_rows(crashes: Crashes):
    assert crashes.held["moved"] == [(date(2026, 2, 17),)]
    assert rows_of(crashes.lake, "moved", "play_date") == [(date(2026, 2, 15),)]
    delivered = rows_of(crashes.lake, "moved", "delivery_date", table="raw_plays")
    assert delivered == [(date(2026, 2, 19),), (date(2026, 2, 23),)]
    rejects = [row for row in crashes.lake.rows("quarantine") if row["source_file"].startswith("moved/")]
    assert [row["delivery_date"] for row in rejects] == [date(2026, 2, 23)]


def test_names_of_files_are_data_whatever_they_hold(crashes: Crashes):
    paths = {f"plays/2026-02-18-{name}.csv" for name in NAMES}
    assert {path for (path,) in rows_of(crashes.lake, "named", "source_file", table="raw_plays")} == paths
    assert rows_of(crashes.lake, "named", "play_id") == [(f"named-q{number}",) for number in range(len(NAMES))]
    rejected = [path for (path,) in crashes.lake.values("quarantine", "source_file") if "2026-02-18" in path]
    assert sorted(rejected) == sorted(paths)


def test_markets_in_any_order_have_their_charts(crashes: Crashes):
    assert {row["country"] for row in crashes.lake.rows("top_tracks_by_country")} == {"AT"}
    assert crashes.held["runs after the first"] == 0


def test_another_machine_without_the_key_is_refused_and_creates_none(crashes: Crashes):
    message = crashes.held["without a key"]
    assert "user_key is missing" in message
    assert "copy the key file from where it was made" in message.split("user_key is missing")[1]
    assert not crashes.held["a key was created"]
    key = bytes.fromhex(crashes.held["key"])
    user_key = hmac.new(key, b"u1", hashlib.sha256).hexdigest()
    assert rows_of(crashes.lake, "keyed", "play_id", "user_key") == [("keyed-1", user_key), ("keyed-2", user_key)]
