"""People are forgotten in a lake where files, quarantined records and raw plays have gone by age."""

from datetime import date

import pytest

from umg_assets.cli.expire import expire
from umg_assets.cli.forget import forgetting_of
from umg_assets.cli.reconcile import reconcile
from umg_assets.forgetting import forget as forgetting_module
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets_tests.lake import Lake
from umg_assets_tests.landing.test_land import set_clock

pytestmark = pytest.mark.exhaustive

GONE = "ann-007"


def drop(lake: Lake, without: str = "") -> None:
    """Six days of two people's plays, and a bad record of each person a day; without one person's."""
    lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    users = [(GONE, "AT", "25-34", ""), ("bob", "AT", "35-44", "")]
    lake.drop_users("2026-03-01", [row for row in users if row[0] != without])
    for day in range(1, 7):
        rows = [
            row
            for number, user in enumerate((GONE, "bob", GONE))
            for row in (
                (f"p{day}-{number}", user, f"s-{user}", "t1", f"2026-03-{day:02}T1{number}:00:00Z", 90_000, "AT"),
                (f"x{day}-{number}", user, f"s-{user}", "t1", "noon", 1),
            )
            if user != without
        ]
        lake.drop_plays(f"2026-03-{day:02}", rows)


def aged(lake: Lake, quarantine: int = 8, without: str = "") -> Lake:
    """The lake once files and raw plays of 1 to 3 March have gone, and quarantined records older than so many days."""
    privacy = f"[privacy]\nkeep_landing_days = 8\nkeep_raw_days = 8\nkeep_quarantine_days = {quarantine}\n"
    lake.configure(f"correction_days = 2\n{privacy}")
    drop(lake, without)
    lake.run()
    assert {removed.what for removed in expire(lake.settings, lake.instance).removed} > {"raw_plays", "landing_plays"}
    return lake


@pytest.fixture(autouse=True)
def the_twelfth(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, "2026-03-12")
    monkeypatch.setenv("UMG_ENGINE", "sail")


def test_a_person_is_taken_out_of_days_that_cannot_be_built_again_and_what_follows_is_as_if_they_never_came(
    new_lake, monkeypatch: pytest.MonkeyPatch
):
    lake, never = aged(new_lake("aged")), aged(new_lake("never"), without=GONE)
    Requests(lake.home).add([GONE])
    with monkeypatch.context() as dying:
        dying.setattr(forgetting_module, "take_out", _power_went)
        with pytest.raises(RuntimeError, match="the power went"):
            forgetting_of(lake.settings, lake.instance, lambda _: None).forget()
    receipt = forgetting_of(lake.settings, lake.instance, lambda _: None).forget()
    assert receipt is not None
    assert receipt.good, receipt.text
    key = UserKeys(lake.home).of([GONE])[0]
    assert not [file for file in lake.home.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]
    assert {day for (day,) in lake.values("plays", "play_date")} == {date(2026, 3, day) for day in range(1, 7)}
    for table in ("daily_track_plays", "monthly_track_plays", "top_tracks_by_country", "age_group_favourites"):
        assert lake.rows(table) == never.rows(table), table
    assert lake.values("sessions", "session_date", "plays") == never.values("sessions", "session_date", "plays")
    before = lake.versions()
    assert lake.run().runs == 0
    assert lake.versions() == before
    assert reconcile(lake.settings)


def test_records_that_have_gone_from_quarantine_are_taken_out_of_files_and_the_counts_still_add_up(new_lake):
    lake = aged(new_lake("aged"), quarantine=3)
    assert not lake.rows("quarantine")
    Requests(lake.home).add([GONE])
    receipt = forgetting_of(lake.settings, lake.instance, lambda _: None).forget()
    assert receipt is not None
    assert receipt.good, receipt.text
    left = {entry.path: entry for entry in lake.history().delivered() if entry.source == "plays"}
    last = left["plays/2026-03-06.csv"]
    assert (last.records, last.landed, sum(last.quarantined.values())) == (2, 1, 1)
    assert reconcile(lake.settings)
    assert lake.run().runs == 0


def _power_went(*_: object) -> None:
    raise RuntimeError("the power went")
