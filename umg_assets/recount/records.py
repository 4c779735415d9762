"""Records counted again: the ledger held to the files in landing/, and to the rows of the raw tables and quarantine."""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import deltalake
import duckdb

from umg_assets import tables
from umg_assets.recount.second_reader import count_records
from umg_assets.resources.landing import files_of
from umg_assets.resources.ledger import History
from umg_assets.settings import Settings


@dataclass(frozen=True)
class Miscount:
    """A number of the ledger that is another one where it is counted again; what: what was counted."""

    source: str
    path: str
    what: str
    found: int
    ledger: int


@dataclass
class RecordCount:
    """files, records: counted again; gone: files that no longer lie in landing/; changed: changed since."""

    files: int = 0
    records: int = 0
    gone: int = 0
    changed: int = 0
    differing: list[Miscount] = field(default_factory=list)


def count_files(settings: Settings, history: History) -> RecordCount:
    """Every landed file counted by the second reader, and every delivery's rows in the tables, against the ledger.

    Files: their records against records read, and those against landed + quarantined + filtered. Tables: rows a file
    and delivery in the raw tables and in quarantine, read by delta-rs, against landed and quarantined.
    """
    forms = {
        (kind, path): source.format
        for kind in tables.KINDS
        for source in reversed(settings.sources.of(kind))
        for path in files_of(settings.landing, source.files)
    }
    count = RecordCount()
    for entry in history.latest().values():
        path = settings.landing / entry.path
        if entry.source not in tables.RAW:
            continue
        if not path.exists():
            count.gone += 1
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.content_hash:
            count.changed += 1
            continue
        found = 1 if entry.refused else count_records(path, forms.get((entry.source, path)))
        count.files += 1
        count.records += found
        told = entry.landed + entry.filtered + sum(entry.quarantined.values())
        for what, number in (("records in the file", found), ("landed + set aside", told)):
            if number != entry.records:
                count.differing.append(Miscount(entry.source, entry.path, what, number, entry.records))
    count.differing += _standing_otherwise(settings.home, history)
    return count


def _standing_otherwise(home: Path, history: History) -> list[Miscount]:
    """Deliveries of which not as many rows stand in a raw table, or in quarantine, as the ledger says."""
    expected: dict[tuple[str, str, str, date], int] = {}
    for kind in tables.KINDS:
        for entry in history.standing(kind):
            expected[tables.RAW[kind].name, kind, entry.path, entry.delivery_date] = entry.landed
    for entry in history.entries:
        if entry.source in tables.RAW:
            key = (tables.QUARANTINE.name, entry.source, entry.path, entry.delivery_date)
            expected[key] = sum(entry.quarantined.values())
    there: dict[tuple[str, str, str, date], int] = {}
    for kind, table in tables.RAW.items():
        for (path, day), rows in _rows_by(home, table, "source_file, delivery_date"):
            there[table.name, kind, path, day] = rows
    for (kind, path, day), rows in _rows_by(home, tables.QUARANTINE, "source, source_file, delivery_date"):
        there[tables.QUARANTINE.name, kind, path, day] = rows
    return [
        Miscount(kind, path, f"rows in {table}, {day}", there.get(key, 0), expected.get(key, 0))
        for key in sorted(expected.keys() | there.keys())
        for table, kind, path, day in [key]
        if there.get(key, 0) != expected.get(key, 0)
    ]


def _rows_by(home: Path, table: tables.Table, columns: str) -> list[tuple[tuple, int]]:
    """Rows by columns, streamed, so that memory does not follow the table."""
    rows = deltalake.DeltaTable(home / "tables" / table.name).to_pyarrow_dataset()
    found = duckdb.connect().from_arrow(rows).aggregate(f"{columns}, count(*)", columns).fetchall()
    return [(row[:-1], row[-1]) for row in found]
