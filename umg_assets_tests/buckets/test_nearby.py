"""Slices of tables in a bucket that are read on this disk: the same rows, fetched once, as of the moment asked for."""

import errno
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.build import build_definitions
from umg_assets.cli.run import lakehouse_of
from umg_assets.resources import nearby
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets_tests.bucket_server import BucketServer
from umg_assets_tests.buckets.conftest import Bucket
from umg_assets_tests.buckets.test_tables import deliver_late, landed_in
from umg_assets_tests.lake import Lake

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]

DAYS = Slice.days("play_date", [date(2026, 3, 2), date(2026, 3, 3)])


@pytest.fixture(scope="module")
def lake(server: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return landed_in(Bucket("s3://tests/nearby"), tmp_path_factory.mktemp("nearby"))


@pytest.fixture
def lakehouse(lake: Lake) -> Iterator[Lakehouse]:
    nearby.nearby(lake.home).clear()
    yield lakehouse_of(lake.settings)
    nearby.nearby(lake.home).clear()


def addresses(lake: Lake) -> set[str]:
    """The folders of this process in staging/ in which copies are."""
    return {file.parent.name for file in (lake.home / "staging").rglob("*.parquet")}


def rows(frame: DataFrame) -> list[tuple]:
    return sorted(tuple(str(value) for value in row) for row in frame.collect())


def test_a_slice_a_whole_table_and_an_empty_one_hold_what_they_hold_in_the_bucket(lake: Lake, lakehouse: Lakehouse):
    parts = {
        tables.PLAYS: (DAYS, None),
        tables.TOP_TRACKS_BY_COUNTRY: (Slice.months_of_markets([date(2026, 3, 1)], ["AT"]), None),
        tables.RAW_PLAYS: (Slice.files([(date(2026, 3, 2), "plays/2026-03-02.csv")]), None),
        tables.USERS: (None,),
        tables.SESSIONS: (Slice.days("session_date", [date(1999, 1, 1)]),),
    }
    for table, wanted in parts.items():
        for part in wanted:
            near, far = lakehouse.read_now(table, part), lakehouse.read(table, part)
            assert (near.dtypes, rows(near)) == (far.dtypes, rows(far)), (table.name, part)
    assert rows(lakehouse.read_now(tables.PLAYS, DAYS))
    assert not rows(lakehouse.read_now(tables.SESSIONS, Slice.days("session_date", [date(1999, 1, 1)])))


def test_a_file_is_fetched_once_and_read_without_the_bucket(
    lake: Lake, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    fetched: list[str] = []
    fetch = nearby.Prefix.fetch

    def note(location: nearby.Prefix, path: str, target: Path) -> None:
        fetched.append(path)
        fetch(location, path, target)

    monkeypatch.setattr(nearby.Prefix, "fetch", note)
    expected = rows(lakehouse.read(tables.PLAYS, DAYS))
    one_day = Slice.days("play_date", [date(2026, 3, 2)])
    frames = [lakehouse.read_now(tables.PLAYS, part) for part in (DAYS, one_day, DAYS)]
    assert len(fetched) == len(set(fetched)) == 2, "a file a day"
    assert rows(frames[0]) == rows(frames[2]) == expected
    assert set(rows(frames[1])) < set(expected)


def test_what_would_fill_the_disk_is_read_in_the_bucket(
    lake: Lake, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(nearby, "_MOST_BYTES", 0)
    assert rows(lakehouse.read_now(tables.PLAYS, DAYS)) == rows(lakehouse.read(tables.PLAYS, DAYS))
    assert not addresses(lake)


def test_without_room_on_the_disk_the_bucket_is_read_and_no_part_of_a_file_is_left(
    lake: Lake, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    fetch = nearby.Prefix.fetch

    def fill(location: nearby.Prefix, path: str, target: Path) -> None:
        if "play_date=2026-03-03" in path:
            target.write_bytes(b"a part")
            raise OSError(errno.ENOSPC, "No space left on device")
        fetch(location, path, target)

    with monkeypatch.context() as patch:
        patch.setattr(nearby.Prefix, "fetch", fill)
        for _ in range(3):
            assert rows(lakehouse.read_now(tables.PLAYS, DAYS)) == rows(lakehouse.read(tables.PLAYS, DAYS))
    assert len(list((lake.home / "staging").rglob("*.parquet"))) == 1, "the file that was fetched whole, once"
    nearby.nearby(lake.home).clear()
    assert not addresses(lake)


def test_a_notebook_keeps_no_copies(lake: Lake, lakehouse: Lakehouse):
    loaded = build_definitions(lake.settings).load_asset_value("plays")
    assert isinstance(loaded, DataFrame)
    assert rows(loaded) == rows(lakehouse.read(tables.PLAYS))
    assert not addresses(lake)


def test_a_table_is_read_as_it_was_when_it_was_asked_for(lake: Lake, lakehouse: Lakehouse):
    before, expected = lakehouse.read_now(tables.PLAYS), rows(lakehouse.read(tables.PLAYS))
    deliver_late(lake)
    lake.run()
    assert rows(before) == expected
    after = rows(lakehouse.read_now(tables.PLAYS))
    assert after == rows(lakehouse.read(tables.PLAYS)) != expected
