"""A table whose creation was killed is made anew; one that held rows and has lost its log is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from umg_assets import tables
from umg_assets.resources.delta_log import TableDamagedError, newest_version
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.locations import location_of
from umg_assets.resources.reading import TableMissingError, rows_of
from umg_assets.tables import DAILY_TRACK_PLAYS
from umg_assets_tests.lake import folder_of
from umg_assets_tests.processes import printed_by
from umg_assets_tests.resources.test_lakehouse import MONDAY, stored_sums, write_sums

FIRST = f"{0:020d}.json"


def _empty_log(table: Path) -> None:
    shutil.rmtree(table)
    (table / "_delta_log").mkdir(parents=True)


def _empty_commit(table: Path) -> None:
    (table / "_delta_log" / FIRST).write_text("")


def _half_a_commit(table: Path) -> None:
    whole = (table / "_delta_log" / FIRST).read_text()
    (table / "_delta_log" / FIRST).write_text(whole[: len(whole) // 2])


def _temporary_commit(table: Path) -> None:
    _half_a_commit(table)
    (table / "_delta_log" / FIRST).rename(table / "_delta_log" / f"{FIRST}#1")


KILLED = [_empty_log, _empty_commit, _half_a_commit, _temporary_commit]


@pytest.mark.parametrize("killed", KILLED)
def test_a_table_whose_creation_was_killed_is_made_anew(lakehouse: Lakehouse, killed: Callable[[Path], None]):
    killed(folder_of(lakehouse, DAILY_TRACK_PLAYS))
    with pytest.raises(TableMissingError):
        rows_of(lakehouse.home, DAILY_TRACK_PLAYS)
    Lakehouse(lakehouse.home, lambda: lakehouse.spark).create_tables()
    write_sums(lakehouse, [MONDAY], (MONDAY, "t1", 3))
    assert stored_sums(lakehouse) == [(MONDAY, "t1", 3)]


@pytest.mark.sail_enough
@pytest.mark.parametrize("killed", KILLED)
def test_a_ledger_whose_creation_was_killed_holds_no_entry(home: Path, killed: Callable[[Path], None]):
    killed(home / "tables" / "deliveries")
    assert Ledger(home).read().sequence == 0


def _lost_log(log: Path) -> None:
    shutil.rmtree(log)


def _empty_newest(log: Path) -> None:
    (log / f"{1:020d}.json").write_text("")


def _half_of_the_newest(log: Path) -> None:
    newest = log / f"{1:020d}.json"
    newest.write_text(newest.read_text()[:100])


@pytest.mark.parametrize("lost", [_lost_log, _empty_newest, _half_of_the_newest])
def test_a_table_that_held_rows_and_lost_its_log_is_named_and_left_as_it_is(
    lakehouse: Lakehouse, lost: Callable[[Path], None]
):
    write_sums(lakehouse, [MONDAY], (MONDAY, "t1", 3))
    path = folder_of(lakehouse, DAILY_TRACK_PLAYS)
    lost(path / "_delta_log")
    files = sorted(path.rglob("*"))
    for asks in (
        lambda: Lakehouse(lakehouse.home, lambda: lakehouse.spark).create_tables(),
        lambda: rows_of(lakehouse.home, DAILY_TRACK_PLAYS),
    ):
        with pytest.raises(TableDamagedError) as raised:
            asks()
        said = str(raised.value)
        assert said.startswith(f"daily_track_plays: expected a Delta table at {path}, and its log cannot be read: ")
        assert "`umg restore`" in said
        assert "\n" not in said
    assert sorted(path.rglob("*")) == files


CREATED_AT_ONCE = """
import multiprocessing, sys
from pathlib import Path
from umg_assets.resources.locations import location_of
from umg_assets.resources.lakehouse import Lakehouse

def created(home, start, ended):
    start.wait()
    try:
        Lakehouse(home, lambda: None).create_tables()
        ended.put("created")
    except Exception as error:
        ended.put(repr(error))

forked = multiprocessing.get_context("fork")
for round in range(3):
    home, start, ended = Path(sys.argv[1], str(round)), forked.Barrier(4), forked.Queue()
    processes = [forked.Process(target=created, args=(home, start, ended)) for _ in range(4)]
    for process in processes:
        process.start()
    print(*(ended.get() for _ in processes), sep="\\n")
    for process in processes:
        process.join()
"""


@pytest.mark.sail_enough
def test_processes_that_create_the_tables_at_once_all_succeed(tmp_path: Path):
    assert set(printed_by(CREATED_AT_ONCE, tmp_path).split("\n")) == {"created", ""}
    homes = sorted(tmp_path.iterdir())
    assert {newest_version(location_of(home, table)) for home in homes for table in tables.ALL} == {0}
