"""What to run: the ledger, and what each partition was built from, compared. Pure: no engine, no Dagster, no I/O.

Every ledger entry has a sequence; a materialization is stamped with the last sequence that it has seen, and with the
local day on which it was made, because plays of a day that has not begun wait. A partition is stale when an entry
that touches it came after its stamp, or touches it by a day that began after its stamp.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from umg_assets.experiments.days import days_asset, evidence_days, readout_asset, settles_on
from umg_assets.experiments.definition import Experiment
from umg_assets.partitions import (
    EVENT_DAYS_AROUND,
    SESSION_DAYS_AFTER,
    SESSION_DAYS_BEFORE,
    chart_key,
    days_around,
    month_of,
)
from umg_assets.resources.ledger import History
from umg_assets.settings import Settings
from umg_assets.tables import Kind


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
WINDOWS = ("top_artists_by_genre", "age_group_favourites")
DAILY = ("plays", "sessions", "daily_track_plays", *WINDOWS)
MONTHLY = ("monthly_track_plays",)
CHARTS = ("top_tracks_by_country",)
BY_MARKET = ("chart_movements",)
EXPORTS = "exports"
EXPORTED = (*CHARTS, *BY_MARKET, *WINDOWS)
PLANNED = (*DIMENSIONS, *DAILY, *MONTHLY, *CHARTS, *BY_MARKET, EXPORTS)
MEASURES = ("visits", "user_days", "exposure_days")
"""What every experiment reads, by local day; planned where experiments are configured."""
OF_SESSIONS = ("sessions", "visits", "user_days")
"""Daily assets of which a day is made of the days around it."""

Stamps = Mapping[str, Mapping[str, Stamp]]
"""By asset and partition key, how far what its latest materialization was made of reaches."""


@dataclass(frozen=True)
class Scope:
    """What the settings say of partitions.

    The first local day, the markets, the days of each window chart; whether plays are made of events, too; the
    experiments.
    """

    first_day: date
    markets: tuple[str, ...]
    windows: Mapping[str, int] = field(hash=False)
    event_plays: bool = False
    experiments: Mapping[str, Experiment] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, settings: Settings) -> "Scope":
        """The scope of these settings."""
        days = settings.charts.top_artists_days, settings.charts.favourites_days
        windows: dict[str, int] = dict(zip(WINDOWS, days, strict=True))
        return cls(settings.first_day, settings.markets, windows, settings.event_plays, settings.experiments)

    @property
    def planned(self) -> tuple[str, ...]:
        """Every asset that is planned, in the order in which they follow from each other."""
        measured = MEASURES if self.experiments else ()
        own = [asset for name in self.experiments for asset in (days_asset(name), readout_asset(name))]
        return (*PLANNED, *measured, *own)

    @property
    def definitions(self) -> dict[str, str]:
        """By asset of an experiment, the hash of its definition: what was made by another one is stale."""
        return {
            asset: experiment.definition_hash
            for name, experiment in self.experiments.items()
            for asset in (days_asset(name), readout_asset(name))
        }

    def reach(self, day: date, today: date) -> dict[str, list[date]]:
        """By daily asset, the days up to today whose slice counts a play of the day."""
        reach = {
            "plays": [day],
            "sessions": days_around(day, -SESSION_DAYS_AFTER, SESSION_DAYS_BEFORE),
            "daily_track_plays": [day],
            **{name: days_around(day, 0, days - 1) for name, days in self.windows.items()},
        }
        if self.experiments:
            reach |= dict.fromkeys(("visits", "user_days"), reach["sessions"])
        return {name: [one for one in days if self.first_day <= one <= today] for name, days in reach.items()}

    def reach_of_events(self, day: date, today: date) -> dict[str, list[date]]:
        """By asset of MEASURES, the days up to today whose slice counts an event of the day."""
        if not self.experiments:
            return {}
        reach = self.reach(day, today)
        return {"visits": reach["visits"], "user_days": reach["user_days"], "exposure_days": reach["plays"]}


@dataclass(frozen=True)
class Plan:
    """The partitions to run, by asset; and the play dates that wait because their day has not begun."""

    partitions: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[date] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.partitions.values())


@functools.lru_cache(maxsize=2)
def needed(history: History, scope: Scope, today: date) -> Mapping[str, Mapping[str, Stamp]]:
    """By asset and partition key, the last ledger sequence and the last day that touch it; none after today.

    Computed once for a ledger as read: each stage and each run asks for it.
    """
    need: dict[str, dict[str, Stamp]] = {name: {} for name in scope.planned}

    def touch(asset: str, key: str, stamp: Stamp) -> None:
        need[asset][key] = stamp.and_also(need[asset].get(key, NEVER))

    for entry in history.entries:
        if entry.source in DIMENSIONS:
            touch(entry.source, WHOLE, Stamp(entry.sequence))
    happened = _last_touch(history, "play_dates", today, events=True)
    played = _played(history, happened if scope.event_plays else {}, today)
    for day, sequence in played.items():
        stamp = Stamp(sequence, day)
        for asset, days in scope.reach(day, today).items():
            for one in days:
                # no session begins on a day without a play, and no visit on one without an event either
                if asset not in OF_SESSIONS or one in played or (asset != "sessions" and one in happened):
                    touch(asset, one.isoformat(), stamp)
        touch(MONTHLY[0], month_of(day).isoformat(), stamp)
        for market in scope.markets:
            touch(CHARTS[0], chart_key(market, month_of(day)), stamp)
    for month, sequence in _last_touch(history, "chart_months", today).items():
        for market in scope.markets:
            touch(CHARTS[0], chart_key(market, month), Stamp(sequence))
    for day, sequence in _last_touch(history, "window_dates", today).items():
        reach = scope.reach(day, today)
        for asset in WINDOWS:
            for one in reach[asset]:
                touch(asset, one.isoformat(), Stamp(sequence))
    for day, sequence in _last_touch(history, "chart_dates", today).items():
        for asset in WINDOWS:
            touch(asset, day.isoformat(), Stamp(sequence))
    for day, sequence in happened.items():
        for asset, days in scope.reach_of_events(day, today).items():
            for one in days:
                if asset not in OF_SESSIONS or one in played or one in happened:
                    touch(asset, one.isoformat(), Stamp(sequence, day))
    for name, experiment in scope.experiments.items():
        for asset, key, stamp in _evidence(name, experiment, need, today):
            touch(asset, key, stamp)
    for key, stamp in need[CHARTS[0]].items():
        touch(BY_MARKET[0], key.partition("|")[0], stamp)
    for asset in EXPORTED:
        for stamp in need[asset].values():
            touch(EXPORTS, WHOLE, stamp)
    return need


def _evidence(
    name: str, experiment: Experiment, need: dict[str, dict[str, Stamp]], today: date
) -> Iterator[tuple[str, str, Stamp]]:
    """What an experiment's days and readout need (asset, key, stamp): all of its window and pre-period up to a day.

    A day counts once it is over; a readout is made again on each day through the one on which the last has settled.
    """
    touched = {
        date.fromisoformat(key): stamp.and_also(need["exposure_days"].get(key, NEVER))
        for key, stamp in need["visits"].items()
    }
    reaches = NEVER
    for day in sorted(day for day in touched if experiment.pre_period[0] <= day < experiment.first_day):
        reaches = reaches.and_also(touched[day])
    began = False
    for day in evidence_days(experiment, today):
        began = began or day in touched
        reaches = reaches.and_also(touched.get(day, NEVER)).and_also(Stamp(NEVER.sequence, day + timedelta(days=1)))
        if began:
            yield days_asset(name), day.isoformat(), reaches
    if began:
        last = min(today, settles_on(experiment, experiment.last_day))
        yield readout_asset(name), WHOLE, reaches.and_also(Stamp(NEVER.sequence, last))


def _played(history: History, happened: Mapping[date, int], today: date) -> dict[date, int]:
    """The days whose plays are touched; of events (where plays are made of them) also the days beside theirs."""
    played = _last_touch(history, "play_dates", today)
    for day, sequence in happened.items():
        for one in days_around(day, -EVENT_DAYS_AROUND, EVENT_DAYS_AROUND):
            if one in happened:
                played[one] = max(sequence, played.get(one, 0))
    return played


def _last_touch(history: History, column: str, today: date, events: bool = False) -> dict[date, int]:
    """The days up to today in a column of the ledger, each with the last sequence that holds it.

    events: of the deliveries of events, else of all others.
    """
    last: dict[date, int] = {}
    for entry in history.entries:
        if (entry.source == "events") != events:
            continue
        for day in getattr(entry, column):
            if day <= today:
                last[day] = max(entry.sequence, last.get(day, 0))
    return last


def plan(history: History, stamps: Stamps, scope: Scope, today: date) -> Plan:
    """The stale partitions of every asset, in order of their keys."""
    stale = {
        asset: sorted(key for key, need in keys.items() if not stamps.get(asset, {}).get(key, NEVER).covers(need))
        for asset, keys in needed(history, scope, today).items()
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


def with_repeats(history: History, days: Iterable[date], kind: Kind = "plays") -> list[date]:
    """The days, and those on which copies of their plays (or events) lie (pairs that the ledger noted)."""
    wanted = set(days)
    linked = set(wanted)
    for entry in history.entries:
        for pair in entry.repeats if entry.source == kind else ():
            one, other = (date.fromisoformat(day) for day in pair.split("/"))
            if one in wanted:
                linked.add(other)
            if other in wanted:
                linked.add(one)
    return sorted(linked)


def chunks(history: History, days: Iterable[date], size: int) -> list[list[date]]:
    """The days in order, in chunks of about `size` raw plays and events, so that memory does not follow the history."""
    rows = history.rows_by_day("plays", "events")
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
