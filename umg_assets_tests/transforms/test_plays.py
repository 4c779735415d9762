"""Plays: which copy counts, what is true on a play's day, and sums by day and by month."""

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.plays import (
    differing_copies,
    enrich_plays,
    latest_copies,
    repeated_plays,
    sum_by_day,
    sum_by_month,
    users_during,
    with_user_of_day,
)
from umg_assets_tests.transforms.frames import day, frame, rows_of


def copy(play_id: str, delivered: str, file: str, record: int, played_on: str) -> dict[str, Any]:
    """A raw copy of a play."""
    where = {"delivery_date": day(delivered), "source_file": file, "record": record}
    return {"play_id": play_id, "play_date": day(played_on), **where}


def latest(spark: SparkSession, copies: list[dict[str, Any]]) -> list[tuple]:
    """The copies that count, within 35 days: play_id, source_file, record."""
    return rows_of(latest_copies(frame(spark, tables.RAW_PLAYS, copies), 35), "play_id", "source_file", "record")


def test_the_copy_delivered_last_counts_by_date_then_file_then_record(spark: SparkSession):
    copies = [
        copy("by_date", "03-02", "z.csv", 9, "03-02"),
        copy("by_date", "03-03", "a.csv", 1, "03-02"),
        copy("by_file", "03-02", "a.csv", 9, "03-02"),
        copy("by_file", "03-02", "b.csv", 1, "03-02"),
        copy("by_record", "03-02", "a.csv", 2, "03-02"),
        copy("by_record", "03-02", "a.csv", 10, "03-02"),
        copy("single", "03-02", "a.csv", 3, "03-02"),
    ]
    kept = latest(spark, copies)
    assert kept == [
        ("by_date", "a.csv", 1),
        ("by_file", "b.csv", 1),
        ("by_record", "a.csv", 10),
        ("single", "a.csv", 3),
    ]
    assert latest(spark, copies[::-1]) == kept


def test_within_a_delivery_day_the_copy_of_a_later_landing_counts_whatever_its_path_and_record(spark: SparkSession):
    """Rows from before landings were numbered have none: they were there first."""
    copies = [
        {**copy("by_landing", "03-02", "part-f3c1", 9, "03-02"), "generation": 2},
        {**copy("by_landing", "03-02", "part-0a77", 1, "03-02"), "generation": 10},
        copy("from_before", "03-02", "part-f3c1", 8, "03-02"),
        {**copy("from_before", "03-02", "part-0a77", 2, "03-02"), "generation": 1},
        {**copy("by_date", "03-03", "part-0a77", 3, "03-02"), "generation": 1},
        {**copy("by_date", "03-02", "part-f3c1", 7, "03-02"), "generation": 2},
        {**copy("one_landing", "03-02", "part-f3c1", 6, "03-02"), "generation": 2},
        {**copy("one_landing", "03-02", "part-0a77", 4, "03-02"), "generation": 2},
        copy("both_from_before", "03-02", "part-f3c1", 5, "03-02"),
        copy("both_from_before", "03-02", "part-0a77", 5, "03-02"),
    ]
    kept = latest(spark, copies)
    assert kept == [
        ("both_from_before", "part-f3c1", 5),
        ("by_date", "part-0a77", 3),
        ("by_landing", "part-0a77", 1),
        ("from_before", "part-0a77", 2),
        ("one_landing", "part-f3c1", 6),
    ]
    assert latest(spark, copies[::-1]) == kept


def test_a_copy_gives_way_within_the_correction_window_only_in_both_directions(spark: SparkSession):
    """2026-03-01 and 04-05 are 35 days apart, 03-01 and 04-06 are 36."""
    copies = [
        copy("at_35_days", "03-02", "a", 1, "03-01"),
        copy("at_35_days", "04-06", "b", 1, "04-05"),
        copy("at_36_days", "03-02", "a", 2, "03-01"),
        copy("at_36_days", "04-06", "b", 2, "04-06"),
        copy("moved_back_35_days", "04-06", "a", 3, "04-05"),
        copy("moved_back_35_days", "04-07", "b", 3, "03-01"),
        copy("moved_back_36_days", "04-06", "a", 4, "04-06"),
        copy("moved_back_36_days", "04-07", "b", 4, "03-01"),
    ]
    assert latest(spark, copies) == [
        ("at_35_days", "b", 1),
        ("at_36_days", "a", 2),
        ("at_36_days", "b", 2),
        ("moved_back_35_days", "b", 3),
        ("moved_back_36_days", "a", 4),
        ("moved_back_36_days", "b", 4),
    ]


def test_a_copy_gives_way_to_a_later_one_that_has_itself_given_way(spark: SparkSession):
    chain = [
        copy("chain", "03-02", "a", 1, "03-01"),
        copy("chain", "04-01", "b", 1, "03-31"),
        copy("chain", "05-01", "c", 1, "04-30"),
    ]
    last_is_far = [
        copy("last_is_far", "03-02", "a", 2, "03-01"),
        copy("last_is_far", "03-04", "b", 2, "03-03"),
        copy("last_is_far", "06-01", "c", 2, "05-31"),
    ]
    assert latest(spark, chain + last_is_far) == [("chain", "c", 1), ("last_is_far", "b", 2), ("last_is_far", "c", 2)]


def test_events_give_way_by_event_id_and_event_date(spark: SparkSession):
    rows = [
        {"event_id": "e", "event_date": day("03-02"), "delivery_date": day("03-03"), "source_file": "a", "record": 1},
        {"event_id": "e", "event_date": day("03-02"), "delivery_date": day("03-04"), "source_file": "b", "record": 1},
        {"event_id": "f", "event_date": day("03-02"), "delivery_date": day("03-03"), "source_file": "a", "record": 2},
    ]
    kept = latest_copies(frame(spark, tables.RAW_APP_EVENTS, rows), 35, "events")
    assert rows_of(kept, "event_id", "source_file") == [("e", "b"), ("f", "a")]
    assert kept.columns == tables.RAW_APP_EVENTS.names


def test_a_play_id_on_several_days_is_reported_with_its_days(spark: SparkSession):
    dates = [("twice", "03-02"), ("twice", "05-02"), ("twice", "03-02"), ("once", "03-02"), ("copied", "03-04")]
    plays = [{"play_id": play_id, "play_date": day(played_on)} for play_id, played_on in [*dates, ("copied", "03-04")]]
    repeated = repeated_plays(frame(spark, tables.PLAYS, plays))
    assert rows_of(repeated, "play_id", "days", "first_day", "last_day") == [("twice", 2, day("03-02"), day("05-02"))]


def user(key: str, country: str | None, age_group: str | None, since: str, until: str | None) -> dict[str, Any]:
    """A row of the users' history."""
    span = {"valid_from": day(since), "valid_to": day(until) if until else None}
    return {"user_key": key, "country": country, "age_group": age_group, **span}


USERS = [
    user("moves", "AT", "18-24", "01-01", "03-03"),
    user("moves", "DE", "25-34", "03-03", None),
    user("stays", "CZ", None, "01-01", None),
]


def test_users_during_are_those_valid_on_any_of_the_days(spark: SparkSession):
    users = frame(spark, tables.USERS, USERS)
    for first, last, countries in (
        ("03-01", "03-02", ["AT", "CZ"]),
        ("03-02", "03-03", ["AT", "CZ", "DE"]),
        ("03-03", "03-04", ["CZ", "DE"]),
    ):
        assert [row[0] for row in rows_of(users_during(users, day(first), day(last)), "country")] == countries


def test_the_market_and_age_group_of_a_user_are_those_of_the_plays_day(spark: SparkSession):
    on = [("moves", "03-02"), ("moves", "03-03"), ("stays", "03-02"), ("unknown", "03-02")]
    days = frame(spark, tables.PLAYS, [{"user_key": key, "play_date": day(date_)} for key, date_ in on])
    enriched = with_user_of_day(days.select("user_key", "play_date"), frame(spark, tables.USERS, USERS))
    assert rows_of(enriched, "user_key", "play_date", "user_country", "age_group") == [
        ("moves", day("03-02"), "AT", "18-24"),
        ("moves", day("03-03"), "DE", "25-34"),
        ("stays", day("03-02"), "CZ", None),
        ("unknown", day("03-02"), None, None),
    ]


def enriched(spark: SparkSession, plays: list[dict[str, Any]], *columns: str) -> list[tuple]:
    """The plays with what is true on their day: 30 s are a stream, 95 % of the track is complete."""
    tracks = [{"track_id": "of_200_s", "duration_ms": 200_000}, {"track_id": "of_no_length"}]
    copies = frame(spark, tables.RAW_PLAYS, plays)
    rows = enrich_plays(copies, frame(spark, tables.USERS, USERS), frame(spark, tables.TRACKS, tracks), 30_000, 95)
    assert rows.columns == tables.PLAYS.names
    return rows_of(rows, *columns)


def test_the_plays_own_country_goes_before_the_users_of_the_day(spark: SparkSession):
    plays = [
        {"play_id": "own", "user_key": "moves", "play_date": day("03-03"), "country": "PL"},
        {"play_id": "before_move", "user_key": "moves", "play_date": day("03-02")},
        {"play_id": "after_move", "user_key": "moves", "play_date": day("03-03")},
        {"play_id": "stranger", "user_key": "unknown", "play_date": day("03-03")},
        {"play_id": "strangers_own", "user_key": "unknown", "play_date": day("03-03"), "country": "PL"},
    ]
    assert enriched(spark, plays, "play_id", "country", "age_group") == [
        ("after_move", "DE", "25-34"),
        ("before_move", "AT", "18-24"),
        ("own", "PL", "25-34"),
        ("stranger", None, None),
        ("strangers_own", "PL", None),
    ]


def test_streams_skips_and_completes_begin_exactly_at_their_thresholds(spark: SparkSession):
    cases = [
        ("a_skip", "of_200_s", 29_999),
        ("b_stream", "of_200_s", 30_000),
        ("c_nearly", "of_200_s", 189_999),
        ("d_complete", "of_200_s", 190_000),
        ("e_track_of_no_length", "of_no_length", 190_000),
        ("f_unknown_track", "nowhere", 190_000),
        ("g_unknown_duration", "of_200_s", None),
    ]
    plays = [{"play_id": name, "track_id": track, "played_ms": played} for name, track, played in cases]
    assert enriched(spark, plays, "play_id", "is_stream", "is_skip", "is_complete") == [
        ("a_skip", False, True, False),
        ("b_stream", True, False, False),
        ("c_nearly", True, False, False),
        ("d_complete", True, False, True),
        ("e_track_of_no_length", True, False, None),
        ("f_unknown_track", True, False, None),
        ("g_unknown_duration", None, None, None),
    ]


def play(user_key: str, played_on: str, country: str | None, played_ms: int | None, **more: Any) -> dict[str, Any]:
    """A play of track t; what follows from its length is known where that is."""
    flags = {"is_stream": played_ms >= 30_000, "is_skip": played_ms < 30_000} if played_ms is not None else {}
    who = {"user_key": user_key, "play_date": day(played_on), "country": country}
    return {**who, "track_id": "t", "played_ms": played_ms, **flags, **more}


SUMS = ("plays", "streams", "skips", "completes", "listening_ms")


def test_daily_sums_keep_unknown_countries_and_age_groups_apart(spark: SparkSession):
    plays = [
        play("u", "03-02", "AT", 20_000, age_group="18-24", is_complete=False, section="age_picks"),
        play("v", "03-02", "AT", 40_000, age_group="18-24", is_complete=True, section="search"),
        play("v", "03-02", "AT", None, age_group="18-24"),
        play("u", "03-02", "AT", 50_000),
        play("u", "03-02", None, None, age_group="18-24", section="age_picks"),
        play("u", "03-03", "AT", 60_000, age_group="18-24"),
    ]
    sums = sum_by_day(frame(spark, tables.PLAYS, plays), "age_picks")
    assert sorted(sums.columns) == sorted(tables.DAILY_TRACK_PLAYS.names)
    assert rows_of(sums, "play_date", "country", "age_group", "track_id", *SUMS, "section_plays") == [
        (day("03-02"), "AT", "18-24", "t", 3, 1, 1, 1, 60_000, 1),
        (day("03-02"), "AT", None, "t", 1, 1, 0, None, 50_000, 0),
        (day("03-02"), None, "18-24", "t", 1, None, None, None, None, 1),
        (day("03-03"), "AT", "18-24", "t", 1, 1, 0, None, 60_000, 0),
    ]


def test_monthly_listeners_are_distinct_and_one_who_moved_counts_in_both_countries(spark: SparkSession):
    plays = [
        play("u", "03-02", "AT", 40_000),
        play("u", "03-05", "AT", 20_000),
        play("v", "03-03", "AT", 40_000),
        play("u", "03-20", "DE", 40_000),
        play("w", "03-04", None, None),
        play("u", "04-01", "AT", 40_000),
    ]
    sums = sum_by_month(frame(spark, tables.PLAYS, plays))
    assert sorted(sums.columns) == sorted(tables.MONTHLY_TRACK_PLAYS.names)
    march = day("03-01")
    assert rows_of(sums, "month", "country", "track_id", *SUMS, "listeners", "data_through") == [
        (march, "AT", "t", 3, 2, 1, None, 100_000, 2, day("03-20")),
        (march, "DE", "t", 1, 1, 0, None, 40_000, 1, day("03-20")),
        (march, None, "t", 1, None, None, None, None, 1, day("03-20")),
        (day("04-01"), "AT", "t", 1, 1, 0, None, 40_000, 1, day("04-01")),
    ]


def test_copies_of_another_user_track_or_time_than_the_first_are_counted_by_day(spark: SparkSession):
    def of(
        play_id: str, record: int, user: str, track: str = "t1", hour: int = 10, on: str = "03-02"
    ) -> dict[str, Any]:
        started = datetime(2026, 3, 2, hour, tzinfo=UTC)
        values = {"user_key": user, "track_id": track, "started_at": started}
        return {**copy(play_id, "03-02", "a.csv", record, on), **values}

    copies = [
        *(of("1", 1, "anna"), of("1", 2, "ben"), of("1", 3, "cleo"), of("2", 4, "anna"), of("2", 5, "anna")),
        *(of("3", 6, "anna", track="t1"), of("3", 7, "anna", track="t2"), of("3", 8, "anna", hour=11)),
        *(of("single", 9, "dora"), of("4", 10, "anna", on="03-03"), of("4", 11, "anna", hour=12, on="03-03")),
        of("5", 12, "eve", on="03-04"),
    ]
    counted = differing_copies(frame(spark, tables.RAW_PLAYS, copies))
    columns = ("play_date", "copies", "other_users", "other_tracks", "other_times")
    assert rows_of(counted, *columns) == [(day("03-02"), 8, 2, 1, 1), (day("03-03"), 2, 0, 0, 1)]
