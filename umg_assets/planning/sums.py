"""What the ledger's entries of one delivery day come to: enough for every question that names no file. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from umg_assets import tables
from umg_assets.planning.entry import Entry, delivered, standing, unfinished


@dataclass(slots=True)
class Tally:
    """Landed files, summed.

    records: read, of which `read` in files that were not refused whole, and `set_aside` in quarantine of these.
    reasons: records in quarantine, by reason; a file refused whole is one.
    """

    files: int = 0
    refused: int = 0
    records: int = 0
    read: int = 0
    set_aside: int = 0
    landed: int = 0
    filtered: int = 0
    suppressed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Entry) -> "Tally":
        """Counts a landed entry of the ledger."""
        self.files += 1
        self.refused += entry.refused
        self.records += entry.records
        if not entry.refused:
            self.read += entry.records
            self.set_aside += sum(entry.quarantined.values())
        self.landed += entry.landed
        self.filtered += entry.filtered
        self.suppressed += entry.suppressed
        _add(self.reasons, entry.quarantined)
        return self

    def __iadd__(self, other: "Tally") -> "Tally":
        """Counts what another one has counted."""
        for name in ("files", "refused", "records", "read", "set_aside", "landed", "filtered", "suppressed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        _add(self.reasons, other.reasons)
        return self


@dataclass(slots=True)
class SourceSums:
    """Of one source and delivery day.

    first, last: the sequences of its entries. delivered: the last landed entries of its files, by the hash of the
    source's definition. landed_at: when the last of them landed. brought: their rows, by local date. standing: files
    whose rows stand in the raw table; rows: these, by local date; gone: those of them that have gone by age. named:
    local dates of which any entry brought rows. tried: files refused by an internal error. unfinished: entries of
    files in crashed runs. Dates are ISO.
    """

    first: int
    last: int
    delivered: dict[str, Tally] = field(default_factory=dict)
    landed_at: datetime | None = None
    brought: dict[str, int] = field(default_factory=dict)
    standing: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    tried: int = 0
    unfinished: int = 0

    @property
    def tally(self) -> Tally:
        """Of all files delivered."""
        return tally_of(self.delivered.values())

    @property
    def suppressed(self) -> int:
        """Records of people who have been forgotten."""
        return sum(tally.suppressed for tally in self.delivered.values())


@dataclass(frozen=True, slots=True)
class DaySums:
    """Of one delivery day: its paths, whatever became of them; and the sums of each source."""

    paths: int
    sources: Mapping[str, SourceSums]

    @property
    def first(self) -> int:
        """The sequence of its first entry."""
        return min(sums.first for sums in self.sources.values())

    @property
    def last(self) -> int:
        """The sequence of its last entry."""
        return max(sums.last for sums in self.sources.values())


def tally_of(tallies: Iterable[Tally]) -> Tally:
    """What they come to together."""
    total = Tally()
    for tally in tallies:
        total += tally
    return total


def sums_of(entries: Collection[Entry], gone_at: Callable[[str, Entry], datetime | None]) -> DaySums:
    """The sums of one delivery day's entries, which are in order.

    gone_at: when what an entry brought into a table, by its name, went by age; None while it is there.
    """
    by_source: dict[str, list[Entry]] = {}
    for entry in entries:
        by_source.setdefault(entry.source, []).append(entry)
    return DaySums(
        len({entry.path for entry in entries}),
        {source: _of_source(source, of_source, gone_at) for source, of_source in by_source.items()},
    )


def _of_source(source: str, entries: list[Entry], gone_at: Callable[[str, Entry], datetime | None]) -> SourceSums:
    sums = SourceSums(entries[0].sequence, entries[-1].sequence, unfinished=len(unfinished(entries)))
    for entry in delivered(entries):
        sums.delivered.setdefault(entry.definition, Tally()).add(entry)
        sums.landed_at = max(entry.recorded_at, sums.landed_at or entry.recorded_at)
        sums.tried += bool(entry.tried_by)
        _add(sums.brought, entry.rows_by_play_date)
    for entry in standing(entries, source):
        sums.standing += 1
        _add(sums.rows, entry.rows_by_play_date)
        if source in tables.OCCURRENCES and (at := gone_at(tables.RAW[source].name, entry)):
            # rows of days that had not begun when they went were in no table
            begun = at.date().isoformat()
            _add(sums.gone, {day: rows for day, rows in entry.rows_by_play_date.items() if day <= begun})
    sums.named = sorted({day for entry in entries for day in entry.rows_by_play_date})
    return sums


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
