"""Sessions: where they begin, where they end, and to which day they belong."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.sessions import sessions_of

HOUR = 3_600_000
VIENNA = ZoneInfo("Europe/Vienna")


def sessions(spark: SparkSession, plays: Sequence[tuple[str, str | None, str, int | None]]) -> list[tuple]:
    """(user, session_id, UTC start, played_ms) -> (user, session_date, plays, listening_ms, length in hours).

    Built in both ways, which must agree: with all plays in one market (short ids are aggregated) and with each play
    in a market of its own (all ids are sorted).
    """
    aggregated, by_sorting = (
        sessions_in(spark, plays, countries) for countries in (["AT"] * len(plays), range(len(plays)))
    )
    assert [row[:-1] for row in aggregated] == [row[:-1] for row in by_sorting]
    return [row[:-1] for row in aggregated]


def sessions_in(
    spark: SparkSession, plays: Sequence[tuple[str, str | None, str, int | None]], countries: Sequence
) -> list[tuple]:
    """As `sessions`, of plays in these countries, with the session's country added."""
    rows = []
    for number, ((user, session_id, start, played_ms), country) in enumerate(zip(plays, countries, strict=True)):
        at = datetime.fromisoformat(start).replace(tzinfo=UTC)
        skip = None if played_ms is None else played_ms < 30_000
        row = {
            "play_date": at.astimezone(VIENNA).date(), "play_id": f"p{number:03}", "user_key": user,
            "session_id": session_id, "track_id": "t", "started_at": at, "played_ms": played_ms,
            "is_stream": None if skip is None else not skip, "is_skip": skip, "is_complete": None,
            "country": None if country is None else str(country), "age_group": None, "section": None,
        }  # fmt: skip
        rows.append(tuple(row[name] for name in tables.PLAYS.names))
    schema = ", ".join(f"{column.name} {column.type}" for column in tables.PLAYS.columns)
    sessions = sessions_of(spark.createDataFrame(rows, schema)).collect()
    return sorted(
        (
            row.user_key,
            row.session_date,
            row.plays,
            row.listening_ms,
            (row.ended_at - row.started_at) / timedelta(hours=1),
            row.country,
        )
        for row in sessions
    )


def test_a_session_id_counts_per_user_only(spark: SparkSession):
    """If it counted for all, the other user's play would join the first user's two plays, 46 hours apart."""
    first, other, last = "2026-03-01T23:30", "2026-03-02T23:00", "2026-03-03T22:00"
    rows = sessions(spark, [("u1", "1", first, 60_000), ("u2", "1", other, 60_000), ("u1", "1", last, 60_000)])
    assert rows == [
        ("u1", date(2026, 3, 2), 1, 60_000, pytest.approx(1 / 60)),
        ("u1", date(2026, 3, 3), 1, 60_000, pytest.approx(1 / 60)),
        ("u2", date(2026, 3, 3), 1, 60_000, pytest.approx(1 / 60)),
    ]


def test_a_session_across_midnight_belongs_to_the_local_day_on_which_it_began(spark: SparkSession):
    rows = sessions(spark, [("u", "1", "2026-03-02T22:50", 300_000), ("u", "1", "2026-03-02T23:10", 300_000)])
    assert rows == [("u", date(2026, 3, 2), 2, 600_000, pytest.approx(25 / 60))]


def test_without_a_session_id_a_session_ends_after_over_30_minutes_of_silence_after_its_end(spark: SparkSession):
    half_hour = [("u", None, "2026-03-02T10:00", 600_000), ("u", None, "2026-03-02T10:40", 0)]
    longer = [("v", None, "2026-03-02T10:00", 600_000), ("v", None, "2026-03-02T10:40:01", 0)]
    assert [row[::2][:2] for row in sessions(spark, half_hour + longer)] == [("u", 2), ("v", 1), ("v", 1)]


def test_silence_is_counted_from_the_latest_end_not_from_the_end_of_the_last_play(spark: SparkSession):
    plays = [
        ("u", None, "2026-03-02T10:00", HOUR),
        ("u", None, "2026-03-02T10:01", 60_000),
        ("u", None, "2026-03-02T11:20", 60_000),
    ]
    assert [row[2] for row in sessions(spark, plays)] == [3]


def test_a_session_with_an_id_ends_after_over_24_hours_of_silence(spark: SparkSession):
    within = [("u", "1", "2026-03-02T10:00", 0), ("u", "1", "2026-03-03T10:00", 0)]
    beyond = [("v", "1", "2026-03-02T10:00", 0), ("v", "1", "2026-03-03T10:00:01", 0)]
    assert [row[::2][:2] for row in sessions(spark, within + beyond)] == [("u", 2), ("v", 1), ("v", 1)]


def test_a_session_that_has_lasted_a_whole_local_day_is_cut_at_the_next_midnight(spark: SparkSession):
    start = datetime(2026, 3, 2, 12)
    plays = [("u", "1", (start + timedelta(hours=hours)).isoformat(), HOUR) for hours in range(84)]
    assert [(row[1], row[2]) for row in sessions(spark, plays)] == [
        (date(2026, 3, 2), 35),
        (date(2026, 3, 4), 24),
        (date(2026, 3, 5), 24),
        (date(2026, 3, 6), 1),
    ]


def test_the_market_and_the_age_group_are_those_of_the_first_play(spark: SparkSession):
    """The first by the clock, not the first by sort order: later plays have both greater and lesser values."""
    day, at = date(2026, 3, 2), datetime(2026, 3, 2, 10, tzinfo=UTC)
    plays = []
    for minute, market, group in [(0, "CH", "25-34"), (1, "AT", "18-24"), (2, "DE", "35-44")]:
        row = dict.fromkeys(tables.PLAYS.names) | {"play_date": day, "play_id": f"p{9 - minute}", "user_key": "u"}
        row |= {"started_at": at + timedelta(minutes=minute), "country": market, "age_group": group}
        plays.append(tuple(row.values()))
    schema = ", ".join(f"{column.name} {column.type}" for column in tables.PLAYS.columns)
    (session,) = sessions_of(spark.createDataFrame(plays, schema)).collect()
    assert (session.plays, session.country, session.age_group) == (3, "CH", "25-34")


def test_the_market_is_that_of_the_first_play_also_where_it_is_unknown(spark: SparkSession):
    pairs = [("DE", "AT"), (None, "AT"), ("DE", None), ("AT", "AT"), (None, None)]
    plays = []
    for user in range(len(pairs)):
        plays += [(f"u{user}", "1", "2026-03-02T10:00", 60_000), (f"u{user}", "1", "2026-03-02T10:05", 60_000)]
    countries = [country for pair in pairs for country in pair]
    assert [(row[0], row[-1]) for row in sessions_in(spark, plays, countries)] == [
        (f"u{user}", first) for user, (first, _) in enumerate(pairs)
    ]


def test_a_sum_is_null_if_no_play_has_the_figure(spark: SparkSession):
    assert sessions(spark, [("u", "1", "2026-03-02T10:00", None), ("u", "1", "2026-03-02T10:05", None)]) == [
        ("u", date(2026, 3, 2), 2, None, pytest.approx(5 / 60))
    ]
