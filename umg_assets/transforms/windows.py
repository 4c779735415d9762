"""Charts over a window of days: top artists by genre, favourites by age group."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import ARTIST_CRITERIA
from umg_assets.transforms.dimensions import artist_names
from umg_assets.transforms.grouped_windows import grouped_window
from umg_assets.transforms.ranking import rank_by

_FIGURES = ("plays", "streams", "listening_ms")
_OVERALL = 0
"""Stands for all countries; a market is represented by its position among the markets, from 1."""


def top_artists(
    daily: DataFrame, tracks: DataFrame, markets: Sequence[str], first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the top `size` artists of each genre and market, for each chart day from first to last.

    In: tables.DAILY_TRACK_PLAYS from days - 1 days before `first` to `last`; tables.TRACKS; the markets. Out:
    tables.TOP_ARTISTS_BY_GENRE; a chart covers the `days` days that end on chart_date. market NULL is the overall
    chart: it counts plays of every country, unknown ones and those that are not among the markets included. Ties
    break by plays (descending), then by artist_id (ascending); figures that are NULL or 0 are not ranked. Tracks
    without an artist or a genre do not count. Sums are aggregated to artists first, so that only small rows are spread
    over the window's days.
    """
    artists = tracks.where("artist_id is not null and genre is not null").select("track_id", "genre", "artist_id")
    numbered = _numbered(artists.select("genre", "artist_id"), "_artist")
    named = artists.join(F.broadcast(numbered), ["genre", "artist_id"]).select("track_id", "_artist")
    by_artist = _sums(daily.join(F.broadcast(named), "track_id"), _FIGURES, "play_date", "country", "_artist")
    places = F.array(*(F.lit(market) for market in markets))
    position = F.coalesce(F.array_position(places, F.col("country")), F.lit(_OVERALL)).cast("int")
    charts = F.when(position == _OVERALL, F.array(F.lit(_OVERALL))).otherwise(F.array(F.lit(_OVERALL), position))
    of_market = by_artist.withColumn("_market", F.explode(charts))
    by_market = _sums(of_market, _FIGURES, "play_date", "_market", "_artist")
    windows = _rolling(by_market, _FIGURES, ("_market", "_artist"), first, last, days)
    with_ids = windows.join(F.broadcast(numbered), "_artist")
    ranked = rank_by(with_ids, ARTIST_CRITERIA, ("chart_date", "_market", "genre"), "_artist", size)
    market = F.when(F.col("_market") != _OVERALL, F.get(places, F.col("_market") - 1)).alias("market")
    named_again = ranked.join(F.broadcast(artist_names(tracks)), "artist_id").select("*", market)
    return named_again.select(*tables.TOP_ARTISTS_BY_GENRE.names)


def favourites(
    daily: DataFrame, tracks: DataFrame, catalogue: bool, first: date, last: date, days: int, size: int
) -> DataFrame:
    """Sums by day -> the `size` most played tracks of each age group, for each chart day from first to last.

    In: daily, tracks, first, last and days as for top_artists. Out: tables.AGE_GROUP_FAVOURITES. plays counts plays of
    all countries by users of a known age group, except section_plays: the app shows this list, and plays started from
    it must not keep a track on it. Ties break by track_id (ascending); a track without any counted play is not ranked.
    catalogue: whether tracks have been delivered. If so, a track that is missing from `tracks` is not ranked;
    otherwise every track is ranked, with NULL for title and artist_name.
    """
    # section_plays is NULL in rows written before the column existed
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
    """The distinct rows with their position in sort order, from 1: numbers group and sort faster than texts."""
    order = Window.partitionBy(F.lit(1)).orderBy(*rows.columns)
    return rows.distinct().withColumn(name, F.row_number().over(order))


def _rolling(
    sums: DataFrame, figures: Sequence[str], by: Sequence[str], first: date, last: date, days: int
) -> DataFrame:
    """Sums by play_date and `by` -> by chart_date and `by`, the sums of the `days` days that end on chart_date.

    In: play_date, `by` and figures: first plays, greater than 0 in every row, then others, which may be NULL. Out:
    chart_date (first to last, only days whose window holds plays), `by` and figures; a figure is NULL if no row of the
    window has it.

    A day's sums enter the window on that day and leave it after `days` days. The running sum of these two changes is
    the window's figure, which is constant until the next change: so each row counts twice and not once for each day.
    Since everything that enters leaves again, the changes of a group add up to 0, and one running sum can go through
    all groups of a bucket (grouped_window).
    """
    enters = F.greatest(F.col("play_date"), F.lit(first))
    leaves = F.date_add("play_date", days)
    moves = F.array(
        F.struct(enters.alias("day"), F.lit(1).alias("sign")), F.struct(leaves.alias("day"), F.lit(-1).alias("sign"))
    )
    plays, *others = figures
    known = {name: F.col(name).isNotNull().cast("int") for name in others}
    concerned = sums.where(leaves > F.lit(first)).where(F.col("play_date") <= F.lit(last))
    moved = concerned.select(*by, *figures, F.explode(moves).alias("_move"))
    sign = F.col("_move.sign")
    changes = moved.groupBy(*by, F.col("_move.day").alias("_since")).agg(
        *(F.sum(sign * F.col(name)).alias(name) for name in figures),
        *(F.sum(sign * count).alias(f"_known_{name}") for name, count in known.items()),
    )
    order = grouped_window(*by, then="_since")
    so_far = order.rowsBetween(Window.unboundedPreceding, 0)
    # after a group's last change its window is empty, so it does no harm that the next row belongs to another group
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
