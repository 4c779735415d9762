"""What breaks a contract or loses a record is refused by name before the commit; on this process's engine."""

from datetime import UTC, date, datetime

import pytest

from umg_assets import tables
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.slices import Slice
from umg_assets.tables import DELETED, Table
from umg_assets.text import told_id

SUMS = tables.DAILY_TRACK_PLAYS
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
P1 = told_id("p1")


def write_days(lakehouse: Lakehouse, table: Table, *rows: dict) -> None:
    """Replaces Monday and Tuesday of a table by rows; columns not given are NULL."""
    cells = [tuple(row.get(name) for name in table.names) for row in rows]
    schema = ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
    frame = lakehouse.spark.createDataFrame(cells, schema)
    lakehouse.write_slice(table, frame, Slice.days(table.partitioned_by[0], [MONDAY, TUESDAY]))


def play(**given: object) -> dict:
    """A play on Monday."""
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return {"play_date": MONDAY, "play_id": "p1", "user_key": "k", "track_id": "t", "started_at": start, **given}


def sums(**given: object) -> dict:
    """A row of daily_track_plays, of unknown country and age group."""
    return {"play_date": MONDAY, "track_id": "t", "plays": 1, **given}


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        pytest.param(
            tables.PLAYS,
            [play(), play(play_id="p2"), play()],
            f"plays: expected each key once, got it twice (play_date=2026-03-02, play_id={P1}); nothing was written",
            id="a play twice",
        ),
        pytest.param(
            tables.DAILY_TRACK_PLAYS,
            [sums(), sums(plays=2)],
            "daily_track_plays: expected each key once, got it twice "
            "(play_date=2026-03-02, country=NULL, age_group=NULL, track_id=t); nothing was written",
            id="a sum of an unknown country twice",
        ),
        pytest.param(
            tables.PLAYS,
            [play(), play(play_id=None)],
            "plays: expected a value in play_id, got NULL (play_date=2026-03-02, play_id=NULL); nothing was written",
            id="a play without its id",
        ),
        pytest.param(
            tables.PLAYS,
            [play(user_key=None)],
            f"plays: expected a value in user_key, got NULL (play_date=2026-03-02, play_id={P1}); nothing was written",
            id="a play without its user",
        ),
        pytest.param(
            tables.RAW_TRACKS,
            [{"delivery_date": MONDAY, "source_file": "t.csv", "record": 7}],
            "raw_tracks: expected a value in track_id, got NULL (source_file=t.csv, record=7); nothing was written",
            id="a raw row without its id",
        ),
    ],
)
def test_rows_that_break_the_contract_abort_the_write_and_the_table_stays_as_it_was(
    lakehouse: Lakehouse, table: Table, rows: list[dict], message: str
):
    before = lakehouse.version(table)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each engine has its own class
        write_days(lakehouse, table, *rows)
    assert message in str(caught.value)
    assert lakehouse.version(table) == before
    assert lakehouse.rows(table) == {}


def test_a_key_may_be_in_two_partitions_and_null_is_a_value_of_a_key_where_the_contract_says_so(
    lakehouse: Lakehouse,
):
    write_days(lakehouse, tables.PLAYS, play(), play(play_date=TUESDAY), play(play_id="p2"))
    write_days(lakehouse, tables.DAILY_TRACK_PLAYS, sums(), sums(country="AT"), sums(age_group="18-24"))
    assert lakehouse.rows(tables.PLAYS) == {("2026-03-02",): 2, ("2026-03-03",): 1}
    assert sum(lakehouse.rows(tables.DAILY_TRACK_PLAYS).values()) == 3


def test_a_merge_refuses_a_key_that_is_twice_in_its_changes(lakehouse: Lakehouse):
    columns = ", ".join(f"{column.name} {column.type}" for column in tables.TRACKS.columns)
    rows = [("t", "one", *[None] * 4, False), ("t", "other", *[None] * 4, False)]
    changes = lakehouse.spark.createDataFrame(rows, f"{columns}, {DELETED} boolean")
    with pytest.raises(Exception, match=r"tracks: expected each key once, got it twice \(track_id=t\)"):
        lakehouse.merge(tables.TRACKS, changes)
    assert lakehouse.rows(tables.TRACKS) == {}


def test_a_commit_says_how_long_it_took(lakehouse: Lakehouse):
    frame = lakehouse.spark.createDataFrame([(MONDAY, "t", 1)], "play_date date, track_id string, plays bigint")
    rows = frame.selectExpr(*(name if name in frame.columns else f"null as {name}" for name in SUMS.names))
    first = lakehouse.write_slice(SUMS, rows, Slice.days("play_date", [MONDAY]))
    second = lakehouse.write_slice(SUMS, rows, Slice.days("play_date", [MONDAY]))
    assert first.seconds > 0
    assert (first + second).seconds == first.seconds + second.seconds
    assert first.metadata["written"].endswith(f" in {first.seconds:.2f} s")
