"""Sums are over integers, so that a chart's figures do not depend on the order in which rows are added up."""

from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.tables import Table
from umg_assets.transforms.charts import rank_tracks
from umg_assets.transforms.plays import sum_by_day, sum_by_month
from umg_assets.transforms.sessions import sessions_of
from umg_assets.transforms.windows import favourites, top_artists
from umg_assets_tests.transforms.frames import frame

pytestmark = pytest.mark.sail_enough

DAY = date(2026, 3, 2)


@pytest.fixture
def results(spark: SparkSession) -> dict[Table, DataFrame]:
    """The transforms' results for empty tables, whose types are those for full ones."""
    plays, monthly, daily, tracks = (
        frame(spark, table, [])
        for table in (tables.PLAYS, tables.MONTHLY_TRACK_PLAYS, tables.DAILY_TRACK_PLAYS, tables.TRACKS)
    )
    return {
        tables.SESSIONS: sessions_of(plays),
        tables.DAILY_TRACK_PLAYS: sum_by_day(plays, "age_picks"),
        tables.MONTHLY_TRACK_PLAYS: sum_by_month(plays),
        tables.TOP_TRACKS_BY_COUNTRY: rank_tracks(monthly, tracks, 50, catalogue=True),
        tables.TOP_ARTISTS_BY_GENRE: top_artists(daily, tracks, ["AT"], DAY, DAY, 30, 10),
        tables.AGE_GROUP_FAVOURITES: favourites(daily, tracks, True, DAY, DAY, 14, 8),
    }


def test_every_figure_is_a_whole_number_before_it_is_cast_to_its_contract(results: dict[Table, DataFrame]):
    for table, result in results.items():
        types = dict(result.dtypes)
        figures = [column.name for column in table.columns if column.type in ("bigint", "int")]
        assert {name: types[name] for name in figures if types[name] not in ("bigint", "int")} == {}, table.name
