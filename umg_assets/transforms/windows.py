"""Charts over a window of days that ends on a day: artists by genre, favourites by age group."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import ARTIST_CRITERIA
from umg_assets.transforms.dimensions import artist_names
from umg_assets.transforms.ranking import rank_by

_FIGURES = ("plays", "streams", "listening_ms")


def top_artists(
    daily: DataFrame, tracks: DataFrame, markets: Sequence[str], first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the top artists of a genre over the `days` days ending on each day (tables.TOP_ARTISTS_BY_GENRE).

    daily: tables.DAILY_TRACK_PLAYS from days - 1 before `first` to `last`; tracks: tables.TRACKS. Overall (market
    NULL) counts plays of every country, also of an unknown one. Ties break by plays, then artist_id. Summed to artists
    first: what is spread over the window's days is small.
    """
    named = tracks.where("artist_id is not null and genre is not null").select("track_id", "artist_id", "genre")
    by_artist = _sums(daily.join(F.broadcast(named), "track_id"), "play_date", "country", "genre", "artist_id")
    windows = _sums(_spread(by_artist, first, last, days), "chart_date", "country", "genre", "artist_id")
    overall = _sums(windows, "chart_date", "genre", "artist_id").withColumn("market", F.lit(None).cast("string"))
    by_market = windows.where(F.col("country").isin(list(markets))).withColumnRenamed("country", "market")
    figures = overall.unionByName(by_market.select(*overall.columns))
    ranked = rank_by(figures, ARTIST_CRITERIA, ("chart_date", "market", "genre"), "artist_id", size)
    return ranked.join(F.broadcast(artist_names(tracks)), "artist_id").select(*tables.TOP_ARTISTS_BY_GENRE.names)


def favourites(
    daily: DataFrame, tracks: DataFrame, catalogue: bool, first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the most played tracks of an age group over the `days` days ending on each day.

    Out: tables.AGE_GROUP_FAVOURITES. daily, tracks: as for `top_artists`. Ties break by track_id. Plays of every
    country count, those of users without an age group do not. With a catalogue, a track that it does not hold is not
    ranked; without one, every track is, and its title is NULL.
    """
    grouped = _sums(daily.where("age_group is not null"), "play_date", "age_group", "track_id")
    windows = _sums(_spread(grouped, first, last, days), "chart_date", "age_group", "track_id")
    titles = F.broadcast(tracks.select("track_id", "title", "artist_name"))
    named = windows.join(titles, "track_id", "inner" if catalogue else "left")
    ranked = rank_by(named, {"plays": "plays"}, ("chart_date", "age_group"), "track_id", size)
    return ranked.select(*tables.AGE_GROUP_FAVOURITES.names)


def _spread(sums: DataFrame, first: date, last: date, days: int) -> DataFrame:
    """Each row once for each day, from first to last, whose window holds its play_date: `chart_date`."""
    begin = F.greatest(F.col("play_date"), F.lit(first))
    end = F.least(F.date_add("play_date", days - 1), F.lit(last))
    held = sums.where(begin <= end)
    return held.withColumn("chart_date", F.explode(F.sequence(begin, end))).drop("play_date")


def _sums(rows: DataFrame, *by: str) -> DataFrame:
    return rows.groupBy(*by).agg(*(F.sum(name).alias(name) for name in _FIGURES))
