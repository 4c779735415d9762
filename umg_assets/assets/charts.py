"""Charts by month: the 50 most played tracks of a month in each market by four criteria, and how they moved."""

import dagster as dg
from pyspark.sql import DataFrame

from umg_assets.calendar import split_chart_keys
from umg_assets.resources.partition_keys import partition_keys
from umg_assets.resources.slices import Slice
from umg_assets.settings.model import Settings
from umg_assets.transforms.charts import rank_tracks
from umg_assets.transforms.movements import movements


def top_tracks_by_country(
    context: dg.AssetExecutionContext,
    monthly_track_plays: DataFrame,
    tracks: DataFrame,
    settings: dg.ResourceParam[Settings],
) -> DataFrame:
    """Reads monthly_track_plays of the month; the running month is ranked to date. One partition a month and market."""
    markets, months = split_chart_keys(partition_keys(context))
    sums = monthly_track_plays.where(Slice.months_of_markets(months, markets).predicate)
    return rank_tracks(sums, tracks, settings.charts.top_tracks, catalogue=bool(settings.sources.tracks))


def chart_movements(top_tracks_by_country: DataFrame) -> DataFrame:
    """Reads a market's charts of all months, so that a month that changes changes the later ones. One partition a
    market."""
    return movements(top_tracks_by_country)
