"""Top tracks by country: criteria, ties, unknown countries, the catalogue."""

from typing import Any

from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.charts import rank_tracks
from umg_assets_tests.transforms.frames import day, frame, rows_of

MARCH, APRIL = day("03-01"), day("04-01")


def sums(track: str, plays: int, country: str | None = "AT", **more: Any) -> dict[str, Any]:
    """Sums of March for a track; figures that are not given are NULL, listeners are 1."""
    through = {"month": MARCH, "country": country, "data_through": day("03-20")}
    return {**through, "track_id": track, "plays": plays, "listeners": 1, **more}


def tracks_of(*names: str) -> list[dict[str, Any]]:
    return [{"track_id": name, "title": name.upper(), "artist_name": "The A", "genre": "Pop"} for name in names]


def chart(spark: SparkSession, monthly: list[dict[str, Any]], tracks: list[dict[str, Any]], **more: Any) -> list[tuple]:
    """(month, country, criterion, rank, track_id, title)."""
    ranked = rank_tracks(
        frame(spark, tables.MONTHLY_TRACK_PLAYS, monthly),
        frame(spark, tables.TRACKS, tracks),
        **{"size": 50, "catalogue": True, **more},
    )
    assert ranked.columns == tables.TOP_TRACKS_BY_COUNTRY.names
    return rows_of(ranked, "month", "country", "criterion", "rank", "track_id", "title")


def test_each_criterion_has_its_own_order_and_ties_break_by_plays_then_track_id(spark: SparkSession):
    monthly = [
        sums("b", 5, streams=3, listening_ms=100, listeners=2),
        sums("a", 5, streams=3, listening_ms=200, listeners=3),
        sums("c", 6, streams=3, listening_ms=100, listeners=2),
    ]
    entries = chart(spark, monthly, tracks_of("a", "b", "c"))
    by_criterion = {name: [entry[4] for entry in entries if entry[2] == name] for name in tables.CRITERIA}
    assert by_criterion == {
        "plays": ["c", "a", "b"],
        "streams": ["c", "a", "b"],
        "listening_time": ["a", "c", "b"],
        "listeners": ["a", "c", "b"],
    }


def test_plays_of_an_unknown_country_are_in_no_chart_and_months_and_countries_rank_apart(spark: SparkSession):
    monthly = [sums("a", 9, None), sums("a", 1), sums("b", 2), sums("a", 3, "DE"), sums("b", 4) | {"month": APRIL}]
    entries = chart(spark, monthly, tracks_of("a", "b"))
    assert [entry for entry in entries if entry[2] == "plays"] == [
        (MARCH, "AT", "plays", 1, "b", "B"),
        (MARCH, "AT", "plays", 2, "a", "A"),
        (MARCH, "DE", "plays", 1, "a", "A"),
        (APRIL, "AT", "plays", 1, "b", "B"),
    ]


def test_with_a_catalogue_a_track_it_lacks_has_no_rank_and_leaves_no_gap(spark: SparkSession):
    entries = chart(spark, [sums("stranger", 9), sums("a", 5)], tracks_of("a"))
    assert [entry[3:] for entry in entries if entry[2] == "plays"] == [(1, "a", "A")]


def test_without_a_catalogue_every_track_is_ranked_and_has_no_title(spark: SparkSession):
    entries = chart(spark, [sums("stranger", 9), sums("a", 5)], [], catalogue=False)
    assert [entry[3:] for entry in entries if entry[2] == "plays"] == [(1, "stranger", None), (2, "a", None)]


def test_a_criterion_without_data_has_no_rows_and_the_chart_ends_at_its_size(spark: SparkSession):
    entries = chart(spark, [sums("a", 3, streams=0), sums("b", 2), sums("c", 1)], tracks_of("a", "b", "c"), size=2)
    assert [entry[2:5] for entry in entries] == [
        ("listeners", 1, "a"),
        ("listeners", 2, "b"),
        ("plays", 1, "a"),
        ("plays", 2, "b"),
    ]
