"""Recount of records: the ledger compared with the files in landing/, and with the raw tables and quarantine."""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from umg_assets import tables
from umg_assets.files.limits import REJECTS_KEPT
from umg_assets.landing.file_names import files_of
from umg_assets.planning.history import History
from umg_assets.recount.second_reader import count_records
from umg_assets.resources.delta_log import open_table
from umg_assets.resources.locations import location_of
from umg_assets.resources.staging import staging_folder
from umg_assets.settings.model import Settings


@dataclass(frozen=True)
class Miscount:
    """A number in the ledger that differs from its recount. what: what was counted, in words."""

    source: str
    path: str
    what: str
    counted: int
    ledger: int


@dataclass
class RecordCount:
    """files, records: counted again. gone, changed: files that have left landing/ or changed since, not counted."""

    files: int = 0
    records: int = 0
    gone: int = 0
    changed: int = 0
    differing: list[Miscount] = field(default_factory=list)


def count_files(settings: Settings, history: History) -> RecordCount:
    """Compares the ledger with every landed file, counted by the second reader, and every delivery's rows in tables.

    Files: their records must equal the records read, and those landed, quarantined, filtered and suppressed. Tables:
    the rows per file and delivery in raw tables and in quarantine, read by delta-rs, must equal landed and quarantined.
    """
    layouts = {
        (kind, path): source.layout(path.name)
        for kind in tables.KINDS
        for source in reversed(settings.sources.of(kind))
        for path in files_of(settings.landing, source.files, source.follow_links)
    }
    count = RecordCount()
    for entry in history.latest().values():
        path = settings.landing / entry.path
        if entry.source not in tables.RAW:
            continue
        if not path.is_file():
            count.gone += 1
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.content_hash:
            count.changed += 1
            continue
        count.files += 1
        try:
            records = 1 if entry.refused else count_records(path, layouts.get((entry.source, path)))
        except Exception as error:  # of any of the second reader's libraries: the file is named, the others are counted
            what = f"records in the file, which the second reader cannot read: {type(error).__name__}: {error}"
            count.differing.append(Miscount(entry.source, entry.path, what, 0, entry.records))
            continue
        count.records += records
        for what, number in (("records in the file", records), ("landed + set aside", entry.accounted)):
            if number != entry.records:
                count.differing.append(Miscount(entry.source, entry.path, what, number, entry.records))
    count.differing += _miscounted_rows(settings.home, history)
    return count


def _miscounted_rows(home: Path, history: History) -> list[Miscount]:
    """Deliveries whose number of rows in a raw table or in quarantine differs from the ledger.

    What has gone by age is not expected there, unless it was delivered again since.
    """
    expected: dict[tuple[str, str, str, date], int] = {}
    least: dict[tuple[str, str, str, date], int] = {}
    most: dict[tuple[str, str, str, date], tuple[int, int]] = {}
    for kind in tables.KINDS:
        for entry in history.standing(kind):
            raw = tables.RAW[kind].name
            expected[raw, kind, entry.path, entry.delivery_date] = 0 if history.gone(raw, entry) else entry.landed
    for entry in history.entries:
        if entry.source in tables.RAW:
            key = (tables.QUARANTINE.name, entry.source, entry.path, entry.delivery_date)
            gone = history.gone(tables.QUARANTINE.name, entry)
            expected[key] = 0 if gone else sum(entry.quarantined.values())
            landing, before = most.get(key, (entry.generation, 0))
            most[key] = entry.generation, max(expected[key], before if landing == entry.generation else 0)
            least.pop(key, None)
            if most[key][1] > REJECTS_KEPT and not gone:
                # only so many were in quarantine; the suppressed and those of people forgotten since were of these
                least[key] = REJECTS_KEPT - entry.suppressed - (most[key][1] - expected[key])
    counted: dict[tuple[str, str, str, date], int] = {}
    for kind, table in tables.RAW.items():
        for (path, day), rows in _rows_by(home, table, "source_file, delivery_date"):
            counted[table.name, kind, path, day] = rows
    for (kind, path, day), rows in _rows_by(home, tables.QUARANTINE, "source, source_file, delivery_date"):
        counted[tables.QUARANTINE.name, kind, path, day] = rows
    return [
        Miscount(kind, path, f"rows in {table}, {day}", counted.get(key, 0), expected.get(key, 0))
        for key in sorted(expected.keys() | counted.keys())
        for table, kind, path, day in [key]
        if counted.get(key, 0) != expected.get(key, 0)
        and not (key in least and least[key] <= counted.get(key, 0) <= min(REJECTS_KEPT, expected[key]))
    ]


def _rows_by(home: Path, table: tables.Table, columns: str) -> list[tuple[tuple, int]]:
    """The number of rows by columns, streamed, so that memory does not grow with the table."""
    rows = open_table(location_of(home, table)).to_pyarrow_dataset()
    with duckdb.connect(config={"temp_directory": str(staging_folder(home))}) as con:
        counts = con.from_arrow(rows).aggregate(f"{columns}, count(*)", columns).fetchall()
    return [(row[:-1], row[-1]) for row in counts]
