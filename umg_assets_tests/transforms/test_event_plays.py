"""Plays from events: which end closes which start, and what a play takes from them."""

from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.transforms.event_plays import (
    PLAY_COLUMNS,
    outcomes,
    pair_plays,
    plays_from_events,
    with_event_plays,
)
from umg_assets_tests.transforms.frames import day, frame, instant, rows_of

DAY_MS = 24 * 3600 * 1000


def event(name: str, kind: str, at: str, track: str | None = "t", properties: str = "{}", **more: Any) -> dict:
    """A start or an end by user u in session 1."""
    when = {"occurred_at": instant(at), "event_date": instant(at).date()}
    known = {"event_id": name, "event_name": f"play_{kind}", "user_key": "u", "session_id": "1", "track_id": track}
    return {**known, **when, "properties": properties, **more}


def pairs(spark: SparkSession, events: list[dict[str, Any]]) -> DataFrame:
    return pair_plays(frame(spark, tables.RAW_APP_EVENTS, events))


def paired(spark: SparkSession, events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(event_id, outcome)."""
    return rows_of(pairs(spark, events), "event_id", "outcome")


def test_an_end_closes_the_start_right_before_it_and_tracks_may_overlap(spark: SparkSession):
    events = [
        event("a1", "start", "03-02T10:00:00", "a"),
        event("b1", "start", "03-02T10:01:00", "b"),
        event("a2", "end", "03-02T10:02:00", "a"),
        event("b2", "end", "03-02T10:03:00", "b"),
        event("c1", "start", "03-02T10:04:00", "c"),
        event("c2", "start", "03-02T10:05:00", "c"),
        event("c3", "end", "03-02T10:06:00", "c"),
        event("c4", "end", "03-02T10:07:00", "c"),
    ]
    expected = [
        ("a1", "paired"),
        ("a2", "end"),
        ("b1", "paired"),
        ("b2", "end"),
        ("c1", "start_without_end"),
        ("c2", "paired"),
        ("c3", "end"),
        ("c4", "end_without_start"),
    ]
    assert paired(spark, events) == expected
    assert paired(spark, events[::-1]) == expected, "the order of delivery does not matter"


def test_a_start_and_an_end_that_name_another_play_do_not_belong_together(spark: SparkSession):
    others = {
        "user": {"user_key": "v"},
        "session": {"session_id": "2"},
        "track": {"track_id": "other"},
        "play": {"properties": '{"play_id": "p"}'},
    }
    events = []
    for name, other in others.items():
        events += [
            event(f"{name}1", "start", "03-02T10:00", name),
            event(f"{name}2", "end", "03-02T10:01", name) | other,
        ]
    assert paired(spark, events) == [
        ("play1", "start_without_end"),
        ("play2", "end_without_start"),
        ("session1", "start_without_end"),
        ("session2", "end_without_start"),
        ("track1", "start_without_end"),
        ("track2", "end_without_start"),
        ("user1", "start_without_end"),
        ("user2", "end_without_start"),
    ]


def test_at_one_instant_the_start_is_before_the_end(spark: SparkSession):
    events = [event("1", "end", "03-02T10:00"), event("2", "start", "03-02T10:00")]
    assert paired(spark, events) == [("1", "end"), ("2", "paired")]


def test_an_end_closes_a_start_at_most_24_hours_and_one_local_day_earlier(spark: SparkSession):
    starts = [event(f"{track}1", "start", "03-02T10:00", track) for track in ("at_24_h", "over", "two_days")]
    ends = [
        event("at_24_h2", "end", "03-03T10:00:00", "at_24_h"),
        event("over2", "end", "03-03T10:00:00.001", "over"),
        event("two_days2", "end", "03-03T09:00:00", "two_days", event_date=day("03-04")),
    ]
    assert paired(spark, starts + ends) == [
        ("at_24_h1", "paired"),
        ("at_24_h2", "end"),
        ("over1", "start_without_end"),
        ("over2", "end_without_start"),
        ("two_days1", "start_without_end"),
        ("two_days2", "end_without_start"),
    ]


def test_a_start_logged_again_within_2_seconds_or_by_its_play_id_within_a_day_is_dropped(spark: SparkSession):
    named = '{"play_id": "p"}'
    events = [
        event("a1", "start", "03-02T10:00:00", "a"),
        event("a2", "start", "03-02T10:00:02", "a"),
        event("a3", "end", "03-02T10:01:00", "a"),
        event("b1", "start", "03-02T10:00:00", "b"),
        event("b2", "start", "03-02T10:00:02.001", "b"),
        event("c1", "start", "03-02T10:00:00", "c", named),
        event("c2", "start", "03-03T23:00:00", "c", named),
        event("d1", "start", "03-02T10:00:00", "d", named),
        event("d2", "start", "03-04T00:00:00", "d", named),
        event("e1", "start", "03-02T10:00:00", "e", named),
        event("e2", "end", "03-02T10:00:01", "e", named),
        event("e3", "start", "03-02T10:00:01.500", "e", named),
    ]
    assert paired(spark, events) == [
        ("a1", "paired"),
        ("a2", "start_again"),
        ("a3", "end"),
        ("b1", "start_without_end"),
        ("b2", "start_without_end"),
        ("c1", "start_without_end"),
        ("c2", "start_again"),
        ("d1", "start_without_end"),
        ("d2", "start_without_end"),
        ("e1", "paired"),
        ("e2", "end"),
        ("e3", "start_without_end"),
    ]


def test_events_without_a_track_and_other_events_make_no_play(spark: SparkSession):
    events = [
        event("1", "start", "03-02T10:00", None),
        event("2", "end", "03-02T10:01", None),
        event("3", "start", "03-02T10:00") | {"event_name": "home_loaded"},
    ]
    assert paired(spark, events) == [("1", "without_track"), ("2", "without_track")]
    assert plays_from_events(pairs(spark, events)).collect() == []


def test_outcomes_are_counted_by_day_and_an_end_that_closes_a_start_is_not(spark: SparkSession):
    events = [
        event("a1", "start", "03-02T23:59", "a"),
        event("a2", "end", "03-03T00:01", "a"),
        event("b1", "end", "03-03T10:00", "b"),
        event("c1", "start", "03-03T10:00", "c"),
        event("d1", "start", "03-03T10:00", "d"),
    ]
    assert rows_of(outcomes(pairs(spark, events)), "event_date", "outcome", "events") == [
        (day("03-02"), "paired", 1),
        (day("03-03"), "end_without_start", 1),
        (day("03-03"), "start_without_end", 2),
    ]


def test_played_ms_is_what_the_end_says_or_else_the_time_between(spark: SparkSession):
    cases = {
        "half a minute": ('{"played_ms": 30000}', 30_000),
        "nothing": ('{"played_ms": 0}', 0),
        "24 hours": (f'{{"played_ms": {DAY_MS}}}', DAY_MS),
        "over 24 hours": (f'{{"played_ms": {DAY_MS + 1}}}', 61_500),
        "negative": ('{"played_ms": -1}', 61_500),
        "no number": ('{"played_ms": "long"}', 61_500),
        "not said": ("{}", 61_500),
    }
    events = []
    for name, (properties, _) in cases.items():
        events.append(event(name, "start", "03-02T10:00:00", name))
        events.append(event(f"end of {name}", "end", "03-02T10:01:01.500", name, properties))
    plays = plays_from_events(pairs(spark, events))
    assert dict(rows_of(plays, "play_id", "played_ms")) == {name: played_ms for name, (_, played_ms) in cases.items()}


def test_a_play_takes_its_id_day_and_section_from_its_start(spark: SparkSession):
    events = [
        event("a1", "start", "03-02T23:59", "a", '{"play_id": "p", "section": "age_picks"}'),
        event("a2", "end", "03-03T00:01", "a", '{"play_id": "p", "section": "search"}'),
        event("b1", "start", "03-03T10:00", "b", '{"section": ""}'),
        event("c1", "start", "03-03T10:00", "c"),
    ]
    plays = plays_from_events(pairs(spark, events))
    assert tuple(plays.columns) == PLAY_COLUMNS
    assert rows_of(plays, "play_id", "play_date", "track_id", "played_ms", "country", "section") == [
        ("b1", day("03-03"), "b", None, None, None),
        ("c1", day("03-03"), "c", None, None, None),
        ("p", day("03-02"), "a", 120_000, None, "age_picks"),
    ]
    started = plays.selectExpr("play_id", "unix_millis(started_at) as ms").where("play_id = 'p'")
    assert rows_of(started, "ms") == [(int(instant("03-02T23:59").timestamp()) * 1000,)]


def test_a_delivered_play_goes_before_the_one_from_events_of_its_id_and_day(spark: SparkSession):
    def play(play_id: str, played_on: str, section: str | None) -> dict[str, Any]:
        when = {"play_date": day(played_on), "started_at": instant(f"{played_on}T10:00") + timedelta(minutes=1)}
        return {"play_id": play_id, "user_key": "u", "track_id": "t", "section": section, **when}

    delivered = frame(spark, tables.RAW_PLAYS, [play("both", "03-02", None), play("delivered", "03-02", None)])
    rows = [play("both", "03-02", "events"), play("both", "03-03", "events"), play("events", "03-02", "events")]
    plays = with_event_plays(delivered, frame(spark, tables.RAW_PLAYS, rows).select(*PLAY_COLUMNS))
    assert tuple(plays.columns) == PLAY_COLUMNS
    assert rows_of(plays, "play_id", "play_date", "section") == [
        ("both", day("03-02"), None),
        ("both", day("03-03"), "events"),
        ("delivered", day("03-02"), None),
        ("events", day("03-02"), "events"),
    ]
