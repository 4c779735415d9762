"""Charts of a day: over the 30 days, or the 14, that end on it.

Read daily_track_plays of the window's days; a day's own chart is one partition.
"""

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.partitions import Calendar, parse_day
from umg_assets.settings import Charts, Settings
from umg_assets.transforms.windows import favourites, top_artists


def build_window_assets(calendar: Calendar, charts: Charts) -> list[dg.AssetsDefinition]:
    """`top_artists_by_genre` and `age_group_favourites`, by the local day on which the window ends."""

    @dg.asset(
        partitions_def=calendar.play_days,
        ins={"daily_track_plays": _window(charts.top_artists_days)},
        description=f"{tables.TOP_ARTISTS_BY_GENRE.comment}\n\n{__doc__}",
        group_name="charts",
        kinds={"delta"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="top_artists_by_genre",
    )
    def top_artists_by_genre(
        context: dg.AssetExecutionContext,
        daily_track_plays: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> DataFrame:
        days = [parse_day(key) for key in context.partition_keys]
        markets, size = settings.markets, settings.charts.top_artists
        return top_artists(
            daily_track_plays, tracks, markets, min(days), max(days), settings.charts.top_artists_days, size
        )

    @dg.asset(
        partitions_def=calendar.play_days,
        ins={"daily_track_plays": _window(charts.favourites_days)},
        description=f"{tables.AGE_GROUP_FAVOURITES.comment}\n\n{__doc__}",
        group_name="charts",
        kinds={"delta"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="age_group_favourites",
    )
    def age_group_favourites(
        context: dg.AssetExecutionContext,
        daily_track_plays: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> DataFrame:
        days = [parse_day(key) for key in context.partition_keys]
        catalogue, size = bool(settings.sources.tracks), settings.charts.favourites
        return favourites(
            daily_track_plays, tracks, catalogue, min(days), max(days), settings.charts.favourites_days, size
        )

    return [top_artists_by_genre, age_group_favourites]


def _window(days: int) -> dg.AssetIn:
    """The days that end on a partition's day."""
    return dg.AssetIn(
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=1 - days, allow_nonexistent_upstream_partitions=True
        )
    )
