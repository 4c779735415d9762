"""A slice is replaced whole or not at all, and a table keeps to its contract; on this process's engine."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import deltalake
import pytest
from deltalake.exceptions import DeltaError
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.resources import lakehouse as lakehouse_module
from umg_assets.resources.appending import append_rows
from umg_assets.resources.commits import CommitNotFoundError
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.locks import no_writer, writing
from umg_assets.resources.slices import Slice
from umg_assets.tables import DAILY_TRACK_PLAYS, RAW_TRACKS, TOP_TRACKS_BY_COUNTRY, TRACKS, Column, Table
from umg_assets_tests.lake import folder_of
from umg_assets_tests.processes import need_java, printed_by

MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)


def frame(lakehouse: Lakehouse, table: Table, rows: Iterable[dict]) -> DataFrame:
    """Rows with the contract's columns; those not given are NULL."""
    cells = [tuple(row.get(name) for name in table.names) for row in rows]
    schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
    return lakehouse.spark.createDataFrame(cells, schema)


def sums(*lines: tuple[date | None, str, int]) -> list[dict]:
    """Rows of daily_track_plays: day, track, plays."""
    return [{"play_date": day, "country": "AT", "track_id": track, "plays": plays} for day, track, plays in lines]


def write_sums(lakehouse: Lakehouse, days: Iterable[date], *lines: tuple[date | None, str, int]):
    """Replaces days of daily_track_plays."""
    rows = frame(lakehouse, DAILY_TRACK_PLAYS, sums(*lines))
    return lakehouse.write_slice(DAILY_TRACK_PLAYS, rows, Slice.days("play_date", days))


def stored(lakehouse: Lakehouse, table: Table, *columns: str) -> list[tuple]:
    """The table's rows as delta-rs reads them, sorted."""
    rows = deltalake.DeltaTable(folder_of(lakehouse, table)).to_pyarrow_table(columns=list(columns)).to_pylist()
    return sorted((tuple(row[name] for name in columns) for row in rows), key=repr)


def stored_sums(lakehouse: Lakehouse) -> list[tuple]:
    """daily_track_plays as (day, track, plays)."""
    return stored(lakehouse, DAILY_TRACK_PLAYS, "play_date", "track_id", "plays")


def log_of(lakehouse: Lakehouse, table: Table) -> dict[str, bytes]:
    """The table's commits, by file name."""
    log = folder_of(lakehouse, table) / "_delta_log"
    return {path.name: path.read_bytes() for path in log.glob("*.json")}


def test_a_slice_is_replaced_while_others_stay_and_the_commit_counts_its_rows(lakehouse: Lakehouse):
    first = write_sums(lakehouse, [MONDAY, TUESDAY], (MONDAY, "a", 1), (MONDAY, "b", 2), (TUESDAY, "a", 3))
    assert first.rows == {("2026-03-02",): 2, ("2026-03-03",): 1}
    second = write_sums(lakehouse, [TUESDAY, WEDNESDAY], (TUESDAY, "c", 4))
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1), (MONDAY, "b", 2), (TUESDAY, "c", 4)]
    assert second.rows == {("2026-03-03",): 1, ("2026-03-04",): 0}
    assert (first.version, second.version) == (1, 2)
    log = folder_of(lakehouse, DAILY_TRACK_PLAYS) / "_delta_log" / f"{2:020d}.json"
    added = [json.loads(line)["add"] for line in log.read_text().splitlines() if '"add"' in line]
    assert (second.files, second.bytes) == (1, added[0]["size"])
    written = folder_of(lakehouse, DAILY_TRACK_PLAYS) / added[0]["path"]
    assert written.stat().st_size == second.bytes
    assert lakehouse.rows(DAILY_TRACK_PLAYS) == {("2026-03-02",): 2, ("2026-03-03",): 1}


def test_rows_of_many_tasks_are_one_file_a_partition(lakehouse: Lakehouse):
    days = [MONDAY, TUESDAY, WEDNESDAY]
    lines = [(day, f"t{nth}", 1) for day in days for nth in range(200)]
    rows = frame(lakehouse, DAILY_TRACK_PLAYS, sums(*lines)).repartition(4, "track_id")
    written = lakehouse.write_slice(DAILY_TRACK_PLAYS, rows, Slice.days("play_date", days))
    assert (written.files, sum(written.rows.values())) == (3, 600)


def test_an_emptied_slice_is_written_empty_and_nothing_else_is_deleted(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY, TUESDAY], (MONDAY, "a", 1), (TUESDAY, "a", 3))
    emptied = write_sums(lakehouse, [MONDAY])
    assert stored_sums(lakehouse) == [(TUESDAY, "a", 3)]
    assert (emptied.rows, emptied.files, emptied.bytes) == ({("2026-03-02",): 0}, 0, 0)
    assert write_sums(lakehouse, [MONDAY]).rows == {("2026-03-02",): 0}, "an empty slice may be emptied again"


@pytest.mark.parametrize("outside", [WEDNESDAY, None], ids=["another day", "a NULL day"])
def test_a_row_outside_the_slice_aborts_the_write_and_the_table_stays_as_it_was(
    lakehouse: Lakehouse, outside: date | None
):
    write_sums(lakehouse, [MONDAY, WEDNESDAY], (MONDAY, "a", 1), (WEDNESDAY, "a", 3))
    before = log_of(lakehouse, DAILY_TRACK_PLAYS)
    with pytest.raises(Exception, match="a row lies outside the slice"):
        write_sums(lakehouse, [MONDAY], (MONDAY, "b", 7), (outside, "c", 8))
    assert log_of(lakehouse, DAILY_TRACK_PLAYS) == before
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1), (WEDNESDAY, "a", 3)]


def test_a_failure_while_rows_are_computed_leaves_the_table_as_it_was(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    broken = frame(lakehouse, DAILY_TRACK_PLAYS, sums((MONDAY, "b", 2))).selectExpr(
        *(name for name in DAILY_TRACK_PLAYS.names if name != "plays"), "cast(raise_error('broken') as bigint) as plays"
    )
    with pytest.raises(Exception, match="broken"):
        lakehouse.write_slice(DAILY_TRACK_PLAYS, broken, Slice.days("play_date", [MONDAY]))
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1)]
    assert lakehouse.version(DAILY_TRACK_PLAYS) == 1


STRANGE = [
    'plays/it\'s 100%, "so-called".csv',
    "plays\\windows\\n.csv",
    "spielstätten/Übung 日本 🎵.csv",
    "a, b) or (1 = 1.csv",
    "-- ${x} {0} $1 `tick` %41 +.csv",
    "line\nbreak\ttab.csv",
]


def test_the_log_keeps_each_files_rows_and_bounds_only_of_the_columns_to_prune_by(lakehouse: Lakehouse):
    row = {"track_id": "t", "delivery_date": MONDAY, "source_file": "a.csv", "record": 1}
    lakehouse.write_slice(RAW_TRACKS, frame(lakehouse, RAW_TRACKS, [row]), Slice.files([(MONDAY, "a.csv")]))
    write_sums(lakehouse, [MONDAY], (MONDAY, "t", 1))
    for table, bounded in ((RAW_TRACKS, ["source_file"]), (DAILY_TRACK_PLAYS, [])):
        log = (folder_of(lakehouse, table) / "_delta_log" / f"{1:020d}.json").read_text()
        (added,) = [json.loads(line)["add"] for line in log.splitlines() if '"add"' in line]
        stats = json.loads(added["stats"])
        assert (stats["numRecords"], list(stats.get("minValues", {}))) == (1, bounded)


def test_a_file_is_replaced_whatever_its_path_and_its_siblings_stay(lakehouse: Lakehouse):
    def of(path: str, title: str) -> dict:
        return {"track_id": path, "title": title, "delivery_date": MONDAY, "source_file": path, "record": 1}

    every = Slice.files((MONDAY, path) for path in STRANGE)
    lakehouse.write_slice(RAW_TRACKS, frame(lakehouse, RAW_TRACKS, [of(path, "old") for path in STRANGE]), every)
    assert stored(lakehouse, RAW_TRACKS, "source_file") == sorted(((path,) for path in STRANGE), key=repr)
    chosen = STRANGE[::2]
    commit = lakehouse.write_slice(
        RAW_TRACKS,
        frame(lakehouse, RAW_TRACKS, [of(path, "new") for path in chosen]),
        Slice.files((MONDAY, path) for path in chosen),
    )
    assert stored(lakehouse, RAW_TRACKS, "source_file", "title") == sorted(
        ((path, "new" if path in chosen else "old") for path in STRANGE), key=repr
    )
    assert lakehouse.rows(RAW_TRACKS) == {("2026-03-02",): 6}
    assert lakehouse.version(RAW_TRACKS) == commit.version == 2
    read = lakehouse.read(RAW_TRACKS, Slice.files([(MONDAY, STRANGE[1])])).collect()
    assert [row["source_file"] for row in read] == [STRANGE[1]]
    with pytest.raises(Exception, match="a row lies outside the slice"):
        lakehouse.write_slice(
            RAW_TRACKS, frame(lakehouse, RAW_TRACKS, [of(STRANGE[0], "x")]), Slice.files([(MONDAY, STRANGE[1])])
        )
    assert lakehouse.version(RAW_TRACKS) == 2


def test_a_file_delivered_again_on_another_day_replaces_only_that_day(lakehouse: Lakehouse):
    def rows(day: date, *tracks: str) -> DataFrame:
        return frame(
            lakehouse,
            RAW_TRACKS,
            [{"track_id": name, "delivery_date": day, "source_file": "t.csv", "record": 1} for name in tracks],
        )

    both = Slice.files([(MONDAY, "t.csv"), (TUESDAY, "t.csv")])
    lakehouse.write_slice(RAW_TRACKS, rows(MONDAY, "a").unionByName(rows(TUESDAY, "b")), both)
    lakehouse.write_slice(RAW_TRACKS, rows(TUESDAY, "c", "d"), Slice.files([(TUESDAY, "t.csv")]))
    assert stored(lakehouse, RAW_TRACKS, "delivery_date", "track_id") == [(MONDAY, "a"), (TUESDAY, "c"), (TUESDAY, "d")]


def test_months_of_markets_are_replaced_as_a_rectangle(lakehouse: Lakehouse):
    march, april = date(2026, 3, 1), date(2026, 4, 1)

    def rows(*cells: tuple[date, str, str]) -> DataFrame:
        return frame(
            lakehouse,
            TOP_TRACKS_BY_COUNTRY,
            [
                {
                    "month": month,
                    "country": market,
                    "criterion": "plays",
                    "rank": 1,
                    "track_id": track,
                    "plays": 1,
                    "listeners": 1,
                }
                for month, market, track in cells
            ],
        )

    everything = Slice.months_of_markets([march, april], ["AT", "DE"])
    first = rows((march, "AT", "a"), (march, "DE", "b"), (april, "AT", "c"), (april, "DE", "d"))
    lakehouse.write_slice(TOP_TRACKS_BY_COUNTRY, first, everything)
    commit = lakehouse.write_slice(
        TOP_TRACKS_BY_COUNTRY, rows((march, "DE", "x")), Slice.months_of_markets([march, april], ["DE"])
    )
    assert commit.rows == {("2026-03-01", "DE"): 1, ("2026-04-01", "DE"): 0}
    assert stored(lakehouse, TOP_TRACKS_BY_COUNTRY, "month", "country", "track_id") == [
        (march, "AT", "a"),
        (march, "DE", "x"),
        (april, "AT", "c"),
    ]


def test_columns_other_than_the_contracts_are_refused_by_name(lakehouse: Lakehouse):
    rows = frame(lakehouse, DAILY_TRACK_PLAYS, sums((MONDAY, "a", 1)))
    monday = Slice.days("play_date", [MONDAY])
    with pytest.raises(ValueError, match=r"daily_track_plays.*missing \['plays'\]"):
        lakehouse.write_slice(DAILY_TRACK_PLAYS, rows.drop("plays"), monday)
    with pytest.raises(ValueError, match=r"not in it \['surprise'\]"):
        lakehouse.write_slice(DAILY_TRACK_PLAYS, rows.selectExpr("*", "1 as surprise"), monday)
    with pytest.raises(ValueError, match=r"tracks.*missing \['_deleted'\]"):
        lakehouse.merge(TRACKS, frame(lakehouse, TRACKS, []))
    assert lakehouse.version(DAILY_TRACK_PLAYS) == 0


def test_a_contract_with_a_column_that_its_table_lacks_is_refused_and_the_table_keeps_its_schema(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    columns = (*DAILY_TRACK_PLAYS.columns, Column("surplus", "bigint", "not in the table"))
    wider = replace(DAILY_TRACK_PLAYS, columns=columns)
    with pytest.raises(Exception, match=r"(?i)schema|surplus"):
        lakehouse.write_slice(wider, frame(lakehouse, wider, sums((MONDAY, "b", 2))), Slice.days("play_date", [MONDAY]))
    lakehouse.create_tables()
    assert declared(lakehouse, DAILY_TRACK_PLAYS) == contract(DAILY_TRACK_PLAYS)
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1)]


def test_writes_cast_to_the_contract_and_leave_types_nullability_and_comments_as_declared(lakehouse: Lakehouse):
    rows = lakehouse.spark.sql(
        "select '7' as plays, 3 as streams, cast(0 as smallint) as skips, null as completes, "
        "2.0 as listening_ms, '1' as section_plays, 'a' as track_id, 'literal' as age_group, 'AT' as country, "
        "'2026-03-02' as play_date"
    )
    lakehouse.write_slice(DAILY_TRACK_PLAYS, rows, Slice.days("play_date", [MONDAY]))
    assert stored(lakehouse, DAILY_TRACK_PLAYS, *DAILY_TRACK_PLAYS.names) == [
        (MONDAY, "AT", "literal", "a", 7, 3, 0, None, 2, 1)
    ]
    lakehouse.merge(TRACKS, lakehouse.spark.sql(f"select {_literals(TRACKS)}, false as _deleted"))
    for table in (DAILY_TRACK_PLAYS, TRACKS):
        assert declared(lakehouse, table) == contract(table)


def test_a_value_that_does_not_fit_the_contract_is_refused_and_never_a_silent_null(lakehouse: Lakehouse):
    good = frame(lakehouse, DAILY_TRACK_PLAYS, sums((MONDAY, "a", 1)))
    text = good.selectExpr(*(name for name in good.columns if name != "plays"), "'not a number' as plays")
    with pytest.raises(Exception, match=r"daily_track_plays.plays: a string value does not fit bigint"):
        lakehouse.write_slice(DAILY_TRACK_PLAYS, text, Slice.days("play_date", [MONDAY]))
    assert lakehouse.version(DAILY_TRACK_PLAYS) == 0


def _literals(table: Table) -> str:
    return ", ".join(
        f"cast(1 as {'bigint' if column.type == 'bigint' else 'string'}) as {column.name}" for column in table.columns
    )


def declared(lakehouse: Lakehouse, table: Table) -> list[tuple[str, str, bool, str]]:
    """The Delta schema: name, SQL type, nullable, comment."""
    fields = json.loads(deltalake.DeltaTable(folder_of(lakehouse, table)).schema().to_json())["fields"]
    return [
        (field["name"], _sql(field["type"]), field["nullable"], field["metadata"].get("comment", ""))
        for field in fields
    ]


def contract(table: Table) -> list[tuple[str, str, bool, str]]:
    """The schema that the contract asks for: name, SQL type, nullable, comment."""
    return [(column.name, column.type, True, column.comment) for column in table.columns]


def _sql(kind: str | dict) -> str:
    if isinstance(kind, str):
        return {"long": "bigint", "integer": "int"}.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{_sql(kind['elementType'])}>"
    return f"map<{_sql(kind['keyType'])},{_sql(kind['valueType'])}>"


def test_every_table_is_created_by_its_contract_and_created_once(lakehouse: Lakehouse):
    for table in tables.ALL:
        assert declared(lakehouse, table) == contract(table)
        metadata = deltalake.DeltaTable(folder_of(lakehouse, table)).metadata()
        assert (metadata.name, metadata.description) == (table.name, table.comment)
        assert metadata.partition_columns == list(table.partitioned_by)
    before = {table.name: log_of(lakehouse, table) for table in tables.ALL}
    lakehouse.create_tables()
    assert {table.name: log_of(lakehouse, table) for table in tables.ALL} == before


def track(name: str, title: str, deleted: bool = False) -> tuple:
    """A change of `tracks`."""
    return (name, title, "art", "Artist", "Pop", 1000, deleted)


def merge_tracks(lakehouse: Lakehouse, *changes: tuple):
    """Merges changes into `tracks`."""
    columns = ", ".join(f"{column.name} {column.type}" for column in TRACKS.columns)
    return lakehouse.merge(TRACKS, lakehouse.spark.createDataFrame(list(changes), f"{columns}, _deleted boolean"))


def test_a_merge_inserts_updates_and_deletes_by_key_in_one_commit(lakehouse: Lakehouse):
    merge_tracks(lakehouse, track("a", "A"), track("b", "B"), track("c", "C"))
    commit = merge_tracks(
        lakehouse, track("a", "A2"), track("b", "B", deleted=True), track("d", "D"), track("never", "N", deleted=True)
    )
    assert stored(lakehouse, TRACKS, "track_id", "title") == [("a", "A2"), ("c", "C"), ("d", "D")]
    assert commit.version == lakehouse.version(TRACKS) == 2
    assert lakehouse.rows(TRACKS) == {(): 3}


def test_concurrent_writers_of_a_table_lose_nothing(lakehouse: Lakehouse):
    days = [date(2026, 4, 1) + timedelta(days=offset) for offset in range(6)]
    failed: list[BaseException] = []

    def write(days_of_writer: list[date]) -> None:
        try:
            for day in days_of_writer:
                write_sums(lakehouse, [day], (day, "old", 1))
                write_sums(lakehouse, [day], (day, "new", 2))
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(days[start::3],)) for start in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed
    assert stored_sums(lakehouse) == [(day, "new", 2) for day in days]
    assert lakehouse.version(DAILY_TRACK_PLAYS) == 12


def test_a_commit_counts_only_its_own_rows_while_others_write(lakehouse: Lakehouse):
    rows: dict[date, dict] = {}

    def write(day: date, count: int) -> None:
        rows[day] = write_sums(lakehouse, [day], *((day, str(n), n) for n in range(count))).rows

    writers = [threading.Thread(target=write, args=(day, day.day)) for day in (MONDAY, TUESDAY, WEDNESDAY)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert rows == {day: {(day.isoformat(),): day.day} for day in (MONDAY, TUESDAY, WEDNESDAY)}


def test_a_write_whose_commit_is_not_in_the_log_raises_and_is_never_counted_as_no_rows(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    """The engine loses the mark by which the commit is found."""
    writer = type(frame(lakehouse, TRACKS, []).write)
    option = writer.option

    def without_mark(self, name: str, value: str):
        return self if name == "userMetadata" else option(self, name, value)

    monkeypatch.setattr(writer, "option", without_mark)
    with pytest.raises(CommitNotFoundError, match=r"daily_track_plays: expected a commit with .* after version 0"):
        write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))


def test_a_merge_that_changes_nothing_counts_no_rows_and_one_whose_commit_is_not_in_the_log_raises(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    assert merge_tracks(lakehouse, track("never", "N", deleted=True)).rows.get((), 0) == 0
    nothing = lakehouse.spark.createDataFrame([(1,)], "n int")

    def commit_of_another_writer(*_: object) -> DataFrame:
        deltalake.DeltaTable(folder_of(lakehouse, TRACKS)).alter.set_table_properties({"delta.appendOnly": "false"})
        return nothing

    monkeypatch.setattr(type(lakehouse.spark), "sql", lambda *_: nothing)
    unchanged = merge_tracks(lakehouse, track("a", "A"))
    assert (unchanged.version, unchanged.rows, unchanged.files) == (lakehouse.version(TRACKS), {}, 0)
    monkeypatch.setattr(type(lakehouse.spark), "sql", commit_of_another_writer)
    with pytest.raises(CommitNotFoundError, match=r"tracks: expected a commit with .*MERGE"):
        merge_tracks(lakehouse, track("a", "A"))


def test_compacting_keeps_the_rows_and_old_versions_until_they_are_vacuumed(lakehouse: Lakehouse):
    for plays in (1, 2, 3):
        merge_tracks(lakehouse, track(f"t{plays}", "T"))
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 2))
    before, path = stored(lakehouse, TRACKS, *TRACKS.names), folder_of(lakehouse, TRACKS)
    assert len(deltalake.DeltaTable(path).file_uris()) > 1
    assert lakehouse.compact(TRACKS)["numFilesAdded"] == 1
    assert len(deltalake.DeltaTable(path).file_uris()) == 1
    assert lakehouse.vacuum(TRACKS) == []
    assert stored(lakehouse, TRACKS, *TRACKS.names) == before
    assert sorted(row["track_id"] for row in lakehouse.read(TRACKS).collect()) == ["t1", "t2", "t3"]
    assert deltalake.DeltaTable(path, version=1).to_pyarrow_table().num_rows == 1
    merge_tracks(lakehouse, track("t1", "After"))
    deleted = lakehouse.vacuum(DAILY_TRACK_PLAYS, timedelta(0))
    assert len([path for path in deleted if path.endswith(".parquet")]) == 1
    assert all(path.endswith((".parquet", ".crc")) for path in deleted), "Hadoop's checksums are named by no version"
    assert stored_sums(lakehouse) == [(MONDAY, "a", 2)]
    assert ("t1", "After") in stored(lakehouse, TRACKS, "track_id", "title")


def test_a_vacuum_deletes_what_killed_writes_left_once_it_is_as_old_as_what_it_keeps(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    folder = folder_of(lakehouse, DAILY_TRACK_PLAYS) / f"play_date={MONDAY}"
    killed, young = folder / "part-killed.parquet", folder / "part-young.parquet"
    for file in (killed, young):
        file.write_bytes(b"written, and never committed")
    week_ago = time.time() - timedelta(days=7, hours=1).total_seconds()
    os.utime(killed, (week_ago, week_ago))
    assert lakehouse.vacuum(DAILY_TRACK_PLAYS) == [str(killed.relative_to(folder_of(lakehouse, DAILY_TRACK_PLAYS)))]
    assert (killed.exists(), young.exists()) == (False, True)
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1)]


def test_a_vacuum_keeps_what_a_published_set_names_unless_all_that_is_old_must_go(lakehouse: Lakehouse):
    published = write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1)).version
    manifest = lakehouse.home / "exports" / "set-1" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"versions": {"daily_track_plays": published, "tracks": 99}}))
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 2))
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 3))
    path, hours_ago = folder_of(lakehouse, DAILY_TRACK_PLAYS), time.time() - timedelta(hours=5).total_seconds()
    for file in path.rglob("*"):
        os.utime(file, (hours_ago, hours_ago))

    def plays_at(version: int) -> list[int]:
        rows = deltalake.DeltaTable(path, version=version).to_pyarrow_table(columns=["plays"])
        return rows.column("plays").to_pylist()

    deleted = lakehouse.vacuum(DAILY_TRACK_PLAYS, timedelta(minutes=59))  # none of its whole hours
    assert len([name for name in deleted if name.endswith(".parquet")]) == 1, "of the version between, which none names"
    assert plays_at(published) == [1]
    assert stored_sums(lakehouse) == [(MONDAY, "a", 3)]
    with pytest.raises((OSError, DeltaError)):
        plays_at(published + 1)
    lakehouse.vacuum(TRACKS, timedelta(hours=1))  # whose set names a version that its log does not know
    lakehouse.vacuum(DAILY_TRACK_PLAYS, timedelta(0))
    with pytest.raises((OSError, DeltaError)):
        plays_at(published)
    assert stored_sums(lakehouse) == [(MONDAY, "a", 3)]


def test_a_vacuum_waits_until_the_writes_of_its_table_have_ended(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    uncommitted = folder_of(lakehouse, DAILY_TRACK_PLAYS) / f"play_date={MONDAY}" / "part-uncommitted.parquet"
    vacuum = threading.Thread(target=lakehouse.vacuum, args=(DAILY_TRACK_PLAYS, timedelta(0)))
    with writing(lakehouse.home, DAILY_TRACK_PLAYS.name), writing(lakehouse.home, DAILY_TRACK_PLAYS.name):
        uncommitted.write_bytes(b"of a write under way")
        vacuum.start()
        vacuum.join(timeout=0.5)
        assert (vacuum.is_alive(), uncommitted.exists()) == (True, True)
        lakehouse.vacuum(TRACKS, timedelta(0))
    vacuum.join()
    assert not uncommitted.exists()
    assert stored_sums(lakehouse) == [(MONDAY, "a", 1)]


def test_slices_and_merges_are_written_as_a_writer_whom_a_vacuum_waits_for(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def noting_the_lock(write: Callable[[], None]) -> Callable[[], None]:
        def noted() -> None:
            for table in (DAILY_TRACK_PLAYS, TRACKS):
                with folder_of(lakehouse, table).with_name(f".{table.name}.writers").open("w") as lock:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        seen.append(table.name)
            write()

        return noted

    monkeypatch.setattr(lakehouse_module, "_retried", noting_the_lock)
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    merge_tracks(lakehouse, track("a", "A"))
    assert seen == ["daily_track_plays", "tracks"]


def test_looks_are_appended_and_tables_compacted_only_when_no_vacuum_is_under_way(lakehouse: Lakehouse):
    write_sums(lakehouse, [MONDAY], (MONDAY, "a", 1))
    row = {column.name: None for column in tables.READOUTS.columns}
    append = threading.Thread(target=append_rows, args=(lakehouse.home, tables.READOUTS, [row]))
    compact = threading.Thread(target=lakehouse.compact, args=(DAILY_TRACK_PLAYS,))
    with no_writer(lakehouse.home, tables.READOUTS.name), no_writer(lakehouse.home, DAILY_TRACK_PLAYS.name):
        for writer in (append, compact):
            writer.start()
            writer.join(timeout=0.5)
            assert writer.is_alive()
    for writer in (append, compact):
        writer.join()
    assert lakehouse.version(tables.READOUTS) == 1


OTHER_ENGINE = """
import sys
from datetime import date
from pathlib import Path
from umg_assets.resources.engine import session
from umg_assets_tests.resources import test_lakehouse as t
lakehouse = t.Lakehouse(Path(sys.argv[2]), lambda: session(sys.argv[1]))
lakehouse.create_tables()
t.write_sums(lakehouse, [t.TUESDAY, t.WEDNESDAY], (t.TUESDAY, "other", 20), (t.WEDNESDAY, "other", 30))
t.merge_tracks(lakehouse, t.track("a", "A of the other"), t.track("b", "", True), t.track("c", "C of the other"))
rows = lakehouse.read(t.DAILY_TRACK_PLAYS).collect()
print(sorted((row.play_date.isoformat(), row.track_id, row.plays) for row in rows))
"""


def test_a_table_written_by_this_engine_and_changed_by_the_other_is_one_table(lakehouse: Lakehouse, engine: str):
    need_java()
    write_sums(lakehouse, [MONDAY, TUESDAY], (MONDAY, "this", 1), (TUESDAY, "this", 2))
    merge_tracks(lakehouse, track("a", "A"), track("b", "B"))
    read = printed_by(OTHER_ENGINE, "spark" if engine == "sail" else "sail", lakehouse.home)
    expected = [(MONDAY, "this", 1), (TUESDAY, "other", 20), (WEDNESDAY, "other", 30)]
    assert read.strip() == repr([(day.isoformat(), name, plays) for day, name, plays in expected])
    assert stored_sums(lakehouse) == expected
    assert stored(lakehouse, TRACKS, "track_id", "title") == [("a", "A of the other"), ("c", "C of the other")]
    write_sums(lakehouse, [WEDNESDAY], (WEDNESDAY, "this again", 4))
    merge_tracks(lakehouse, track("c", "", deleted=True), track("d", "D"))
    for table in (DAILY_TRACK_PLAYS, TRACKS):
        lakehouse.compact(table)
        lakehouse.vacuum(table, timedelta(0))
        assert declared(lakehouse, table) == contract(table)
    expected = [(MONDAY, "this", 1), (TUESDAY, "other", 20), (WEDNESDAY, "this again", 4)]
    assert stored_sums(lakehouse) == expected
    read_back = lakehouse.read(DAILY_TRACK_PLAYS).collect()
    assert sorted((row["play_date"], row["track_id"], row["plays"]) for row in read_back) == expected
    assert sorted((row["track_id"], row["title"]) for row in lakehouse.read(TRACKS).collect()) == [
        ("a", "A of the other"),
        ("d", "D"),
    ]
    assert lakehouse.rows(DAILY_TRACK_PLAYS) == {(day.isoformat(),): 1 for day in (MONDAY, TUESDAY, WEDNESDAY)}


def test_reading_a_slice_reads_only_the_files_of_the_slice(lakehouse: Lakehouse):
    days = [date(2026, 4, 1) + timedelta(days=offset) for offset in range(4)]
    write_sums(lakehouse, days, *((day, "a", 1) for day in days))
    wanted = lakehouse.read(DAILY_TRACK_PLAYS, Slice.days("play_date", days[1:3]))
    for uri in deltalake.DeltaTable(folder_of(lakehouse, DAILY_TRACK_PLAYS)).file_uris():
        if not any(f"play_date={day}" in uri for day in days[1:3]):
            Path(uri.removeprefix("file://")).write_bytes(b"whoever reads this fails")
    assert sorted(row["play_date"] for row in wanted.collect()) == days[1:3]
    with pytest.raises(Exception, match=r"(?i)parquet|footer|magic|eof|corrupt"):
        lakehouse.read(DAILY_TRACK_PLAYS).collect()


def test_only_the_owner_can_read_personal_tables_and_staging(lakehouse: Lakehouse):
    folder = lakehouse.staging()
    for table in tables.ALL:
        mode = folder_of(lakehouse, table).stat().st_mode & 0o777
        assert mode == 0o700 if table.personal else mode & 0o700 == 0o700, table.name
    personal = [table.name for table in tables.ALL if {"user_id", "text"} & set(table.names)]
    assert [table.name for table in tables.ALL if table.personal] == ["deliveries", *personal]
    assert {path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent)} == {0o700}
    lakehouse.discard(folder)
    assert not folder.exists()


def test_the_session_is_in_utc_and_a_bad_cast_is_null(spark: SparkSession):
    row = spark.sql(
        "select cast('x' as date) as number, to_date(timestamp'2026-03-01 23:30:00') as day, "
        "timestamp'2026-03-01 23:30:00' as instant, current_timezone() as zone"
    ).collect()[0]
    assert (row["number"], row["day"], row["zone"]) == (None, date(2026, 3, 1), "UTC")
    assert row["instant"].replace(tzinfo=UTC) == datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
