"""Sessions: what a user played in one go."""

from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables

SILENCE = timedelta(minutes=30)
"""Without a session_id, a longer silence after a play's end ends a session."""
LONG_SILENCE = timedelta(hours=24)
"""A longer silence ends any session: an exporter's session_id may come again."""
LONGEST = timedelta(hours=22)
"""How much of a play counts before a silence. With it no play is linked over two whole local days (47 hours where the
clocks change), and plays of partitions.SESSION_DAYS_BEFORE days before a day decide its sessions exactly."""
_OF_USER = ("user_key", "session_id")
_STAMPS = ("country", "age_group")


def sessions_of(plays: DataFrame) -> DataFrame:
    """Plays -> sessions (tables.SESSIONS), of every day for which the plays of the days around it are given.

    plays: tables.PLAYS. A session is a user's plays with one session_id (which counts per user only), or without one.
    Silence after the end of what was played ends it: over 30 minutes without a session_id, over 24 hours with one. A
    session belongs to the local day on which it began, also past midnight; one that has filled a whole local day is
    cut at the midnight after. Of a play over 22 hours, 22 count before a silence. country and age_group are those of
    its first play; sums are NULL where no play knows.
    """
    # most ids span less than a day: one session, found without sorting; the others are few, and read once more
    timed = _timed(plays).withColumns({f"_{name}": F.xxhash64(name) for name in _STAMPS})
    by_id = timed.where("session_id is not null").groupBy(*_OF_USER)
    # stamps as numbers: texts cost more to compare; that of NULL is 42
    alike = (F.min(f"_{name}") == F.max(f"_{name}") for name in _STAMPS)
    short = (
        reduce(Column.__and__, alike)
        & (F.max("_started") - F.min("_started") <= _micros(LONG_SILENCE))
        & (F.datediff(F.max("play_date"), F.min("play_date")) <= 1)
    )
    whole = by_id.agg(*_figures(), *(F.max(name).alias(name) for name in _STAMPS), short.alias("_short"))
    long = by_id.agg(short.alias("_short")).where("not _short").select(*_OF_USER)
    apart = F.broadcast(long).join(timed, list(_OF_USER)).unionByName(timed.where("session_id is null"))
    found = whole.where("_short").drop("_short").unionByName(_by_silence(apart))
    return found.withColumn("session_key", key_of_session()).select(*tables.SESSIONS.names)


def number_sessions(plays: DataFrame) -> DataFrame:
    """Plays, each with the session in which it lies: `_nth` of its user_key and session_id.

    `_opens`: whether it is its session's first. `_ended`: its end, in microseconds since 1970. Rows that are no plays
    may stand among them: they last no time.
    """
    return _numbered(_timed(plays))


def of_first(name: str) -> Column:
    """Of a session, the value of its first row."""
    return F.max(F.when(F.col("_opens"), F.col(name))).alias(name)


def key_of_session() -> Column:
    """SHA-256 of user_key, session_id and started_at."""
    parts = F.concat_ws(
        "|", "user_key", F.coalesce("session_id", F.lit("")), F.unix_micros("started_at").cast("string")
    )
    return F.sha2(parts, 256)


def _timed(plays: DataFrame) -> DataFrame:
    """Plays with their start and end in microseconds."""
    started = F.unix_micros("started_at")
    ended = started + F.coalesce("played_ms", F.lit(0)) * 1000
    return plays.withColumn("_started", started).withColumn("_ended", ended)


def _by_silence(timed: DataFrame) -> DataFrame:
    """Plays with their start and end in microseconds -> sessions, by the silence between one play and the next."""
    stamps = (of_first(name) for name in _STAMPS)
    return _numbered(timed).groupBy(*_OF_USER, "_nth").agg(*_figures(), *stamps).drop("_nth")


def _numbered(timed: DataFrame) -> DataFrame:
    group = Window.partitionBy(*_OF_USER).orderBy("started_at", "play_id")
    earlier, so_far = (group.rowsBetween(Window.unboundedPreceding, last) for last in (-1, 0))
    held = F.least("_ended", F.col("_started") + _micros(LONGEST))
    silence = F.col("_started") - F.max(held).over(earlier)
    allowed = F.when(F.col("session_id").isNull(), _micros(SILENCE)).otherwise(_micros(LONG_SILENCE))
    # every window is of one order: the plays are sorted once
    linked = timed.withColumn("_linked", F.coalesce(silence <= allowed, F.lit(False))).withColumn(
        "_previous", F.lag("play_date").over(group)
    )
    # dates rise with the instants, so the latest date that began something is the one that began this
    dated = linked.withColumn("_began", F.max(F.when(~F.col("_linked"), F.col("play_date"))).over(so_far))
    cut = (F.col("_previous") < F.col("play_date")) & (F.datediff("play_date", "_began") >= 2)
    opened = dated.withColumn("_opens", ~F.col("_linked") | cut)
    return opened.withColumn("_nth", F.sum(F.col("_opens").cast("int")).over(so_far))


def _figures() -> list[Column]:
    return [
        F.min("play_date").alias("session_date"),
        F.min("started_at").alias("started_at"),
        F.timestamp_micros(F.max("_ended")).alias("ended_at"),
        F.count(F.lit(1)).alias("plays"),
        F.sum(F.col("is_skip").cast("bigint")).alias("skips"),
        F.sum(F.col("is_complete").cast("bigint")).alias("completes"),
        F.sum("played_ms").alias("listening_ms"),
    ]


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
