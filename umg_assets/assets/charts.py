"""Top tracks by country: the 50 most played tracks of a month in each market, by four criteria.

Reads monthly_track_plays of the month; one partition a month and country; the running month is ranked to date.
"""

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.partitions import Calendar, split_chart_keys
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.transforms.charts import rank_tracks


def build_chart_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """`top_tracks_by_country`, by month and market."""

    @dg.asset(
        partitions_def=calendar.month_by_country,
        ins={
            "monthly_track_plays": dg.AssetIn(
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="month")
            )
        },
        description=__doc__,
        group_name="charts",
        kinds={"delta"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="top_tracks_by_country",
    )
    def top_tracks_by_country(
        context: dg.AssetExecutionContext,
        monthly_track_plays: DataFrame,
        tracks: DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> DataFrame:
        markets, months = split_chart_keys(context.partition_keys)
        asked = monthly_track_plays.where(Slice.months_of_markets(months, markets).predicate)
        return rank_tracks(asked, tracks, settings.charts.top_tracks, catalogue=bool(settings.sources.tracks))

    return [top_tracks_by_country]
