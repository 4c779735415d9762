"""The deliveries ledger as read: its entries and what follows from them. Pure: resources/ledger.py stores it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Literal

from umg_assets import tables
from umg_assets.files.rejects import FILE_REASONS
from umg_assets.tables import Kind

DIMENSION_CHANGE = "stamps"
"""The source of an entry that a changed users or tracks table writes, or one whose frozen days lose somebody's rows: no
file's; existing ledgers hold this value."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; tables.DELIVERIES says what each column holds."""

    source: str
    path: str
    delivery_date: date
    sequence: int = 0
    state: Literal["staged", "landed", "withdrawing", "withdrawn", "accepted", "expired"] = "staged"
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
    generation: int = 0
    suppressed: int = 0

    @property
    def place(self) -> tuple[str, date]:
        """The path and the delivery date of its rows."""
        return self.path, self.delivery_date

    @property
    def brought(self) -> list[date]:
        """The local play dates of its own rows."""
        return [date.fromisoformat(day) for day in self.rows_by_play_date]

    @property
    def accounted(self) -> int:
        """The records that became something: landed, filtered, suppressed or in quarantine."""
        return self.landed + self.filtered + self.suppressed + sum(self.quarantined.values())

    @property
    def definition(self) -> str:
        """The hash of its source's definition, without `tried_by`."""
        return self.definition_hash.partition("~")[0]

    @property
    def tried_by(self) -> str:
        """The version of umg that failed over a file which an internal error refused; else empty."""
        return self.definition_hash.partition("~")[2]

    @property
    def refused(self) -> bool:
        """Whether the file was refused whole: what it held before, if anything, stays."""
        return any(reason in FILE_REASONS for reason in self.quarantined)


@dataclass(frozen=True, eq=False)
class History:
    """The ledger as read at one moment. Two are the same only when read once: what follows from one is kept by it.

    entries: deliveries staged and landed, and files being withdrawn. accepted: what somebody said may land though it
    has shrunk. expired: what has gone by age: the source names the table, or the files (landing_plays ...); an empty
    path means the whole delivery day.
    """

    entries: tuple[Entry, ...]
    accepted: tuple[Entry, ...] = ()
    expired: tuple[Entry, ...] = ()

    def followed_by(self, entries: Sequence[Entry]) -> "History":
        """This history and later entries, in the order of their sequence."""
        kept = {"accepted": list(self.accepted), "expired": list(self.expired)}
        deliveries = list(self.entries)
        for entry in entries:
            kept.get(entry.state, deliveries).append(entry)
        return History(tuple(deliveries), tuple(kept["accepted"]), tuple(kept["expired"]))

    @property
    def sequence(self) -> int:
        """The last entry's sequence; 0 for an empty ledger."""
        return max((entry.sequence for entry in (*self.entries, *self.accepted, *self.expired)), default=0)

    @property
    def generation(self) -> int:
        """The number of the last landing; 0 for none."""
        return max((entry.generation for entry in self.entries), default=0)

    def may_shrink(self, source: str, path: str, content_hash: str) -> bool:
        """Whether somebody accepted this content of a file, or of a folder."""
        asked = (source, path, content_hash)
        return any(asked == (entry.source, entry.path, entry.content_hash) for entry in self.accepted)

    def latest(self) -> dict[tuple[str, str], Entry]:
        """The last landed entry of each (source, path); a staged one without its landed one hides it."""
        last: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            last[entry.source, entry.path] = entry
        return {key: entry for key, entry in last.items() if entry.state == "landed"}

    def to_try_again(self, version: str) -> dict[tuple[str, str], Entry]:
        """By (source, path), last entries that an internal error refused in another version, or before an `accept`."""
        accepted = {(entry.source, entry.path, entry.content_hash): entry.sequence for entry in self.accepted}
        return {
            key: entry
            for key, entry in self.latest().items()
            if entry.tried_by
            and (entry.tried_by != version or accepted.get((*key, entry.content_hash), 0) > entry.sequence)
        }

    def delivered(self) -> list[Entry]:
        """The last landed entry of each file of landing/ and delivery date, refused ones included, none withdrawn."""
        last = {
            (entry.source, entry.path, entry.delivery_date): entry
            for entry in self.entries
            if entry.state in ("landed", "withdrawn") and entry.source != DIMENSION_CHANGE
        }
        return [entry for entry in last.values() if entry.state == "landed"]

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
        last: dict[tuple[str, date], Entry] = {}
        for entry in self.entries:
            if entry.source == source and not entry.refused:
                last[entry.path, entry.delivery_date] = entry
        return [entry for entry in last.values() if entry.state != "withdrawn"]

    def rows_by_day(self, *sources: str) -> dict[date, int]:
        """Raw rows (copies of plays, or of events) that stand, by local date."""
        rows: dict[date, int] = {}
        for entry in (entry for source in sources for entry in self.standing(source)):
            for day, count in entry.rows_by_play_date.items():
                rows[date.fromisoformat(day)] = rows.get(date.fromisoformat(day), 0) + count
        return rows

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
        return dict(self._gone_rows.get(kind, {}))

    @cached_property
    def _gone_rows(self) -> dict[Kind, dict[date, int]]:
        rows: dict[Kind, dict[date, int]] = {kind: {} for kind in tables.OCCURRENCES}
        for kind, entry, at in self._gone_standing() if self.expired else ():
            for day, count in zip(entry.brought, entry.rows_by_play_date.values(), strict=True):
                if day <= at.date():
                    rows[kind][day] = rows[kind].get(day, 0) + count
        return rows

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

    def _gone_standing(self) -> Iterator[tuple[Kind, Entry, datetime]]:
        for kind in tables.OCCURRENCES:
            for entry in self.standing(kind):
                if at := self._gone_at(tables.RAW[kind].name, entry):
                    yield kind, entry, at

    def unfinished(self) -> list[Entry]:
        """Entries of crashed runs: no landed or withdrawn one of the same (source, path, delivery date) follows."""
        open_: dict[tuple[str, str, date], list[Entry]] = {}
        for entry in self.entries:
            key = (entry.source, entry.path, entry.delivery_date)
            if entry.state in ("landed", "withdrawn"):
                open_.pop(key, None)
            else:
                open_.setdefault(key, []).append(entry)
        return [entry for entries in open_.values() for entry in entries]


def delivery_days_of(history: History, days: Iterable[date], kind: Kind = "plays") -> list[date]:
    """The delivery days whose raw rows can hold plays (or events) of the days."""
    wanted = {day.isoformat() for day in days}
    return sorted(
        {
            entry.delivery_date
            for entry in history.entries
            if entry.source == kind and not wanted.isdisjoint(entry.rows_by_play_date)
        }
    )


def with_repeats(history: History, days: Iterable[date], kind: str = "plays") -> list[date]:
    """The days, and those on which copies of their plays (or events) lie (pairs that the ledger noted)."""
    wanted = set(days)
    linked = set(wanted)
    for entry in history.entries:
        for pair in entry.repeats if entry.source == kind else ():
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
