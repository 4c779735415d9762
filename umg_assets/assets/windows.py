"""Charts of a day: over the 30 days, or the 14, that end on it; one partition a day."""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.graph import Lookback
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.resources.snapshots import Snapshots
from umg_assets.settings.model import Settings
from umg_assets.transforms.windows import favourites, top_artists

# sums are fewer than plays, and each chunk reads a window's days before it once more
_PLAYS_A_SUM = 2


def top_artists_by_genre(
    context: dg.AssetExecutionContext,
    daily_track_plays: DataFrame,
    tracks: DataFrame,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads daily_track_plays of the 30 days that end on the day (charts.top_artists_days)."""
    length, size = settings.charts.top_artists_days, settings.charts.top_artists

    def of_days(days: list[date]) -> DataFrame:
        sums = _of_windows(daily_track_plays, days, length)
        return top_artists(sums, tracks, settings.markets, min(days), max(days), length, size)

    plays = _PLAYS_A_SUM * settings.chunk_plays
    return Chunks.of_days(partition_keys(context), snapshots.of(context).history, plays, of_days, unbroken=True)


def age_group_favourites(
    context: dg.AssetExecutionContext,
    daily_track_plays: DataFrame,
    tracks: DataFrame,
    settings: dg.ResourceParam[Settings],
    snapshots: dg.ResourceParam[Snapshots],
) -> Chunks:
    """Reads daily_track_plays of the 14 days that end on the day (charts.favourites_days)."""
    length, size = settings.charts.favourites_days, settings.charts.favourites

    def of_days(days: list[date]) -> DataFrame:
        sums = _of_windows(daily_track_plays, days, length)
        return favourites(sums, tracks, bool(settings.sources.tracks), min(days), max(days), length, size)

    plays = _PLAYS_A_SUM * settings.chunk_plays
    return Chunks.of_days(partition_keys(context), snapshots.of(context).history, plays, of_days, unbroken=True)


def _of_windows(sums: DataFrame, days: list[date], length: int) -> DataFrame:
    """The sums of the days that the windows ending on unbroken days hold."""
    held = Lookback(before=length - 1).read_for(days)
    return sums.where(Slice.days("play_date", held).predicate)
