"""Charts of a day: over the 30 days, or the 14, that end on it.

Read daily_track_plays of the window's days; a day's own chart is one partition.
"""

from datetime import date, timedelta

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.partitions import Calendar, days_between
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Charts, Settings
from umg_assets.transforms.windows import favourites, top_artists

# sums are fewer than plays, and each chunk reads a window's days before it once more
_PLAYS_A_SUM = 2


def build_window_assets(calendar: Calendar, charts: Charts) -> list[dg.AssetsDefinition]:
    """`top_artists_by_genre` and `age_group_favourites`, by the local day on which the window ends."""

    @table_asset(
        tables.TOP_ARTISTS_BY_GENRE,
        "charts",
        __doc__,
        partitions_def=calendar.play_days,
        ins={"daily_track_plays": _window(charts.top_artists_days)},
    )
    def top_artists_by_genre(
        context: dg.AssetExecutionContext,
        daily_track_plays: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        length, size = settings.charts.top_artists_days, settings.charts.top_artists

        def charts(days: list[date]) -> DataFrame:
            sums = _of_windows(daily_track_plays, days, length)
            return top_artists(sums, tracks, settings.markets, min(days), max(days), length, size)

        return Chunks.of_days(context.partition_keys, ledger.read(), _PLAYS_A_SUM * settings.chunk_plays, charts)

    @table_asset(
        tables.AGE_GROUP_FAVOURITES,
        "charts",
        __doc__,
        partitions_def=calendar.play_days,
        ins={"daily_track_plays": _window(charts.favourites_days)},
    )
    def age_group_favourites(
        context: dg.AssetExecutionContext,
        daily_track_plays: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        length, size = settings.charts.favourites_days, settings.charts.favourites

        def charts(days: list[date]) -> DataFrame:
            sums = _of_windows(daily_track_plays, days, length)
            return favourites(sums, tracks, bool(settings.sources.tracks), min(days), max(days), length, size)

        return Chunks.of_days(context.partition_keys, ledger.read(), _PLAYS_A_SUM * settings.chunk_plays, charts)

    return [top_artists_by_genre, age_group_favourites]


def _window(days: int) -> dg.AssetIn:
    """The days that end on a partition's day."""
    return dg.AssetIn(
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=1 - days, allow_nonexistent_upstream_partitions=True
        )
    )


def _of_windows(sums: DataFrame, days: list[date], length: int) -> DataFrame:
    """The sums of the days that the windows ending on unbroken days hold."""
    held = days_between(min(days) - timedelta(length - 1), max(days))
    return sums.where(Slice.days("play_date", held).predicate)
