"""The deliveries ledger: what each delivery of a file brought and touched, in order.

Written by delta-rs, no engine. An entry is appended as `staged` before its tables are written and as `landed`
after: dying in between leaves a staged entry, whose file is read again and whose play dates stay touched.
"""

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import deltalake
import pyarrow as pa

from umg_assets import tables
from umg_assets.resources.delta_log import newest_version
from umg_assets.resources.parsing_files import FILE_REASONS


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; tables.DELIVERIES says what each column holds."""

    source: str
    path: str
    delivery_date: date
    sequence: int = 0
    state: Literal["staged", "landed", "accepted"] = "staged"
    signature: str = ""
    content_hash: str = ""
    definition_hash: str = ""
    records: int = 0
    landed: int = 0
    filtered: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    rows_by_play_date: dict[str, int] = field(default_factory=dict)
    repeats: list[str] = field(default_factory=list)
    play_dates: list[date] = field(default_factory=list)
    chart_months: list[date] = field(default_factory=list)
    window_dates: list[date] = field(default_factory=list)
    chart_dates: list[date] = field(default_factory=list)
    recorded_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def brought(self) -> list[date]:
        """The local play dates of its own rows."""
        return [date.fromisoformat(day) for day in self.rows_by_play_date]

    @property
    def refused(self) -> bool:
        """Whether the file was refused whole: what it held before, if anything, stays."""
        return any(reason in FILE_REASONS for reason in self.quarantined)


@dataclass(frozen=True, eq=False)
class History:
    """The ledger as read at one moment. Two are the same only when read once: what follows from one is kept by it.

    entries: staged and landed deliveries. accepted: what somebody said may land though it has shrunk.
    """

    entries: tuple[Entry, ...]
    accepted: tuple[Entry, ...] = ()

    @property
    def sequence(self) -> int:
        """The last entry's sequence; 0 for an empty ledger."""
        return max((entry.sequence for entry in (*self.entries, *self.accepted)), default=0)

    def may_shrink(self, source: str, path: str, content_hash: str) -> bool:
        """Whether somebody accepted this content of a file."""
        asked = (source, path, content_hash)
        return any(asked == (entry.source, entry.path, entry.content_hash) for entry in self.accepted)

    def latest(self) -> dict[tuple[str, str], Entry]:
        """The last landed entry of each (source, path); a staged one without its landed one hides it."""
        last: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            last[entry.source, entry.path] = entry
        return {key: entry for key, entry in last.items() if entry.state == "landed"}

    def interrupted(self) -> dict[tuple[str, str], Entry]:
        """The last entry of each (source, path) where that is a staged one: its run died."""
        last = {(entry.source, entry.path): entry for entry in self.entries}
        return {key: entry for key, entry in last.items() if entry.state == "staged"}

    def standing(self, source: str) -> list[Entry]:
        """The entries whose rows stand in the raw table: the last not refused of each (path, delivery date)."""
        last: dict[tuple[str, date], Entry] = {}
        for entry in self.entries:
            if entry.source == source and not entry.refused:
                last[entry.path, entry.delivery_date] = entry
        return list(last.values())

    def rows_by_day(self, *sources: str) -> dict[date, int]:
        """Raw rows (copies of plays, or of events) that stand, by local date."""
        rows: dict[date, int] = {}
        for entry in (entry for source in sources for entry in self.standing(source)):
            for day, count in entry.rows_by_play_date.items():
                rows[date.fromisoformat(day)] = rows.get(date.fromisoformat(day), 0) + count
        return rows

    def unfinished(self) -> list[Entry]:
        """Staged entries that no landed entry of the same (source, path, delivery date) follows."""
        open_: dict[tuple[str, str, date], list[Entry]] = {}
        for entry in self.entries:
            key = (entry.source, entry.path, entry.delivery_date)
            if entry.state == "landed":
                open_.pop(key, None)
            else:
                open_.setdefault(key, []).append(entry)
        return [entry for entries in open_.values() for entry in entries]


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
    ]
)


class Ledger:
    """The ledger under `home`/tables/deliveries."""

    def __init__(self, home: Path) -> None:
        self._path = home / "tables" / tables.DELIVERIES.name
        self._read: tuple[int, History] = (-1, History(()))

    def read(self) -> History:
        """Every entry, in order; empty before the first run. Read again only when the table has a new version."""
        newest = newest_version(self._path)
        if newest != self._read[0]:
            table = deltalake.DeltaTable(self._path)
            rows = table.to_pyarrow_table().select(_SCHEMA.names).to_pylist()
            entries = sorted((_entry(row) for row in rows), key=lambda entry: entry.sequence)
            deliveries = tuple(entry for entry in entries if entry.state != "accepted")
            accepted = tuple(entry for entry in entries if entry.state == "accepted")
            self._read = (table.version(), History(deliveries, accepted))
        return self._read[1]

    def append(self, entries: Iterable[Entry]) -> list[Entry]:
        """Appends entries in one commit and returns them with their sequence; one writer at a time."""
        with self._lock():
            first = self.read().sequence + 1
            now = datetime.now(UTC)
            numbered = [
                replace(entry, sequence=first + position, recorded_at=now) for position, entry in enumerate(entries)
            ]
            if numbered:
                rows = [
                    {
                        **asdict(entry),
                        "quarantined": list(entry.quarantined.items()),
                        "rows_by_play_date": list(entry.rows_by_play_date.items()),
                    }
                    for entry in numbered
                ]
                deltalake.write_deltalake(self._path, pa.Table.from_pylist(rows, schema=_SCHEMA), mode="append")
        return numbered

    def accept(self, held: Entry) -> None:
        """Notes that this content of a file may land though it has shrunk."""
        self.append([replace(held, state="accepted")])

    def version(self) -> int:
        """Its Delta version, which each append raises; -1 before the first run."""
        return newest_version(self._path)

    @contextmanager
    def change(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Staged entries before the tables are written, landed ones after; nothing after a failure."""
        self.append(replace(entry, state="staged") for entry in entries)
        yield
        self.append(replace(entry, state="landed") for entry in entries)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._path.parent / ".ledger.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entry(row: dict) -> Entry:
    known = {name.name for name in fields(Entry)}
    values = {name: value for name, value in row.items() if name in known}
    return Entry(
        **{
            **values,
            "quarantined": dict(values["quarantined"] or []),
            "rows_by_play_date": dict(values["rows_by_play_date"] or []),
        }
    )
