"""`privacy.pseudonyms` is switched in a lake whose files have left landing/, and whose days are frozen in part."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from umg_assets import tables
from umg_assets.build import build_definitions
from umg_assets.catalogue import Catalogue
from umg_assets.cli.expire import expire
from umg_assets.cli.forget import forgetting_of
from umg_assets.cli.reconcile import recount_tables
from umg_assets.cli.run import lakehouse_of
from umg_assets.forgetting.byte_search import search_bytes
from umg_assets.landing.composed_ids import settle_ids
from umg_assets.planning.frozen import kept_days
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets.resources.commits import Commit
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.runner import RunFailedError
from umg_assets.tables import Table
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.jobs import run_job
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake
from umg_assets_tests.landing.test_land import set_clock
from umg_assets_tests.privacy.test_pseudonyms import EXPERIMENT, holding

USERS = ("ana@mail.example", "čeněk")
NUMBER, GUEST = "17", "guest-001"
OF_USERS = ("plays", "sessions", "visits", "user_days", "exposure_days")
OTHERS = ("daily_track_plays", "monthly_track_plays", "top_tracks_by_country", "experiment_days")
HASHED, AS_DELIVERED = "pseudonyms = true\n", "pseudonyms = false\n"
AGES = "keep_landing_days = 29\nkeep_raw_days = 31\n"
"""On 5 April: files of 1 to 6 March go, and raw rows of 1 to 4 March."""


def play_id(user: str, day: int, number: int) -> str:
    """NUMBER's ids have the form of a hash, and hold a 17."""
    return f"{day:02}{number:02}17{'ab' * 13}" if user == NUMBER else f"{user}-{day}-{number}"


def session_id(user: str, day: int) -> str:
    return f"17{day:02}{'c0' * 14}" if user == NUMBER else f"{day}-{user}"


def plays(user: str, day: int) -> list[tuple]:
    """Two plays of a session that goes on past midnight UTC, and one whose ids name nobody."""
    ids = [(play_id(user, day, number), user, session_id(user, day), "t1") for number in (1, 2)]
    ends = (f"2026-03-{day:02}T23:50:00Z", f"2026-03-{day + 1:02}T00:05:00Z")
    return [
        *((*of_play, at, 60_000, "AT") for of_play, at in zip(ids, ends, strict=True)),
        (f"plain-{day}-{len(user)}", user, "night", "t1", f"2026-03-{day:02}T08:00:00Z", 60_000, "AT"),
    ]


def events(user: str, day: int) -> list[dict[str, str]]:
    """A play that is known by its event_id, and an exposure, in the session of the day."""
    common = {"user_id": user, "session_id": session_id(user, day), "track_id": "t1"}
    return [
        {"event_id": f"e{day}-{user}", "occurred_at": f"2026-03-{day:02}T23:45:00Z", **common,
         "event_name": "play_start"},
        {"event_id": f"x{day}-{user}", "occurred_at": f"2026-03-{day:02}T23:46:00Z", **common,
         "event_name": "home_loaded", "experiment": "row", "variant": "control"},
    ]  # fmt: skip


def drop_days(lake: Lake) -> None:
    """Eight days; the last file brings a play of 2 March, too. NUMBER and GUEST are in no users file, and GUEST plays
    on the first days only."""
    lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users("2026-03-01", [(user, "AT", "25-34") for user in USERS])
    for day in range(1, 9):
        users = (*USERS, NUMBER, *((GUEST,) if day < 3 else ()))
        late = [(f"late-{USERS[0]}", USERS[0], session_id(USERS[0], 2), "t1", "2026-03-02T23:58:00Z", 60_000, "AT")]
        lake.drop_plays(
            f"2026-03-{day:02}", [row for user in users for row in plays(user, day)] + (late if day == 8 else [])
        )
        lake.drop_events(f"2026-03-{day:02}", [row for user in users for row in events(user, day)])


def configure(lake: Lake, privacy: str, top: str = "", experiment: str = EXPERIMENT) -> None:
    top += "plays_from_events = true\ncorrection_days = 2\n"
    lake.configure(top, f"{SOURCES}{EVENT_SOURCE}{experiment}[privacy]\n{privacy}")


@contextmanager
def on(day: str) -> Iterator[None]:
    """While it is a day of 2026."""
    with pytest.MonkeyPatch.context() as clock:
        set_clock(clock, f"2026-{day}")
        yield


def aged(lake: Lake, privacy: str) -> Lake:
    """The lake on 5 April, once what is old has gone."""
    with on("04-05"):
        configure(lake, privacy + AGES)
        lake.run()
        gone = {removed.what: len(removed.days) for removed in expire(lake.settings, lake.instance).removed}
        assert gone["raw_plays"] == gone["raw_app_events"] == 4
    return lake


@pytest.fixture(scope="module")
def built(new_lake: NewLake) -> Lake:
    """Eight days, landed on the last of them without pseudonyms. Only copied."""
    lake = new_lake("built")
    drop_days(lake)
    with on("03-09"):
        configure(lake, AS_DELIVERED)
        lake.run()
    return lake


@pytest.fixture(scope="module")
def fresh(built: Lake, new_lake: NewLake) -> Lake:
    """The same files and keys, landed with pseudonyms and nothing gone. Only read it."""
    lake = new_lake("fresh")
    for name in ("landing", "keys"):
        shutil.copytree(built.home / name, lake.home / name, dirs_exist_ok=True)
    with on("04-05"):
        configure(lake, HASHED)
        lake.run()
    return lake


@pytest.fixture(scope="module")
def frozen(built: Lake, new_lake: NewLake) -> Lake:
    """Without pseudonyms, with frozen days, and raw rows whose files have gone. Only copied."""
    lake = aged(built.copied(new_lake("frozen").home.parent / "copy"), AS_DELIVERED)
    assert set(holding(lake, *USERS)) == {"raw_plays", "raw_app_events", "plays", "visits", "exposure_days"}
    return lake


@pytest.fixture
def switched(frozen: Lake, tmp_path: Path) -> Iterator[Lake]:
    """A copy of it on 5 April, with pseudonyms asked for."""
    with on("04-05"):
        lake = frozen.copied(tmp_path / "home")
        configure(lake, HASHED + AGES)
        yield lake


def content(lake: Lake, *left_out: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of tables, without those of some users."""
    keys = set(UserKeys(lake.home).of(left_out))
    of_users = {name: [row for row in lake.rows(name) if row["user_key"] not in keys] for name in OF_USERS}
    return of_users | {name: lake.rows(name) for name in OTHERS}


def assert_like(lake: Lake, fresh: Lake) -> None:
    """Everything but GUEST's ids, which nobody can open any more, is as if it had landed with pseudonyms."""
    expected = content(fresh, GUEST)
    for name, rows in content(lake, GUEST).items():
        assert rows == expected[name], name


def named_in(lake: Lake) -> set[str]:
    """Where a byte search finds ids that contain those of USERS."""
    ids = [
        each.encode()
        for user in USERS
        for day in range(1, 9)
        for each in (play_id(user, day, 1), play_id(user, day, 2), session_id(user, day), f"e{day}-{user}")
    ]
    searched = search_bytes(lake.home, [[each] for each in ids])
    assert not searched.unreadable
    return {"/".join(finding.path.split("/")[:2]) for finding in searched.findings}


def test_switched_on_no_id_is_left_outside_landing_and_raw_and_all_is_as_in_a_fresh_build(switched: Lake, fresh: Lake):
    switched.run()
    assert_like(switched, fresh)
    assert holding(switched, *USERS) == {"raw_plays", "raw_app_events"}
    assert recount_tables(switched.settings)
    before = switched.versions()
    assert switched.run().runs == 0
    assert switched.versions() == before
    weekly = build_definitions(switched.settings).resolve_job_def("compact_tables")
    config = dg.RunConfig({"compact_and_vacuum": {"config": {"keep_days": 0}}})
    assert weekly.execute_in_process(instance=switched.instance, run_config=config).success
    assert named_in(switched) <= {
        "landing/plays", "landing/events", "landing/users", "tables/raw_plays", "tables/raw_app_events",
    }  # fmt: skip


@pytest.mark.both_engines
def test_raw_rows_and_frozen_days_are_written_in_place_by_either_engine(lake: Lake):
    """Without a run of charts: a day whose raw rows have gone, and one whose files alone have."""
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    with on("04-05"):
        configure(lake, AS_DELIVERED, experiment="")
        lake.drop_users("2026-03-01", [(user, "AT", "25-34") for user in USERS])
        for day in days:
            lake.drop_plays(f"{day}", [row for user in USERS for row in plays(user, day.day)])
        run_job(lake, "land_files", *map(str, days))
        run_job(lake, "update_dimensions")
        run_job(lake, "build_days", "2026-03-01", "2026-03-03", "plays")
        lakehouse, ledger, gone = lakehouse_of(lake.settings), Ledger(lake.home), Slice.days("delivery_date", days[:1])
        ledger.expire([("raw_plays", "", days[0])])
        lakehouse.write_slice(tables.RAW_PLAYS, lakehouse.read(tables.RAW_PLAYS, gone).limit(0), gone)
        shutil.rmtree(lake.home / "landing" / "plays")
        configure(lake, HASHED, experiment="")
        before = lake.rows("plays")
        settle_ids(lake.settings, lakehouse, ledger)
        raw = [play for play, pseudonym in lake.values("raw_plays", "play_id", "play_pseudonym") if pseudonym]
        assert sorted(raw) == sorted(play_id(user, 2, number) for user in USERS for number in (1, 2))
        run_job(lake, "build_days", "2026-03-03", "2026-03-03", "plays")
    assert holding(lake, *USERS) == {"raw_plays"}
    assert len(lake.rows("plays")) == len(before)
    keys = UserKeys(lake.home)
    expected = {
        sha256(f"{secret}{play_id(user, day.day, number)}".encode()).hexdigest()[:32]
        for user, secret in zip(USERS, keys.id_keys(USERS), strict=True)
        for day in days
        for number in (1, 2)
    }
    assert expected <= {play for (play,) in lake.values("plays", "play_id")}


def test_with_an_empty_landing_and_no_experiment_left_ids_go_all_the_same_but_those_of_whom_no_raw_row_names(
    switched: Lake,
):
    for kind in ("plays", "events"):
        shutil.rmtree(switched.home / "landing" / kind)
    configure(switched, HASHED + AGES.replace("31", "30"), experiment="")
    assert expire(switched.settings, switched.instance).raw_stays.startswith("ids that contain user_id are not settled")
    key = UserKeys(switched.home).of([GUEST])[0]
    before = [row for row in switched.rows("plays") if row["user_key"] == key]
    switched.run()
    assert holding(switched, *USERS) == {"raw_plays", "raw_app_events"}
    assert [row for row in switched.rows("plays") if row["user_key"] == key] == before
    assert holding(switched, GUEST) == {"plays", "visits", "exposure_days"}
    said = [
        entry.user_message
        for run in switched.instance.get_runs(dg.RunsFilter(job_name="land_files"), limit=1)
        for entry in switched.instance.all_logs(run.run_id)
    ]
    assert [text for text in said if text.startswith(f"plays: ids of {len(before)} rows stay as they are")]
    assert switched.run().runs == 0


@pytest.mark.parametrize("table", ["raw_plays", "plays", "visits"])
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.exhaustive
def test_a_process_that_dies_between_two_ranges_is_followed_by_one_that_ends_in_the_same(
    switched: Lake, fresh: Lake, table: str, written: bool, monkeypatch: pytest.MonkeyPatch
):
    """It dies before the second write of a table, or once that is on disk and not noted."""
    configure(switched, HASHED + AGES, "chunk_plays = 20\n")
    write, writes = Lakehouse.write_slice, list[date]()

    def dying(lakehouse: Lakehouse, to: Table, *given: Any) -> Commit:
        writes.extend([date.min] if to.name == table else [])
        if to.name == table and len(writes) == 2:
            if written:
                write(lakehouse, to, *given)
            raise RuntimeError("the power went")
        return write(lakehouse, to, *given)

    with monkeypatch.context() as dies:
        dies.setattr(Lakehouse, "write_slice", dying)
        with pytest.raises(RunFailedError, match="the power went"):
            switched.run()
    switched.run()
    assert_like(switched, fresh)
    assert recount_tables(switched.settings)
    assert switched.run().runs == 0


@pytest.mark.exhaustive
def test_switched_off_frozen_days_keep_their_hashes_and_switched_on_again_no_id_is_hashed_twice(
    switched: Lake, frozen: Lake
):
    switched.run()
    hashed = content(switched)
    configure(switched, AS_DELIVERED + AGES)
    switched.run()
    kept = set(kept_days(switched.history(), Catalogue.of(switched.settings), date(2026, 4, 5)))
    assert kept == {date(2026, 3, day) for day in range(1, 7)}
    after = switched.rows("plays")
    assert [row for row in after if row["play_date"] in kept] == [
        row for row in hashed["plays"] if row["play_date"] in kept
    ]
    assert [row for row in after if row["play_date"] not in kept] == [
        row for row in frozen.rows("plays") if row["play_date"] not in kept
    ]
    assert switched.values("raw_plays", "play_id", "play_pseudonym") == frozen.values(
        "raw_plays", "play_id", "play_pseudonym"
    )
    assert recount_tables(switched.settings)
    assert switched.run().runs == 0
    configure(switched, HASHED + AGES)
    switched.run()
    assert content(switched) == hashed
    assert switched.run().runs == 0


@pytest.mark.exhaustive
def test_days_that_freeze_with_pseudonyms_are_not_looked_at(built: Lake, fresh: Lake, tmp_path: Path):
    """Neither once raw rows have gone, nor when somebody is forgotten."""
    lake = built.copied(tmp_path / "home")
    with on("04-05"):
        configure(lake, HASHED)
        lake.run()
        aged(lake, HASHED)
        assert content(lake) == content(fresh)
        assert lake.run().runs == 0
        Requests(lake.home).add([GUEST])
        runs = len(lake.instance.get_runs(dg.RunsFilter(job_name="land_files")))
        receipt = forgetting_of(lake.settings, lake.instance, lambda _: None).forget()
        assert receipt is not None
        assert receipt.good, receipt.text
        assert len(lake.instance.get_runs(dg.RunsFilter(job_name="land_files"))) == runs
