"""Visits: sessions with or without a play; their sums by user and day; and each day's first events in experiments."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.transforms.event_plays import property_of
from umg_assets.transforms.plays import with_user_of_day
from umg_assets.transforms.sessions import key_of_session, number_sessions, of_first

_SUMS = ("plays", "streams", "skips", "completes", "listening_ms")


def visits_of(plays: DataFrame, events: DataFrame, users: DataFrame) -> DataFrame:
    """Plays and events -> visits (tables.VISITS), of every day for which those of the days around it are given.

    plays, users: tables.PLAYS, tables.USERS; events: columns of tables.RAW_APP_EVENTS, each once. A visit is what
    transforms/sessions.py says of a session, with events among its plays that last no time: where the app delivers a
    session_id, a visit is one. country and age_group are those of its first play or event. What a play does not know
    counts as nothing.
    """
    happened = with_user_of_day(events.withColumnRenamed("event_date", "play_date"), users).select(
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
    # Sail cannot aggregate a union of columns with a comment and without: computed ones have none
    bare = [F.coalesce(name, F.lit(None)).alias(name) for name in happened.columns if name != "_play"]
    rows = number_sessions(plays.select(*bare, F.lit(1).alias("_play")).unionByName(happened))
    found = rows.groupBy("user_key", "session_id", "_nth").agg(
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
    return found.withColumn("visit_key", key_of_session()).select(*tables.VISITS.names)


def sum_visits(visits: DataFrame) -> DataFrame:
    """Visits of whole days -> their sums by user and day (tables.USER_DAYS)."""
    ms = F.col("listening_ms").cast("decimal(19,0)")
    first = F.struct("started_at", "visit_key")
    found = visits.groupBy(F.col("visit_date").alias("activity_date"), "user_key").agg(
        F.count(F.lit(1)).alias("sessions"),
        *(F.sum(name).alias(name) for name in _SUMS),
        F.sum((ms * ms).cast("decimal(38,0)")).alias("listening_squares"),
        F.min_by("country", first).alias("country"),
        F.min_by("age_group", first).alias("age_group"),
    )
    return found.select(*tables.USER_DAYS.names)


def first_events(events: DataFrame, section: str) -> DataFrame:
    """Events of whole days, each once -> each user's first of a name in an experiment (tables.EXPOSURE_DAYS).

    A user is eligible unless properties.eligible is false; section_events are those of which properties.section is
    `section`. Events of no experiment, or of no variant, are left out.
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
    found = marked.groupBy(*key).agg(
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
    return found.withColumn("other_variant", other).select(*tables.EXPOSURE_DAYS.names)


def _sum(column: str) -> Column:
    return F.coalesce(F.sum(F.col(column).cast("bigint")), F.lit(0).cast("bigint"))
