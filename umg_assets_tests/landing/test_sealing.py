"""Sealed at rest: older tables are sealed once, a killed sealing goes on, and a new key replaces the old one."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets import tables
from umg_assets.cli.person import held_of
from umg_assets.cli.reports import quarantine
from umg_assets.landing.sealing import rotate_key, seal_tables
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Mark, Seals
from umg_assets.resources.engine import session
from umg_assets.resources.instance import open_instance
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.locations import location_of
from umg_assets.resources.schema import create_table
from umg_assets.resources.table_location import Folder
from umg_assets.runner import RunFailedError
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import BUILT, EVENT_SOURCE, SOURCES, Lake

DAYS = (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4))
IDS = ("listener-one", "listener-two", "listener-three")
SEALED = [table.name for table in tables.SEALED]


def drop_day(lake: Lake, day: date) -> None:
    """A play of each listener, a bad one, and an event."""
    at = f"{day}T10:00:00Z"
    plays = [(f"{day}-{number}", user, f"s{number}", "t1", at, 90_000, "AT") for number, user in enumerate(IDS)]
    lake.drop_plays(f"{day}", [*plays, (f"bad-{day}", IDS[0], "s", "t1", "no time")])
    lake.drop_events(f"{day}", [(f"e-{day}", "home_loaded", IDS[1], "s1", "", at)])


def as_older_versions_left_it(lake: Lake) -> None:
    """Writes the sealed tables again with clear values, without the property, and removes the key of the seals."""
    for table in tables.SEALED:
        rows, path = lake.rows(table.name), lake.home / "tables" / table.name
        schema = deltalake.DeltaTable(path).to_pyarrow_table().schema
        shutil.rmtree(path)
        create_table(Folder(path), table)
        deltalake.write_deltalake(path, pa.Table.from_pylist(rows, schema=schema), mode="append")
    (lake.home / "keys" / "seal").unlink()


@pytest.fixture(scope="module")
def sealed(new_lake) -> Lake:
    """A lake of three delivery days. Only copy it."""
    lake = new_lake("sealed", sources=SOURCES + EVENT_SOURCE)
    lake.drop_users("2026-03-02", [(user, "AT", "", "1990-05-04") for user in IDS])
    lake.drop_tracks("2026-03-02", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    for day in DAYS:
        drop_day(lake, day)
    lake.run()
    lake.home.chmod(0o700)
    return lake


@pytest.fixture
def older(sealed: Lake, tmp_path: Path) -> Lake:
    """The same lake, as a version that sealed nothing would have left it."""
    lake = sealed.copied(tmp_path / "older")
    as_older_versions_left_it(lake)
    return lake


def lakehouse_of(lake: Lake) -> Lakehouse:
    return Lakehouse(lake.home, lambda: session("sail"))


def stored(lake: Lake) -> dict[str, list[str]]:
    """The values of every sealed column, as they are stored."""
    return {
        table.name: [row[table.sealed] for row in lake.stored(table.name)] for table in tables.SEALED if table.sealed
    }


def in_files(lake: Lake, *texts: str) -> set[str]:
    """The tables of which a file, whether a version still names it or not, holds one of the texts."""
    return {table for table, content in contents(lake) if any(text.encode() in content for text in texts)}


def contents(lake: Lake) -> Iterator[tuple[str, bytes]]:
    """By table, the bytes of each file, and the values in it."""
    for file in (path for path in (lake.home / "tables").rglob("*") if path.is_file()):
        yield file.relative_to(lake.home / "tables").parts[0], file.read_bytes()
        if file.suffix == ".parquet" and ".checkpoint" not in file.name:
            yield file.relative_to(lake.home / "tables").parts[0], str(pq.ParquetFile(file).read().to_pylist()).encode()


def crash_at_write(patch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Makes the write of that number (from 1) raise, as a kill would end it. Returns the tables written until then."""
    write, written = Lakehouse.write_slice, []

    def counted(self, table, *rest):
        if len(written) + 1 == number:
            raise RuntimeError("the power went")
        written.append(table.name)
        return write(self, table, *rest)

    patch.setattr(Lakehouse, "write_slice", counted)
    return written


def test_landed_tables_hold_neither_a_clear_id_nor_the_text_of_a_record(sealed: Lake):
    newest = Seals(sealed.home).newest
    for table, values in stored(sealed).items():
        form = f"{'gcm1' if table == 'quarantine' else 'siv1'}:{newest}:"
        assert values, table
        assert [value for value in values if not value.startswith(form)] == [], table
        assert Mark.of(location_of(sealed.home, table)) == Mark("done", newest)
    assert in_files(sealed, *IDS, "no time") == set()
    assert {row["user_id"] for row in sealed.rows("raw_plays")} == set(IDS)
    assert len({row["user_id"] for row in sealed.stored("raw_plays")}) == len(IDS), "an id has one sealed value"


def test_tables_of_older_versions_are_read_as_they_are(older: Lake):
    assert in_files(older, *IDS) == set(SEALED)
    texts = [row["text"] for row in quarantine(older.home, None, None, None).rows]
    assert len(texts) == 3
    assert all(IDS[0] in text for text in texts)
    held = list(held_of(older.home, IDS[0]))
    assert [row["table"] for row in held].count("quarantine") == 3
    assert {row["user_id"] for row in held if row["table"] == "raw_plays"} == {IDS[0]}


def test_the_next_landing_seals_tables_of_older_versions_once_and_builds_nothing_again_for_it(
    sealed: Lake, older: Lake, tmp_path: Path
):
    control, before = sealed.copied(tmp_path / "control"), older.versions()
    rows = {table: len(older.rows(table)) for table in SEALED}
    for lake in (control, older):
        drop_day(lake, date(2026, 3, 5))
    expected, report = control.run(), older.run()
    assert report.runs == expected.runs
    assert {name: older.version(name) for name in BUILT} == {name: control.version(name) for name in BUILT}
    assert {name: older.version(name) for name in SEALED} != {name: before[name] for name in SEALED}
    assert older.content() == control.content()
    for table in SEALED:
        assert older.rows(table) == control.rows(table)
        assert len(older.rows(table)) > rows[table] or table == "raw_users"
    assert in_files(older, *IDS, "no time") == set()
    assert older.run().runs == 0


def test_a_sealed_table_is_not_read_again_to_learn_that_it_is(sealed: Lake, tmp_path: Path):
    lake = sealed.copied(tmp_path / "copy")
    versions = lake.versions()
    with lake.spoilt("raw_users/delivery_date=2026-03-02", "raw_plays/delivery_date=2026-03-02"):
        assert seal_tables(lakehouse_of(lake), 1) == []
    assert lake.versions() == versions


@pytest.mark.parametrize("writes", [1, 2, 5])
def test_a_killed_sealing_leaves_tables_that_are_read_and_goes_on_where_it_was(
    sealed: Lake, older: Lake, writes: int, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        written = crash_at_write(patch, writes)
        with pytest.raises(RuntimeError, match="the power went"):
            seal_tables(lakehouse_of(older), 1)
    for table in SEALED:
        assert older.rows(table) == sealed.rows(table), table
    assert Mark.of(location_of(older.home, "quarantine")) is None
    with monkeypatch.context() as patch:
        rest = crash_at_write(patch, 0)
        seal_tables(lakehouse_of(older), 1)
    assert len(written) == writes - 1
    assert written + rest == [table for table in SEALED for _ in range(1 if table == "raw_users" else 3)]
    assert in_files(older, *IDS, "no time") == set()
    for table in SEALED:
        assert older.rows(table) == sealed.rows(table), table


def test_a_new_key_seals_everything_and_what_the_old_one_opened_is_gone(sealed: Lake, tmp_path: Path):
    lake = sealed.copied(tmp_path / "copy")
    old, key, before = Seals(lake.home).newest, lake.home / "keys" / "seal", stored(lake)
    old_key, user_key = key.read_text(), (lake.home / "keys" / "user_key").read_text()
    done = type_umg(tmp_path, "keys", "rotate", home=lake.home)
    assert (done.code, done.err) == (0, "")
    newest = Seals(lake.home).newest
    assert f"Everything is sealed under key {newest}: back up {key} now." in done.out
    assert newest != old
    assert old_key not in key.read_text()
    assert (lake.home / "keys" / "user_key").read_text() == user_key
    assert {value.split(":")[1] for values in stored(lake).values() for value in values} == {newest}
    assert in_files(lake, f":{old}:", *(value for values in before.values() for value in values)) == set()
    for table in SEALED:
        assert lake.rows(table) == sealed.rows(table), table
    assert lake.run().runs == 0
    drop_day(lake, date(2026, 3, 5))
    lake.run()
    assert len(lake.rows("raw_plays")) == 12


def test_a_killed_rotation_is_readable_and_the_next_landing_or_rotation_ends_it(
    sealed: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lake = sealed.copied(tmp_path / "copy")
    old = Seals(lake.home).newest
    with monkeypatch.context() as patch:
        crash_at_write(patch, 3)
        with pytest.raises(RuntimeError, match="the power went"):
            rotate_key(lakehouse_of(lake), 1)
    first, second = Seals(lake.home).names
    assert first == old
    assert {value.split(":")[1] for value in stored(lake)["raw_plays"]} == {old, second}
    assert lake.rows("raw_plays") == sealed.rows("raw_plays")
    other = lake.copied(tmp_path / "other")
    rotate_key(lakehouse_of(lake), 1)
    drop_day(other, date(2026, 3, 5))
    other.run()
    for ended in (lake, other):
        assert Seals(ended.home).names == [second]
        assert {value.split(":")[1] for values in stored(ended).values() for value in values} == {second}


def test_no_key_is_changed_while_a_run_is_under_way(sealed: Lake, tmp_path: Path):
    lake = sealed.copied(tmp_path / "copy")
    key = (lake.home / "keys" / "seal").read_text()
    with open_instance(lake.home) as instance:
        instance.add_run(dg.DagsterRun(job_name="build_days", status=dg.DagsterRunStatus.STARTED))
    done = type_umg(tmp_path, "keys", "rotate", home=lake.home)
    assert done.code == 1
    assert "a run of build_days is under way" in done.err
    assert (lake.home / "keys" / "seal").read_text() == key


def test_a_lake_whose_key_is_missing_or_another_ones_lands_nothing_and_gets_no_new_key(sealed: Lake, tmp_path: Path):
    lake = sealed.copied(tmp_path / "copy")
    key, versions = lake.home / "keys" / "seal", lake.versions()
    was = key.read_text()
    key.unlink()
    drop_day(lake, date(2026, 3, 5))
    with pytest.raises(RunFailedError, match="keys/seal is missing and this lakehouse holds sealed values"):
        lake.run()
    assert not key.exists()
    shown = quarantine(lake.home, None, None, None)
    assert [(row["record"], row["text"]) for row in shown.rows] == [(4, None)] * 3
    assert "the records' text is sealed" in str(shown.sealed)
    assert "copy the key file from where it was made" in type_umg(tmp_path, "quarantine", home=lake.home).err
    with pytest.raises(KeyFileError, match="seal is missing"):
        list(held_of(lake.home, IDS[0]))
    Seals(lake.home).create()
    with pytest.raises(RunFailedError, match="under which raw_plays is sealed, got"):
        lake.run()
    assert lake.versions() == versions
    key.write_text(was)
    lake.run()
    assert len(lake.rows("raw_plays")) == 12


def test_of_a_date_of_birth_the_day_is_kept_only_where_the_age_group_follows_from_it(lake: Lake):
    users = [("grouped", "AT", "25-34", "1990-05-14"), ("dated", "AT", "", "1990-05-14"), ("neither", "AT", "", "")]
    lake.drop_users("2026-03-01", users)
    lake.run()
    born = {row["user_id"]: row["birth_date"] for row in lake.rows("raw_users")}
    assert born == {"grouped": date(1990, 5, 1), "dated": date(1990, 5, 14), "neither": None}
    groups = lake.values("users", "user_key", "age_group", "valid_from")
    lake.configure('[privacy]\nbirth_date = "keep"\n')
    lake.drop_users("2026-03-01", users[::-1])
    lake.run()
    born = {row["user_id"]: row["birth_date"] for row in lake.rows("raw_users")}
    assert born == {"grouped": date(1990, 5, 14), "dated": date(1990, 5, 14), "neither": None}
    assert lake.values("users", "user_key", "age_group", "valid_from") == groups
