"""Ids that contain a user's are hashed in place as they would have been from the beginning, and once."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from umg_assets import tables
from umg_assets.transforms.pseudonyms import hashed_in_place, pseudonymous, with_pseudonyms
from umg_assets.transforms.sessions import key_of_session
from umg_assets_tests.transforms.frames import frame, instant, rows_of

HEX = "ab17" + "c0" * 14
"""The form of a hash, with a 17 in it."""
LONG = "0123456789ab"
IDS = (
    ("ana@x.org", "ana@x.org-1", "s-ana@x.org"),
    ("ana@x.org", "p-2", None),
    ("17", "17-1", HEX),
    ("17", HEX, "night"),
    (LONG, LONG + "0" * 20, "night"),
    ("a.b", "axb", "a.b."),
)
"""User, play and session."""


def plays(spark: SparkSession, known: bool = True) -> DataFrame:
    """Plays of IDS, with their users' ids and secrets; known: otherwise nobody knows these."""
    rows = frame(
        spark, tables.PLAYS,
        [{"user_key": user, "play_id": play, "session_id": session} for user, play, session in IDS],
    )  # fmt: skip
    user_id = F.col("user_key") if known else F.lit(None).cast("string")
    return rows.withColumn("user_id", user_id).withColumn("id_key", F.sha2(F.concat(user_id, F.lit("!")), 256))


def from_the_beginning(spark: SparkSession) -> list[tuple[Any, ...]]:
    rows = [{"user_id": user, "play_id": play, "session_id": session} for user, play, session in IDS]
    raw = frame(spark, tables.RAW_PLAYS, rows).withColumn("id_key", F.sha2(F.concat("user_id", F.lit("!")), 256))
    return rows_of(pseudonymous(with_pseudonyms(raw, "plays"), "plays"), "user_id", "play_id", "session_id")


def test_ids_are_hashed_in_place_as_from_the_beginning_where_none_was_hashed(spark: SparkSession):
    hashed = hashed_in_place(plays(spark), F.lit(True))
    assert rows_of(hashed, "user_id", "play_id", "session_id") == from_the_beginning(spark)
    assert [changed for (changed,) in rows_of(hashed, "_changed")] == [False, *[True] * 5]


def test_hashed_a_second_time_no_id_changes(spark: SparkSession):
    once = hashed_in_place(plays(spark), F.lit(True)).drop("_changed")
    again = hashed_in_place(once, F.lit(False))
    assert not any(changed for (changed,) in rows_of(again, "_changed"))
    assert rows_of(again, "play_id", "session_id") == rows_of(once, "play_id", "session_id")


def test_an_id_of_the_form_of_a_hash_is_taken_for_one_unless_it_holds_a_user_id_too_long_for_chance(
    spark: SparkSession,
):
    rows = {row["play_id"]: row for row in hashed_in_place(plays(spark), F.lit(False)).collect()}
    assert HEX in rows
    assert LONG + "0" * 20 not in rows
    assert not rows[HEX]["_changed"]


def test_ids_of_users_whom_nobody_knows_stay(spark: SparkSession):
    stays = hashed_in_place(plays(spark, known=False), F.lit(True))
    assert rows_of(stays, "play_id") == sorted((play,) for _, play, _ in IDS)
    assert not any(changed for (changed,) in rows_of(stays, "_changed"))


@pytest.mark.parametrize("session", ["s-ana@x.org", "night"])
def test_a_visit_whose_session_is_hashed_has_the_key_that_follows_from_it(spark: SparkSession, session: str):
    row = {"user_key": "k", "session_id": session, "started_at": instant("03-02T10:00"), "visit_key": "before"}
    known = frame(spark, tables.VISITS, [row]).withColumns({"user_id": F.lit("ana@x.org"), "id_key": F.lit("!")})
    ((key, of_session),) = rows_of(
        hashed_in_place(known, F.lit(True)).withColumn("_key", key_of_session()), "visit_key", "_key"
    )
    assert key == ("before" if session == "night" else of_session)
