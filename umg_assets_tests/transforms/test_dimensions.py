"""The users' history by day, the track catalogue, and what a change in them affects."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.dimensions import (
    advance_history,
    age_group_names,
    artist_names,
    changes,
    coalesce_history,
    days_with_changed_users,
    latest_by_day,
    latest_tracks,
    renamed_artists,
    user_history,
)
from umg_assets_tests.transforms.frames import day, frame, rows_of

BOUNDS = (13, 18, 25)
ALWAYS = date(1900, 1, 1)
HISTORY = ("user_key", "country", "age_group", "valid_from", "valid_to")


def delivered(key: str, on: str, country: str | None = "AT", file: str = "a", record: int = 1, **more: Any) -> dict:
    """A user's record as delivered."""
    where = {"delivery_date": day(on), "source_file": file, "record": record}
    return {"user_key": key, "country": country, **where, **more}


def history(spark: SparkSession, records: Sequence[dict[str, Any]]) -> list[tuple]:
    return rows_of(user_history(frame(spark, tables.RAW_USERS, records), BOUNDS), *HISTORY)


def test_age_groups_are_named_by_their_bounds():
    assert age_group_names((13, 18, 65)) == ["13-17", "18-64", "65+"]


def test_a_record_is_valid_from_its_delivery_to_the_next_and_the_first_for_all_time_before(spark: SparkSession):
    records = [
        delivered("u", "03-05", "DE"),
        delivered("u", "03-02", "AT"),
        delivered("u", "03-09", None),
        delivered("v", "03-05", "CZ"),
    ]
    assert history(spark, records) == [
        ("u", "AT", None, ALWAYS, day("03-05")),
        ("u", "DE", None, day("03-05"), day("03-09")),
        ("u", None, None, day("03-09"), None),
        ("v", "CZ", None, ALWAYS, None),
    ]


def test_of_several_records_of_a_day_the_last_by_file_and_record_counts(spark: SparkSession):
    records = [
        delivered("u", "03-02", "AT", "a", 9),
        delivered("u", "03-02", "DE", "b", 2),
        delivered("u", "03-02", "CZ", "b", 10),
        delivered("u", "03-03", "PL", "a", 1),
    ]
    assert history(spark, records) == [
        ("u", "CZ", None, ALWAYS, day("03-03")),
        ("u", "PL", None, day("03-03"), None),
    ]
    raw = frame(spark, tables.RAW_USERS, records)
    assert rows_of(latest_by_day(raw, "user_key"), "country", "record") == [("CZ", 10), ("PL", 1)]
    assert latest_by_day(raw, "user_key").columns == raw.columns


def test_within_a_delivery_day_a_record_of_a_later_landing_counts_for_users_and_for_tracks(spark: SparkSession):
    """A record from before landings were numbered has none: it was there first."""

    def landings(key: str, **named: str) -> list[dict[str, Any]]:
        where = {"delivery_date": day("03-02"), "source_file": "part-f3c1", "record": 9}
        anew = {**where, "source_file": "part-0a77", "record": 1}
        return [
            {key: "a", **named, **where, "generation": 2},
            {key: "a", **dict.fromkeys(named, "new"), **anew, "generation": 10},
            {key: "b", **named, **where},
            {key: "b", **dict.fromkeys(named, "new"), **anew, "generation": 1},
            {key: "c", **dict.fromkeys(named, "new"), **where, "generation": 3},
            {key: "c", **named, **anew, "generation": 3},
            {key: "d", **dict.fromkeys(named, "new"), **anew, "delivery_date": day("03-03"), "generation": 1},
            {key: "d", **named, **where, "generation": 2},
        ]

    users = rows_of(user_history(frame(spark, tables.RAW_USERS, landings("user_key", country="old")), BOUNDS), *HISTORY)
    assert [row[:2] for row in users if row[4] is None] == [(name, "new") for name in "abcd"]
    latest = latest_tracks(frame(spark, tables.RAW_TRACKS, landings("track_id", title="old")))
    assert rows_of(latest, "track_id", "title") == [(name, "new") for name in "abcd"]


def test_deliveries_that_change_nothing_leave_one_row(spark: SparkSession):
    records = [
        delivered("u", "03-02", age_group="18-24"),
        delivered("u", "03-05", age_group="18-24"),
        delivered("u", "03-07", age_group="25+"),
        delivered("u", "03-09", age_group="18-24"),
    ]
    assert history(spark, records) == [
        ("u", "AT", "18-24", ALWAYS, day("03-07")),
        ("u", "AT", "18-24", day("03-09"), None),
        ("u", "AT", "25+", day("03-07"), day("03-09")),
    ]


def test_an_age_group_that_follows_from_a_birth_date_changes_on_the_birthday(spark: SparkSession):
    assert history(spark, [delivered("u", "03-02", birth_date=date(2008, 3, 10))]) == [
        ("u", "AT", "13-17", date(2021, 3, 10), date(2026, 3, 10)),
        ("u", "AT", "18-24", date(2026, 3, 10), date(2033, 3, 10)),
        ("u", "AT", "25+", date(2033, 3, 10), None),
        ("u", "AT", None, ALWAYS, date(2021, 3, 10)),
    ]


def test_a_birthday_on_29_february_is_on_the_28th_in_other_years(spark: SparkSession):
    rows = history(spark, [delivered("u", "03-02", birth_date=date(2008, 2, 29))])
    assert [row[3] for row in rows] == [date(2021, 2, 28), date(2026, 2, 28), date(2033, 2, 28), ALWAYS]


def test_a_delivered_age_group_goes_before_the_birth_date(spark: SparkSession):
    records = [
        delivered("u", "03-02", birth_date=date(2008, 3, 10), age_group="25+"),
        delivered("u", "03-20", birth_date=date(2008, 3, 10)),
    ]
    assert history(spark, records) == [
        ("u", "AT", "18-24", day("03-20"), date(2033, 3, 10)),
        ("u", "AT", "25+", ALWAYS, day("03-20")),
        ("u", "AT", "25+", date(2033, 3, 10), None),
    ]


OLDER = [
    delivered("moves", "03-02", "AT", birth_date=date(2008, 3, 10)),
    delivered("stays", "03-02", "CZ"),
    delivered("returns", "03-02", "AT"),
    delivered("returns", "03-03", "DE"),
]
NEWER = [
    delivered("moves", "03-07", "DE", birth_date=date(2008, 3, 10)),
    delivered("moves", "03-12", "DE", birth_date=date(2007, 3, 11)),
    delivered("stays", "03-08", "CZ"),
    delivered("returns", "03-08", "AT"),
    delivered("new", "03-08", "PL"),
]


def test_an_advanced_history_is_that_of_all_records(spark: SparkSession):
    users = user_history(frame(spark, tables.RAW_USERS, OLDER), BOUNDS)
    before = frame(spark, tables.USERS, [row.asDict() for row in users.collect()])
    after = advance_history(before, frame(spark, tables.RAW_USERS, NEWER), BOUNDS)
    assert after.columns == tables.USERS.names
    assert rows_of(after, *HISTORY) == history(spark, [*OLDER, *NEWER])
    assert len(history(spark, [*OLDER, *NEWER])) == 10


def span(key: str, country: str, since: str, until: str | None) -> dict[str, Any]:
    bounds = {"valid_from": day(since), "valid_to": day(until) if until else None}
    return {"user_key": key, "country": country, "age_group": None, **bounds}


def test_adjacent_spans_with_equal_values_become_one_and_gaps_stay(spark: SparkSession):
    spans = [
        span("u", "AT", "03-01", "03-03"),
        span("u", "AT", "03-03", "03-05"),
        span("u", "DE", "03-05", "03-07"),
        span("u", "DE", "03-08", None),
        span("v", "DE", "03-08", None) | {"valid_to": date(9999, 12, 31)},
    ]
    assert rows_of(coalesce_history(frame(spark, tables.USERS, spans)), "user_key", "country", *HISTORY[3:]) == [
        ("u", "AT", day("03-01"), day("03-05")),
        ("u", "DE", day("03-05"), day("03-07")),
        ("u", "DE", day("03-08"), None),
        ("v", "DE", day("03-08"), None),
    ]


def test_a_track_is_as_its_latest_record_says_whole(spark: SparkSession):
    def record(track: str, on: str, file: str, number: int, title: str | None, ms: int | None = None) -> dict[str, Any]:
        where = {"delivery_date": day(on), "source_file": file, "record": number}
        return {"track_id": track, "title": title, "duration_ms": ms, **where}

    records = [
        record("by_date", "03-02", "z", 9, "old", 1),
        record("by_date", "03-03", "a", 1, "new"),
        record("by_file", "03-02", "a", 9, "old"),
        record("by_file", "03-02", "b", 1, "new", 2),
        record("by_record", "03-02", "a", 2, "old"),
        record("by_record", "03-02", "a", 10, None, 3),
    ]
    latest = latest_tracks(frame(spark, tables.RAW_TRACKS, records))
    assert latest.columns == tables.TRACKS.names
    assert rows_of(latest, "track_id", "title", "duration_ms") == [
        ("by_date", "new", None),
        ("by_file", "new", 2),
        ("by_record", None, 3),
    ]


def tracks_of(*artists: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    return [
        {"track_id": f"t{number}", "artist_id": artist, "artist_name": name}
        for number, (artist, name) in enumerate(artists)
    ]


def test_an_artist_has_the_last_spelling_in_the_alphabet_and_renames_are_found(spark: SparkSession):
    before = frame(spark, tables.TRACKS, tracks_of(("a", "Ann"), ("a", "The Ann"), ("b", "Bob"), (None, "Nobody")))
    after = frame(spark, tables.TRACKS, tracks_of(("a", "Anne"), ("a", "The Ann"), ("b", "Bobby"), ("c", "Cat")))
    assert rows_of(artist_names(before), "artist_id", "artist_name") == [("a", "The Ann"), ("b", "Bob")]
    assert rows_of(renamed_artists(before, after), "artist_id") == [("b",), ("c",)]


def test_changes_hold_what_is_new_or_different_and_the_keys_that_go(spark: SparkSession):
    before = [span("kept", "AT", "03-01", None), span("moved", "AT", "03-01", None), span("gone", "AT", "03-01", None)]
    after = [span("kept", "AT", "03-01", None), span("moved", "DE", "03-01", None), span("new", "AT", "03-01", None)]
    after += [span("moved", "AT", "02-01", "03-01")]
    merge = changes(tables.USERS, frame(spark, tables.USERS, before), frame(spark, tables.USERS, after))
    assert merge.columns == [*tables.USERS.names, tables.DELETED]
    assert rows_of(merge, "user_key", "valid_from", "country", "valid_to", tables.DELETED) == [
        ("gone", day("03-01"), None, None, True),
        ("moved", day("02-01"), "AT", day("03-01"), False),
        ("moved", day("03-01"), "DE", None, False),
        ("new", day("03-01"), "AT", None, False),
    ]


@pytest.mark.parametrize("column", ["country", "age_group"])
def test_the_days_affected_are_those_on_which_a_changed_user_played_and_is_another_now(
    spark: SparkSession, column: str
):
    was = [{"user_key": "u", column: "x", "valid_from": day("01-01")}]
    now = [
        {"user_key": "u", column: "x", "valid_from": day("01-01"), "valid_to": day("03-03")},
        {"user_key": "u", column: "y", "valid_from": day("03-03"), "valid_to": day("03-05")},
        {"user_key": "u", column: "x", "valid_from": day("03-05")},
        {"user_key": "new", column: "x", "valid_from": day("01-01")},
    ]
    dates = [("u", "03-02"), ("u", "03-03"), ("u", "03-05"), ("new", "03-08"), ("unchanged", "03-09"), ("u", "03-03")]
    plays = [{"user_key": key, "play_date": day(date_)} for key, date_ in dates]
    before, after = frame(spark, tables.USERS, was), frame(spark, tables.USERS, now)
    affected = days_with_changed_users(before, after, frame(spark, tables.PLAYS, plays))
    assert rows_of(affected, "play_date") == [(day("03-03"),), (day("03-08"),)]
