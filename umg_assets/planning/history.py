"""The deliveries ledger as read: its entries and what follows from them. Pure: resources/ledger.py stores it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import chain

from umg_assets import tables
from umg_assets.graph import Noted
from umg_assets.planning.entry import DIMENSION_CHANGE, Entry, delivered, standing, unfinished
from umg_assets.planning.past import Changes, Past, Store
from umg_assets.planning.sums import DaySums, SourceSums, sums_of
from umg_assets.tables import Kind

_RAW_NAMES: dict[str, str] = {kind: table.name for kind, table in tables.RAW.items()}
_DATED = tuple((noted, noted.value) for noted in Noted if noted is not Noted.EVERY_DELIVERY)


@dataclass(frozen=True, eq=False)
class History:
    """The ledger as read at one moment. Two are the same only when read once: what follows from one is kept by it.

    later: deliveries staged and landed, and files being withdrawn: all of them, or those after `past`. accepted: what
    somebody said may land though it has shrunk. expired: what has gone by age: the source names the table, or the files
    (landing_plays ...); an empty path means the whole delivery day. past: earlier deliveries. sums: of delivery days of
    which they are known.
    """

    later: tuple[Entry, ...]
    accepted: tuple[Entry, ...] = ()
    expired: tuple[Entry, ...] = ()
    past: Past = field(default_factory=Past)
    sums: Mapping[date, DaySums] = field(default_factory=dict)

    def followed_by(self, entries: Sequence[Entry]) -> "History":
        """This history and later entries, in the order of their sequence."""
        kept = {"accepted": list(self.accepted), "expired": list(self.expired)}
        deliveries = list(self.later)
        for entry in entries:
            kept.get(entry.state, deliveries).append(entry)
        changed = {entry.delivery_date for entry in entries}
        computed = self.__dict__.get("days", self.sums)  # if somebody has asked for them
        known = {day: sums for day, sums in computed.items() if day not in changed}
        return History(tuple(deliveries), tuple(kept["accepted"]), tuple(kept["expired"]), self.past, known)

    def before_expiries(self, sequence: int) -> "History":
        """This history without what went by age from a sequence on, as if that were there still."""
        gone_since = {expiry.delivery_date for expiry in self.expired if expiry.sequence >= sequence}
        expired = tuple(expiry for expiry in self.expired if expiry.sequence < sequence)
        sums = {day: of_day for day, of_day in self.days.items() if day not in gone_since}
        return History(self.later, self.accepted, expired, self.past, sums)

    def folded(self, store: Store) -> "History":
        """The same history without its deliveries, which `store` has up to its sequence."""
        past = Past(self.sequence, self.generation, self.days, self.noted, self.repeats, store)
        return History((), self.accepted, self.expired, past, past.days)

    @cached_property
    def days(self) -> dict[date, DaySums]:
        """The sums of each delivery day."""
        new = (self.past.days.keys() | {entry.delivery_date for entry in self.later}) - self.sums.keys()
        by_day: dict[date, list[Entry]] = {}
        for entry in chain(self.past.entries(new), (entry for entry in self.later if entry.delivery_date in new)):
            by_day.setdefault(entry.delivery_date, []).append(entry)
        return {**self.sums, **{day: sums_of(entries, self._gone_at) for day, entries in by_day.items()}}

    @cached_property
    def noted(self) -> Changes:
        """The dates that deliveries affect; see Changes."""
        noted = {key: dict(dates) for key, dates in self.past.noted.items()}
        for entry in self.later:
            changed = entry.path if entry.source == DIMENSION_CHANGE else _RAW_NAMES[entry.source]
            noted.setdefault((changed, Noted.EVERY_DELIVERY), {})[entry.delivery_date] = entry.sequence
            for way, column in _DATED:
                if dates := getattr(entry, column):
                    noted.setdefault((changed, way), {}).update(dict.fromkeys(dates, entry.sequence))
        return noted

    @cached_property
    def repeats(self) -> dict[str, frozenset[str]]:
        """By source, pairs of local dates (ISO/ISO) that share an id."""
        repeats = {source: set(pairs) for source, pairs in self.past.repeats.items()}
        for entry in self.later:
            if entry.repeats:
                repeats.setdefault(entry.source, set()).update(entry.repeats)
        return {source: frozenset(pairs) for source, pairs in repeats.items()}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All deliveries, in order: where the ledger is long, ask for a part of it."""
        return self._part(chain(self.past.entries(self.past.days), self.later)).later

    def of_days(self, days: Collection[date]) -> "History":
        """The part about some delivery days."""
        found = chain(self.past.entries(days), (entry for entry in self.later if entry.delivery_date in days))
        return self._part(found)

    def about(
        self, places: Collection[tuple[str, str]], folders: Collection[tuple[str, str]] = frozenset()
    ) -> "History":
        """The part about these (source, path), and about files in these (source, folder)."""
        days = self.past.store.days_of(places, folders) if self.past.store else ()
        found = chain(self.past.entries(days), self.later)
        return self._part(
            entry
            for entry in found
            if (entry.source, entry.path) in places or (folders and (entry.source, entry.folder) in folders)
        )

    def _part(self, entries: Iterable[Entry]) -> "History":
        in_order = sorted(entries, key=lambda entry: entry.sequence) if self.past.days else entries
        return History(tuple(in_order), self.accepted, self.expired)

    @cached_property
    def sequence(self) -> int:
        """The last entry's sequence; 0 for an empty ledger."""
        held = (entry.sequence for entry in (*self.later, *self.accepted, *self.expired))
        return max((self.past.sequence, *held))

    @property
    def generation(self) -> int:
        """The number of the last landing; 0 for none."""
        return max((self.past.generation, *(entry.generation for entry in self.later)))

    def unseen(self, seen: int, named: int) -> tuple[list[date], int, list[str]]:
        """Of entries after a sequence: their delivery days, the number of their paths, and the first few of these."""
        unseen = sorted((sums.first, day) for day, sums in self.days.items() if sums.last > seen)
        partly = {day for first, day in unseen if first <= seen}
        paths: dict[tuple[date, str], int] = {}
        whole = [(first, day) for first, day in unseen if day not in partly]
        self._first_seen(partly, seen, paths)
        number = len(paths) + sum(self.days[day].paths for _, day in whole)
        for first, day in whole:
            if len(paths) >= named and sorted(paths.values())[named - 1] < first:
                break
            self._first_seen({day}, seen, paths)
        names = sorted(paths, key=paths.__getitem__)[:named]
        return sorted(day for _, day in unseen), number, [path for _, path in names]

    def _first_seen(self, days: Collection[date], seen: int, paths: dict[tuple[date, str], int]) -> None:
        for entry in self.of_days(days).later if days else ():
            if entry.sequence > seen:
                paths.setdefault((entry.delivery_date, entry.path), entry.sequence)

    def accepted_at(self, source: str, path: str, content_hash: str) -> int | None:
        """The sequence at which somebody last accepted this content of a file, or of a folder; None if nobody did."""
        return self._accepted_at.get((source, path, content_hash))

    @cached_property
    def _accepted_at(self) -> dict[tuple[str, str, str], int]:
        return {(entry.source, entry.path, entry.content_hash): entry.sequence for entry in self.accepted}

    def latest(self) -> dict[tuple[str, str], Entry]:
        """The last landed entry of each (source, path); a staged one without its landed one hides it."""
        last: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            last[entry.source, entry.path] = entry
        return {key: entry for key, entry in last.items() if entry.state == "landed"}

    def to_try_again(self, version: str) -> dict[tuple[str, str], Entry]:
        """By (source, path), last entries that an internal error refused in another version, or before an `accept`."""
        return {
            key: entry
            for key, entry in self.latest().items()
            if entry.tried_by
            and (entry.tried_by != version or (self.accepted_at(*key, entry.content_hash) or 0) > entry.sequence)
        }

    def delivered(self) -> list[Entry]:
        """The last landed entry of each file of landing/ and delivery date, refused ones included, none withdrawn."""
        return delivered(self.entries)

    def not_withdrawn(self) -> list[Entry]:
        """The last entry, in whatever state, of each file of landing/ and delivery date that is not withdrawn."""
        last = {(entry.source, entry.path, entry.delivery_date): entry for entry in self.entries}
        return [entry for entry in last.values() if entry.state != "withdrawn" and entry.source != DIMENSION_CHANGE]

    def interrupted(self) -> dict[tuple[str, str], Entry]:
        """The last entry of each (source, path) where that is a staged one: its run died."""
        last = {(entry.source, entry.path): entry for entry in self.entries}
        return {key: entry for key, entry in last.items() if entry.state == "staged"}

    def standing(self, source: str) -> list[Entry]:
        """The entries whose rows stand in the raw table: the last not refused of each (path, delivery date)."""
        return standing(self.entries, source)

    def sums_of(self, source: str) -> dict[date, SourceSums]:
        """The sums of a source's delivery days, by day."""
        return {day: sums.sources[source] for day, sums in self.days.items() if source in sums.sources}

    def rows_by_day(self, *sources: str) -> dict[date, int]:
        """Raw rows (copies of plays, or of events) that stand, by local date."""
        return _by_date(sums.rows for source in sources for sums in self.sums_of(source).values())

    def gone(self, what: str, entry: Entry) -> bool:
        """Whether what an entry brought has gone by age since. what: a table's name, or the asset of a kind's files."""
        return self._gone_at(what, entry) is not None

    def _gone_at(self, what: str, entry: Entry) -> datetime | None:
        later = (
            expiry.recorded_at
            for expiry in self._expiries.get((what, entry.delivery_date), ())
            if expiry.sequence > entry.sequence and expiry.path in ("", entry.path)
        )
        return max(later, default=None)

    @cached_property
    def _expiries(self) -> dict[tuple[str, date], list[Entry]]:
        expiries: dict[tuple[str, date], list[Entry]] = {}
        for entry in self.expired:
            expiries.setdefault((entry.source, entry.delivery_date), []).append(entry)
        return expiries

    def gone_rows(self, kind: Kind) -> dict[date, int]:
        """Raw plays (or events) that have gone by age, by local date. A day without any can be built again from raw.

        Rows of days that had not begun when they went were in no table: they are left out.
        """
        return _by_date(sums.gone for sums in self.sums_of(kind).values()) if self.expired else {}

    def back_in_reach(self, since: date) -> dict[tuple[str, str], Entry]:
        """By (source, path), last entries whose raw rows have gone by age, of delivery days from `since` on.

        Rows of that age are kept now: if their files are put back into landing/, they land again.
        """
        if not self.expired:
            return {}
        raw: dict[str, str] = {kind: tables.RAW[kind].name for kind in tables.OCCURRENCES}
        return {
            (kind, path): entry
            for (kind, path), entry in self.latest().items()
            if kind in raw and entry.delivery_date >= since and self.gone(raw[kind], entry)
        }

    def unfinished(self) -> list[Entry]:
        """Entries of files in crashed runs: no landed or withdrawn one of the same (source, path, delivery date)
        follows."""
        return unfinished(self.with_any("unfinished").later)

    def with_any(self, what: str) -> "History":
        """The part about delivery days of which sums hold any of this, a field of SourceSums."""
        return self.of_days(
            {day for day, sums in self.days.items() if any(getattr(of, what) for of in sums.sources.values())}
        )


def _by_date(counts: Iterable[Mapping[str, int]]) -> dict[date, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return {date.fromisoformat(day): rows for day, rows in total.items()}


def delivery_days_of(history: History, days: Iterable[date], kind: Kind = "plays") -> list[date]:
    """The delivery days whose raw rows can hold plays (or events) of the days."""
    wanted = {day.isoformat() for day in days}
    return sorted(day for day, sums in history.sums_of(kind).items() if not wanted.isdisjoint(sums.named))


def with_repeats(history: History, days: Iterable[date], kind: str = "plays") -> list[date]:
    """The days, and those on which copies of their plays (or events) lie (pairs that the ledger noted)."""
    wanted = set(days)
    linked = set(wanted)
    for pair in history.repeats.get(kind, ()):
        first, second = (date.fromisoformat(day) for day in pair.split("/"))
        if first in wanted:
            linked.add(second)
        if second in wanted:
            linked.add(first)
    return sorted(linked)


def chunks(history: History, days: Iterable[date], size: int, unbroken: bool = False) -> list[list[date]]:
    """The days in order, in chunks of about `size` raw plays and events, so that memory does not follow the history.

    unbroken: a chunk holds no gap between its days.
    """
    rows = history.rows_by_day("plays", "events")
    packed: list[list[date]] = []
    held = 0
    for day in sorted(set(days)):
        count = rows.get(day, 0)
        gap = unbroken and packed and day - packed[-1][-1] > timedelta(days=1)
        if not packed or gap or held + count > size:
            packed.append([])
            held = 0
        packed[-1].append(day)
        held += count
    return packed
