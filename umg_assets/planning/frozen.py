"""Frozen partitions: raw rows that they were built from have gone by age, so they are kept as they are. Pure.

Only assets that read raw plays or events have any. What is made of their tables is built again at any time.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from umg_assets import tables
from umg_assets.calendar import days_between, parse_day, runs_of_days
from umg_assets.catalogue import Catalogue
from umg_assets.graph import Asset, Noted
from umg_assets.planning.history import History
from umg_assets.planning.required import frozen_keys, keys_of_days

_NAMED = 5
_NONE: frozenset[str] = frozenset()


class FrozenDaysError(ValueError):
    """Days were asked for that cannot be built again; the message says which, what would be lost, and what to do."""


def refuse_frozen(keys: Mapping[str, Iterable[str]], history: History, catalogue: Catalogue, today: date) -> None:
    """Raises FrozenDaysError if some of the partition keys, by asset, are frozen."""
    frozen = frozen_keys(history, catalogue, today)
    asked = {name: sorted(frozen.get(name, _NONE).intersection(of_asset)) for name, of_asset in keys.items()}
    asked = {name: of_asset for name, of_asset in asked.items() if of_asset}
    if not asked:
        return
    days = sorted({parse_day(key) for of_asset in asked.values() for key in of_asset})
    lost, free = _lost(history, days), _first_free(frozen, catalogue, today)
    raise FrozenDaysError(
        f"{' and '.join(asked)} of {spans(days)} cannot be built again: {lost} they were built from have gone by age "
        f"(keep_raw_days) and would be lost. Nothing was written. Choose days from {free} on; "
        "or set keep_raw_days higher, put the files of these deliveries back into landing/, and type `umg run`"
    )


def refuse_to_lose(asset: Asset, keys: Iterable[str], history: History, catalogue: Catalogue) -> None:
    """Raises FrozenDaysError if partitions left out were made of raw rows that have gone by age."""
    lost = {day for kind in tables.OCCURRENCES for day in history.gone_rows(kind)}
    raw = {tables.RAW[kind].name for kind in tables.OCCURRENCES}
    if days := sorted(lost.intersection(map(parse_day, keys)) if raw.intersection(asset.upstream) else ()):
        raise FrozenDaysError(
            f"first_day = {catalogue.first_day} in umg.toml leaves out {asset.name} of {spans(days)}, which cannot be "
            "built again: raw rows they were built from have gone by age (keep_raw_days). Nothing was written. Set "
            f"first_day to {days[0]} or earlier"
        )


def untouched_days(history: History, since: int, catalogue: Catalogue, today: date) -> list[date]:
    """Frozen local days of plays that ledger entries after `since` name: what these bring of them changes no table."""
    frozen = frozen_keys(history, catalogue, today)
    named = {
        day
        for (table, way), dates in history.noted.items()
        if way is Noted.PLAY_DATES and table not in frozen  # else these days themselves were written
        for day, sequence in dates.items()
        if sequence > since
    }
    return sorted(day for day in named if day.isoformat() in frozen.get("plays", _NONE))


def kept_days(history: History, catalogue: Catalogue, today: date) -> list[date]:
    """The local days whose plays are kept and cannot be counted again from raw."""
    return sorted(map(parse_day, frozen_keys(history, catalogue, today).get("plays", ())))


def spans(days: Iterable[date]) -> str:
    """Days for people, as ranges: the first few, and how many more there are."""
    ranges = runs_of_days(days)
    named = [f"{first}{f' to {last}' if last > first else ''}" for first, last in ranges[:_NAMED]]
    more = sum(len(days_between(first, last)) for first, last in ranges[_NAMED:])
    return ", ".join(named) + (f" and {more} more days" if more else "")


def _first_free(frozen: Mapping[str, frozenset[str]], catalogue: Catalogue, today: date) -> date:
    """The first day after all frozen ones from which nothing follows that is frozen."""
    day = max(parse_day(key) for keys in frozen.values() for key in keys) + timedelta(days=1)
    while any(
        frozen.get(name, _NONE).intersection(keys) for name, keys in keys_of_days(catalogue, [day], today).items()
    ):
        day += timedelta(days=1)
    return day


def _lost(history: History, days: list[date]) -> str:
    """How many raw plays and events of the days have gone: `120 plays and 3 events`."""
    counts = []
    for kind in tables.OCCURRENCES:
        rows = history.gone_rows(kind)
        if count := sum(rows.get(day, 0) for day in days):
            counts.append(f"{count:,} {kind}")
    return " and ".join(counts) or "plays and events"
