"""Charts by month: the 50 most played tracks of a month in each market by four criteria, and how they moved.

top_tracks_by_country reads monthly_track_plays of the month; the running month is ranked to date. chart_movements reads
a market's charts of all months, so that a month that changes changes the later ones.
"""

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets import tables
from umg_assets.assets.table_asset import table_asset
from umg_assets.partitions import Calendar, split_chart_keys
from umg_assets.resources.slices import Slice
from umg_assets.settings import Settings
from umg_assets.transforms.charts import rank_tracks
from umg_assets.transforms.movements import movements


def build_chart_assets(calendar: Calendar) -> list[dg.AssetsDefinition]:
    """`top_tracks_by_country`, by month and market; `chart_movements`, by market."""

    @table_asset(
        tables.TOP_TRACKS_BY_COUNTRY,
        "charts",
        __doc__,
        partitions_def=calendar.month_by_country,
        ins={
            "monthly_track_plays": dg.AssetIn(
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="month")
            )
        },
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

    @table_asset(
        tables.CHART_MOVEMENTS,
        "charts",
        __doc__,
        partitions_def=calendar.by_country,
        ins={
            "top_tracks_by_country": dg.AssetIn(
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="country")
            )
        },
    )
    def chart_movements(top_tracks_by_country: DataFrame) -> DataFrame:
        return movements(top_tracks_by_country)

    return [top_tracks_by_country, chart_movements]
