"""Where a lakehouse holds people's records: deliveries with rows of theirs, records in quarantine that name them."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from umg_assets import tables
from umg_assets.privacy.names import Names
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import (
    TableMissingError,
    datafusion_literal,
    partition_values,
    query,
    read_table,
)
from umg_assets.tables import Kind

Place = tuple[Kind, str, date]
"""A delivery of a file: kind, path, delivery date."""
_KEYS_AT_A_TIME = 1000


@dataclass
class Held:
    """What a delivery brought of people. rows: by record number, the local date (None for users); quarantined: by
    record number, the reason. A record of number 0 is a file refused whole."""

    rows: dict[int, date | None] = field(default_factory=dict)
    quarantined: dict[int, str] = field(default_factory=dict)

    @property
    def numbers(self) -> set[int]:
        """The numbers of all these records, without that of a file refused whole."""
        return {*self.rows, *self.quarantined} - {0}


def held_of(home: Path, user_keys: Collection[str], names: Names) -> dict[Place, Held]:
    """By delivery, the records of people: by user_key in the raw tables, by text in quarantine."""
    held: dict[Place, Held] = {}
    for kind in tables.KINDS:
        columns = f"source_file, delivery_date, record, {_day_of(kind)} as day"
        for row in rows_of(home, tables.RAW[kind], columns, user_keys) if kind != "tracks" else ():
            held.setdefault((kind, row["source_file"], row["delivery_date"]), Held()).rows[row["record"]] = row["day"]
    with suppress(TableMissingError):
        for row in quarantined_records(home):
            if row["source"] != "tracks" and names((row["text"] or "").encode()):
                place = row["source"], row["source_file"], row["delivery_date"]
                held.setdefault(place, Held()).quarantined[row["record"]] = row["reason"]
    return held


def records_of(home: Path, place: Place, numbers: Collection[int]) -> Held:
    """Whatever a delivery brought under these record numbers, of anybody."""
    kind, path, day = place
    held = Held()
    if numbers:
        where = (
            f"source_file = {datafusion_literal(path)} and delivery_date = {datafusion_literal(day)} "
            f"and record in {datafusion_literal(sorted(numbers))}"
        )
        columns = f"record, {_day_of(kind)} as day"
        held.rows = {row["record"]: row["day"] for row in _query(home, tables.RAW[kind], columns, where)}
        where += f" and source = {datafusion_literal(kind)}"
        held.quarantined = {
            row["record"]: row["reason"] for row in _query(home, tables.QUARANTINE, "record, reason", where)
        }
    return held


def landed_numbers(home: Path, place: Place) -> set[int]:
    """The record numbers of all rows that a delivery brought."""
    kind, path, day = place
    where = f"source_file = {datafusion_literal(path)} and delivery_date = {datafusion_literal(day)}"
    return {row["record"] for row in _query(home, tables.RAW[kind], "record", where)}


def rows_of(home: Path, table: tables.Table, columns: str, user_keys: Collection[str]) -> Iterator[dict[str, Any]]:
    """The columns (in SQL) of people's rows in a table with user_key, asked for some people at a time."""
    keys = sorted(user_keys)
    for first in range(0, len(keys), _KEYS_AT_A_TIME):
        theirs = datafusion_literal(keys[first : first + _KEYS_AT_A_TIME])
        yield from _query(home, table, columns, f"user_key in {theirs}")


def held_among(home: Path, ids: Mapping[str, str]) -> set[str]:
    """Those user ids of which something is held: rows with their keys in any table, records in quarantine that name
    them. ids: by user_key. Reads no further when all are known."""
    left = dict(ids)
    for table in tables.ALL:
        for row in list(rows_of(home, table, "distinct user_key", left)) if "user_key" in table.names else ():
            left.pop(row["user_key"], None)
    unknown = {*left.values()}
    names = Names(list(unknown))
    with suppress(TableMissingError):
        for row in quarantined_records(home) if unknown else ():
            unknown -= names.those_in((row["text"] or "").encode())
            if not unknown:
                break
    return {*ids.values()} - unknown


def quarantined_records(home: Path) -> Iterator[dict[str, Any]]:
    """The rows of the quarantine, their texts opened, a delivery day after the other.

    Raises TableMissingError when there is none, KeyFileError without its key, SealError for what that does not open.
    """
    seals = Seals(home)
    for day in partition_values(home, tables.QUARANTINE, "delivery_date"):
        rows = read_table(home, tables.QUARANTINE, [("delivery_date", "=", date.fromisoformat(day))]).to_pylist()
        texts = seals.opened(tables.QUARANTINE, [row["text"] for row in rows])
        yield from ({**row, "text": text} for row, text in zip(rows, texts, strict=True))


def _day_of(kind: Kind) -> str:
    return tables.OCCURRENCES[kind].date if kind in tables.OCCURRENCES else "cast(null as date)"


def _query(home: Path, table: tables.Table, columns: str, where: str) -> list[dict]:
    try:
        return query(home, f"select {columns} from {table.name} where {where}", table).to_pylist()
    except TableMissingError:
        return []
