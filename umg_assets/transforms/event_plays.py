"""Plays of play_start and play_end events: which start belongs to which end."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

START, END = "play_start", "play_end"
DAY_MS = 24 * 3600 * 1000
AGAIN_MS = 2_000
"""A start of the same play again within so long, with no end between, is the same one logged twice."""
PLAY_COLUMNS = (
    "play_date",
    "play_id",
    "user_key",
    "session_id",
    "track_id",
    "started_at",
    "played_ms",
    "country",
    "section",
)


def property_of(name: str) -> Column:
    """A property of an event, as text; NULL where the app does not say."""
    return F.get_json_object("properties", f"$.{name}")


def pair_plays(events: DataFrame) -> DataFrame:
    """Events, each once, of some days and the days beside them -> their starts and ends with an `outcome`.

    events: columns of tables.RAW_APP_EVENTS. A start and an end belong together when they name the same play: user,
    session, track, and properties.play_id where the app gives one. In order of occurred_at (a start before an end of
    the same instant; then event_id), an end closes the start right before it, at most 24 hours and one local day
    earlier, so plays of several tracks may cross. Delivered out of order is no matter; the order of instants is.

    Out: the columns of events, `_end_at`, `_end_ms` (what the end's properties.played_ms says) and outcome: paired (a
    start with its end), end (an end with its start), start_without_end, start_again (of the same play, within 2 s, or
    a day by play_id: dropped), end_without_start (also an end doubled, or before its start), without_track.
    """
    wanted = events.where(F.col("event_name").isin(START, END)).withColumn("_play", property_of("play_id"))
    is_start = F.col("event_name") == START
    tracked = wanted.where("track_id is not null").withColumn("_kind", F.when(is_start, 0).otherwise(1))
    order = Window.partitionBy("user_key", "session_id", "track_id", "_play").orderBy(
        "occurred_at", "_kind", "event_id"
    )
    soon = _ms_between(F.lag("occurred_at").over(order), F.col("occurred_at")) <= AGAIN_MS
    named = F.col("_play").isNotNull() & (F.datediff("event_date", F.lag("event_date").over(order)) <= 1)
    again = is_start & (F.lag("_kind").over(order) == 0) & (named | soon)
    marked = tracked.withColumn("_again", F.coalesce(again, F.lit(False)))
    once = marked.where("not _again")
    end_ms = property_of("played_ms").try_cast("bigint")
    followed = once.select(
        "*",
        F.lead("_kind").over(order).alias("_next"),
        F.lead("occurred_at").over(order).alias("_end_at"),
        F.lead("event_date").over(order).alias("_end_date"),
        F.lead(end_ms).over(order).alias("_end_ms"),
        F.lag("_kind").over(order).alias("_before"),
        F.lag("occurred_at").over(order).alias("_start_at"),
        F.lag("event_date").over(order).alias("_start_date"),
    )
    ended = (F.col("_next") == 1) & _near("occurred_at", "_end_at", "event_date", "_end_date")
    begun = (F.col("_before") == 0) & _near("_start_at", "occurred_at", "_start_date", "event_date")
    outcome = (
        F.when((F.col("_kind") == 0) & ended, "paired")
        .when(F.col("_kind") == 0, "start_without_end")
        .when(~F.coalesce(begun, F.lit(False)), "end_without_start")
        .otherwise("end")
    )
    names = [*events.columns, "_end_at", "_end_ms", "outcome"]
    none = [F.lit(None).cast("timestamp").alias("_end_at"), F.lit(None).cast("bigint").alias("_end_ms")]
    dropped = [
        marked.where("_again").select(*events.columns, *none, F.lit("start_again").alias("outcome")),
        wanted.where("track_id is null").select(*events.columns, *none, F.lit("without_track").alias("outcome")),
    ]
    paired = followed.withColumn("outcome", outcome).select(*names)
    return paired.unionByName(dropped[0]).unionByName(dropped[1])


def plays_from_events(pairs: DataFrame) -> DataFrame:
    """Starts and ends with an outcome (`pair_plays`) -> a play a start, columns PLAY_COLUMNS.

    play_id is properties.play_id, else the start's event_id. played_ms is what the end says, where that lies between
    0 and 24 hours, else the time from start to end; NULL for a start without its end. section is the start's
    properties.section.
    """
    said = F.when(F.col("_end_ms").between(0, DAY_MS), F.col("_end_ms"))
    lasted = F.coalesce(said, _ms_between(F.col("occurred_at"), F.col("_end_at")))
    return pairs.where("outcome in ('paired', 'start_without_end')").select(
        F.col("event_date").alias("play_date"),
        F.coalesce(property_of("play_id"), F.col("event_id")).alias("play_id"),
        "user_key",
        "session_id",
        "track_id",
        F.col("occurred_at").alias("started_at"),
        F.when(F.col("outcome") == "paired", lasted).alias("played_ms"),
        F.lit(None).cast("string").alias("country"),
        F.nullif(property_of("section"), F.lit("")).alias("section"),
    )


def with_event_plays(copies: DataFrame, made: DataFrame) -> DataFrame:
    """Plays of raw_plays, each once, and those made of events (PLAY_COLUMNS).

    One that both have, of the same play_id and day, is raw_plays' own, its section too.
    """
    own, key = copies.select(*PLAY_COLUMNS), ["play_id", "play_date"]
    return own.unionByName(made.join(own.select(*key), key, "left_anti").select(*PLAY_COLUMNS))


def outcomes(pairs: DataFrame) -> DataFrame:
    """Starts and ends with an outcome -> event_date, outcome, events; ends that close a start are not counted."""
    counted = pairs.where("outcome <> 'end'").groupBy("event_date", "outcome")
    return counted.agg(F.count(F.lit(1)).alias("events"))


def _near(start: str, end: str, start_date: str, end_date: str) -> Column:
    return (F.datediff(end_date, start_date) <= 1) & (_ms_between(F.col(start), F.col(end)) <= DAY_MS)


def _ms_between(start: Column, end: Column) -> Column:
    return (F.unix_millis(end) - F.unix_millis(start)).cast("bigint")
