"""Partitions that umg.toml has left out since they were built: days before a later first_day, markets taken off. Pure.

They are no partitions any more, so no run can be over them. The next run of their asset empties them, whatever it is
over, and notes that they are not built: should umg.toml name them again, they are stale.
"""

from collections.abc import Mapping
from datetime import date

from umg_assets.calendar import chart_key, month_of, parse_day
from umg_assets.catalogue import Catalogue
from umg_assets.graph import WHOLE, Asset, Partitioning
from umg_assets.planning.watermark import NEVER, Watermark, Watermarks


def is_named(asset: Asset, key: str, catalogue: Catalogue, today: date) -> bool:
    """Whether a key is a partition of the asset: its days are from first_day to today, its market is in umg.toml."""
    market, _, day = key.rpartition("|")
    match asset.partitioning:
        case Partitioning.DAY:
            return catalogue.first_day <= parse_day(day) <= today
        case Partitioning.MONTH:
            return month_of(catalogue.first_day) <= parse_day(day) <= today
        case Partitioning.MONTH_AND_MARKET:
            return market in catalogue.markets and month_of(catalogue.first_day) <= parse_day(day) <= today
        case Partitioning.MARKET:
            return key in catalogue.markets
    return True


def left_out(asset: Asset, built: Mapping[str, Watermark], catalogue: Catalogue, today: date) -> list[str]:
    """The partition keys of an asset that have been built and that umg.toml names no longer; today is the last day."""
    return sorted(
        key for key, watermark in built.items() if watermark != NEVER and not is_named(asset, key, catalogue, today)
    )


def runs_to_empty(watermarks: Watermarks, catalogue: Catalogue, today: date) -> dict[str, list[str]]:
    """By asset, a partition to build so that those left out are emptied: its last; and files that hold them, whole."""
    if today < catalogue.first_day:
        return {}
    keys = {
        asset.name: [_last_key(asset, catalogue, today)]
        for asset in catalogue.planned
        if left_out(asset, watermarks.get(asset.name, {}), catalogue, today)
    }
    files = (asset.name for asset in catalogue.planned if asset.table is None)
    return {**keys, **{name: [WHOLE] for name in files if catalogue.ancestors(name).intersection(keys)}}


def _last_key(asset: Asset, catalogue: Catalogue, today: date) -> str:
    match asset.partitioning:
        case Partitioning.MONTH:
            return month_of(today).isoformat()
        case Partitioning.MONTH_AND_MARKET:
            return chart_key(catalogue.markets[0], month_of(today))
        case Partitioning.MARKET:
            return catalogue.markets[0]
    return today.isoformat()
