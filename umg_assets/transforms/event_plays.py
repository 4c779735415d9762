"""Plays from play_start and play_end events: which end belongs to which start."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

START, END = "play_start", "play_end"
DAY_MS = 24 * 3600 * 1000
AGAIN_MS = 2_000
"""A second start of the same play within this time, without an end in between, is a duplicate of the first."""
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
    """A property of an event (a key of its `properties`), as text; NULL if the app did not send it."""
    return F.get_json_object("properties", f"$.{name}")


def event_play_id() -> Column:
    """The id of the play that an event starts: properties.play_id, else event_id."""
    return F.coalesce(property_of("play_id"), F.col("event_id"))


def pair_plays(events: DataFrame) -> DataFrame:
    """Events -> the starts and ends of plays among them, each with its `outcome`.

    In: columns of tables.RAW_APP_EVENTS, each event once, of the days asked for and the day before and after each.
    Starts and ends belong to the same play if user_key, session_id, track_id and properties.play_id (NULL if the app
    sends none) are equal. Among those, in the order of occurred_at (ties: a start before an end, then event_id), an end
    closes the event right before it if that is a start at most 24 hours and one local day earlier. So plays of
    different tracks may overlap, and the order of delivery does not matter.

    Out: the columns of `events`, `_end_at` (instant of the start's end), `_end_ms` (that end's properties.played_ms,
    milliseconds) and outcome:
    paired: a start with an end; end: an end with a start; start_without_end; end_without_start: also a second end, or
    one that precedes its start; start_again: a second start of a play without an end in between, within 2 seconds or,
    if play_id is given, one local day (dropped); without_track: no track_id. `_end_at` and `_end_ms` are to be read
    for paired starts only.
    """
    starts_and_ends = events.where(F.col("event_name").isin(START, END)).withColumn("_play", property_of("play_id"))
    is_start = F.col("event_name") == START
    tracked = starts_and_ends.where("track_id is not null").withColumn("_kind", F.when(is_start, 0).otherwise(1))
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
    no_end = [F.lit(None).cast("timestamp").alias("_end_at"), F.lit(None).cast("bigint").alias("_end_ms")]
    untracked = starts_and_ends.where("track_id is null")
    dropped = [
        marked.where("_again").select(*events.columns, *no_end, F.lit("start_again").alias("outcome")),
        untracked.select(*events.columns, *no_end, F.lit("without_track").alias("outcome")),
    ]
    paired = followed.withColumn("outcome", outcome).select(*names)
    return paired.unionByName(dropped[0]).unionByName(dropped[1])


def plays_from_events(pairs: DataFrame) -> DataFrame:
    """Starts and ends with their outcome (pair_plays) -> one play for each start that is paired or has no end.

    Out: PLAY_COLUMNS. play_id is the start's play_pseudonym, else event_play_id. played_ms (milliseconds) is the end's
    properties.played_ms if that is between 0 and 24 hours, else the time from start to end; NULL for a start without
    an end. country is NULL. section is the start's properties.section, NULL if empty.
    """
    reported = F.when(F.col("_end_ms").between(0, DAY_MS), F.col("_end_ms"))
    lasted = F.coalesce(reported, _ms_between(F.col("occurred_at"), F.col("_end_at")))
    return pairs.where("outcome in ('paired', 'start_without_end')").select(
        F.col("event_date").alias("play_date"),
        F.coalesce("play_pseudonym", event_play_id()).alias("play_id"),
        "user_key",
        "session_id",
        "track_id",
        F.col("occurred_at").alias("started_at"),
        F.when(F.col("outcome") == "paired", lasted).alias("played_ms"),
        F.lit(None).cast("string").alias("country"),
        F.nullif(property_of("section"), F.lit("")).alias("section"),
    )


def with_event_plays(copies: DataFrame, event_plays: DataFrame) -> DataFrame:
    """Delivered plays and plays from events -> all plays, each once.

    In: copies, the plays of raw_plays (latest_copies); event_plays, those of plays_from_events. Out: PLAY_COLUMNS. If
    both have a play of the same play_id and play_date, the delivered one counts, with its section.
    """
    delivered, key = copies.select(*PLAY_COLUMNS), ["play_id", "play_date"]
    return delivered.unionByName(event_plays.join(delivered.select(*key), key, "left_anti").select(*PLAY_COLUMNS))


def outcomes(pairs: DataFrame) -> DataFrame:
    """Starts and ends with their outcome (pair_plays) -> event_date, outcome, events (their number).

    Ends that close a start are left out: their start is counted as paired.
    """
    counted = pairs.where("outcome <> 'end'").groupBy("event_date", "outcome")
    return counted.agg(F.count(F.lit(1)).alias("events"))


def _near(start: str, end: str, start_date: str, end_date: str) -> Column:
    return (F.datediff(end_date, start_date) <= 1) & (_ms_between(F.col(start), F.col(end)) <= DAY_MS)


def _ms_between(start: Column, end: Column) -> Column:
    return (F.unix_millis(end) - F.unix_millis(start)).cast("bigint")
