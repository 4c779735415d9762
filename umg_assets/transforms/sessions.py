"""Sessions: what a user played in one go."""

from datetime import timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables

SILENCE = timedelta(minutes=30)
"""Without a session_id, a longer silence after a play's end ends a session."""
LONG_SILENCE = timedelta(hours=24)
"""A longer silence ends any session: an exporter's session_id may come again."""
LONGEST = timedelta(hours=22)
"""How much of a play counts before a silence. With it no play is linked over two whole local days (47 hours where the
clocks change), and plays of partitions.SESSION_DAYS_BEFORE days before a day decide its sessions exactly."""


def sessions_of(plays: DataFrame) -> DataFrame:
    """Plays -> sessions (tables.SESSIONS), of every day for which the plays of the days around it are given.

    plays: tables.PLAYS. A session is a user's plays with one session_id (which counts per user only), or without one.
    Silence after the end of what was played ends it: over 30 minutes without a session_id, over 24 hours with one. A
    session belongs to the local day on which it began, also past midnight; one that has filled a whole local day is
    cut at the midnight after. Of a play over 22 hours, 22 count before a silence. country and age_group are those of
    its first play; sums are NULL where no play knows.
    """
    group = Window.partitionBy("user_key", "session_id").orderBy("started_at", "play_id")
    earlier = group.rowsBetween(Window.unboundedPreceding, -1)
    started = F.unix_micros("started_at")
    ended = started + F.coalesce("played_ms", F.lit(0)) * 1000
    timed = plays.withColumn("_started", started).withColumn("_ended", ended)
    held = F.least("_ended", F.col("_started") + _micros(LONGEST))
    silence = F.col("_started") - F.max(held).over(earlier)
    allowed = F.when(F.col("session_id").isNull(), _micros(SILENCE)).otherwise(_micros(LONG_SILENCE))
    linked = timed.withColumn("_new", F.when(silence <= allowed, 0).otherwise(1))
    chained = linked.withColumn("_chain", F.sum("_new").over(group))
    chain = Window.partitionBy("user_key", "session_id", "_chain").orderBy("started_at", "play_id")
    dated = chained.withColumn("_began", F.first("play_date").over(chain)).withColumn(
        "_previous", F.lag("play_date").over(chain)
    )
    cut = (F.col("_previous") < F.col("play_date")) & (F.datediff("play_date", "_began") >= 2)
    parted = dated.withColumn("_cut", F.when(cut, 1).otherwise(0)).withColumn("_part", F.sum("_cut").over(chain))
    session = ["user_key", "session_id", "_chain", "_part"]
    first = Window.partitionBy(*session).orderBy("started_at", "play_id")
    opened = parted.withColumn("_nth", F.row_number().over(first))
    of_first = {name: F.max(F.when(F.col("_nth") == 1, F.col(name))).alias(name) for name in ("country", "age_group")}
    found = opened.groupBy(*session).agg(
        F.min("play_date").alias("session_date"),
        F.min("started_at").alias("started_at"),
        F.timestamp_micros(F.max("_ended")).alias("ended_at"),
        F.count(F.lit(1)).alias("plays"),
        F.sum(F.col("is_skip").cast("bigint")).alias("skips"),
        F.sum(F.col("is_complete").cast("bigint")).alias("completes"),
        F.sum("played_ms").alias("listening_ms"),
        *of_first.values(),
    )
    parts = F.concat_ws(
        "|", "user_key", F.coalesce("session_id", F.lit("")), F.unix_micros("started_at").cast("string")
    )
    return found.withColumn("session_key", F.sha2(parts, 256)).select(*tables.SESSIONS.names)


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
