"""Visits, their sums by user and day, and each day's first events in experiments."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.transforms.sessions import sessions_of
from umg_assets.transforms.visits import first_events, sum_visits, visits_of
from umg_assets_tests.transforms.frames import day, frame, instant, rows_of


def play(at: str, session: str | None, played_ms: int | None = 60_000, user: str = "u", **more: Any) -> dict[str, Any]:
    """A play of 2026 (UTC is the reporting time zone here); a stream if it is known how long it was."""
    flags = {"is_stream": True, "is_skip": False} if played_ms is not None else {}
    when = {"play_date": instant(at).date(), "started_at": instant(at), "played_ms": played_ms}
    return {"play_id": f"p{at}", "user_key": user, "session_id": session, "track_id": "t", **when, **flags, **more}


def event(at: str, session: str | None, name: str = "home_loaded", user: str = "u", **more: Any) -> dict[str, Any]:
    when = {"event_date": instant(at).date(), "occurred_at": instant(at)}
    known = {"event_id": f"e{at}{name}", "event_name": name, "user_key": user, "session_id": session}
    return {**known, **when, **more}


USERS = [
    {"user_key": "u", "country": "AT", "age_group": "18-24", "valid_from": day("01-01"), "valid_to": day("03-03")},
    {"user_key": "u", "country": "DE", "age_group": "25-34", "valid_from": day("03-03")},
]


def visits(spark: SparkSession, plays: list[dict[str, Any]], events: list[dict[str, Any]]) -> DataFrame:
    table = visits_of(
        frame(spark, tables.PLAYS, plays),
        frame(spark, tables.RAW_APP_EVENTS, events),
        frame(spark, tables.USERS, USERS),
    )
    assert table.columns == tables.VISITS.names
    return table


def test_events_and_plays_of_a_session_are_one_visit_and_events_alone_are_one_too(spark: SparkSession):
    plays = [play("03-02T10:05", "1", 600_000, is_complete=True), play("03-02T10:20", "1", 60_000, is_complete=False)]
    events = [event("03-02T10:00", "1"), event("03-02T12:00", "2"), event("03-02T12:10", "2", "home_left")]
    table = visits(spark, plays, events)
    assert rows_of(table, "session_id", "plays", "streams", "skips", "completes", "listening_ms") == [
        ("1", 2, 2, 0, 1, 660_000),
        ("2", 0, 0, 0, 0, 0),
    ]
    seconds = table.selectExpr("session_id", "unix_seconds(ended_at) - unix_seconds(started_at) as seconds")
    assert rows_of(seconds, "session_id", "seconds") == [("1", 21 * 60), ("2", 600)]


def test_without_a_session_id_events_bridge_the_silence_between_plays(spark: SparkSession):
    plays = [play("03-02T10:00", None, 0), play("03-02T10:50", None, 0)]
    assert rows_of(visits(spark, plays, []), "plays") == [(1,), (1,)]
    assert rows_of(visits(spark, plays, [event("03-02T10:25", None)]), "plays") == [(2,)]


def test_the_market_and_age_group_of_a_visit_are_those_of_its_first_play_or_event(spark: SparkSession):
    plays = [
        play("03-03T00:10", "1", country="PL", age_group="25-34"),
        play("03-03T10:00", "2", country="PL", age_group="65+"),
        play("03-03T12:00", "3", user="v"),
    ]
    events = [event("03-02T23:50", "1"), event("03-03T10:05", "2"), event("03-03T11:00", "4")]
    table = visits(spark, plays, events)
    assert rows_of(table, "session_id", "visit_date", "country", "age_group") == [
        ("1", day("03-02"), "AT", "18-24"),
        ("2", day("03-03"), "PL", "65+"),
        ("3", day("03-03"), None, None),
        ("4", day("03-03"), "DE", "25-34"),
    ]


def test_a_figure_that_a_play_lacks_counts_as_nothing(spark: SparkSession):
    table = visits(spark, [play("03-02T10:00", "1", None), play("03-02T10:05", "1", 5_000)], [])
    assert rows_of(table, "plays", "streams", "completes", "listening_ms") == [(2, 1, 0, 5_000)]


def test_visits_of_plays_alone_are_the_sessions(spark: SparkSession):
    plays = [play("03-02T10:00", "1"), play("03-02T10:05", "1"), play("03-02T10:05", None, user="v")]
    keys = rows_of(visits(spark, plays, []), "visit_key", "visit_date", "plays")
    assert keys == rows_of(sessions_of(frame(spark, tables.PLAYS, plays)), "session_key", "session_date", "plays")


def test_visits_are_summed_by_user_and_day_with_squares_and_the_first_visits_market(spark: SparkSession):
    def visit(key: str, at: str, user: str, ms: int, country: str | None) -> dict[str, Any]:
        sums = {"plays": 2, "streams": 1, "skips": 1, "completes": 0, "listening_ms": ms}
        when = {"visit_date": instant(at).date(), "started_at": instant(at)}
        return {"visit_key": key, "user_key": user, "country": country, "age_group": "65+", **when, **sums}

    rows = [
        visit("b", "03-02T10:00", "u", 3_000, "DE"),
        visit("a", "03-02T10:00", "u", 4_000, "AT"),
        visit("c", "03-02T09:59", "v", 5_000, None),
        visit("d", "03-02T10:00", "v", 0, "CZ"),
        visit("e", "03-03T10:00", "u", 4_000_000_000, "CZ"),
    ]
    sums = sum_visits(frame(spark, tables.VISITS, rows))
    assert sums.columns == tables.USER_DAYS.names
    columns = ("activity_date", "user_key", "sessions", "plays", "listening_ms", "listening_squares", "country")
    assert rows_of(sums, *columns) == [
        (day("03-02"), "u", 2, 4, 7_000, 25_000_000, "AT"),
        (day("03-02"), "v", 2, 4, 5_000, 25_000_000, None),
        (day("03-03"), "u", 1, 2, 4_000_000_000, 16 * 10**18, "CZ"),
    ]


def of_experiment(at: str, number: int, variant: str | None = "b", **more: Any) -> dict[str, Any]:
    """An event of the experiment x in session s<number>; events of an instant are ordered by their number."""
    named = {"event_id": f"e{number}", "experiment": "x", "variant": variant}
    return {**event(at, f"s{number}", "seen"), **named, **more}


EXPOSURE = ("exposure_date", "event_name", "user_key", "session_id", "variant", "other_variant", "events")


def exposure_days(spark: SparkSession, events: list[dict[str, Any]], *columns: str) -> list[tuple]:
    table = first_events(frame(spark, tables.RAW_APP_EVENTS, events), "age_picks")
    assert table.columns == tables.EXPOSURE_DAYS.names
    return rows_of(table, *columns)


def test_the_first_event_of_a_day_and_name_is_kept_with_its_session_and_variant(spark: SparkSession):
    events = [
        of_experiment("03-02T10:00", 2, "b"),
        of_experiment("03-02T10:00", 1, "control"),
        of_experiment("03-02T11:00", 3, "b"),
        of_experiment("03-03T09:00", 4, "b"),
        of_experiment("03-02T09:00", 5, "b", user_key="v"),
        of_experiment("03-02T12:00", 6, "b", event_name="clicked"),
    ]
    assert exposure_days(spark, events, *EXPOSURE) == [
        (day("03-02"), "clicked", "u", "s6", "b", None, 1),
        (day("03-02"), "seen", "u", "s1", "control", "b", 3),
        (day("03-02"), "seen", "v", "s5", "b", None, 1),
        (day("03-03"), "seen", "u", "s4", "b", None, 1),
    ]


def test_who_is_not_eligible_is_kept_apart_and_section_events_are_counted(spark: SparkSession):
    events = [
        of_experiment("03-02T10:00", 1, properties='{"eligible": false, "section": "age_picks"}'),
        of_experiment("03-02T11:00", 2, properties='{"eligible": true, "section": "age_picks"}'),
        of_experiment("03-02T12:00", 3, properties='{"section": "search"}'),
        of_experiment("03-02T13:00", 4, properties="{}"),
        of_experiment("03-02T14:00", 5),
    ]
    assert exposure_days(spark, events, "is_eligible", "session_id", "events", "section_events") == [
        (False, "s1", 1, 1),
        (True, "s2", 4, 1),
    ]


def test_events_without_an_experiment_or_a_variant_expose_nobody(spark: SparkSession):
    events = [
        of_experiment("03-02T10:00", 1, None),
        of_experiment("03-02T10:00", 2, experiment=None),
        of_experiment("03-02T11:00", 3, experiment="y"),
    ]
    assert exposure_days(spark, events, "experiment", "session_id") == [("y", "s3")]


def test_first_at_is_the_instant_of_the_first_event(spark: SparkSession):
    events = [of_experiment("03-02T10:00", 1), of_experiment("03-02T09:00", 2, "control")]
    table = first_events(frame(spark, tables.RAW_APP_EVENTS, events), "age_picks")
    seconds = table.selectExpr("unix_seconds(first_at) as seconds", "session_id")
    assert rows_of(seconds, "seconds", "session_id") == [(int(instant("03-02T09:00").timestamp()), "s2")]
