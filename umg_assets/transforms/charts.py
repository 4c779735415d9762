"""Charts: ranked tracks."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import CRITERIA
from umg_assets.transforms.ranking import rank_by


def rank_tracks(monthly: DataFrame, tracks: DataFrame, size: int, catalogue: bool) -> DataFrame:
    """Sums by month, country and track -> the top `size` tracks by each criterion.

    In: tables.MONTHLY_TRACK_PLAYS and tables.TRACKS. Out: tables.TOP_TRACKS_BY_COUNTRY, one ranking for each month,
    country and criterion. Ties break by plays (descending), then by track_id (ascending). Plays of an unknown country
    are in no chart. A track whose figure is NULL or 0 is not ranked, so a criterion without data gives no rows.
    catalogue: whether tracks have been delivered. If so, a track that is missing from `tracks` is not ranked;
    otherwise every track is ranked, with NULL for title, artist_name and genre.
    """
    named = monthly.where("country is not null").join(
        F.broadcast(tracks.select("track_id", "title", "artist_name", "genre")),
        "track_id",
        "inner" if catalogue else "left",
    )
    return rank_by(named, CRITERIA, ("month", "country"), "track_id", size).select(*tables.TOP_TRACKS_BY_COUNTRY.names)
