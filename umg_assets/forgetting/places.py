"""Where a lakehouse holds people's records: deliveries with rows of theirs, records in quarantine that name them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from umg_assets import tables
from umg_assets.privacy.names import Names
from umg_assets.privacy.seals import Seals
from umg_assets.resources.reading import TableMissingError, datafusion_literal, partition_values, query, stream
from umg_assets.tables import Kind

Place = tuple[Kind, str, date]
"""A delivery of a file: kind, path, delivery date."""
_KEYS_AT_A_TIME = 1000
FORGOTTEN_TEXT = "(it names somebody who has been forgotten)"


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
    keys = sorted(user_keys)
    for kind in tables.KINDS:
        for first in range(0, len(keys) if kind != "tracks" else 0, _KEYS_AT_A_TIME):
            for path, day, record, played_on in _rows(home, kind, keys[first : first + _KEYS_AT_A_TIME]):
                held.setdefault((kind, path, day), Held()).rows[record] = played_on
    for kind, path, day, record, reason in _quarantined(home, names):
        held.setdefault((kind, path, day), Held()).quarantined[record] = reason
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


def users_of(home: Path) -> Iterator[Mapping[str, str]]:
    """By user_key, the user_id of everybody in the raw tables, some at a time, and again for each table.

    Raises KeyFileError without the keys that open them.
    """
    for kind in tables.KINDS:
        table = tables.RAW[kind]
        if kind == "tracks":
            continue
        try:
            for batch in stream(home, f"select distinct user_key, user_id from {table.name}", table):
                keys, ids = (batch.column(name).to_pylist() for name in ("user_key", "user_id"))
                opened = Seals(home).opened(table, ids)
                yield {key: user_id for key, user_id in zip(keys, opened, strict=True) if user_id}
        except TableMissingError:
            continue


def _rows(home: Path, kind: Kind, keys: list[str]) -> list[tuple[str, date, int, date | None]]:
    columns = f"source_file, delivery_date, record, {_day_of(kind)} as day"
    rows = _query(home, tables.RAW[kind], columns, f"user_key in {datafusion_literal(keys)}")
    return [(row["source_file"], row["delivery_date"], row["record"], row["day"]) for row in rows]


def _day_of(kind: Kind) -> str:
    return tables.OCCURRENCES[kind].date if kind in tables.OCCURRENCES else "cast(null as date)"


def _quarantined(home: Path, names: Names) -> Iterator[tuple[Kind, str, date, int, str]]:
    """The quarantined records that name one of them, a delivery day after the other."""
    columns, seals = "source, source_file, delivery_date, record, reason, text", Seals(home)
    try:
        days = partition_values(home, tables.QUARANTINE, "delivery_date")
    except TableMissingError:
        return
    for day in days:
        where = f"source <> 'tracks' and delivery_date = {datafusion_literal(date.fromisoformat(day))}"
        rows = _query(home, tables.QUARANTINE, columns, where)
        texts = seals.opened(tables.QUARANTINE, [row["text"] for row in rows])
        for row, text in zip(rows, texts, strict=True):
            if names((text or "").encode()):
                yield row["source"], row["source_file"], row["delivery_date"], row["record"], row["reason"]


def _query(home: Path, table: tables.Table, columns: str, where: str) -> list[dict]:
    try:
        return query(home, f"select {columns} from {table.name} where {where}", table).to_pylist()
    except TableMissingError:
        return []
