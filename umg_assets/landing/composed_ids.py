"""Brings ids that contain a user's under `privacy.pseudonyms` where no file is read again and no day is built again.

Raw rows whose files have left landing/ get pseudonyms, or lose them; what follows is built again. In days that are
frozen the ids themselves become keyed hashes, as a fresh build would give them: these cannot be taken back.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.calendar import local_today, parse_day, utc_today
from umg_assets.catalogue import Catalogue
from umg_assets.landing.sealing import ranges
from umg_assets.planning.composed_ids import deliveries_otherwise, settled, settled_at
from umg_assets.planning.entry import DIMENSION_CHANGE, PSEUDONYMS, Entry
from umg_assets.planning.history import History, chunks, with_repeats
from umg_assets.planning.required import frozen_keys
from umg_assets.privacy.keys import UserKeys
from umg_assets.privacy.seals import Seals
from umg_assets.privacy.users import users_of
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.reading import datafusion_literal, query
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.tables import Kind, Table
from umg_assets.transforms.pseudonyms import hashed_in_place, with_pseudonyms

_USERS = pa.schema([(name, pa.string()) for name in ("user_key", "user_id", "id_key")])
_IDS = pa.schema([(name, pa.string()) for name in ("sealed_id", "user_id", "id_key")])
_HASHED = tuple(
    table
    for table in tables.ALL
    if table.sealed is None and "user_key" in table.names and set(tables.COMPOSED_IDS) & set(table.names)
)
"""The tables beyond the raw ones that hold such ids."""


@dataclass(frozen=True)
class _Frozen:
    """Frozen days of a table to look at. unhashed: those of them in which no id can be a hash yet."""

    table: Table
    days: Sequence[date]
    unhashed: set[date]


def settle_ids(
    settings: Settings, lakehouse: Lakehouse, ledger: Ledger, say: Callable[[str], None] = lambda _: None
) -> None:
    """Does it, a range of days at a time, where the ledger does not say that it is done.

    The ledger notes the days of each range before and after, and at the end that all is done; a call that was killed is
    gone on with. To be called under sealing.sealing_alone, with the tables created, once changed files have landed.
    Raises KeyFileError without the keys that open user ids.
    """
    hashed = settings.privacy.pseudonyms
    ids = _ComposedIds(settings, lakehouse, ledger, say)
    for kind in tables.OCCURRENCES:
        ids.of_raw(kind)
    if hashed:
        ids.of_frozen_days()
    ledger.append([settled(hashed, utc_today())])


class _ComposedIds:
    def __init__(self, settings: Settings, lakehouse: Lakehouse, ledger: Ledger, say: Callable[[str], None]) -> None:
        self._settings, self._lakehouse, self._ledger, self._say = settings, lakehouse, ledger, say

    def of_raw(self, kind: Kind) -> None:
        """Gives raw rows the pseudonyms that they would have if their files landed now."""
        history, rows = self._ledger.read(), dict[date, int]()
        for entry in deliveries_otherwise(history, kind, self._settings.privacy.pseudonyms):
            rows[entry.delivery_date] = rows.get(entry.delivery_date, 0) + entry.landed
        if rows:
            self._say(f"{tables.RAW[kind].name}: looking at ids of {sum(rows.values()):,} rows")
        for days in ranges(dict(sorted(rows.items())), self._settings.chunk_plays):
            folder = self._lakehouse.staging()
            try:
                self._of_deliveries(kind, days, history, folder)
            finally:
                self._lakehouse.discard(folder)

    def _of_deliveries(self, kind: Kind, days: Sequence[date], history: History, folder: Path) -> None:
        table, played = tables.RAW[kind], tables.OCCURRENCES[kind].date
        names = ["play_pseudonym", "session_pseudonym"]
        given = self._lakehouse.read(table, Slice.days("delivery_date", days)).withColumnRenamed("user_id", "sealed_id")
        before = given.withColumns({f"_{name}": F.col(name) for name in names})
        typed = with_pseudonyms(before.join(self._ids_of(table, days, folder), "sealed_id", "left"), kind)
        differs = [~F.col(f"_{name}").eqNullSafe(F.col(name)) for name in names]
        rows = typed.withColumn("_changed", reduce(Column.__or__, differs)).withColumn("user_id", F.col("sealed_id"))
        rows = self._lakehouse.once(rows.select(*table.names, "_changed"), folder / "rows")
        changed = rows.where("_changed").select("delivery_date", F.col(played).alias("day")).distinct().collect()
        if changed:
            entry = self._noting(table, with_repeats(history, {row["day"] for row in changed}, kind))
            self._write(table, rows, "delivery_date", {row["delivery_date"] for row in changed}, entry)

    def _ids_of(self, table: Table, days: Sequence[date], folder: Path) -> DataFrame:
        """sealed_id, user_id and id_key of the users in a raw table on some delivery days."""
        where = f"delivery_date in {datafusion_literal(days)}"
        sql = f"select distinct user_id from {table.name} where {where}"
        stored = query(self._lakehouse.home, sql, table).column("user_id").to_pylist()
        opened = [user_id or "" for user_id in Seals(self._lakehouse.home).opened(table, stored)]
        file = folder / "ids.parquet"
        pq.write_table(pa.table([stored, opened, self._id_keys(opened)], schema=_IDS), file)
        return F.broadcast(self._lakehouse.spark.read.parquet(str(file)))

    def of_frozen_days(self) -> None:
        """Hashes ids in frozen days that nobody has looked at since they froze."""
        history = self._ledger.read()
        if not (frozen := list(self._frozen(history))):
            return
        folder = self._lakehouse.staging()
        try:
            users = self._users(folder)
            for of_table in frozen:
                kept = 0
                self._say(f"{of_table.table.name}: looking at ids of {len(of_table.days):,} frozen days")
                for number, days in enumerate(chunks(history, of_table.days, self._settings.chunk_plays)):
                    kept += self._of_days(of_table, days, users, folder / f"{of_table.table.name}-{number}")
                if kept:
                    self._say(
                        f"{of_table.table.name}: ids of {kept:,} rows stay as they are: whether they contain their "
                        "users' cannot be told, for no raw row names these users any more"
                    )
        finally:
            self._lakehouse.discard(folder)

    def _frozen(self, history: History) -> Iterator[_Frozen]:
        """Days that froze since all was settled last; all days of a table that no asset writes any more."""
        catalogue, today = Catalogue.of(self._settings), local_today(self._settings.time_zone)
        since, first = settled_at(history, hashed=True), self._ledger.first_with(PSEUDONYMS)
        seen = frozen_keys(history.before_expiries(since), catalogue, today)
        never = frozen_keys(history if first is None else history.before_expiries(first), catalogue, today)
        frozen = frozen_keys(history, catalogue, today)
        for table in _HASHED:
            name = table.name
            keys = frozen.get(name, frozenset()) - seen.get(name, frozenset())
            if name not in catalogue:  # experiments that umg.toml names no more have left it
                keys = frozenset(day for (day,), rows in self._lakehouse.rows(table).items() if rows)
            noted = [
                entry
                for entry in history.about({(DIMENSION_CHANGE, name)}).entries
                if entry.definition_hash == PSEUDONYMS and entry.sequence > since
            ]
            done = {day for entry in noted if entry.state == "landed" for day in entry.play_dates}
            # a range that was begun may have been written, unless the table has the version that it had then
            version = str(self._lakehouse.version(table))
            begun = {day for entry in noted if entry.signature != version for day in entry.play_dates}
            if days := sorted(set(map(parse_day, keys)) - done):
                yield _Frozen(table, days, set(map(parse_day, never.get(name, ()))) - begun)

    def _of_days(self, frozen: _Frozen, days: list[date], users: DataFrame, folder: Path) -> int:
        """Hashes ids of some days. Returns the number of rows with ids whose users are not known."""
        table, (column,) = frozen.table, frozen.table.partitioned_by
        replaced, unhashed = Slice.days(column, days), frozen.unhashed.intersection(days)
        known = F.expr(Slice.days(column, unhashed).predicate) if unhashed else F.lit(False)
        given = self._lakehouse.read(table, replaced).join(users, "user_key", "left")
        ids = [F.col(name) for name in tables.COMPOSED_IDS if name in table.names]
        unknown = F.col("user_id").isNull() & F.coalesce(*ids).isNotNull()
        rows = hashed_in_place(given, known).withColumn("_unknown", unknown.cast("bigint"))
        rows = self._lakehouse.once(rows.select(*table.names, "_changed", "_unknown"), folder)
        sums = (
            rows.groupBy(column).agg(F.max("_changed").alias("changed"), F.sum("_unknown").alias("unknown")).collect()
        )
        if changed := {row[column] for row in sums if row["changed"]}:
            self._write(table, rows, column, changed, self._noting(table, changed))
        return sum(row["unknown"] for row in sums)

    def _noting(self, table: Table, days: Collection[date]) -> Entry:
        """What the ledger notes of ids that change in place on some local days; its signature is the table's version
        before."""
        return Entry(
            DIMENSION_CHANGE,
            table.name,
            utc_today(),
            signature=str(self._lakehouse.version(table)),
            definition_hash=PSEUDONYMS if self._settings.privacy.pseudonyms else "",
            play_dates=sorted(days),
        )

    def _write(self, table: Table, rows: DataFrame, column: str, days: Collection[date], entry: Entry) -> None:
        replaced = Slice.days(column, days)
        with self._ledger.change([entry]):
            self._lakehouse.write_slice(table, rows.where(replaced.predicate).select(*table.names), replaced)

    def _users(self, folder: Path) -> DataFrame:
        """user_key, user_id and id_key of everybody in the raw tables. id_key goes no further than this folder."""
        file = folder / "users.parquet"
        with pq.ParquetWriter(file, _USERS) as writer:
            for users in users_of(self._lakehouse.home):
                user_ids = list(users.values())
                writer.write_table(pa.table([list(users), user_ids, self._id_keys(user_ids)], schema=_USERS))
        users = self._lakehouse.spark.read.parquet(str(file)).dropDuplicates(["user_key"])
        return self._lakehouse.once(users, folder / "users")

    def _id_keys(self, user_ids: Sequence[str]) -> Sequence[str | None]:
        hashed = self._settings.privacy.pseudonyms
        return UserKeys(self._lakehouse.home).id_keys(user_ids) if hashed else [None] * len(user_ids)
