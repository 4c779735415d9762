"""People are forgotten: nothing names them afterwards, and all else is as if they had never come."""

import io
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import duckdb
import pytest

from umg_assets.cli.forget import forgetting_of
from umg_assets.cli.reconcile import reconcile
from umg_assets.forgetting import forget as forgetting_module
from umg_assets.forgetting.receipt import Receipt
from umg_assets.forgetting.work import Work
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.tombstones import Tombstones
from umg_assets.resources.forgetting_lock import ForgettingError, alone
from umg_assets.runner import RunFailedError
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake
from umg_assets_tests.processes import need_java, printed_by, run_python

GONE = "ann-007"
"""Who is forgotten. ann-00 and mary-ann-007 are others."""
WITH_A_FILTER = SOURCES.replace("[sources.plays.columns]", "where = \"country <> 'XX'\"\n[sources.plays.columns]", 1)


def _play(number: int, user: str, day: int, country: str = "AT", started: str = "") -> tuple:
    at = started or f"2026-03-{day:02d}T10:{number:02d}:00Z"
    return f"p{number}", user, f"s-{user}", "t1", at, 90_000, country


def _drop(lake: Lake, *, without: str = "") -> None:
    """Three days of plays, bad and filtered ones among them, users twice, events; without one person's records."""

    def kept(rows: list[tuple], column: int = 1) -> list[tuple]:
        return [row for row in rows if row[column] != without]

    lake.drop_tracks("2026-03-01", [("t1", "A", "a", "A", "rock", 100_000)])
    users = [(GONE, "AT", "25-34", ""), ("ann-00", "DE", "25-34", ""), ("mary-ann-007", "AT", "35-44", "")]
    lake.drop_users("2026-03-01", kept(users, 0))
    lake.drop_users("2026-03-03", kept([(GONE, "DE", "25-34", ""), ("ann-00", "AT", "25-34", "")], 0))
    for day in (2, 3, 4):
        first = day * 10
        plays = [
            _play(first, GONE, day),
            _play(first + 1, "ann-00", day),
            _play(first + 2, GONE, day, country="XX"),
            _play(first + 3, "mary-ann-007", day, started="soon"),
            _play(first + 4, GONE, day, started="soon"),
            _play(first + 5, "ann-00", day, country="XX"),
            _play(first + 6, "mary-ann-007", day),
            _play(21, "ann-00", 2),
        ]
        lake.drop_plays(f"2026-03-{day:02d}", kept(plays))
    loads = [
        ("e1", "load", GONE, "s1", "t1", "2026-03-02T11:00:00Z"),
        ("e2", "load", "ann-00", "s2", "t1", "2026-03-02T11:01:00Z"),
    ]
    lake.drop_events("2026-03-02", kept(loads, 2))


@pytest.fixture(scope="module")
def built(new_lake) -> Lake:
    lake = new_lake("forget")
    lake.configure(sources=WITH_A_FILTER + EVENT_SOURCE)
    _drop(lake)
    lake.run()
    return lake


@pytest.fixture(scope="module")
def never_came(new_lake, built: Lake) -> Lake:
    """The lake of the same files without the person's records."""
    lake = new_lake("never")
    shutil.copytree(built.home / "keys", lake.home / "keys")
    shutil.copy(built.home / "umg.toml", lake.home / "umg.toml")
    _drop(lake, without=GONE)
    lake.run()
    return lake


def forget(lake: Lake, *user_ids: str) -> Receipt | None:
    """Collects a request, and does what is to be done."""
    if user_ids:
        Requests(lake.home).add(user_ids)
    return forgetting_of(lake.settings, lake.instance, lambda _: None).forget()


def assert_as_if_never(lake: Lake, never_came: Lake) -> None:
    """Tables, files and counts are those of a lake in which the person never came."""
    assert lake.content() == never_came.content()
    for table in ("raw_plays", "raw_users", "raw_app_events", "quarantine"):
        columns = [name for name in lake.rows(table)[0] if name not in ("generation", "user_id", "text")]
        assert lake.values(table, *columns) == never_came.values(table, *columns), table
    assert _counts(lake) == _counts(never_came)
    for file in sorted((never_came.home / "landing").rglob("*.csv")):
        assert (lake.home / file.relative_to(never_came.home)).read_text() == file.read_text(), file.name
    assert reconcile(lake.settings)


def _counts(lake: Lake) -> list[str]:
    names = ("source", "path", "delivery_date", "records", "landed", "filtered", "quarantined", "rows_by_play_date")
    return sorted(str([getattr(entry, name) for name in names]) for entry in lake.history().delivered())


def test_the_lake_is_as_if_the_person_had_never_come_and_a_second_run_finds_nothing_new(
    built: Lake, never_came: Lake, tmp_path: Path
):
    lake = built.copied(tmp_path / "lake")
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.users, receipt.files_rewritten, receipt.files_removed, receipt.kept) == (1, 6, [], {})
    assert receipt.records == 12
    assert_as_if_never(lake, never_came)
    key = UserKeys(lake.home).of([GONE])[0]
    for file in (file for file in lake.home.rglob("*") if file.is_file()):
        assert GONE.encode() not in file.read_bytes().replace(b"mary-ann-007", b""), file
        assert key.encode() not in file.read_bytes(), file
    assert (Requests(lake.home).read(), Work(lake.home).exists) == ([], False)
    before = lake.versions()
    assert lake.run().runs == 0
    assert lake.versions() == before


_ON_SPARK = """
import sys
from pathlib import Path
from umg_assets.forgetting.forget import Forgetting, Steps
from umg_assets.resources.engine import Engine
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import read_settings

settings = read_settings(Path(sys.argv[1]))
engine = Engine.of(settings)
lakehouse = Lakehouse(settings.home, lambda: engine.spark_session)
print(Forgetting(settings, lakehouse, Ledger(settings.home), Steps(list, lambda: None)).forget().records)
"""


@pytest.mark.exhaustive
def test_apache_spark_takes_out_the_same_records(built: Lake, never_came: Lake, tmp_path: Path):
    need_java()
    lake = built.copied(tmp_path / "lake")
    Requests(lake.home).add([GONE])
    printed = printed_by(_ON_SPARK, lake.home, env={"UMG_ENGINE": "spark", "UMG_HOME": str(lake.home)})
    assert printed.split() == ["12"]
    receipt = forget(lake)  # what follows from them is still to be built
    assert receipt is not None
    assert (receipt.good, receipt.records) == (True, 0), receipt.text
    assert_as_if_never(lake, never_came)


def test_a_later_delivery_of_the_old_files_brings_nothing_back(built: Lake, never_came: Lake, tmp_path: Path):
    lake = built.copied(tmp_path / "lake")
    assert forget(lake, GONE)
    shutil.copytree(built.home / "landing", lake.home / "landing", dirs_exist_ok=True)
    lake.run()
    assert lake.content() == never_came.content()
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.records, receipt.files_rewritten) == (12, 6)
    assert_as_if_never(lake, never_came)
    assert {row["user_key"] for row in lake.rows("raw_plays")} == {
        row["user_key"] for row in never_came.rows("raw_plays")
    }
    assert reconcile(lake.settings)


@pytest.mark.exhaustive
def test_a_restored_back_up_is_forgotten_again(built: Lake, never_came: Lake, tmp_path: Path):
    lake, restored = built.copied(tmp_path / "lake"), built.copied(tmp_path / "restored")
    assert forget(lake, GONE)
    shutil.copytree(lake.home / "forgotten", restored.home / "forgotten")
    again = forgetting_of(restored.settings, restored.instance, lambda _: None)
    receipt = again.replay()
    assert receipt is not None
    assert receipt.good, receipt.text
    assert_as_if_never(restored, never_came)
    assert again.replay() is None


@pytest.mark.exhaustive
def test_who_is_back_after_a_restore_is_forgotten_again_until_that_ends_well(built: Lake, tmp_path: Path):
    restored = built.copied(tmp_path / "restored")
    Tombstones(restored.home).add([GONE])
    again = forgetting_of(restored.settings, restored.instance, lambda _: None)
    (note := restored.home / "notes.txt").write_text(GONE)
    for records in (12, 0):
        receipt = again.replay()
        assert receipt is not None
        assert (receipt.good, receipt.records, receipt.not_held) == (False, records, 0), receipt.text
    note.unlink()
    receipt = again.forget()
    assert receipt is not None
    assert receipt.good, receipt.text
    assert again.replay() is None
    assert Requests(restored.home).read() == []


@pytest.mark.exhaustive
def test_rows_whose_files_have_left_landing_go_too(built: Lake, never_came: Lake, tmp_path: Path):
    lake = built.copied(tmp_path / "lake")
    for file in (lake.home / "landing").glob("*/2026-03-03.csv"):
        file.unlink()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert lake.content() == never_came.content()
    assert reconcile(lake.settings)


def test_an_id_that_may_be_another_value_takes_no_record_of_others_along(new_lake):
    lake = new_lake("numbers")
    lake.configure(sources=WITH_A_FILTER)
    lake.drop_users("2026-03-01", [("757", "AT", "25-34", ""), ("758", "AT", "25-34", "")])
    others = [
        ("p1", "758", "s1", "757", "2026-03-02T10:00:00Z", 757, "AT"),
        ("757", "758", "s1", "t1", "2026-03-02T11:00:00Z", 9, "AT"),
    ]
    hers = [("p3", "757", "s2", "t1", "2026-03-02T12:00:00Z", 9, "AT"), ("p4", "757", "s2", "t1", "soon", 9, "AT")]
    filtered = [("p5", "757", "s2", "t1", "2026-03-02T13:00:00Z", 9, "XX")]
    file = lake.drop_plays("2026-03-02", [*others, *hers, *filtered])
    lake.run()
    receipt = forget(lake, "757")
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.records, receipt.common) == (4, 1)
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["play_id", "p1", "757"]
    assert lake.values("raw_plays", "play_id", "record") == [("757", 2), ("p1", 1)]
    assert reconcile(lake.settings)


@pytest.mark.exhaustive
def test_a_record_of_others_that_names_the_person_goes_too(new_lake):
    lake = new_lake("named")
    lake.drop_plays(
        "2026-03-02",
        [_play(21, GONE, 2), (*_play(22, "ann-00", 2)[:2], GONE, *_play(22, "ann-00", 2)[3:]), _play(23, "ann-00", 2)],
    )
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert lake.values("raw_plays", "play_id", "record") == [("p23", 1)]
    assert lake.values("plays", "play_id") == [("p23",)]
    assert reconcile(lake.settings)


def test_somebody_in_quarantine_only_is_forgotten_and_somebody_unknown_costs_no_run(new_lake):
    lake = new_lake("quarantine")
    plays = [_play(21, "ann-00", 2), _play(22, GONE, 2, started="soon"), _play(23, "ben-1", 2, started="soon")]
    file = lake.drop_plays("2026-03-02", plays)
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (receipt.records, receipt.days_built, lake.values("quarantine", "record")) == (1, 0, [(2,)])
    assert GONE not in file.read_text()
    assert reconcile(lake.settings)
    unknown = forget(lake, "nobody-1")
    assert unknown is not None
    assert (unknown.good, unknown.records, unknown.files_rewritten) == (True, 0, 0)
    assert [row["play_id"] for row in lake.rows("plays")] == ["p21"]


def test_other_tools_find_a_table_whose_old_versions_went_though_no_chart_was_published_anew(new_lake):
    """Somebody who never played: of the tables that other tools find, only users changes."""
    lake = new_lake("listed")
    lake.drop_users("2026-03-01", [(GONE, "AT", "25-34", ""), ("ann-00", "DE", "25-34", "")])
    lake.drop_plays("2026-03-02", [_play(21, "ann-00", 2)])
    lake.run()
    published = (lake.home / "exports" / "current").resolve()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert (lake.home / "exports" / "current").resolve() == published
    with duckdb.connect(str(published / "catalog" / "umg.duckdb"), read_only=True) as found:
        assert found.sql("select user_key from users").fetchall() == lake.values("users", "user_key")


@pytest.mark.exhaustive
def test_somebody_of_100000_plays_is_forgotten(new_lake):
    lake = new_lake("many")
    for day in range(2, 12):
        plays = (
            (
                *_play(day * 11_000 + number, GONE if number % 11 else f"ben-{number % 97}", day)[:4],
                f"2026-03-{day:02d}T{number % 24:02d}:{number % 60:02d}:{number // 60 % 60:02d}Z",
                90_000,
                "AT",
            )
            for number in range(11_000)
        )
        lake.drop_plays(f"2026-03-{day:02d}", plays)
    lake.run()
    receipt = forget(lake, GONE)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert receipt.records == 100_000
    assert len(lake.rows("plays", "play_id")) == 10_000
    assert reconcile(lake.settings)


def test_nothing_else_may_run_meanwhile_and_the_other_way_round(built: Lake, tmp_path: Path, monkeypatch):
    lake = built.copied(tmp_path / "lake")
    work = forgetting_of(lake.settings, lake.instance, lambda _: None)
    Requests(lake.home).add([GONE])
    monkeypatch.setattr(forgetting_module.Forgetting, "_clear", _power_went)
    with pytest.raises(RuntimeError, match="the power went"):
        work.forget()
    monkeypatch.undo()
    lake.drop_plays("2026-03-05", [_play(51, "ann-00", 5)])
    with pytest.raises(RunFailedError, match="`umg forget --now` finishes it"):
        lake.run()
    refused = type_umg(tmp_path, "run", home=lake.home)
    assert (refused.code, "`umg forget --now` finishes it" in refused.err.replace("\n", " ")) == (1, True)
    with alone(lake.home), pytest.raises(ForgettingError, match="another process is forgetting"):
        work.forget()
    lake.instance.create_run_for_job(_a_job(lake))
    with pytest.raises(ForgettingError, match="is under way: wait until it has ended"):
        forget(lake)


def test_the_weekly_job_does_what_is_collected_and_is_red_at_its_end_while_somebody_is_found(
    built: Lake, tmp_path: Path
):
    lake = built.copied(tmp_path / "lake")
    Requests(lake.home).add([GONE])
    note = lake.home / "notes.txt"
    note.write_text(f"call {GONE} back")
    ended = _a_job(lake).execute_in_process(instance=lake.instance, raise_on_error=False)
    assert [event.step_key for event in ended.all_events if event.is_step_failure] == ["tell_who_was_found"]
    assert (GONE,) not in lake.values("raw_plays", "user_id")
    assert Requests(lake.home).read()
    note.unlink()
    assert _a_job(lake).execute_in_process(instance=lake.instance).success
    assert not Requests(lake.home).read()


def _power_went(*_: object) -> None:
    raise RuntimeError("the power went")


def _a_job(lake: Lake):
    from umg_assets.build import build_definitions

    return build_definitions(lake.settings).resolve_job_def("compact_tables")


STEPS = (
    ("Work", "note", 1),
    ("landing_files", "put_in_place", 1),
    ("landing_files", "put_in_place", 2),
    ("Ledger", "append", 1),
    ("Lakehouse", "write_slice", 1),
    ("Lakehouse", "write_slice", 2),
    ("Ledger", "append", 2),
    ("Forgetting", "_clear", 1),
    ("Receipt", "write", 1),
    ("Work", "finish", 1),
)
"""Before what each process is killed, one after the other: an owner, its method, and which call of it."""
_CRASHING = """
import os, signal, sys
from pathlib import Path
from umg_assets.cli.forget import forgetting_of
from umg_assets.forgetting import landing_files
from umg_assets.forgetting.forget import Forgetting
from umg_assets.forgetting.receipt import Receipt
from umg_assets.privacy.requests import Requests
from umg_assets.privacy.tombstones import Tombstones
from umg_assets.forgetting.work import Work
from umg_assets.resources.instance import open_instance
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.settings.model import read_settings

home, name, method, call = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
owner = globals()[name]
step, left = getattr(owner, method), [call]
def dying(*arguments, **options):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments, **options)
setattr(owner, method, dying)
with open_instance(home) as instance:
    forgetting_of(read_settings(home), instance, print).forget()
"""


@pytest.mark.exhaustive
def test_processes_killed_before_ten_steps_change_nothing_of_the_result(built: Lake, never_came: Lake, tmp_path: Path):
    lake = built.copied(tmp_path / "lake")
    Requests(lake.home).add([GONE])
    for step in STEPS:
        killed = run_python(_CRASHING, lake.home, *step, env={"UMG_HOME": str(lake.home), "UMG_PLOTS": "false"})
        assert killed.returncode == -signal.SIGKILL, (step, killed.stderr[-2000:])
    receipt = forget(lake)
    assert receipt is not None
    assert receipt.good, receipt.text
    assert_as_if_never(lake, never_came)
    assert Requests(lake.home).read() == []
    assert not [file for file in (lake.home / "landing").rglob(".*") if file.is_file()]


def test_requests_are_collected_done_at_once_and_proved_by_typed_commands(
    built: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    umg = partial(type_umg, tmp_path)
    home = built.copied(
        tmp_path / "lake",
    ).home
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GONE}\n"))
    collected = umg("forget", "-", home=home)
    assert "1 person will be forgotten with the next weekly run" in collected.out.replace("\n", " ")
    assert GONE.encode() not in b"".join(
        file.read_bytes() for file in (home / "forgotten").rglob("*") if file.is_file()
    )
    assert "wait, due by" in umg("forget", home=home).out.replace("\n", " ")
    done = umg("forget", "--now", home=home)
    assert done.code == 0, done.out + done.err
    assert "Forgotten: 1 person" in done.out
    (receipt,) = (home / "forgotten" / "receipts").glob("*.txt")
    assert "found 0, unreadable 0" in receipt.read_text()
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GONE}\n"))
    assert umg("forget", "--prove", "-", home=home).code == 0
    (home / "notes.txt").write_text(f"call {GONE} back")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GONE}\n"))
    proof = umg("forget", "--prove", "-", home=home)
    assert (proof.code, "found: notes.txt (plain), person 1" in proof.out) == (1, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\ufeff757\r\n"))
    assert "1 of the ids may well be other values" in umg("forget", "--prove", "-", home=home).out
    refused = umg("forget", GONE, home=home)
    assert (refused.code, GONE in refused.err, "ids are no arguments" in refused.err.replace("\n", " ")) == (
        2,
        False,
        True,
    )
