"""What is stale: the watermark that each partition needs, by ledger and catalogue, against the one that it has. Pure.

Every ledger entry has a sequence. A partition carries, since it was built, the last sequence that had been read and
the local day: its watermark. It is stale when an entry that affects it came later, or by a day that began later.
Whom an entry affects follows from the catalogue: the ledger names dates, inputs with their lookback carry them on.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from umg_assets import tables
from umg_assets.calendar import chart_key, days_between, month_days, month_of, parse_day, split_chart_keys
from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE, Asset, Input, Lookback, Noted, Partitioning
from umg_assets.planning.history import History
from umg_assets.planning.left_out import is_named, runs_to_empty
from umg_assets.planning.watermark import NEVER, Watermark, Watermarks

Required = dict[str, dict[str, Watermark]]


@dataclass(frozen=True)
class Plan:
    """The partitions to run, by asset; and the play dates that wait because their day has not begun."""

    partitions: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[date] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.partitions.values())


def plan(history: History, watermarks: Watermarks, catalogue: Catalogue, today: date) -> Plan:
    """The stale partitions of every planned asset, in order of their keys; with those that umg.toml has left out, one
    that empties them."""
    stale = {
        asset: sorted(key for key, need in keys.items() if not watermarks.get(asset, {}).get(key, NEVER).covers(need))
        for asset, keys in required_watermarks(history, catalogue, today).items()
    }
    emptying = runs_to_empty(watermarks, catalogue, today)
    waiting = {
        day for (_, way), dates in history.noted.items() if way is Noted.PLAY_DATES for day in dates if day > today
    }
    partitions = {asset: keys or emptying.get(asset, []) for asset, keys in stale.items()}
    return Plan({asset: keys for asset, keys in partitions.items() if keys}, sorted(waiting))


@functools.lru_cache(maxsize=2)
def required_watermarks(history: History, catalogue: Catalogue, today: date) -> Required:
    """By planned asset and partition key, the last ledger sequence and the last day that affect it; none after today.

    Computed once for a ledger as read: every plan and every run asks for it.
    """
    changes = _noted_changes(history, today)
    frozen = {
        asset: {key: changes.get((asset, Noted.PLAY_DATES), {}).get(key, NEVER) for key in keys}
        for asset, keys in frozen_keys(history, catalogue, today).items()
    }
    return _carried_on(catalogue, lambda source: changes.get(_noted_by(source), {}), today, frozen, whole_days=False)


@functools.lru_cache(maxsize=2)
def frozen_keys(history: History, catalogue: Catalogue, today: date) -> dict[str, frozenset[str]]:
    """By planned asset, the partitions that cannot be built again: raw rows that they are made of have gone by age.

    They require nothing more; what is made of them does when the ledger notes that they have been written anew (without
    somebody who has been forgotten). Evidence opens the raw rows of its experiment's days through its own.
    """
    gone = {tables.RAW[kind].name: sorted(history.gone_rows(kind)) for kind in tables.OCCURRENCES}
    frozen: dict[str, frozenset[str]] = {}
    for asset in catalogue.planned if any(gone.values()) else ():
        keys = {
            key
            for source in asset.inputs
            for day in gone.get(source.asset, ())
            for key in _keys_affected(asset, source, Partitioning.DAY, day.isoformat(), catalogue, today)
            if is_named(asset, key, catalogue, today)
        }
        if asset.partitioning is Partitioning.EXPERIMENT_DAY and asset.experiment:
            experiment = asset.experiment[1]
            began = min((day for days in gone.values() for day in days if day >= experiment.reads_from), default=None)
            keys = {key.isoformat() for key in experiment.evidence_days(today) if began and key >= began}
        if keys:
            frozen[asset.name] = frozenset(keys)
    return frozen


def keys_of_days(catalogue: Catalogue, days: list[date], today: date) -> dict[str, list[str]]:
    """By planned asset, the partitions that follow from plays and events of the days, whether there are any or not."""
    kinds = {tables.RAW[kind].name for kind in tables.OCCURRENCES}

    def asked_for(source: Input) -> dict[str, Watermark]:
        return {day.isoformat(): Watermark(0, day) for day in days} if source.asset in kinds else {}

    carried = _carried_on(catalogue, asked_for, today, {}, whole_days=True)
    return {asset: sorted(keys) for asset, keys in carried.items() if keys}


def keys_read(asset: Asset, keys: list[str], catalogue: Catalogue, required: Required) -> dict[str, list[str]]:
    """By planned upstream asset, the partition keys that partitions of an asset are built from.

    An asset that reads all partitions of another reads those of which the ledger knows.
    """
    planned = {upstream.name for upstream in catalogue.planned}
    read: dict[str, set[str]] = {}
    for source in asset.inputs:
        if source.asset in planned:
            upstream = catalogue[source.asset]
            read.setdefault(source.asset, set()).update(_keys_of_input(asset, source, upstream, keys, required))
    return {name: sorted(names) for name, names in read.items()}


def _keys_of_input(asset: Asset, source: Input, upstream: Asset, keys: list[str], required: Required) -> list[str]:
    match upstream.partitioning, asset.partitioning:
        case Partitioning.NONE, _:
            return [WHOLE]
        case Partitioning.DAY, Partitioning.DAY:
            return [day.isoformat() for day in source.lookback.read_for([parse_day(key) for key in keys])]
        case Partitioning.DAY, Partitioning.MONTH:
            return [day.isoformat() for day in month_days(parse_day(key) for key in keys)]
        case Partitioning.DAY, Partitioning.EXPERIMENT_DAY if source.since:
            return [day.isoformat() for day in days_between(source.since, parse_day(max(keys)))]
        case Partitioning.MONTH, Partitioning.MONTH_AND_MARKET:
            return [month.isoformat() for month in split_chart_keys(keys)[1]]
        case Partitioning.MONTH_AND_MARKET, Partitioning.MARKET:
            return [key for key in required[upstream.name] if key.partition("|")[0] in keys]
        case same, as_asset if same is as_asset:
            return keys
        case _, Partitioning.NONE:
            return list(required[upstream.name])
    raise ValueError(f"{asset.name}: nothing is known of how a {asset.partitioning.value} is read from {upstream.name}")


def _carried_on(
    catalogue: Catalogue,
    noted: Callable[[Input], Mapping[str, Watermark]],
    today: date,
    frozen: Mapping[str, Mapping[str, Watermark]],
    whole_days: bool,
) -> Required:
    """What changes of raw data require of every planned asset, from input to input.

    noted: by input, the changed dates (or WHOLE) with their watermarks. frozen: by asset, keys of which nothing is
    required, whatever changes, and what they require of others. whole_days: they are days to be built anyway:
    no lookback of their own, and no day is left out because nobody played on it.
    """
    required: Required = {}
    passed_on: Required = {}
    for asset in catalogue.planned:
        keys: dict[str, Watermark] = {}
        days_with_rows: set[str] = set()
        for source in asset.inputs:
            if source.noted:
                changed, unit = noted(source), _unit(source.noted)
                carried = replace(source, lookback=Lookback()) if whole_days else source
            else:
                changed, unit, carried = passed_on[source.asset], catalogue[source.asset].partitioning, source
            if unit is Partitioning.DAY:
                days_with_rows.update(changed)
            for key, watermark in changed.items():
                for affected in _keys_affected(asset, carried, unit, key, catalogue, today):
                    keys[affected] = watermark.and_also(keys.get(affected, NEVER))
        existing = keys if whole_days else _existing(asset, keys, days_with_rows, today)
        kept = {key: on for key, on in frozen.get(asset.name, {}).items() if key in existing}
        needed = {**existing, **dict.fromkeys(kept, NEVER)}
        required[asset.name] = {key: on for key, on in needed.items() if is_named(asset, key, catalogue, today)}
        passed_on[asset.name] = {**existing, **kept}
    return required


def _noted_by(source: Input) -> tuple[str, Noted]:
    assert source.noted
    return source.asset, source.noted


def _unit(noted: Noted) -> Partitioning:
    """What the ledger names where it notes a change."""
    units = {Noted.EVERY_DELIVERY: Partitioning.NONE, Noted.CHART_MONTHS: Partitioning.MONTH}
    return units.get(noted, Partitioning.DAY)


def _keys_affected(
    asset: Asset, source: Input, unit: Partitioning, key: str, catalogue: Catalogue, today: date
) -> list[str]:
    """The partitions of an asset, up to today, that are made of one partition of an input; left out ones among them."""
    match unit, asset.partitioning:
        case _, Partitioning.NONE:
            return [WHOLE]
        case Partitioning.DAY, Partitioning.DAY:
            days = source.lookback.affected_by(parse_day(key))
            return [day.isoformat() for day in days if day <= today]
        case Partitioning.DAY, Partitioning.MONTH:
            return [month_of(parse_day(key)).isoformat()]
        case Partitioning.DAY, Partitioning.EXPERIMENT_DAY if asset.experiment and source.since:
            day, ended = parse_day(key), asset.experiment[1].evidence_days(today)
            return [through.isoformat() for through in ended if source.since <= day <= through]
        case Partitioning.MONTH, Partitioning.MONTH_AND_MARKET:
            return [chart_key(market, parse_day(key)) for market in catalogue.markets]
        case Partitioning.MONTH_AND_MARKET, Partitioning.MARKET:
            return [key.partition("|")[0]]
        case same, as_asset if same is as_asset:
            return [key]
    raise ValueError(f"{asset.name}: nothing is known of how a {unit.value} of {source.asset} affects it")


def _existing(asset: Asset, keys: dict[str, Watermark], days_with_rows: set[str], today: date) -> dict[str, Watermark]:
    """The partitions that there are, with what the clock alone requires of them."""
    if asset.partitioning is Partitioning.DAY and not asset.every_day:
        return {key: watermark for key, watermark in keys.items() if key in days_with_rows}
    if asset.partitioning is Partitioning.EXPERIMENT_DAY and asset.experiment:
        first = asset.experiment[1].first_day.isoformat()
        began = min((day for day in days_with_rows if day >= first), default="9999")
        over = {key: Watermark(NEVER.sequence, parse_day(key) + timedelta(days=1)) for key in keys if key >= began}
        return {key: over[key].and_also(keys[key]) for key in over}
    if asset.rebuilt_through:
        on = Watermark(NEVER.sequence, min(today, asset.rebuilt_through))
        return {key: watermark.and_also(on) for key, watermark in keys.items()}
    return keys


def _noted_changes(history: History, today: date) -> dict[tuple[str, Noted], dict[str, Watermark]]:
    """By changed asset and way of noting: the dates up to today, or WHOLE, with the last sequence that names them."""
    changes: dict[tuple[str, Noted], dict[str, Watermark]] = defaultdict(dict)
    for (table, noted), dates in history.noted.items():
        changed = changes[table, noted]
        if noted is Noted.EVERY_DELIVERY:
            changed[WHOLE] = Watermark(max(dates.values()))
            continue
        for day, sequence in dates.items():
            if day <= today:
                # plays and events count once their day has begun; the other columns name what is there already
                begun = day if noted is Noted.PLAY_DATES else date.min
                changed[day.isoformat()] = Watermark(sequence, begun)
    return changes
