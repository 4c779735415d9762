"""What to run: the ledger, and what each partition was built from, compared. Pure: no engine, no Dagster, no I/O.

Every ledger entry has a sequence; a materialization is stamped with the last sequence that it has seen, and with the
local day on which it was made, because plays of a day that has not begun wait. A partition is stale when an entry
that touches it came after its stamp, or touches it by a day that began after its stamp.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from umg_assets.partitions import chart_key, month_of
from umg_assets.resources.ledger import History


class Stamp(NamedTuple):
    """How far: through which ledger sequence, and through which local day."""

    sequence: int
    day: date = date.min

    def covers(self, other: "Stamp") -> bool:
        """Whether it reaches as far as the other, in both."""
        return self.sequence >= other.sequence and self.day >= other.day

    def up_to(self, other: "Stamp") -> "Stamp":
        """The lesser of both, in each."""
        return Stamp(min(self.sequence, other.sequence), min(self.day, other.day))

    def and_also(self, other: "Stamp") -> "Stamp":
        """The greater of both, in each."""
        return Stamp(max(self.sequence, other.sequence), max(self.day, other.day))


NEVER = Stamp(-1)
WHOLE = ""
"""The key of the one slice of a table that has no partitions."""

DIMENSIONS = ("users", "tracks")
DAILY = ("plays", "daily_track_plays")
MONTHLY = ("monthly_track_plays",)
CHARTS = ("top_tracks_by_country",)
EXPORTS = "exports"
PLANNED = (*DIMENSIONS, *DAILY, *MONTHLY, *CHARTS, EXPORTS)

LAND = "land_files"
STAGES: dict[str, tuple[str, ...]] = {
    "update_users": DIMENSIONS[:1],
    "update_tracks": DIMENSIONS[1:],
    "build_plays": DAILY[:1],
    "sum_days": DAILY[1:],
    "sum_months": MONTHLY,
    "rank_charts": CHARTS,
    "write_exports": (EXPORTS,),
}
"""The jobs after landing, in order, each with its assets: of one partitioning, so that a range is one run."""

Stamps = Mapping[str, Mapping[str, Stamp]]
"""By asset and partition key, how far what its latest materialization was made of reaches."""


@dataclass(frozen=True)
class Plan:
    """The partitions to run, by asset; and the play dates that wait because their day has not begun."""

    partitions: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[date] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.partitions.values())


def needed(history: History, markets: Iterable[str], today: date) -> dict[str, dict[str, Stamp]]:
    """By asset and partition key, the last ledger sequence and the last day that touch it; none after today."""
    need: dict[str, dict[str, Stamp]] = {name: {} for name in PLANNED}
    markets = list(markets)

    def touch(asset: str, key: str, sequence: int, day: date) -> None:
        need[asset][key] = Stamp(sequence, day).and_also(need[asset].get(key, NEVER))

    for entry in history.entries:
        if entry.source in DIMENSIONS:
            touch(entry.source, WHOLE, entry.sequence, date.min)
        last_day: dict[date, date] = dict.fromkeys(entry.chart_months, date.min)
        for day in sorted(day for day in entry.play_dates if day <= today):
            last_day[month_of(day)] = day
            for asset in DAILY:
                touch(asset, day.isoformat(), entry.sequence, day)
        for month, day in last_day.items():
            if day > date.min:
                for asset in MONTHLY:
                    touch(asset, month.isoformat(), entry.sequence, day)
            for market in markets:
                for asset in CHARTS:
                    touch(asset, chart_key(market, month), entry.sequence, day)
            touch(EXPORTS, WHOLE, entry.sequence, day)
    return need


def plan(history: History, stamps: Stamps, markets: Iterable[str], today: date) -> Plan:
    """The stale partitions of every asset, in order of their keys."""
    stale = {
        asset: sorted(key for key, need in keys.items() if not stamps.get(asset, {}).get(key, NEVER).covers(need))
        for asset, keys in needed(history, markets, today).items()
    }
    waiting = {day for entry in history.entries for day in entry.play_dates if day > today}
    return Plan({asset: keys for asset, keys in stale.items() if keys}, sorted(waiting))


def built_from(
    upstream: Iterable[str],
    keys: Mapping[str, Iterable[str]],
    need: Mapping[str, Mapping[str, Stamp]],
    stamps: Stamps,
    read: Stamp,
) -> Stamp:
    """The stamp of a slice that was made of upstream slices: `read`, or less where one of them was stale.

    keys: by upstream asset, the partition keys that were read. read: the ledger's last sequence and the local day
    when they were.
    """
    stamp = read
    for asset in upstream:
        for key in keys[asset]:
            seen = stamps.get(asset, {}).get(key, NEVER)
            if not seen.covers(need.get(asset, {}).get(key, NEVER)):
                stamp = stamp.up_to(seen)
    return stamp


def delivery_days_of(history: History, days: Iterable[date]) -> list[date]:
    """The delivery days whose raw rows can hold plays of the days."""
    wanted = {day.isoformat() for day in days}
    return sorted({entry.delivery_date for entry in history.entries if not wanted.isdisjoint(entry.rows_by_play_date)})


def with_repeats(history: History, days: Iterable[date]) -> list[date]:
    """The days, and those on which copies of their plays lie (pairs that the ledger noted)."""
    wanted = set(days)
    linked = set(wanted)
    for entry in history.entries:
        for pair in entry.repeats:
            one, other = (date.fromisoformat(day) for day in pair.split("/"))
            if one in wanted:
                linked.add(other)
            if other in wanted:
                linked.add(one)
    return sorted(linked)


def chunks(history: History, days: Iterable[date], size: int) -> list[list[date]]:
    """The days in order, in chunks of about `size` raw plays, so that memory does not follow the history."""
    rows = raw_rows_by_day(history)
    packed: list[list[date]] = []
    held = 0
    for day in sorted(set(days)):
        count = rows.get(day, 0)
        if not packed or held + count > size:
            packed.append([])
            held = 0
        packed[-1].append(day)
        held += count
    return packed


def raw_rows_by_day(history: History) -> dict[date, int]:
    """Raw rows (copies of plays) by local play date, as the ledger counted them."""
    rows: dict[date, int] = {}
    for entry in history.standing("plays"):
        for day, count in entry.rows_by_play_date.items():
            rows[date.fromisoformat(day)] = rows.get(date.fromisoformat(day), 0) + count
    return rows
