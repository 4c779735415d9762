"""One line of the deliveries ledger, and which lines count of each file and delivery day. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, Literal

from umg_assets.files.rejects import FILE_REASONS

DIMENSION_CHANGE = "stamps"
"""The source of an entry that a changed users or tracks table writes, or one whose rows are changed in place (without
somebody who is forgotten; ids hashed): no file's; existing ledgers hold this value."""
PSEUDONYMS = "-pseudonyms"
"""What the definition of a delivery ends in if its ids that contain a user's have pseudonyms; ledgers hold it."""


@dataclass(frozen=True, slots=True)
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
    def folder(self) -> str:
        """The folder in which its file lies."""
        return folder_of(self.path)

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
    def has_pseudonyms(self) -> bool:
        """Whether its raw rows landed with pseudonyms for ids that contain a user's."""
        return self.definition.endswith(PSEUDONYMS)

    @property
    def tried_by(self) -> str:
        """The version of umg that failed over a file which an internal error refused; else empty."""
        return self.definition_hash.partition("~")[2]

    @property
    def refused(self) -> bool:
        """Whether the file was refused whole: what it held before, if anything, stays."""
        return any(reason in FILE_REASONS for reason in self.quarantined)


def entry_of(content: Mapping[str, Any]) -> Entry:
    """An entry from the JSON of its fields, as `asdict` and `iso` make it."""
    types: dict[str, Any] = {column.name: column.type for column in fields(Entry)}
    values = dict(content)
    for name, value in content.items():
        if types[name] in (date, datetime):
            values[name] = types[name].fromisoformat(value)
        elif types[name] == list[date]:
            values[name] = [date.fromisoformat(day) for day in value]
    return Entry(**values)


def iso(value: Any) -> str:
    """A date or an instant for JSON."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def folder_of(path: str) -> str:
    """The folder of a file, named as files are: `.` for landing/ itself."""
    return path.rpartition("/")[0] or "."


def delivered(entries: Iterable[Entry]) -> list[Entry]:
    """The last landed entry of each file of landing/ and delivery date, refused ones included, none withdrawn."""
    last = {
        (entry.source, entry.path, entry.delivery_date): entry
        for entry in entries
        if entry.state in ("landed", "withdrawn") and entry.source != DIMENSION_CHANGE
    }
    return [entry for entry in last.values() if entry.state == "landed"]


def standing(entries: Iterable[Entry], source: str) -> list[Entry]:
    """The entries whose rows stand in the raw table: the last not refused of each (path, delivery date)."""
    last: dict[tuple[str, date], Entry] = {}
    for entry in entries:
        if entry.source == source and not entry.refused:
            last[entry.place] = entry
    return [entry for entry in last.values() if entry.state != "withdrawn"]


def unfinished(entries: Iterable[Entry]) -> list[Entry]:
    """Entries of files in crashed runs: no landed or withdrawn one of the same (source, path, delivery date) follows.

    A change of a table needs no finishing: the dates that it named stay affected, and its table is built again.
    """
    open_: dict[tuple[str, str, date], list[Entry]] = {}
    for entry in entries:
        if entry.source == DIMENSION_CHANGE:
            continue
        key = (entry.source, entry.path, entry.delivery_date)
        if entry.state in ("landed", "withdrawn"):
            open_.pop(key, None)
        else:
            open_.setdefault(key, []).append(entry)
    return [entry for of_place in open_.values() for entry in of_place]
