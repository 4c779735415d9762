"""The deliveries ledger: what each delivery of a file brought, and which dates it affects, in order.

Written by delta-rs, without an engine. An entry is appended as `staged` before its tables are written and as `landed`
after: a crash in between leaves a staged entry, whose file is read again and whose play dates stay affected. So it is
with the withdrawal of a file: `withdrawing`, then `withdrawn`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

from umg_assets import clock, tables
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.resources.appending import append
from umg_assets.resources.delta_log import newest_version
from umg_assets.resources.ledger_rows import entries_of, rows_of
from umg_assets.resources.ledger_snapshot import Snapshot, mark_of, store, stored
from umg_assets.resources.locations import local_file, location_of
from umg_assets.resources.locks import exclusive
from umg_assets.resources.place_index import PlaceIndex
from umg_assets.resources.reading import Value, datafusion_literal, query, read_table, stored_columns
from umg_assets.resources.schema import migrate_table
from umg_assets.resources.table_location import Location

_HELD = 20_000
"""So many deliveries are held as entries. What follows from more of them is kept, and they are read when asked for."""
_KEPT = 50_000
"""Entries of days that were asked for are kept while they are so many."""
_DAYS = 5
"""Delivery days read at once."""
_NOTHING = Snapshot(History(()), "", PlaceIndex())


class Ledger:
    """The ledger of a lakehouse, its table deliveries.

    A long one is read as its snapshot and the entries after that, and of earlier ones those of the days asked for.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._read = -1, _NOTHING

    @property
    def _snapshots(self) -> Path:
        return local_file(self._home, f".{tables.DELIVERIES.name}.snapshot")

    @property
    def _location(self) -> Location:
        return location_of(self._home, tables.DELIVERIES)

    def read(self) -> History:
        """What has been delivered; nothing before the first run. Reads the table only when it has a new version."""
        newest, (version, known) = newest_version(self._location), self._read
        if newest != version:
            before = known if version >= 0 else stored(self._snapshots, self._store) or _NOTHING
            self._read = newest, self._settled(before, self._read_on(before))
        return self._read[1].history

    def _read_on(self, known: Snapshot) -> Snapshot:
        """With what was appended since; read from the beginning where the table does not hold the last entry known."""
        columns = stored_columns(self._home, tables.DELIVERIES)
        newest = query(self._home, f"select max(sequence) as newest from {tables.DELIVERIES.name}", tables.DELIVERIES)
        last, begin = newest.column("newest")[0].as_py() or 0, known.history.sequence
        for first in range(begin, last + 1, _HELD):
            entries = _entries(self._home, [("sequence", ">=", first), ("sequence", "<", first + _HELD)], columns)
            if first == begin > 0:
                if not entries or mark_of(entries[0]) != known.last:
                    return self._read_on(_NOTHING)
                entries = entries[1:]
            known = _followed_by(known, entries)
            if len(known.history.later) > _HELD:
                known = self._folded(known)
        return known if begin <= last else self._read_on(_NOTHING)

    def _settled(self, before: Snapshot, known: Snapshot) -> Snapshot:
        """What is known, without its entries where they are many: then the next process begins with what is stored."""
        if known.history.past is before.history.past and len(known.history.later) <= _HELD:
            return known
        folded = self._folded(known)
        with suppress(OSError):  # who may only read the ledger reads all of it the next time, too
            store(self._snapshots, folded)
        return folded

    def _folded(self, known: Snapshot) -> Snapshot:
        index = known.index.with_entries(known.history.later)
        return Snapshot(known.history.folded(self._store(known.history.sequence, index)), known.last, index)

    def _store(self, until: int, index: PlaceIndex) -> "_Stored":
        return _Stored(self._home, until, index)

    def append(self, entries: Iterable[Entry]) -> list[Entry]:
        """Appends entries in one commit and returns them with their sequence; one writer at a time."""
        with exclusive(local_file(self._home, ".ledger.lock")):
            first = self.read().sequence + 1
            version, before = self._read
            now = clock.now()
            numbered = [
                replace(entry, sequence=first + position, recorded_at=now) for position, entry in enumerate(entries)
            ]
            if numbered:
                if newest_version(self._location) >= 0:
                    migrate_table(self._location, tables.DELIVERIES)
                append(self._home, tables.DELIVERIES, rows_of(numbered))
                if newest_version(self._location) == version + 1:  # this commit alone: nothing else is new in the table
                    self._read = version + 1, self._settled(before, _followed_by(before, numbered))
        return numbered

    def accept(self, held: Entry) -> None:
        """Records that this content of a file may land although the file has shrunk."""
        self.append([replace(held, state="accepted")])

    def expire(self, places: Iterable[tuple[str, str, date]], settled: Sequence[Entry] = ()) -> None:
        """Records what goes by age, before it goes: the table or the files' asset, a path or "", the delivery day.

        settled: what is noted in the same commit, if anything goes (planning/composed_ids.still_settled).
        """
        if going := [Entry(what, path, day, state="expired") for what, path, day in places]:
            self.append([*going, *settled])

    def first_with(self, definition: str) -> int | None:
        """The sequence of the first entry whose definition holds a text; None where there is none."""
        holds = f"strpos(definition_hash, {datafusion_literal(definition)}) > 0"
        sql = f"select min(sequence) as first from {tables.DELIVERIES.name} where {holds}"
        return query(self._home, sql, tables.DELIVERIES).column("first")[0].as_py()

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


class _Stored:
    """Where entries up to a sequence are: in the table, by their delivery days."""

    def __init__(self, home: Path, until: int, index: PlaceIndex) -> None:
        self._home, self._until = home, until
        self.days_of = index.days_of
        self._kept: dict[date, list[Entry]] = {}

    def entries(self, days: Collection[date]) -> Iterator[Entry]:
        """Deliveries, by their delivery days; each day's are in order."""
        kept = dict(self._kept)  # another thread may put other days in their place
        for day in sorted(kept.keys() & set(days)):
            yield from kept[day]
        asked = sorted(set(days) - kept.keys())
        columns = stored_columns(self._home, tables.DELIVERIES) if asked else []
        for first in range(0, len(asked), _DAYS):
            some = asked[first : first + _DAYS]
            where = [("delivery_date", "in", some), ("sequence", "<=", self._until)]
            found: dict[date, list[Entry]] = {day: [] for day in some}
            for entry in _entries(self._home, where, columns):
                if entry.state not in ("accepted", "expired"):
                    found[entry.delivery_date].append(entry)
            for entries in found.values():
                yield from entries
            self._keep(found)

    def _keep(self, found: dict[date, list[Entry]]) -> None:
        kept = {**self._kept, **found}
        while len(kept) > 1 and sum(map(len, kept.values())) > _KEPT:
            del kept[next(iter(kept))]
        self._kept = kept


def _entries(
    home: Path, where: Sequence[tuple[str, str, Value | Sequence[Value]]], columns: Sequence[str]
) -> list[Entry]:
    """Entries that meet conditions of `read_table`, in order."""
    return entries_of(read_table(home, tables.DELIVERIES, where, columns))


def _followed_by(known: Snapshot, entries: Sequence[Entry]) -> Snapshot:
    last = mark_of(entries[-1]) if entries else known.last
    return known._replace(history=known.history.followed_by(entries), last=last)
