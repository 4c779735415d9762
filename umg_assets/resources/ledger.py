"""The deliveries ledger: what each delivery of a file brought, and which dates it affects, in order.

Written by delta-rs, without an engine. An entry is appended as `staged` before its tables are written and as `landed`
after: a crash in between leaves a staged entry, whose file is read again and whose play dates stay affected. So it is
with the withdrawal of a file: `withdrawing`, then `withdrawn`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from umg_assets import clock, tables
from umg_assets.planning.history import Entry, History
from umg_assets.resources.appending import append
from umg_assets.resources.delta_log import newest_version
from umg_assets.resources.locations import Location, location_of
from umg_assets.resources.locks import exclusive, lock_file
from umg_assets.resources.reading import read_table, stored_columns
from umg_assets.resources.schema import migrate_table

_SCHEMA = pa.schema(
    [
        pa.field("sequence", pa.int64()),
        pa.field("state", pa.string()),
        pa.field("source", pa.string()),
        pa.field("path", pa.string()),
        pa.field("signature", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("definition_hash", pa.string()),
        pa.field("delivery_date", pa.date32()),
        pa.field("records", pa.int64()),
        pa.field("landed", pa.int64()),
        pa.field("filtered", pa.int64()),
        pa.field("quarantined", pa.map_(pa.string(), pa.int64())),
        pa.field("rows_by_play_date", pa.map_(pa.string(), pa.int64())),
        pa.field("repeats", pa.list_(pa.string())),
        pa.field("play_dates", pa.list_(pa.date32())),
        pa.field("chart_months", pa.list_(pa.date32())),
        pa.field("window_dates", pa.list_(pa.date32())),
        pa.field("chart_dates", pa.list_(pa.date32())),
        pa.field("recorded_at", pa.timestamp("us", tz="UTC")),
        pa.field("generation", pa.int64()),
        pa.field("suppressed", pa.int64()),
    ]
)
_OF_ENTRY = {field.name for field in fields(Entry)}


class Ledger:
    """The ledger of a lakehouse, its table deliveries."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read: tuple[int, History] = (-1, History(()))

    @property
    def _location(self) -> Location:
        return location_of(self._home, tables.DELIVERIES)

    def read(self) -> History:
        """Every entry, in order; none before the first run. Reads the table only when it has a new version."""
        newest = newest_version(self._location)
        if newest != self._read[0]:
            # not to_pyarrow_table(): the threads of Arrow's dataset abort a process that ends soon after
            rows = read_table(self._home, tables.DELIVERIES, columns=stored_columns(self._home, tables.DELIVERIES))
            # not as timestamps: a Python datetime of one takes pandas, and that takes longer than all the rest
            at = rows.schema.get_field_index("recorded_at")
            rows = rows.set_column(at, "recorded_at", rows.column(at).cast(pa.int64()))
            entries = sorted((_entry(row) for row in rows.to_pylist()), key=lambda entry: entry.sequence)
            self._read = (newest, History(()).followed_by(entries))
        return self._read[1]

    def append(self, entries: Iterable[Entry]) -> list[Entry]:
        """Appends entries in one commit and returns them with their sequence; one writer at a time."""
        with exclusive(lock_file(self._home, ".ledger.lock")):
            before, known = self.read(), self._read[0]
            first = before.sequence + 1
            now = clock.now()
            numbered = [
                replace(entry, sequence=first + position, recorded_at=now) for position, entry in enumerate(entries)
            ]
            if numbered:
                if newest_version(self._location) >= 0:
                    migrate_table(self._location, tables.DELIVERIES)
                rows = [
                    {
                        **vars(entry),
                        "quarantined": list(entry.quarantined.items()),
                        "rows_by_play_date": list(entry.rows_by_play_date.items()),
                    }
                    for entry in numbered
                ]
                append(self._home, tables.DELIVERIES, pa.Table.from_pylist(rows, schema=_SCHEMA))
                if newest_version(self._location) == known + 1:  # this commit alone: nothing else is new in the table
                    self._read = (known + 1, before.followed_by(numbered))
        return numbered

    def accept(self, held: Entry) -> None:
        """Records that this content of a file may land although the file has shrunk."""
        self.append([replace(held, state="accepted")])

    def expire(self, places: Iterable[tuple[str, str, date]]) -> None:
        """Records what goes by age, before it goes: the table or the files' asset, a path or "", the delivery day."""
        self.append([Entry(what, path, day, state="expired") for what, path, day in places])

    def version(self) -> int:
        """The ledger's Delta version, which each append raises; -1 before the first run."""
        return newest_version(self._location)

    @contextmanager
    def change(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Appends the entries as staged before the block writes the tables, and as landed after; not if it raises."""
        self.append(replace(entry, state="staged") for entry in entries)
        yield
        self.append(replace(entry, state="landed") for entry in entries)

    @contextmanager
    def withdrawal(self, entries: Sequence[Entry]) -> Iterator[None]:
        """As `change`, of files whose rows the block takes out of the tables: withdrawing before, withdrawn after."""
        self.append(replace(entry, state="withdrawing") for entry in entries)
        yield
        self.append(replace(entry, state="withdrawn") for entry in entries)


def _entry(row: dict) -> Entry:
    values = {name: value for name, value in row.items() if name in _OF_ENTRY}
    return Entry(
        **{
            **values,
            "recorded_at": Entry.recorded_at + timedelta(microseconds=values["recorded_at"]),
            "quarantined": dict(values["quarantined"] or []),
            "rows_by_play_date": dict(values["rows_by_play_date"] or []),
            "generation": values.get("generation") or 0,
            "suppressed": values.get("suppressed") or 0,
        }
    )
