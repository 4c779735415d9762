"""The lakehouse: Delta tables, created by contract, written slice by slice.

Together with resources/engine.py the only module that knows which engine runs. Both engines read and write the same
tables; delta-rs creates, inspects, compacts and vacuums them.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from umg_assets import tables
from umg_assets.resources.commits import Commit, CommitNotFoundError, commit_to
from umg_assets.resources.constraints import constrained
from umg_assets.resources.delta_log import commit_of, newest_version, open_table, open_to_change
from umg_assets.resources.engine_errors import without_values
from umg_assets.resources.executors import Item, Result, spread
from umg_assets.resources.forgetting_lock import refuse_while_forgetting
from umg_assets.resources.locations import local_file, location_of, settle
from umg_assets.resources.locks import exclusive, no_writer, writing
from umg_assets.resources.nearby import nearby
from umg_assets.resources.published import published_versions
from umg_assets.resources.schema import create_table, migrate_table
from umg_assets.resources.slices import Slice
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_location import Location
from umg_assets.tables import DELETED, Table

_CONFLICTS = (
    "Failed to commit transaction",
    "Missing commit file",
    "DELTA_CONCURRENT",
    "ConcurrentAppend",
    "ConcurrentDelete",
    "ConcurrentModification",
    "concurrent update",
    "MetadataChanged",
)


def _is_conflict(error: BaseException) -> bool:
    return any(sign in f"{type(error).__name__} {error}" for sign in _CONFLICTS)


_retried = retry(
    retry=retry_if_exception(_is_conflict),
    stop=stop_after_attempt(12),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    reraise=True,
)


class Lakehouse:
    """The tables of `home`, read and written by `spark`, which starts when first called.

    address: `places.tables` of umg.toml, under which new tables are made; None for `home`/tables.
    """

    def __init__(self, home: Path, spark: Callable[[], SparkSession], address: str | None = None) -> None:
        self.home = home
        self._spark = spark
        self._address = address
        self._there: set[str] = set()

    @property
    def spark(self) -> SparkSession:
        """The engine's session."""
        return self._spark()

    def location(self, table: Table) -> Location:
        """Where the table lies."""
        return location_of(self.home, table)

    def create_tables(self, seal: Mapping[str, str] | None = None) -> None:
        """Creates missing tables by their contracts and migrates the others, each once (see migrate_table).

        seal: the Delta properties of new tables with a sealed column. Raises ContractError when a table differs from
        its contract in another way than a migration mends, TableDamagedError when one cannot be opened, LocationError
        when they lie elsewhere than umg.toml says, ForgettingError while another process forgets people.
        """
        refuse_while_forgetting(self.home)
        settle(self.home, self._address)
        for table in tables.ALL:
            if table.name in self._there:
                continue
            location = self.location(table)
            if newest_version(location) >= 0:
                _retried(migrate_table)(location, table)
            else:
                with exclusive(local_file(self.home, ".creating.lock")):
                    create_table(location, table, (seal or {}) if table.sealed else {})
            self._there.add(table.name)

    def read(self, table: Table, where: Slice | str | None = None) -> DataFrame:
        """The table, lazily; of a slice (or a predicate in Spark SQL), reads only files that can hold its rows.

        Which version is read is decided when rows are asked for: a write that is tried again reads anew.
        """
        return self._rows(self.location(table).address, where)

    def read_now(self, table: Table, where: Slice | None = None) -> DataFrame:
        """As read, but for a table in a bucket of the version of now, from this disk if it is small (see Nearby).

        Not for rows that are to be written to the table itself.
        """
        return self._rows(nearby(self.home).table(table, where) or self.location(table).address, where)

    def _rows(self, address: str, where: Slice | str | None) -> DataFrame:
        rows = self.spark.read.format("delta").load(address)
        predicate = where.predicate if isinstance(where, Slice) else where
        return rows.where(predicate) if predicate else rows

    def version(self, table: Table) -> int:
        """The table's latest Delta version."""
        return newest_version(self.location(table))

    def write_slice(self, table: Table, rows: DataFrame, replaced: Slice) -> Commit:
        """Replaces one slice by the rows, in one transaction; an empty DataFrame empties the slice.

        rows: the contract's columns; values are cast to its types. The engine raises, and the table stays as it was,
        for a row outside the slice (Sail does not check replaceWhere, and would double such rows), a value that does
        not fit its column, a NULL where the contract has none, and a key that is twice in its partition.
        A conflict with another writer is retried. Raises ValueError when the columns are not the contract's,
        CommitNotFoundError when the commit is not in the table's log.
        """
        started = time.monotonic()
        checked = _by_contract(table, rows)
        column = table.partitioned_by[0]
        outside = F.raise_error(
            F.lit(f"{table.name}: a row lies outside the slice that is replaced ({replaced.predicate[:300]})")
        )
        checked = checked.withColumn(
            column,
            F.when(F.expr(replaced.predicate), F.col(column)).otherwise(outside.cast(table.type_of(column))),
        )
        checked = constrained(table, checked)
        if not table.unique:  # else the check for unique keys has gathered each partition's rows: one file a partition
            checked = checked.repartition(*table.partitioned_by)
        mark = uuid.uuid4().hex

        def write() -> None:
            (
                checked.write.format("delta")
                .mode("overwrite")
                .option("replaceWhere", replaced.predicate)
                .option("userMetadata", mark)
                .save(self.location(table).address)
            )

        before = self.version(table)
        with writing(self.home, table.name), without_values():
            _retried(write)()
        written = self._commit_since(table, before, userMetadata=mark)
        partitions = {**dict.fromkeys(replaced.partitions, 0), **written.rows}
        return replace(written, rows=partitions, seconds=time.monotonic() - started)

    def merge(self, table: Table, changes: DataFrame) -> Commit:
        """Applies changes to a keyed table in one transaction: by key, deletes rows marked `_deleted`, upserts others.

        changes: the contract's columns and `_deleted` BOOLEAN. The engine raises for a key that is NULL or occurs
        twice in it, and the table stays as it was. A conflict with another writer is retried. Raises ValueError when
        the columns are not the contract's, CommitNotFoundError when the commit is not in the table's log.
        """
        started = time.monotonic()
        checked = constrained(table, _by_contract(table, changes, DELETED))
        view = f"changes_{uuid.uuid4().hex}"
        on = " and ".join(f"t.{name} = s.{name}" for name in table.key)
        put = ", ".join(f"{name} = s.{name}" for name in table.names if name not in table.key)
        names, values = ", ".join(table.names), ", ".join(f"s.{name}" for name in table.names)

        def write() -> None:
            checked.createOrReplaceTempView(view)
            self.spark.sql(
                f"merge into delta.`{self.location(table)}` t using {view} s on {on} "
                f"when matched and s.{DELETED} then delete when matched then update set {put} "
                f"when not matched and not s.{DELETED} then insert ({names}) values ({values})"
            ).collect()

        before = self.version(table)
        try:
            with writing(self.home, table.name), without_values():
                _retried(write)()
        finally:
            self.spark.catalog.dropTempView(view)
        return replace(self._commit_since(table, before, operation="MERGE"), seconds=time.monotonic() - started)

    def _commit_since(self, table: Table, version: int, **marks: str) -> Commit:
        """Rows by partition of the first commit after `version` whose commitInfo holds the marks.

        No rows when the table still has that version: nothing had to change. Raises CommitNotFoundError when it has a
        later one, and no commit in between holds the marks.
        """
        location, before = self.location(table), version
        while (actions := commit_of(location, version + 1)) is not None:
            version += 1
            info = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
            if all(info.get(name) == value for name, value in marks.items()):
                return commit_to(table, version, [action["add"] for action in actions if "add" in action])
        if (newest := self.version(table)) > before:
            raise CommitNotFoundError(
                f"{table.name}: expected a commit with {marks} after version {before} at {location}, found none up to "
                f"version {newest}. Its rows may be written, but cannot be counted: run this again, which writes the "
                "same rows"
            )
        return Commit(before)

    def rows(self, table: Table) -> dict[tuple[str, ...], int]:
        """Rows by partition values, from the statistics of the table's files; no data is read."""
        actions = pa.table(open_table(self.location(table)).get_add_actions(flatten=True)).to_pydict()
        rows: dict[tuple[str, ...], int] = {}
        for position, count in enumerate(actions["num_records"]):
            values = tuple(str(actions[f"partition.{name}"][position]) for name in table.partitioned_by)
            rows[values] = rows.get(values, 0) + count
        return rows

    def compact(self, table: Table) -> dict[str, Any]:
        """Joins small files, by delta-rs; the rows stay the same. Returns delta-rs's metrics."""
        with writing(self.home, table.name):
            return dict(open_to_change(self.location(table)).optimize.compact())

    def vacuum(self, table: Table, keep: timedelta = timedelta(days=7)) -> list[str]:
        """Deletes files that no version of the last `keep` needs, by delta-rs. Returns their paths.

        What a published set reads stays, unless all that is old must go (keep 0). Files of that age that no version
        names go, too: a killed write has left them. Waits for writers, so that no write under way has any of these.
        """
        hours = int(keep.total_seconds() // 3600)
        kept = published_versions(self.home, table.name) if keep else []
        with no_writer(self.home, table.name):
            return open_to_change(self.location(table)).vacuum(
                hours, dry_run=False, enforce_retention_duration=hours >= 168, full=True, keep_versions=kept or None
            )

    def staging(self) -> Path:
        """A new private directory for files on their way into a table; see staging_folder."""
        return staging_folder(self.home)

    def once(self, rows: DataFrame, folder: Path) -> DataFrame:
        """The rows, computed once: written to `folder`, a new directory under staging(), and read from there."""
        with without_values():
            rows.write.parquet(str(folder))
        return self.spark.read.schema(rows.schema).parquet(str(folder))

    def spread(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result | None]:
        """The results of `work` for the items, on a cluster's executors or in threads here; see executors.spread."""
        return spread(self.spark, work, items, self.home)

    def discard(self, folder: Path) -> None:
        """Removes a staging directory."""
        shutil.rmtree(folder, ignore_errors=True)


def _by_contract(table: Table, rows: DataFrame, *extra: str) -> DataFrame:
    expected, given = {*table.names, *extra}, set(rows.columns)
    if expected != given:
        missing, surplus = sorted(expected - given), sorted(given - expected)
        raise ValueError(f"{table.name}: columns do not fit the contract: missing {missing}, not in it {surplus}")
    types = dict(rows.dtypes)
    return rows.select(*(_cast(table, name, types[name]).alias(name) for name in table.names), *extra)


def _cast(table: Table, name: str, given: str) -> Column:
    """The column, of the type `given`, in the contract's type. A value that does not fit raises on both engines."""
    value, type_ = F.col(name), table.type_of(name)
    if given == type_:
        return value
    cast = value.try_cast(type_)
    refused = F.raise_error(F.lit(f"{table.name}.{name}: a {given} value does not fit {type_}")).cast(type_)
    return F.when(cast.isNotNull() | value.isNull(), cast).otherwise(refused)
