"""Charts: ranked tracks."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import CRITERIA
from umg_assets.transforms.ranking import rank_by


def rank_tracks(monthly: DataFrame, tracks: DataFrame, size: int, catalogue: bool) -> DataFrame:
    """Sums by month, country and track -> the top `size` by each criterion (tables.TOP_TRACKS_BY_COUNTRY).

    monthly: tables.MONTHLY_TRACK_PLAYS; tracks: tables.TRACKS. Ties break by plays, then track_id. A track whose
    figure is NULL or 0 is not ranked, so a criterion without data gives no rows. With a catalogue, a track that
    it does not hold is not ranked; without one, every track is, and its title is NULL.
    """
    named = monthly.where("country is not null").join(
        F.broadcast(tracks.select("track_id", "title", "artist_name", "genre")),
        "track_id",
        "inner" if catalogue else "left",
    )
    return rank_by(named, CRITERIA, ("month", "country"), "track_id", size).select(*tables.TOP_TRACKS_BY_COUNTRY.names)
