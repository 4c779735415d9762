"""Seals what the raw tables and the quarantine hold under the newest key, a range of delivery days at a time.

For tables of versions that sealed nothing, and after a new key (`umg keys rotate`). The rows stay the same, so the
ledger takes no notice, and nothing is built again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.privacy.keys import KeyFileError
from umg_assets.privacy.seals import Mark, Seals
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.locations import local_file
from umg_assets.resources.locks import exclusive
from umg_assets.resources.reading import datafusion_literal, query, read_table
from umg_assets.resources.slices import Slice
from umg_assets.tables import Table

# texts are held in memory, each of them; of ids only the distinct ones
_TEXTS = 100_000


def sealing_alone(home: Path) -> AbstractContextManager[None]:
    """While files land or tables are sealed: one of both at a time, in one process of this machine."""
    return exclusive(local_file(home, ".sealing.lock"))


def seal_tables(lakehouse: Lakehouse, rows_at_a_time: int, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Brings every sealed table under the newest key, and removes older keys. Returns the tables that were rewritten.

    Creates and migrates all tables first (Lakehouse.create_tables); new ones are sealed from the beginning.

    A table whose property says that it is, is not read. What a killed call has left goes on where it was; only once all
    of a table is sealed and its older files are deleted does its property say so. A lakehouse in which nothing is
    sealed gets its key here. To be called under `sealing_alone`. Raises KeyFileError when the key file is missing or
    has no key of a table, SealError for a value that it does not open.
    """
    seals, rewritten = Seals(lakehouse.home), []
    marks = _marks(lakehouse)
    if not any(marks.values()):
        seals.create()
    _check_keys(seals, marks)
    done = Mark("done", seals.newest)
    lakehouse.create_tables(done.properties)
    for table, mark in _marks(lakehouse).items():
        if mark == done:
            continue
        location, rows = lakehouse.location(table), _rows_by_day(lakehouse, table)
        if rows and mark is None:
            Mark("begun", seals.newest).set(location)
        if rows:
            say(f"{table.name}: sealing {sum(rows.values()):,} rows under key {seals.newest}")
        for days in ranges(rows, min(rows_at_a_time, _TEXTS) if table.sealed == "text" else rows_at_a_time):
            _seal(lakehouse, seals, table, days)
        if lakehouse.version(table):  # else it is new: there is no older file
            lakehouse.vacuum(table, timedelta(0))
            rewritten.append(table.name)
        done.set(location)
    seals.keep_newest()
    return rewritten


def _marks(lakehouse: Lakehouse) -> dict[Table, Mark | None]:
    return {table: Mark.of(lakehouse.location(table)) for table in tables.SEALED}


def _check_keys(seals: Seals, marks: Mapping[Table, Mark | None]) -> None:
    for table, mark in marks.items():
        if mark and mark.key not in seals.names:
            raise KeyFileError(
                f"{seals.path}: expected key {mark.key}, under which {table.name} is sealed, got "
                f"{', '.join(seals.names)}: copy the key file from where it was made, or from a back-up"
            )


def _rows_by_day(lakehouse: Lakehouse, table: Table) -> dict[date, int]:
    rows = lakehouse.rows(table)
    return {date.fromisoformat(day): rows[day,] for (day,) in sorted(rows) if rows[day,]}


def ranges(rows: Mapping[date, int], at_a_time: int) -> Iterator[list[date]]:
    """The days in order, in ranges of at most so many rows, but of a day at least."""
    days: list[date] = []
    for day, count in rows.items():
        if days and sum(rows[before] for before in days) + count > at_a_time:
            yield days
            days = []
        days.append(day)
    if days:
        yield days


def _seal(lakehouse: Lakehouse, seals: Seals, table: Table, days: Sequence[date]) -> None:
    """Rewrites the rows of some delivery days, unless all are sealed under the newest key."""
    folder = lakehouse.staging()
    try:
        file = folder / "sealed.parquet"
        rows = _with_ids(lakehouse, seals, table, days, file) if table.sealed == "user_id" else None
        if table.sealed == "text":
            rows = _with_texts(lakehouse, seals, table, days, file)
        if rows is not None:
            lakehouse.write_slice(table, rows, Slice.days("delivery_date", days))
    finally:
        lakehouse.discard(folder)


def _with_ids(lakehouse: Lakehouse, seals: Seals, table: Table, days: Sequence[date], file: Path) -> DataFrame | None:
    """The rows with sealed ids, each id sealed once; None if all are sealed."""
    where = f"delivery_date in {datafusion_literal(days)}"
    ids = query(lakehouse.home, f"select distinct user_id from {table.name} where {where}", table)
    found = ids.column("user_id").to_pylist()
    sealed = seals.resealed(table, found)
    if sealed == found:
        return None
    pq.write_table(
        pa.table({"user_id": pa.array(found, pa.string()), "sealed_id": pa.array(sealed, pa.string())}), file
    )
    by_id = F.broadcast(lakehouse.spark.read.parquet(str(file)))
    rows = lakehouse.read(table, Slice.days("delivery_date", days)).join(by_id, "user_id", "left")
    return rows.withColumn("user_id", F.col("sealed_id")).select(*table.names)


def _with_texts(lakehouse: Lakehouse, seals: Seals, table: Table, days: Sequence[date], file: Path) -> DataFrame | None:
    """The rows with sealed texts; None if all are sealed."""
    rows = read_table(lakehouse.home, table, [("delivery_date", "in", days)])
    found = rows.column("text").to_pylist()
    sealed = seals.resealed(table, found)
    if sealed == found:
        return None
    position = rows.column_names.index("text")
    pq.write_table(rows.set_column(position, "text", pa.array(sealed, pa.string())), file)
    return lakehouse.spark.read.parquet(str(file))


def rotate_key(lakehouse: Lakehouse, rows_at_a_time: int, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Seals every sealed table under a new key and removes the older one; user_key stays. As seal_tables otherwise.

    Where an earlier call was killed, its new key is kept, and what it began is done: no key is made for nothing.
    """
    seals = Seals(lakehouse.home)
    if any(_marks(lakehouse).values()) and len(seals.names) == 1:
        seals.add()
    return seal_tables(lakehouse, rows_at_a_time, say)
