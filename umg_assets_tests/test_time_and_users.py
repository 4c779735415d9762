"""Rules 7 and 8, the whole way: local days around the clock changes, and where a user's id may lie."""

import hashlib
import hmac
import logging
from datetime import date
from pathlib import Path

import pytest

from umg_assets_tests.lake import Lake

SECRET = "user-id-that-must-not-leave-raw"
MAY_HOLD_IDS = {"landing", "raw_plays", "raw_users", "quarantine"}


def test_a_play_belongs_to_its_local_day_also_on_the_days_of_23_and_of_25_hours(lake: Lake):
    """In 2026 Vienna's clocks go forward on 29 March (midnight: 23:00Z, then 22:00Z), back on 25 October."""
    instants = {
        "2026-03-28T22:59:59Z": date(2026, 3, 28),
        "2026-03-28T23:00:00Z": date(2026, 3, 29),
        "2026-03-29T01:30:00Z": date(2026, 3, 29),
        "2026-03-29T21:59:59Z": date(2026, 3, 29),
        "2026-03-29T22:00:00Z": date(2026, 3, 30),
        "2026-03-31T22:00:00Z": date(2026, 4, 1),
        "2026-10-24T21:59:59Z": date(2026, 10, 24),
        "2026-10-24T22:00:00Z": date(2026, 10, 25),
        "2026-10-25T00:30:00Z": date(2026, 10, 25),
        "2026-10-25T01:30:00Z": date(2026, 10, 25),
        "2026-10-25T22:59:59Z": date(2026, 10, 25),
        "2026-10-25T23:00:00Z": date(2026, 10, 26),
        "2026-10-31T23:00:00Z": date(2026, 11, 1),
    }
    lake.configure(first_day="2026-03-28")
    lake.drop_plays(
        "2026-11-02",
        [(instant, "u1", "s1", "t1", instant, 40_000, "AT") for instant in instants]
        + [("bad", "u1", "s1", "t1", "2026-03-29T10:00:00Z", "a while", "AT")]
        + [("too early", "u1", "s1", "t1", "2026-03-27T22:59:59Z", 40_000, "AT")],
    )
    lake.run()
    assert dict(lake.values("plays", "play_id", "play_date")) == instants
    assert dict(lake.values("raw_plays", "play_id", "play_date")) == instants
    by_day = {day: list(instants.values()).count(day) for day in set(instants.values())}
    assert dict(lake.values("daily_track_plays", "play_date", "plays")) == by_day
    assert dict(lake.values("monthly_track_plays", "month", "plays")) == {
        date(2026, 3, 1): 5,
        date(2026, 4, 1): 1,
        date(2026, 10, 1): 6,
        date(2026, 11, 1): 1,
    }
    assert lake.values("quarantine", "reason") == [("before_first_day",), ("unparsable_played_ms",)]
    started = {row["play_id"]: row["started_at"] for row in lake.rows("plays")}
    assert {f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in started.values()} == set(instants)


def test_from_plays_on_no_table_export_event_or_log_holds_a_user_id(
    lake: Lake, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    lake.drop_users("2026-03-01", [(SECRET, "AT", "", "2000-05-05"), (f"{SECRET}2", "nowhere at all", "", "no date")])
    lake.drop_plays(
        "2026-03-02",
        [
            ("p1", SECRET, "s1", "t1", "2026-03-02T10:00:00Z", 190_000, ""),
            ("p2", SECRET, "s1", "t1", "no time", 190_000, ""),
        ],
    )
    lake.run()
    key = bytes.fromhex((lake.home / "keys" / "user_key").read_text())
    user_key = hmac.new(key, SECRET.encode(), hashlib.sha256).hexdigest()
    assert lake.values("plays", "play_id", "user_key") == [("p1", user_key)]
    assert (user_key,) in lake.values("users", "user_key")
    assert SECRET in {user for (user,) in lake.values("raw_plays", "user_id")}
    assert any(SECRET in text for (text,) in lake.values("quarantine", "text"))
    assert holders(lake.home) <= MAY_HOLD_IDS
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in caplog.text
    assert not list((lake.home / "staging").iterdir())
    for table in ("raw_plays", "raw_users", "quarantine", "deliveries"):
        assert (lake.home / "tables" / table).stat().st_mode & 0o777 == 0o700


def holders(home: Path) -> set[str]:
    """Where files hold the secret id: the folder of home, or of tables/; Parquet read, others byte by byte."""
    import pyarrow.parquet as pq

    found: set[str] = set()
    for file in (path for path in home.rglob("*") if path.is_file()):
        parts = file.relative_to(home).parts
        place = parts[1] if parts[0] == "tables" else parts[0]
        whole = file.read_bytes()
        if file.suffix == ".parquet" and ".checkpoint" not in file.name:
            whole += str(pq.ParquetFile(file).read().to_pylist()).encode()
        if SECRET.encode() in whole:
            found.add(place)
    return found


@pytest.mark.sail_enough
def test_other_age_groups_are_read_out_of_the_birth_dates_again_and_stamp_their_plays(lake: Lake):
    lake.drop_users("2026-03-01", [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "", "1950-05-05")])
    lake.drop_plays("2026-03-02", [("p1", "u1", "", "t1", "2026-03-02T10:00:00Z", 90_000, "AT")])
    lake.run()
    assert lake.values("plays", "age_group") == [("25-34",)]
    lake.configure("age_groups = [13, 20, 60]")
    lake.run()
    assert lake.values("plays", "age_group") == [("20-59",)]
    assert lake.values("daily_track_plays", "age_group") == [("20-59",)]
