"""Rules 7 and 8, the whole way: local days around the clock changes, and where a user's id may be."""

import hashlib
import hmac
import logging
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

SECRET = "user-id-that-must-not-leave-raw"
MAY_HOLD_IDS = {"landing"}


INSTANTS = {
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
"""By instant, its local day: in 2026 Vienna's clocks go forward on 29 March (midnight: 23:00Z, then 22:00Z), back on
25 October."""
AGES = ("25-34", "20-59")
"""The age group of a user born in 2000: by the default bounds, then by those of the second run."""


@dataclass
class Runs:
    """A lakehouse that ran twice, and after each run the (track_id, age_group) of its plays and daily sums."""

    lake: Lake
    ages: list[list[tuple]] = field(default_factory=list)

    def run(self) -> None:
        """Runs, and notes the age groups."""
        self.lake.run()
        tables = ("plays", "daily_track_plays")
        self.ages.append([row for table in tables for row in self.lake.values(table, "track_id", "age_group")])


@pytest.fixture(scope="module")
def runs(new_lake: NewLake) -> Runs:
    """A play at each of INSTANTS, and one of a user whose age group another setting changes: the second run."""
    lake = new_lake("time", first_day="2026-03-28")
    lake.drop_users("2026-03-28", [("u9", "AT", "", "2000-05-05"), ("u8", "DE", "", "1950-05-05")])
    lake.drop_plays("2026-03-30", [("age", "u9", "", "age", "2026-03-30T10:00:00Z", 90_000, "AT")])
    lake.drop_plays(
        "2026-11-02",
        [(instant, "u1", "s1", "t1", instant, 40_000, "AT") for instant in INSTANTS]
        + [("bad", "u1", "s1", "t1", "2026-03-29T10:00:00Z", "a while", "AT")]
        + [("too early", "u1", "s1", "t1", "2026-03-27T22:59:59Z", 40_000, "AT")],
    )
    runs = Runs(lake)
    runs.run()
    lake.configure("age_groups = [13, 20, 60]", first_day="2026-03-28")
    runs.run()
    return runs


def test_a_play_belongs_to_its_local_day_also_on_the_days_of_23_and_of_25_hours(runs: Runs):
    """The one play of track `age`, on 30 March, is the other test's."""

    def rows(table: str, *columns: str) -> list[tuple]:
        return [row[1:] for row in runs.lake.values(table, "track_id", *columns) if row[0] != "age"]

    assert dict(rows("plays", "play_id", "play_date")) == INSTANTS
    assert dict(rows("raw_plays", "play_id", "play_date")) == INSTANTS
    by_day = {day: list(INSTANTS.values()).count(day) for day in set(INSTANTS.values())}
    assert dict(rows("daily_track_plays", "play_date", "plays")) == by_day
    assert dict(rows("monthly_track_plays", "month", "plays")) == {
        date(2026, 3, 1): 5,
        date(2026, 4, 1): 1,
        date(2026, 10, 1): 6,
        date(2026, 11, 1): 1,
    }
    assert runs.lake.values("quarantine", "reason") == [("before_first_day",), ("unparsable_played_ms",)]
    started = {row["play_id"]: row["started_at"] for row in runs.lake.rows("plays") if row["track_id"] != "age"}
    assert {f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in started.values()} == set(INSTANTS)


def test_no_table_export_event_or_log_holds_a_clear_user_id(
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
    assert not list((lake.home / "staging").glob("*/*"))
    for table in ("raw_plays", "raw_users", "quarantine", "deliveries"):
        assert (lake.home / "tables" / table).stat().st_mode & 0o777 == 0o700


def holders(home: Path) -> set[str]:
    """Where files hold the secret id: the folder of home, or of tables/. Parquet is decoded, too."""
    import pyarrow.parquet as pq

    folders: set[str] = set()
    for file in (path for path in home.rglob("*") if path.is_file()):
        parts = file.relative_to(home).parts
        folder = parts[1] if parts[0] == "tables" else parts[0]
        content = file.read_bytes()
        if file.suffix == ".parquet" and ".checkpoint" not in file.name:
            content += str(pq.ParquetFile(file).read().to_pylist()).encode()
        if SECRET.encode() in content:
            folders.add(folder)
    return folders


def test_other_age_groups_are_read_out_of_the_birth_dates_again_and_stamp_their_plays(runs: Runs):
    for rows, age in zip(runs.ages, AGES, strict=True):
        assert [row for row in rows if row[0] == "age"] == 2 * [("age", age)], "a row of plays, a row of their sums"
