"""Ids of plays and sessions that contain the user's id: raw tables keep them, nothing downstream tells them."""

import hmac
import re
from hashlib import sha256
from pathlib import Path

import pytest

from umg_assets import tables
from umg_assets.cli.reconcile import recount_tables
from umg_assets.privacy.keys import UserKeys
from umg_assets.resources.reading import read_table
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake

pytestmark = pytest.mark.both_engines

USERS = ("ana@mail.example", "bo%_1", "čeněk")
TOP = "plays_from_events = true\n"
EXPERIMENT = """
[experiments.row]
hypothesis = "B listens longer than control"
owner = "ann"
salt = "salt-1"
variants = { control = 1, b = 1 }
first_day = 2026-03-02
weeks = 1
"""


def plays(user: str) -> list[tuple]:
    """A session of two plays, composed with the user's id, and a play whose ids name nobody."""
    return [
        (f"{user}-1", user, f"2026-{user}", "t1", "2026-03-02T10:00:00Z", 60_000, "AT"),
        (f"{user}-2", user, f"2026-{user}", "t1", "2026-03-02T10:05:00Z", 60_000, "AT"),
        (f"plain-{USERS.index(user)}", user, "night", "t1", "2026-03-02T20:00:00Z", 60_000, "AT"),
    ]


def events(user: str) -> list[dict[str, str]]:
    """Plays made of events: one whose app names it as plays/ does, one known by its event_id; and an exposure."""
    session = {"user_id": user, "session_id": f"2026-{user}", "track_id": "t1"}
    known = {**session, "event_name": "play_start", "properties": f'{{"play_id": "{user}-1"}}'}
    return [
        {"event_id": f"e1-{user}", "occurred_at": "2026-03-02T10:00:00Z", **known},
        {"event_id": f"e2-{user}", "occurred_at": "2026-03-02T10:10:00Z", **session, "event_name": "play_start"},
        {"event_id": f"e3-{user}", "occurred_at": "2026-03-02T10:12:00Z", **session, "event_name": "play_end"},
        {
            "event_id": f"e4-{user}", "occurred_at": "2026-03-02T10:01:00Z", **session, "event_name": "home_loaded",
            "experiment": "row", "variant": "control",
        },
    ]  # fmt: skip


def configure(lake: Lake, privacy: str = "") -> None:
    lake.configure(TOP, SOURCES + EVENT_SOURCE + EXPERIMENT + privacy)


@pytest.fixture(scope="module")
def composed(new_lake: NewLake) -> Lake:
    """A day of plays and events of three users, and a users file. Only read it, or copy it."""
    lake = new_lake("composed")
    configure(lake)
    lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users("2026-03-01", [(user, "AT", "25-34") for user in USERS])
    lake.drop_plays("2026-03-02", [row for user in USERS for row in plays(user)])
    lake.drop_events("2026-03-02", [row for user in USERS for row in events(user)])
    lake.run()
    return lake


def holding(lake: Lake, *user_ids: str) -> set[str]:
    """The tables of which a text contains one of the ids."""
    pattern = re.compile("|".join(map(re.escape, user_ids)))
    return {
        table.name
        for table in tables.ALL
        for column in read_table(lake.home, table).columns
        for value in column.to_pylist()
        if pattern.search(str(value))
    }


def test_no_table_beyond_the_raw_ones_holds_an_id_that_contains_a_users(composed: Lake):
    assert holding(composed, *USERS) == {"raw_plays", "raw_app_events"}
    assert holding(composed, "plain-0") >= {"raw_plays", "plays"}, "ids that name nobody stay as they are"


def test_a_session_whose_id_is_a_keyed_hash_holds_all_its_plays(composed: Lake):
    of_user = {row["user_key"]: row["plays"] for row in composed.rows("sessions") if row["plays"] > 1}
    assert list(of_user.values()) == [3, 3, 3], "two delivered plays and one of events; one is in both, and counts once"
    assert len(composed.rows("plays")) == 4 * len(USERS)
    assert {row["plays"] for row in composed.rows("visits")} == {1, 3}
    assert recount_tables(composed.settings)


def test_the_hash_is_of_a_secret_of_the_user_that_no_table_holds(composed: Lake):
    user = USERS[0]
    secret = UserKeys(composed.home).derived("ids that contain user_id")
    id_key = hmac.digest(secret, user.encode(), "sha256").hex()
    expected = sha256(f"{id_key}{user}-1".encode()).hexdigest()[:32]
    assert expected in {row["play_id"] for row in composed.rows("plays")}
    assert holding(composed, id_key) == set()
    assert sha256(f"{user}-1".encode()).hexdigest()[:32] not in {row["play_id"] for row in composed.rows("plays")}


@pytest.mark.sail_enough
def test_without_pseudonyms_ids_stay_as_they_are(composed: Lake, tmp_path: Path):
    lake = composed.copied(tmp_path / "home")
    configure(lake, "[privacy]\npseudonyms = false\n")
    lake.run()
    assert holding(lake, *USERS) == {"raw_plays", "raw_app_events", "plays", "visits", "exposure_days"}
    assert recount_tables(lake.settings)
