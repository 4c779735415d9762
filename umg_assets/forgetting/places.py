"""Where a lakehouse holds people's records: deliveries with rows of theirs, and records in quarantine that name them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from umg_assets import tables
from umg_assets.privacy.names import Names
from umg_assets.resources.reading import TableMissingError, datafusion_literal, query
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


def users_of(home: Path) -> Mapping[str, str]:
    """By user_key, the user_id (as it is stored) of everybody in the raw tables."""
    users: dict[str, str] = {}
    for kind in tables.KINDS:
        if kind != "tracks" and (rows := _query(home, tables.RAW[kind], "distinct user_key, user_id", "true")):
            users.update((row["user_key"], row["user_id"]) for row in rows)
    return users


def _rows(home: Path, kind: Kind, keys: list[str]) -> list[tuple[str, date, int, date | None]]:
    day = tables.OCCURRENCES[kind].date if kind in tables.OCCURRENCES else "null"
    columns = f"source_file, delivery_date, record, {day} as day"
    rows = _query(home, tables.RAW[kind], columns, f"user_key in {datafusion_literal(keys)}")
    return [(row["source_file"], row["delivery_date"], row["record"], row["day"]) for row in rows]


def _quarantined(home: Path, names: Names) -> list[tuple[Kind, str, date, int, str]]:
    rows = _query(home, tables.QUARANTINE, "source, source_file, delivery_date, record, reason, text", "true")
    return [
        (row["source"], row["source_file"], row["delivery_date"], row["record"], row["reason"])
        for row in rows
        if row["source"] != "tracks" and names((row["text"] or "").encode())
    ]


def _query(home: Path, table: tables.Table, columns: str, where: str) -> list[dict]:
    try:
        return query(home, f"select {columns} from {table.name} where {where}", table).to_pylist()
    except TableMissingError:
        return []
