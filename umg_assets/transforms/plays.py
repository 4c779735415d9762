"""Plays from their raw copies, and sums of plays by day and by month."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import Kind

_OF_FILE = ("delivery_date", "source_file", "record")


def landing_of(row: str = "generation") -> Column:
    """The landing that brought a raw row, by its column `generation`: rows from before landings were numbered are 0."""
    return F.coalesce(F.col(row), F.lit(0))


def _order() -> list[Column]:
    """What orders copies: a later delivery date, then a later landing, then path and record."""
    return [F.col("delivery_date"), landing_of().alias("generation"), F.col("source_file"), F.col("record")]


def latest_copies(raw: DataFrame, correction_days: int, kind: Kind = "plays") -> DataFrame:
    """Raw copies of plays (or events) -> the copies that count: of each play, the one delivered last.

    In and out: the columns of the kind's raw table. A copy is dropped if a later copy of the same id exists whose local
    date is at most correction_days days away, in either direction. Copies are ordered by delivery_date, then generation
    (of the landing that brought the file; NULL is 0), then source_file, then record. Copies further apart are different
    plays that share an id: both are kept.
    """
    id_, day = tables.OCCURRENCES[kind].id, tables.OCCURRENCES[kind].date
    key = F.xxhash64(id_).alias("_hash")
    repeated = raw.groupBy(key).agg(F.count(F.lit(1)).alias("_copies")).where("_copies > 1").select("_hash")
    narrow = raw.select(id_, day, F.struct(*_order()).alias("_copy"), key)
    few = F.broadcast(repeated).join(narrow, "_hash")
    dated_copy = F.struct("_copy", F.col(day).alias("_date"))
    copies = few.groupBy(id_).agg(
        F.collect_list(dated_copy).alias("_copies"),
        F.max(dated_copy).alias("_last"),
        F.datediff(F.max(day), F.min(day)).alias("_days"),
    )
    # usually the last copy supersedes all others; copies are compared pairwise only if they are far apart
    rivals = F.when(F.col("_days") <= correction_days, F.array("_last")).otherwise(F.col("_copies"))
    pairs = copies.select(F.explode("_copies").alias("_earlier"), rivals.alias("_rivals")).select(
        "_earlier", F.explode("_rivals").alias("_later")
    )
    near = F.abs(F.datediff("_later._date", "_earlier._date")) <= correction_days
    is_later = F.col("_later._copy") > F.col("_earlier._copy")
    superseded = pairs.where(is_later & near).select(*(f"_earlier._copy.{name}" for name in _OF_FILE)).distinct()
    # the small side is the left one, from which Sail builds its hash table
    marked = F.broadcast(superseded.withColumn("_superseded", F.lit(True))).join(raw, list(_OF_FILE), "right")
    return marked.where("_superseded is null").select(*raw.columns)


def repeated_plays(plays: DataFrame) -> DataFrame:
    """Plays -> the ids that occur on more than one day.

    In: play_id, play_date. Out, one row for each such id: play_id, days (the number of its distinct play dates),
    first_day, last_day.
    """
    key = F.xxhash64("play_id").alias("_hash")
    spread = (
        plays.groupBy(key)
        .agg(F.min("play_date").alias("_first"), F.max("play_date").alias("_last"))
        .where("_first <> _last")
        .select("_hash")
    )
    few = plays.select("play_id", "play_date", key).join(F.broadcast(spread), "_hash", "left_semi")
    by_id = few.groupBy("play_id").agg(
        F.count_distinct("play_date").alias("days"),
        F.min("play_date").alias("first_day"),
        F.max("play_date").alias("last_day"),
    )
    return by_id.where("days > 1")


def differing_copies(raw: DataFrame) -> DataFrame:
    """Raw copies of plays -> by play date, how many copies differ from the first one of their id on that day.

    In: raw, the columns of tables.RAW_PLAYS. Out, for the days that have any: play_date, copies (of ids that occur
    again on their day), other_users, other_tracks, other_times (those among them whose user_key, track_id or started_at
    is not that of the day's first copy, by delivery date, landing, file and record). A corrected copy may differ in
    track or time; one of another user is another play.
    """
    key = F.xxhash64("play_id").alias("_hash")
    repeated = raw.groupBy("play_date", key).agg(F.count(F.lit(1)).alias("_copies")).where("_copies > 1")
    narrow = raw.select("play_id", "play_date", "user_key", "track_id", "started_at", *_order(), key)
    few = F.broadcast(repeated.select("play_date", "_hash")).join(narrow, ["play_date", "_hash"])
    by_id = few.groupBy("play_date", "play_id").agg(
        F.min(F.struct(*_order(), "user_key", "track_id", "started_at")).alias("_first"),
        F.count(F.lit(1)).alias("_copies"),
    )
    pairs = by_id.where("_copies > 1").join(few, ["play_date", "play_id"])
    compared = {"other_users": "user_key", "other_tracks": "track_id", "other_times": "started_at"}
    counts = [
        F.count(F.when(F.col(f"_first.{column}") != F.col(column), 1)).alias(name) for name, column in compared.items()
    ]
    return pairs.groupBy("play_date").agg(F.count(F.lit(1)).alias("copies"), *counts)


def users_during(users: DataFrame, first: date, last: date) -> DataFrame:
    """The rows of the users' history (tables.USERS) that are valid on any day from first to last, both included.

    Joining plays of those days with these rows gives the same result as joining them with the whole history, but
    compares each play with about one row of its user instead of all of them.
    """
    return users.where((F.col("valid_from") <= F.lit(last)) & F.coalesce(F.col("valid_to") > F.lit(first), F.lit(True)))


def with_user_of_day(days: DataFrame, users: DataFrame) -> DataFrame:
    """Rows with user_key and play_date -> the same rows with user_country and age_group of that user on that day.

    users: tables.USERS; a row is valid from valid_from to the day before valid_to. Both new columns are NULL for a user
    who has no valid row.
    """
    history = users.select(
        F.col("user_key").alias("_user"),
        F.col("country").alias("user_country"),
        "age_group",
        "valid_from",
        F.coalesce("valid_to", F.lit("9999-12-31").cast("date")).alias("valid_to"),
    )
    on_that_day = (
        (F.col("user_key") == F.col("_user"))
        & (F.col("play_date") >= F.col("valid_from"))
        & (F.col("play_date") < F.col("valid_to"))
    )
    # the small side is the left one, from which Sail builds its hash table
    return F.broadcast(history).join(days, on_that_day, "right").drop("_user", "valid_from", "valid_to")


def enrich_plays(
    copies: DataFrame, users: DataFrame, tracks: DataFrame, stream_ms: int, complete_percent: int
) -> DataFrame:
    """Raw plays, the users' history and the catalogue -> plays with what was true on their day.

    In: copies, one row for each play with the columns of tables.RAW_PLAYS; tables.USERS; tables.TRACKS. Out:
    tables.PLAYS. country is the play's own, else the user's on the play's day; age_group is the user's on that day.
    is_stream: played_ms >= stream_ms; is_skip: played_ms < stream_ms; is_complete: played_ms >= complete_percent %
    of the track's duration_ms. All durations are in milliseconds. A flag is NULL if a figure it needs is unknown.
    """
    lengths = tracks.select("track_id", "duration_ms")
    enriched = with_user_of_day(copies, users).join(F.broadcast(lengths), "track_id", "left")
    computed = {
        "country": F.coalesce("country", "user_country"),
        "is_stream": F.col("played_ms") >= stream_ms,
        "is_skip": F.col("played_ms") < stream_ms,
        "is_complete": F.col("played_ms") * 100 >= F.col("duration_ms") * complete_percent,
    }
    return enriched.select(*(computed.get(name, F.col(name)).alias(name) for name in tables.PLAYS.names))


def _total(column: str) -> Column:
    return F.sum(F.col(column).cast("bigint"))


def sum_by_day(plays: DataFrame, section: str) -> DataFrame:
    """Plays of whole days -> sums by play_date, country, age_group and track_id.

    In: tables.PLAYS. Out: tables.DAILY_TRACK_PLAYS; NULL is a group of its own in country and age_group. section_plays
    counts the plays that were started from `section` of the app. A sum other than plays and section_plays is NULL
    if no play of the group has its figure. listening_ms is in milliseconds.
    """
    return plays.groupBy("play_date", "country", "age_group", "track_id").agg(
        F.count(F.lit(1)).alias("plays"),
        _total("is_stream").alias("streams"),
        _total("is_skip").alias("skips"),
        _total("is_complete").alias("completes"),
        _total("played_ms").alias("listening_ms"),
        F.count(F.when(F.col("section") == section, 1)).alias("section_plays"),
    )


def sum_by_month(plays: DataFrame) -> DataFrame:
    """Plays of whole months -> sums and distinct listeners by month, country and track_id.

    In: tables.PLAYS. Out: tables.MONTHLY_TRACK_PLAYS; NULL is a group of its own in country. listeners is exact: plays
    are summed by listener first and then over listeners, so that no set of users is held in memory. A user who moved
    within the month is a listener of both countries. data_through is the month's latest play date over all countries.
    A sum is NULL if no play of the group has its figure.
    """
    monthly = plays.withColumn("month", F.trunc("play_date", "month"))
    by_listener = monthly.groupBy("month", "country", "track_id", "user_key").agg(
        F.count(F.lit(1)).alias("plays"),
        _total("is_stream").alias("streams"),
        _total("is_skip").alias("skips"),
        _total("is_complete").alias("completes"),
        _total("played_ms").alias("listening_ms"),
    )
    figures = by_listener.groupBy("month", "country", "track_id").agg(
        *(_total(name).alias(name) for name in ("plays", "streams", "skips", "completes", "listening_ms")),
        F.count(F.lit(1)).alias("listeners"),
    )
    through = monthly.groupBy("month").agg(F.max("play_date").alias("data_through"))
    return figures.join(F.broadcast(through), "month")
