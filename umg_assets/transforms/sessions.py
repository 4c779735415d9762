"""Sessions: the plays of a user between two silences."""

from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from umg_assets import tables

SILENCE = timedelta(minutes=30)
"""A longer silence ends a session that has no session_id."""
LONG_SILENCE = timedelta(hours=24)
"""A longer silence ends any session: an exporter may use a session_id again."""
LONGEST = timedelta(hours=22)
"""How much of a play counts before a silence. With this limit no play links to another across two whole local days
(47 hours when the clocks change), so the plays of calendar.SESSION_DAYS_BEFORE days before a day decide its sessions
exactly."""
_OF_USER = ("user_key", "session_id")
_OF_FIRST_PLAY = ("country", "age_group")


def sessions_of(plays: DataFrame) -> DataFrame:
    """Plays -> sessions.

    In: tables.PLAYS of the days asked for, of calendar.SESSION_DAYS_BEFORE days before and SESSION_DAYS_AFTER days
    after each. Out: tables.SESSIONS; only the sessions of the days asked for are complete. A session consists of a
    user's plays with the same session_id (unique with the user only) or, of those without one, of plays in a row. It
    ends when silence follows the end of everything played so far: over 30 minutes without a session_id, over 24 hours
    with one; of a play, at most 22 hours count towards that end. It belongs to the local day on which it began, also
    past midnight; a session that has lasted a whole local day is cut at the following midnight. country and age_group
    are those of its first play (ties by play_id). skips, completes and listening_ms (milliseconds) are NULL if no play
    has the figure.
    """
    # most ids span less than a day: one session, built without sorting; the few others are read a second time
    timed = _timed(plays).withColumns({f"_{name}": F.xxhash64(name) for name in _OF_FIRST_PLAY})
    by_id = timed.where("session_id is not null").groupBy(*_OF_USER)
    # hashes cost less to compare than texts; the hash of NULL is 42, so that NULL equals NULL
    alike = (F.min(f"_{name}") == F.max(f"_{name}") for name in _OF_FIRST_PLAY)
    short = (
        reduce(Column.__and__, alike)
        & (F.max("_started") - F.min("_started") <= _micros(LONG_SILENCE))
        & (F.datediff(F.max("play_date"), F.min("play_date")) <= 1)
    )
    whole = by_id.agg(*_figures(), *(F.max(name).alias(name) for name in _OF_FIRST_PLAY), short.alias("_short"))
    long = by_id.agg(short.alias("_short")).where("not _short").select(*_OF_USER)
    apart = F.broadcast(long).join(timed, list(_OF_USER)).unionByName(timed.where("session_id is null"))
    sessions = whole.where("_short").drop("_short").unionByName(_by_silence(apart))
    return sessions.withColumn("session_key", key_of_session()).select(*tables.SESSIONS.names)


def number_sessions(plays: DataFrame) -> DataFrame:
    """Plays -> the same rows with the number of their session.

    In: user_key, session_id, play_id, play_date, started_at, played_ms (milliseconds). Rows that are not plays, such
    as events, may be among them, with a played_ms of 0 or NULL. Added columns: `_nth`, which with user_key and
    session_id identifies the session; `_opens`, whether the row is its session's first; `_started` and `_ended`
    (microseconds since 1970).
    """
    return _numbered(_timed(plays))


def of_first(name: str) -> Column:
    """An aggregate over the rows of a session (number_sessions): the value of `name` in its first row."""
    return F.max(F.when(F.col("_opens"), F.col(name))).alias(name)


def key_of_session() -> Column:
    """The key of a session: SHA-256 (hex) of user_key, session_id and started_at (microseconds since 1970)."""
    parts = F.concat_ws(
        "|", "user_key", F.coalesce("session_id", F.lit("")), F.unix_micros("started_at").cast("string")
    )
    return F.sha2(parts, 256)


def _timed(plays: DataFrame) -> DataFrame:
    """Plays with `_started` and `_ended` in microseconds since 1970; a play of unknown length ends as it starts."""
    started = F.unix_micros("started_at")
    ended = started + F.coalesce("played_ms", F.lit(0)) * 1000
    return plays.withColumn("_started", started).withColumn("_ended", ended)


def _by_silence(timed: DataFrame) -> DataFrame:
    """Rows of _timed -> sessions, separated by the silence between plays."""
    values = (of_first(name) for name in _OF_FIRST_PLAY)
    return _numbered(timed).groupBy(*_OF_USER, "_nth").agg(*_figures(), *values).drop("_nth")


def _numbered(timed: DataFrame) -> DataFrame:
    group = Window.partitionBy(*_OF_USER).orderBy("started_at", "play_id")
    earlier, so_far = (group.rowsBetween(Window.unboundedPreceding, last) for last in (-1, 0))
    counted_end = F.least("_ended", F.col("_started") + _micros(LONGEST))
    silence = F.col("_started") - F.max(counted_end).over(earlier)
    allowed = F.when(F.col("session_id").isNull(), _micros(SILENCE)).otherwise(_micros(LONG_SILENCE))
    # all windows share one order, so that the plays are sorted once
    linked = timed.withColumn("_linked", F.coalesce(silence <= allowed, F.lit(False))).withColumn(
        "_previous", F.lag("play_date").over(group)
    )
    # dates ascend with the instants, so the latest date that began a session is that of the current one
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
