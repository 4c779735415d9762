"""Charts over a window of days that ends on a day: artists by genre, favourites by age group."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import ARTIST_CRITERIA
from umg_assets.transforms.dimensions import artist_names
from umg_assets.transforms.ranking import rank_by
from umg_assets.transforms.shares import group_after_group

_FIGURES = ("plays", "streams", "listening_ms")
_OVERALL = 0
"""The number of what counts every country; a market's is its place among the markets, from 1."""


def top_artists(
    daily: DataFrame, tracks: DataFrame, markets: Sequence[str], first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the top artists of a genre over the `days` days ending on each day (tables.TOP_ARTISTS_BY_GENRE).

    daily: tables.DAILY_TRACK_PLAYS from days - 1 before `first` to `last`; tracks: tables.TRACKS. Overall (market
    NULL) counts plays of every country, also of an unknown one. Ties break by plays, then artist_id. Summed to artists
    first: what is spread over the window's days is small.
    """
    artists = tracks.where("artist_id is not null and genre is not null").select("track_id", "genre", "artist_id")
    numbered = _numbered(artists.select("genre", "artist_id"), "_artist")
    named = artists.join(F.broadcast(numbered), ["genre", "artist_id"]).select("track_id", "_artist")
    by_artist = _sums(daily.join(F.broadcast(named), "track_id"), _FIGURES, "play_date", "country", "_artist")
    places = F.array(*(F.lit(market) for market in markets))
    here = F.coalesce(F.array_position(places, F.col("country")), F.lit(_OVERALL)).cast("int")
    both = F.when(here == _OVERALL, F.array(F.lit(_OVERALL))).otherwise(F.array(F.lit(_OVERALL), here))
    of_market = by_artist.withColumn("_market", F.explode(both))
    by_market = _sums(of_market, _FIGURES, "play_date", "_market", "_artist")
    windows = _rolling(by_market, _FIGURES, ("_market", "_artist"), first, last, days)
    known = windows.join(F.broadcast(numbered), "_artist")
    ranked = rank_by(known, ARTIST_CRITERIA, ("chart_date", "_market", "genre"), "_artist", size)
    market = F.when(F.col("_market") != _OVERALL, F.get(places, F.col("_market") - 1)).alias("market")
    named_again = ranked.join(F.broadcast(artist_names(tracks)), "artist_id").select("*", market)
    return named_again.select(*tables.TOP_ARTISTS_BY_GENRE.names)


def favourites(
    daily: DataFrame, tracks: DataFrame, catalogue: bool, first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the most played tracks of an age group over the `days` days ending on each day.

    Out: tables.AGE_GROUP_FAVOURITES. daily, tracks: as for `top_artists`. Ties break by track_id. Plays of every
    country count, those of users without an age group do not, nor do section_plays: the list would feed itself. A
    track of which no other play is left is not ranked. With a catalogue, a track that it does not hold is not ranked;
    without one, every track is, and its title is NULL.
    """
    # section_plays is NULL in rows that were written before there was such a column
    elsewhere = F.col("plays") - F.coalesce("section_plays", F.lit(0))
    rankable = daily.where("age_group is not null").withColumn("plays", elsewhere).where("plays > 0")
    numbered = _numbered((tracks if catalogue else rankable).select("track_id"), "_track")
    grouped = _sums(F.broadcast(numbered).join(rankable, "track_id"), ("plays",), "play_date", "age_group", "_track")
    windows = _rolling(grouped, ("plays",), ("age_group", "_track"), first, last, days)
    ranked = rank_by(windows, {"plays": "plays"}, ("chart_date", "age_group"), "_track", size)
    named = ranked.join(F.broadcast(numbered), "_track")
    titles = F.broadcast(tracks.select("track_id", "title", "artist_name"))
    return named.join(titles, "track_id", "left").select(*tables.AGE_GROUP_FAVOURITES.names)


def _numbered(rows: DataFrame, name: str) -> DataFrame:
    """The distinct rows with their number in order, from 1: quicker to group and to sort than their texts."""
    order = Window.partitionBy(F.lit(1)).orderBy(*rows.columns)
    return rows.distinct().withColumn(name, F.row_number().over(order))


def _rolling(
    sums: DataFrame, figures: Sequence[str], by: Sequence[str], first: date, last: date, days: int
) -> DataFrame:
    """Sums by play_date and `by` -> sums of the `days` days that end on each day, from first to last: `chart_date`.

    figures: plays, which every row has more than 0 of, then others. A day's sums are put in on that day and taken out
    after `days` days. Summed up as they go, they are the window's, and hold until the next day on which something
    changes: each row counts twice, and not once a day. A figure that no row in the window knows is NULL.

    What is put in is taken out, so each group's changes sum up to 0, and one running sum goes through group after
    group of a share.
    """
    put_in = F.greatest(F.col("play_date"), F.lit(first))
    taken_out = F.date_add("play_date", days)
    moves = F.array(
        F.struct(put_in.alias("day"), F.lit(1).alias("sign")), F.struct(taken_out.alias("day"), F.lit(-1).alias("sign"))
    )
    plays, *others = figures
    known = {name: F.col(name).isNotNull().cast("int") for name in others}
    concerned = sums.where(taken_out > F.lit(first)).where(F.col("play_date") <= F.lit(last))
    moved = concerned.select(*by, *figures, F.explode(moves).alias("_move"))
    sign = F.col("_move.sign")
    changes = moved.groupBy(*by, F.col("_move.day").alias("_since")).agg(
        *(F.sum(sign * F.col(name)).alias(name) for name in figures),
        *(F.sum(sign * count).alias(f"_known_{name}") for name, count in known.items()),
    )
    order = group_after_group(*by, then="_since")
    so_far = order.rowsBetween(Window.unboundedPreceding, 0)
    # after a group's last change nothing is in the window: that the next row is another group's does no harm
    until = F.least(F.date_add(F.lead("_since").over(order), -1), F.lit(last))
    held = changes.select(
        *by,
        "_since",
        until.alias("_until"),
        F.sum(plays).over(so_far).alias(plays),
        *(F.when(F.sum(f"_known_{n}").over(so_far) > 0, F.sum(n).over(so_far)).alias(n) for n in others),
    )
    every = F.explode(F.sequence("_since", "_until")).alias("chart_date")
    return held.where(F.col(plays) > 0).where(F.col("_since") <= F.lit(last)).select(every, *by, *figures)


def _sums(rows: DataFrame, figures: Sequence[str], *by: str) -> DataFrame:
    return rows.groupBy(*by).agg(*(F.sum(name).alias(name) for name in figures))
