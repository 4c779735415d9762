"""From raw copies to plays, and from plays to sums by day and by month."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.tables import Kind

_OF_FILE = ("delivery_date", "source_file", "record")


def latest_copies(raw: DataFrame, correction_days: int, kind: Kind = "plays") -> DataFrame:
    """Raw copies of plays (or events) -> each once: its latest delivery's copy.

    raw: columns of the kind's raw table. A copy gives way to a later one of the same id (by delivery_date, then
    source_file, then record) whose local date lies at most correction_days away; beyond that both stand.
    """
    id_, day = tables.MOMENTS[kind].id, tables.MOMENTS[kind].date
    key = F.xxhash64(id_).alias("_hash")
    repeated = raw.groupBy(key).agg(F.count(F.lit(1)).alias("_copies")).where("_copies > 1").select("_hash")
    narrow = raw.select(id_, day, F.struct(*_OF_FILE).alias("_copy"), key)
    few = F.broadcast(repeated).join(narrow, "_hash")
    found = F.struct("_copy", F.col(day).alias("_date"))
    copies = few.groupBy(id_).agg(
        F.collect_list(found).alias("_copies"),
        F.max(found).alias("_last"),
        F.datediff(F.max(day), F.min(day)).alias("_days"),
    )
    # mostly the last copy supersedes all; only where they lie far apart each is held to each
    against = F.when(F.col("_days") <= correction_days, F.array("_last")).otherwise(F.col("_copies"))
    pairs = copies.select(F.explode("_copies").alias("_one"), against.alias("_against")).select(
        "_one", F.explode("_against").alias("_later")
    )
    near = F.abs(F.datediff("_later._date", "_one._date")) <= correction_days
    gone = pairs.where((F.col("_later._copy") > F.col("_one._copy")) & near).select("_one._copy.*").distinct()
    # the small side stands left, where Sail builds its hash table
    marked = F.broadcast(gone.withColumn("_gone", F.lit(True))).join(raw, list(_OF_FILE), "right")
    return marked.where("_gone is null").select(*raw.columns)


def repeated_plays(plays: DataFrame) -> DataFrame:
    """Plays (play_id, play_date) -> play_id, days (how many it stands on), first_day, last_day, of those on several."""
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


def users_during(users: DataFrame, first: date, last: date) -> DataFrame:
    """Of the users' history (tables.USERS) the rows that hold on any day from first to last.

    A join with plays of those days gives what one with the whole history gives, and meets a row a user and not all.
    """
    return users.where((F.col("valid_from") <= F.lit(last)) & F.coalesce(F.col("valid_to") > F.lit(first), F.lit(True)))


def with_user_of_day(days: DataFrame, users: DataFrame) -> DataFrame:
    """Rows with user_key and play_date -> with user_country and age_group of that user on that day, or NULL.

    users: tables.USERS.
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
    # the small side stands left, where Sail builds its hash table
    return F.broadcast(history).join(days, on_that_day, "right").drop("_user", "valid_from", "valid_to")


def stamp_plays(
    copies: DataFrame, users: DataFrame, tracks: DataFrame, stream_ms: int, complete_percent: int
) -> DataFrame:
    """Plays with what held on their day -> tables.PLAYS.

    copies: one raw row a play; users, tracks: tables.USERS, tables.TRACKS. country is the event's, else the
    user's on the play's day; age_group the user's on that day. is_stream: played_ms >= stream_ms; is_skip: less;
    is_complete: played_ms >= complete_percent % of duration_ms. Each is NULL where what it needs is not known.
    """
    lengths = tracks.select("track_id", "duration_ms")
    stamped = with_user_of_day(copies, users).join(F.broadcast(lengths), "track_id", "left")
    made = {
        "country": F.coalesce("country", "user_country"),
        "is_stream": F.col("played_ms") >= stream_ms,
        "is_skip": F.col("played_ms") < stream_ms,
        "is_complete": F.col("played_ms") * 100 >= F.col("duration_ms") * complete_percent,
    }
    return stamped.select(*(made.get(name, F.col(name)).alias(name) for name in tables.PLAYS.names))


def _total(column: str) -> Column:
    return F.sum(F.col(column).cast("bigint"))


def sum_by_day(plays: DataFrame, section: str) -> DataFrame:
    """Plays -> sums by play_date, country, age_group and track_id (tables.DAILY_TRACK_PLAYS); NULLs are kept.

    section: that of the app whose plays section_plays counts; 0 where none was started there. Any other sum is NULL
    where no play of the group knows its figure.
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
    """Plays of whole months -> sums and exact listeners by month, country and track (tables.MONTHLY_TRACK_PLAYS).

    Summed first by listener, then over listeners: exact, and no set of users is held in memory.
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
