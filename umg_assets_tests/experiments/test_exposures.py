"""Who is exposed to which variant, from which visit on, and what is summed from there."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from umg_assets import tables
from umg_assets.settings.experiment import Experiment
from umg_assets.statistics import assignment
from umg_assets.transforms.exposures import (
    assigned_variants,
    bucket_of,
    exposures_by_assignment,
    exposures_of,
    first_exposures,
    visits_after,
)
from umg_assets.transforms.user_sums import by_metric, daily_sums, pre_period_sums, user_sums
from umg_assets.transforms.visits import first_events, visits_of

FIRST = date(2026, 3, 9)
HOUR = timedelta(hours=1)
OTHER_SECTIONS = ('{"section": "search"}', '{"section": ""}', "{}")
EXPERIMENT = Experiment.model_validate(
    {
        "hypothesis": "B listens longer than control",
        "owner": "ann",
        "salt": "salt-1",
        "variants": {"control": 1, "b": 1},
        "first_day": FIRST,
        "weeks": 1,
        "pre_period_days": 7,
        "secondary": ["return_rate", "songs_per_session"],
    }
)


def at(day: int, hour: float) -> datetime:
    """An instant of a day of March 2026, UTC."""
    return datetime(2026, 3, day, tzinfo=UTC) + hour * HOUR


def rows_of(spark: SparkSession, table: tables.Table, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a table; columns that a row leaves out are NULL."""
    types = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    return spark.createDataFrame([tuple(row.get(name) for name in table.names) for row in rows], types)


def event(number: int, name: str, day: int, hour: float, user: str = "u", **more: Any) -> dict[str, Any]:
    """An event of the experiment `x` in session s1, unless `more` names others."""
    known = {"event_id": f"e{number}", "event_name": name, "user_id": user, "user_key": user, "session_id": "s1"}
    when = {"occurred_at": at(day, hour), "event_date": date(2026, 3, day)}
    return {**known, **when, "experiment": "x", "variant": "control", **more}


def visit(day: int, hour: float, session: str, played: int = 0, user: str = "u", **more: Any) -> dict[str, Any]:
    """A visit of an hour, with one play if `played` (ms) is above 0."""
    began = {"visit_date": date(2026, 3, day), "started_at": at(day, hour), "ended_at": at(day, hour + 1)}
    sums = {"plays": int(played > 0), "streams": 0, "skips": 0, "completes": 0, "listening_ms": played}
    return {**began, **sums, "visit_key": f"{user}{day}{hour}", "user_key": user, "session_id": session, **more}


def test_buckets_are_the_same_in_the_engine_as_in_python(spark: SparkSession):
    users = [("u1",), ("u0000042",), ("Zoë",), ("用户",), ("",)]
    rows = spark.createDataFrame(users, "user_id string").select("user_id", bucket_of("salt-1").alias("bucket"))
    assert {row["user_id"]: row["bucket"] for row in rows.collect()} == {
        user: assignment.bucket("salt-1", user) for (user,) in users
    }


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"traffic": 0.4},
        {"traffic": 0.5, "layer": "home", "traffic_from": 0.3, "holdout": 0.1},
        {"variants": {"control": 3, "b": 1, "c": 2}},
    ],
    ids=["halves", "traffic", "layer and holdout", "three arms"],
)
def test_the_engine_assigns_as_python_does(spark: SparkSession, more: dict[str, Any]):
    experiment = EXPERIMENT.model_copy(update=more)
    users = [(f"u{number:05d}", f"k{number}") for number in range(400)]
    rows = assigned_variants(spark.createDataFrame(users, "user_id string, user_key string"), experiment)
    assigned = {row["user_key"]: row["assigned"] for row in rows.collect()}
    assert assigned == {key: assignment.assign(experiment, user) for user, key in users}
    assert {None} < set(assigned.values()) or not more.get("traffic")


def exposed(spark: SparkSession, events: list[dict[str, Any]], visits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first exposures by events and visits, with all users assigned to control."""
    days = first_events(rows_of(spark, tables.RAW_APP_EVENTS, events), "age_picks")
    keys = sorted({row["user_key"] for row in (*events, *visits)})
    assigned = spark.createDataFrame([(key, "control") for key in keys], "user_key string, assigned string")
    first = first_exposures(
        exposures_of(days, "x", EXPERIMENT), rows_of(spark, tables.VISITS, visits), assigned, EXPERIMENT
    )
    return [row.asDict() for row in first.orderBy("user_key").collect()]


def test_the_first_eligible_load_of_home_exposes_a_user_from_its_visit_on(spark: SparkSession):
    events = [
        event(1, "home_loaded", 9, 8, properties='{"eligible": false}', session_id="s0"),
        event(2, "home_loaded", 10, 9, properties='{"eligible": true}', session_id="s1"),
        event(3, "home_loaded", 10, 12, session_id="s2"),
        event(4, "age_picks_impressed", 9, 7, session_id="s0"),
        event(5, "home_loaded", 10, 9, user="other", experiment="y"),
    ]
    visits = [visit(9, 8, "s0"), visit(10, 8.5, "s1", country="AT"), visit(10, 8.7, "s2"), visit(3, 8, "p")]
    (first,) = exposed(spark, events, visits)
    assert (first["user_key"], first["exposure_date"], first["variant"]) == ("u", date(2026, 3, 10), "control")
    assert first["visit_at"].replace(tzinfo=UTC) == at(10, 8.5)
    assert (first["country"], first["age_group"], first["tenure"]) == ("AT", "unknown", "returning")
    assert first["two_arms_from"] is None


def test_a_user_seen_in_two_variants_is_in_two_arms_from_that_day_on(spark: SparkSession):
    events = [
        event(1, "home_loaded", 10, 9),
        event(2, "home_loaded", 12, 9, variant="b"),
        event(3, "home_loaded", 11, 9, user="same_day"),
        event(4, "home_loaded", 11, 10, user="same_day", variant="b"),
    ]
    rows = exposed(spark, events, [])
    assert [(row["user_key"], row["two_arms_from"]) for row in rows] == [
        ("same_day", date(2026, 3, 11)),
        ("u", date(2026, 3, 12)),
    ]


def test_a_late_earlier_event_moves_the_exposure_and_changes_no_other_day(
    spark: SparkSession,
):
    on_time, late = event(2, "home_loaded", 12, 9), event(1, "home_loaded", 10, 9)
    (before,) = exposed(spark, [on_time], [])
    (after,) = exposed(spark, [on_time, late], [])
    assert (before["exposure_date"], after["exposure_date"]) == (date(2026, 3, 12), date(2026, 3, 10))
    days = first_events(rows_of(spark, tables.RAW_APP_EVENTS, [on_time, late]), "age_picks").where(
        "exposure_date = '2026-03-12'"
    )
    alone = first_events(rows_of(spark, tables.RAW_APP_EVENTS, [on_time]), "age_picks")
    assert [row.asDict() for row in days.collect()] == [row.asDict() for row in alone.collect()]


def test_without_an_exposure_in_both_arms_active_users_count_as_assigned(spark: SparkSession):
    visits = rows_of(spark, tables.VISITS, [visit(8, 9, "s0"), visit(10, 9, "s1"), visit(10, 9, "s2", user="out")])
    assigned = spark.createDataFrame([("u", "b"), ("out", None)], "user_key string, assigned string")
    rows = exposures_by_assignment(visits, assigned, FIRST).collect()
    assert [(row["user_key"], row["exposure_date"], row["variant"]) for row in rows] == [("u", date(2026, 3, 10), "b")]


def test_visits_without_a_play_count_as_sessions_without_play_time(spark: SparkSession):
    users = rows_of(spark, tables.USERS, [{"user_key": "u", "country": "AT", "valid_from": date(1900, 1, 1)}])
    plays = [
        {
            "play_date": date(2026, 3, 10),
            "play_id": "p1",
            "user_key": "u",
            "session_id": "s1",
            "track_id": "t",
            "started_at": at(10, 9),
            "played_ms": 20_000,
            "is_stream": False,
            "is_skip": True,
        }
    ]
    events = [event(1, "home_loaded", 10, 8.9), event(2, "home_loaded", 10, 15, session_id="s2")]
    visits = visits_of(
        rows_of(spark, tables.PLAYS, plays), rows_of(spark, tables.RAW_APP_EVENTS, events), users
    ).orderBy("started_at")
    columns = "session_id", "plays", "skips", "listening_ms", "country"
    rows = [tuple(row[name] for name in columns) for row in visits.collect()]
    assert rows == [("s1", 1, 1, 20_000, "AT"), ("s2", 0, 0, 0, "AT")]


def test_sums_run_from_the_whole_exposed_visit_through_each_day_and_returns_need_a_day_of_data(
    spark: SparkSession,
):
    visits = [
        visit(4, 9, "p1", 5_000),  # the pre-period
        visit(10, 7, "s0", 100_000),  # the day of the exposure, before it
        visit(10, 8, "s1", 900_000),  # with the exposure; above the cap
        visit(11, 8, "s2", 3_000),  # 23 hours after its end
        visit(12, 8, "s3"),
    ]
    table = rows_of(spark, tables.VISITS, visits)
    events = [event(1, "home_loaded", 10, 8.5), event(2, "age_picks_impressed", 10, 8.5, variant="control")]
    events += [event(3, "play_start", 11, 8, properties='{"section": "age_picks"}')]
    events += [event(4 + n, "play_start", 11, 8, properties=section) for n, section in enumerate(OTHER_SECTIONS)]
    days = first_events(rows_of(spark, tables.RAW_APP_EVENTS, events), "age_picks")
    assigned = spark.createDataFrame([("u", "control")], "user_key string, assigned string")
    first = first_exposures(exposures_of(days, "x", EXPERIMENT), table, assigned, EXPERIMENT)
    after = visits_after(table, first)
    daily = daily_sums(after, days, "x", first, 600_000)
    before = pre_period_sums(table, first, EXPERIMENT, 600_000)
    ends = [(date(2026, 3, day), at(day + 1, -1)) for day in (10, 11, 12)]
    throughs = spark.createDataFrame(ends, "through date, cutoff timestamp")
    sums = user_sums(first, after, daily, before, throughs)
    rows = [
        (row["sessions"], row["session_ms"], row["listening_ms"], row["plays"], row["returnable"], row["returned"])
        for row in sums.orderBy("through").collect()
    ]
    assert rows == [
        (1, 600_000, 900_000, 1, 0, 0),
        (2, 603_000, 903_000, 2, 1, 1),
        (3, 603_000, 903_000, 2, 1, 1),
    ]
    last = sums.orderBy("through").collect()[-1]
    assert (last["impressions"], last["clicks"], last["section_plays"]) == (1, 0, 1)
    assert (last["c_sessions"], last["c_session_ms"], last["c_returned"]) == (1, 5_000, 0)
    metrics = by_metric(sums, EXPERIMENT, EXPERIMENT.metric_names).where("through = '2026-03-12'")
    assert {row["metric"]: (row["n"], row["d"], row["cn"], row["cd"]) for row in metrics.collect()} == {
        "session_duration": (603_000, 3, 5_000, 1),
        "return_rate": (1, 1, 0, 0),
        "songs_per_session": (2, 3, 1, 1),
    }
