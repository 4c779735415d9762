"""Visits (sessions with or without a play), their sums by user and day, and each day's first events in experiments."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.transforms.event_plays import property_of
from umg_assets.transforms.plays import with_user_of_day
from umg_assets.transforms.sessions import key_of_session, number_sessions, of_first

_SUMS = ("plays", "streams", "skips", "completes", "listening_ms")


def visits_of(plays: DataFrame, events: DataFrame, users: DataFrame) -> DataFrame:
    """Plays and events -> visits.

    In: plays (tables.PLAYS) and events (columns of tables.RAW_APP_EVENTS, each event once) of the days asked for and
    the days around them, as for sessions.sessions_of; users (tables.USERS). Out: tables.VISITS; only the visits of the
    days asked for are complete. A visit is a session as sessions_of defines it, with events as plays of length 0.
    country and age_group are those of its first play or event (ties by play_id or event_id). A figure that a play does
    not have counts as 0; listening_ms is in milliseconds.
    """
    events_as_plays = with_user_of_day(events.withColumnRenamed("event_date", "play_date"), users).select(
        "play_date",
        F.col("event_id").alias("play_id"),
        "user_key",
        "session_id",
        F.col("occurred_at").alias("started_at"),
        F.lit(0).cast("bigint").alias("played_ms"),
        *(F.lit(None).cast("boolean").alias(name) for name in ("is_stream", "is_skip", "is_complete")),
        F.col("user_country").alias("country"),
        "age_group",
        F.lit(0).alias("_play"),
    )
    # Sail cannot aggregate a union of columns with and without comments; computed columns have none
    bare = [F.coalesce(name, F.lit(None)).alias(name) for name in events_as_plays.columns if name != "_play"]
    rows = number_sessions(plays.select(*bare, F.lit(1).alias("_play")).unionByName(events_as_plays))
    visits = rows.groupBy("user_key", "session_id", "_nth").agg(
        F.min("play_date").alias("visit_date"),
        F.min("started_at").alias("started_at"),
        F.timestamp_micros(F.max("_ended")).alias("ended_at"),
        _sum("_play").alias("plays"),
        _sum("is_stream").alias("streams"),
        _sum("is_skip").alias("skips"),
        _sum("is_complete").alias("completes"),
        _sum("played_ms").alias("listening_ms"),
        *(of_first(name) for name in ("country", "age_group")),
    )
    return visits.withColumn("visit_key", key_of_session()).select(*tables.VISITS.names)


def sum_visits(visits: DataFrame) -> DataFrame:
    """Visits of whole days -> sums by day and user.

    In: tables.VISITS. Out: tables.USER_DAYS; sessions counts the visits; country and age_group are those of the
    day's first visit (ties by visit_key); listening_squares is the sum of listening_ms squared (milliseconds squared).
    """
    ms = F.col("listening_ms").cast("decimal(19,0)")
    first = F.struct("started_at", "visit_key")
    sums = visits.groupBy(F.col("visit_date").alias("activity_date"), "user_key").agg(
        F.count(F.lit(1)).alias("sessions"),
        *(F.sum(name).alias(name) for name in _SUMS),
        F.sum((ms * ms).cast("decimal(38,0)")).alias("listening_squares"),
        F.min_by("country", first).alias("country"),
        F.min_by("age_group", first).alias("age_group"),
    )
    return sums.select(*tables.USER_DAYS.names)


def first_events(events: DataFrame, section: str) -> DataFrame:
    """Events of whole days, each once -> each user's first event of a day, experiment, name and eligibility.

    In: columns of tables.RAW_APP_EVENTS. Out: tables.EXPOSURE_DAYS. is_eligible is false if properties.eligible is
    false, else true. session_id and variant are those of the first event (ties by event_id); other_variant is another
    variant of that day, the least in byte order, or NULL. events counts all such events, section_events those whose
    properties.section is `section`. Events without an experiment or a variant are left out.
    """
    marked = events.where("experiment is not null and variant is not null").select(
        F.col("event_date").alias("exposure_date"),
        "experiment",
        "event_name",
        F.coalesce(property_of("eligible") != "false", F.lit(True)).alias("is_eligible"),
        "user_key",
        "occurred_at",
        "event_id",
        "session_id",
        "variant",
        F.coalesce(property_of("section") == section, F.lit(False)).cast("bigint").alias("_section"),
    )
    first = F.struct("occurred_at", "event_id")
    key = ("exposure_date", "experiment", "event_name", "is_eligible", "user_key")
    first_of_day = marked.groupBy(*key).agg(
        F.min("occurred_at").alias("first_at"),
        F.min_by("session_id", first).alias("session_id"),
        F.min_by("variant", first).alias("variant"),
        F.min("variant").alias("_least"),
        F.max("variant").alias("_most"),
        F.count(F.lit(1)).alias("events"),
        F.sum("_section").alias("section_events"),
    )
    other = F.when(F.col("_least") != F.col("variant"), F.col("_least")).when(
        F.col("_most") != F.col("variant"), F.col("_most")
    )
    return first_of_day.withColumn("other_variant", other).select(*tables.EXPOSURE_DAYS.names)


def _sum(column: str) -> Column:
    return F.coalesce(F.sum(F.col(column).cast("bigint")), F.lit(0).cast("bigint"))
