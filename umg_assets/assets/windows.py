"""Charts of a day: over the 30 days, or the 14, that end on it.

Read daily_track_plays of the window's days; a day's own chart is one partition.
"""

from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.partitions import Calendar, days_between, parse_day
from umg_assets.planning import chunks
from umg_assets.resources.io_manager import Chunks
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.slices import Slice
from umg_assets.settings import Charts, Settings
from umg_assets.transforms.windows import favourites, top_artists

# sums are fewer than plays, and each chunk reads a window's days before it once more
_PLAYS_A_SUM = 2


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
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        def charts(first: date, last: date, sums: DataFrame, days: int) -> DataFrame:
            return top_artists(sums, tracks, settings.markets, first, last, days, settings.charts.top_artists)

        return _in_chunks(context, ledger, settings, daily_track_plays, settings.charts.top_artists_days, charts)

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
        ledger: dg.ResourceParam[Ledger],
    ) -> Chunks:
        def charts(first: date, last: date, sums: DataFrame, days: int) -> DataFrame:
            catalogue = bool(settings.sources.tracks)
            return favourites(sums, tracks, catalogue, first, last, days, settings.charts.favourites)

        return _in_chunks(context, ledger, settings, daily_track_plays, settings.charts.favourites_days, charts)

    return [top_artists_by_genre, age_group_favourites]


def _window(days: int) -> dg.AssetIn:
    """The days that end on a partition's day."""
    return dg.AssetIn(
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=1 - days, allow_nonexistent_upstream_partitions=True
        )
    )


def _in_chunks(
    context: dg.AssetExecutionContext,
    ledger: Ledger,
    settings: Settings,
    sums: DataFrame,
    length: int,
    charts: Callable[[date, date, DataFrame, int], DataFrame],
) -> Chunks:
    """The charts of the run's days, of so many at a time that memory does not follow the history.

    charts: the first and the last day of a chunk, the sums of its windows' days and their length -> its charts.
    """

    def chart(days: list[date]) -> DataFrame:
        read = Slice.days("play_date", days_between(min(days) - timedelta(length - 1), max(days)))
        return charts(min(days), max(days), sums.where(read.predicate), length)

    days = [parse_day(key) for key in context.partition_keys]
    size = _PLAYS_A_SUM * settings.chunk_plays
    return Chunks((chunk, chart(chunk)) for chunk in chunks(ledger.read(), days, size))
