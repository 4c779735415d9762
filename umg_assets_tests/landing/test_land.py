"""From landing/ to the raw tables and beyond: days that begin, what is read, and the clock that tests set."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pytest

from umg_assets import calendar as partitions
from umg_assets import tables
from umg_assets.assets.plays import plays_of
from umg_assets.landing.land import Ingest
from umg_assets.landing.scan import scan
from umg_assets.report import Report
from umg_assets.resources.engine import session
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets_tests.lake import Lake


def play(play_id: str, at: str, track: str = "t1") -> tuple:
    """A play in Austria, a session of its own; at: `03-02`, at noon UTC, or `03-02T10:00`, of 2026."""
    started = f"2026-{at}:00Z" if "T" in at else f"2026-{at}T12:00:00Z"
    return (play_id, "u1", play_id, track, started, 190_000, "AT")


# --- landing alone


def land(lake: Lake, lakehouse: Lakehouse) -> None:
    """Lands what is new in landing/, without a Dagster run."""
    ledger = Ledger(lake.home)
    lakehouse.create_tables()
    Ingest(lake.settings, lakehouse, ledger).land(scan(lake.settings, ledger.read()).changed)


def plays_on(days: list[date], lake: Lake, lakehouse: Lakehouse) -> set[str]:
    """The ids of the plays of some days."""
    users, catalogue = lakehouse.read(tables.USERS), lakehouse.read(tables.TRACKS)
    rows = plays_of(days, lake.history(), users, catalogue, lake.settings, lakehouse)
    return {row["play_id"] for row in rows.collect()}


def test_files_land_in_chunks_of_limited_size_so_that_their_slices_stay_small(
    sail_lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("umg_assets.landing.land._FILES", 2)
    lakehouse = Lakehouse(sail_lake.home, lambda: session("sail"))
    for day in ("03-02", "03-03", "03-04"):
        sail_lake.drop_plays(f"2026-{day}", [play(day, day)])
    land(sail_lake, lakehouse)
    assert sail_lake.values("raw_plays", "play_id") == [("03-02",), ("03-03",), ("03-04",)]
    assert plays_on([date(2026, 3, day) for day in (2, 3, 4)], sail_lake, lakehouse) == {"03-02", "03-03", "03-04"}
    assert sail_lake.version("raw_plays") == 2
    assert sail_lake.version("deliveries") == 4, "an entry before and one after each chunk"


@pytest.mark.sail_enough
def test_a_days_plays_are_built_from_its_own_deliveries_and_those_it_shares_plays_with(lake: Lake, engine: str):
    lakehouse = Lakehouse(lake.home, lambda: session(engine))
    for number in range(1, 10):
        lake.drop_plays(f"2026-03-{number:02}", [play(f"p{number}", f"03-{number:02}")])
    lake.drop_plays("2026-03-20", [play("p4", "03-06")])
    land(lake, lakehouse)

    def plays_from(day: date, *delivered: int) -> set[str]:
        """The day's plays, where no deliveries can be read except those of some days of March."""
        others = {*range(1, 10), 20} - set(delivered)
        with lake.spoilt(*(f"raw_plays/delivery_date=2026-03-{number:02}" for number in others)):
            return plays_on([day], lake, lakehouse)

    assert plays_from(date(2026, 3, 3), 3) == {"p3"}
    assert plays_from(date(2026, 3, 6), 4, 6, 20) == {"p4", "p6"}
    assert plays_from(date(2026, 3, 4), 4, 6, 20) == set()
    with pytest.raises(Exception, match=r"(?i)parquet"):
        plays_from(date(2026, 3, 6), 4, 6)


# --- days that begin


def set_clock(patch: pytest.MonkeyPatch, day: str) -> None:
    """Sets the package's clock to noon UTC of a day."""
    noon = datetime.combine(date.fromisoformat(day), time(12), UTC)
    patch.setattr("umg_assets.clock.now", lambda: noon)


@dataclass
class TwoDays:
    """A lake that ran twice on 2 March and twice on 3 March, with each run's report and what it held in between."""

    lake: Lake
    reports: list[Report]
    first_plays: list[tuple]
    first_raw_plays: list[tuple]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> TwoDays:
    """Plays of a day that has not begun (p2: 03-02T23:30Z is on 3 March in Vienna), and a delivery of tomorrow (p3)."""
    with pytest.MonkeyPatch.context() as clock:
        set_clock(clock, "2026-03-02")
        lake = Lake(tmp_path_factory.mktemp("two-days") / "home")
        lake.drop_tracks("2026-03-01", [(name, "One", "a1", "Ann", "Pop", 200_000) for name in ("t1", "t3")])
        lake.drop_plays("2026-03-02", [play("p1", "03-02"), play("p2", "03-02T23:30")])
        lake.drop_plays("2026-03-03", [play("p3", "03-02", track="t3")])
        reports = [lake.run()]
        first_plays, first_raw_plays = lake.values("plays", "play_id"), lake.values("raw_plays", "play_id")
        reports.append(lake.run())
        set_clock(clock, "2026-03-03")
        reports += [lake.run(), lake.run()]
    return TwoDays(lake, reports, first_plays, first_raw_plays)


def test_a_delivery_dated_tomorrow_waits_and_lands_when_its_day_has_come(two_days: TwoDays):
    for report in two_days.reports[:2]:
        assert "still to come" in report.scan.waiting["plays/2026-03-03.csv"]
    assert two_days.reports[1].runs == 0
    assert two_days.first_raw_plays == [("p1",), ("p2",)]
    assert not two_days.reports[2].scan.waiting
    assert ("p3", date(2026, 3, 2)) in two_days.lake.values("plays", "play_id", "play_date")


def test_plays_of_a_day_that_has_not_begun_wait_in_raw_and_then_enter_day_month_and_chart(two_days: TwoDays):
    first, second, third, fourth = two_days.reports
    assert first.waiting_days == [date(2026, 3, 3)]
    assert two_days.first_plays == [("p1",)]
    assert len(two_days.first_raw_plays) == 2
    assert second.runs == 0
    assert third.waiting_days == []
    assert third.partitions["plays"] == ["2026-03-02", "2026-03-03"], "3 March for p2, 2 March for p3"
    assert two_days.lake.values("plays", "play_id") == [("p1",), ("p2",), ("p3",)]
    months = two_days.lake.values("monthly_track_plays", "track_id", "plays", "data_through")
    assert months == [("t1", 2, date(2026, 3, 3)), ("t3", 1, date(2026, 3, 3))]
    charts = two_days.lake.rows("top_tracks_by_country")
    assert {row["plays"] for row in charts if row["track_id"] == "t1"} == {2}
    assert fourth.runs == 0


def test_the_clock_of_the_package_is_what_these_tests_set(monkeypatch: pytest.MonkeyPatch):
    set_clock(monkeypatch, "2026-03-02")
    assert partitions.utc_today() == date(2026, 3, 2)
    assert datetime.now().date() - partitions.utc_today() > timedelta(days=30)
