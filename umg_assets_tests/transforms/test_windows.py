"""Charts over a window of days: what enters, what leaves, whose plays count, how ties break."""

from datetime import date
from typing import Any

from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.transforms.windows import favourites, top_artists
from umg_assets_tests.transforms.frames import day, frame, rows_of


def sums(played_on: str, track: str, plays: int, country: str | None = "AT", **more: Any) -> dict[str, Any]:
    """A day's sums of a track, by users of 18 to 24."""
    group = {"play_date": day(played_on), "country": country, "age_group": "18-24", "track_id": track}
    return {**group, "plays": plays, "section_plays": 0, **more}


def track(name: str, artist: str | None, genre: str | None = "Pop", spelt: str | None = None) -> dict[str, Any]:
    """A track of the catalogue; the artist's name is its id in capitals unless spelt in another way."""
    artist_name = spelt or (artist.upper() if artist else None)
    return {
        "track_id": name,
        "title": name.upper(),
        "artist_id": artist,
        "artist_name": artist_name,
        "genre": genre,
    }


TRACKS = [track("t1", "ann"), track("t2", "ann"), track("t3", "bob"), track("t4", "cat", "Rock")]


def artists(
    spark: SparkSession,
    daily: list[dict[str, Any]],
    first: str,
    last: str,
    tracks: list[dict[str, Any]] = TRACKS,
    size: int = 10,
    criterion: str = "plays",
) -> list[tuple]:
    """Windows of three days by one criterion: (chart_date, market, genre, rank, artist_id, its figure)."""
    chart = top_artists(
        frame(spark, tables.DAILY_TRACK_PLAYS, daily),
        frame(spark, tables.TRACKS, tracks),
        ["AT", "DE"],
        *(day(text) for text in (first, last)),
        days=3,
        size=size,
    )
    assert chart.columns == tables.TOP_ARTISTS_BY_GENRE.names
    figure = tables.ARTIST_CRITERIA[criterion]
    entries = chart.where(f"criterion = '{criterion}'")
    return rows_of(entries, "chart_date", "market", "genre", "rank", "artist_id", figure)


def test_a_days_plays_count_on_that_day_and_the_two_after_it(spark: SparkSession):
    daily = [sums("03-01", "t1", 4), sums("03-02", "t2", 3), sums("03-04", "t1", 1)]
    entries = artists(spark, daily, "03-01", "03-07")
    assert [(entry[0].day, entry[5]) for entry in entries if entry[1] == "AT"] == [
        (1, 4),
        (2, 7),
        (3, 7),
        (4, 4),
        (5, 1),
        (6, 1),
    ]


def test_a_range_of_chart_days_begins_with_what_its_first_window_holds(spark: SparkSession):
    daily = [sums("03-01", "t1", 4), sums("03-02", "t2", 3), sums("03-04", "t1", 1)]
    whole = artists(spark, daily, "03-01", "03-07")
    assert artists(spark, daily, "03-03", "03-04") == [entry for entry in whole if entry[0].day in (3, 4)]


def test_overall_counts_every_country_and_a_market_its_own(spark: SparkSession):
    daily = [
        sums("03-01", "t1", 1, "AT"),
        sums("03-01", "t3", 2, "DE"),
        sums("03-01", "t3", 4, "FR"),
        sums("03-01", "t1", 8, None),
    ]
    assert [entry[1:] for entry in artists(spark, daily, "03-01", "03-01")] == [
        ("AT", "Pop", 1, "ann", 1),
        ("DE", "Pop", 1, "bob", 2),
        (None, "Pop", 1, "ann", 9),
        (None, "Pop", 2, "bob", 6),
    ]


def test_artists_rank_within_their_genre_and_ties_break_by_plays_then_artist_id(spark: SparkSession):
    tracks = [*TRACKS, track("t5", "abe"), track("t6", None), track("t7", "dan", None)]
    daily = [
        sums("03-01", "t1", 2, listening_ms=100),
        sums("03-01", "t3", 3, listening_ms=100),
        sums("03-01", "t5", 2, listening_ms=100),
        sums("03-01", "t4", 1, listening_ms=5),
        sums("03-01", "t6", 9, listening_ms=900),
        sums("03-01", "t7", 9, listening_ms=900),
    ]
    by_time = artists(spark, daily, "03-01", "03-01", tracks, criterion="listening_time")
    assert [entry[2:] for entry in by_time if entry[1] == "AT"] == [
        ("Pop", 1, "bob", 100),
        ("Pop", 2, "abe", 100),
        ("Pop", 3, "ann", 100),
        ("Rock", 1, "cat", 5),
    ]
    top = artists(spark, daily, "03-01", "03-01", tracks, size=1)
    assert [entry[2:] for entry in top if entry[1] is None] == [("Pop", 1, "bob", 3), ("Rock", 1, "cat", 1)]


def test_a_figure_is_ranked_only_while_a_row_of_the_window_has_it(spark: SparkSession):
    daily = [sums("03-01", "t1", 1, streams=2), sums("03-02", "t1", 1), sums("03-04", "t1", 1, streams=0)]
    by_streams = artists(spark, daily, "03-01", "03-06", criterion="streams")
    assert [(entry[0].day, entry[5]) for entry in by_streams if entry[1] == "AT"] == [(1, 2), (2, 2), (3, 2)]
    chart = top_artists(
        frame(spark, tables.DAILY_TRACK_PLAYS, daily),
        frame(spark, tables.TRACKS, TRACKS),
        ["AT"],
        day("03-03"),
        day("03-04"),
        days=2,
        size=1,
    )
    by_plays = chart.where("criterion = 'plays' and market = 'AT'")
    assert rows_of(by_plays, "chart_date", "plays", "streams") == [(day("03-03"), 1, None), (day("03-04"), 1, 0)]


def test_an_artist_of_several_spellings_has_one_name_the_last_in_the_alphabet(spark: SparkSession):
    tracks = [track("t1", "ann", spelt="Ann"), track("t2", "ann", spelt="The Ann"), track("t3", "ann", "Rock", "Anne")]
    daily = [sums("03-01", "t1", 1), sums("03-01", "t2", 1), sums("03-01", "t3", 1)]
    chart = top_artists(
        frame(spark, tables.DAILY_TRACK_PLAYS, daily),
        frame(spark, tables.TRACKS, tracks),
        ["AT"],
        day("03-01"),
        day("03-01"),
        days=1,
        size=9,
    )
    entries = rows_of(chart.where("criterion = 'plays' and market = 'AT'"), "genre", "artist_name", "plays")
    assert entries == [("Pop", "The Ann", 2), ("Rock", "The Ann", 1)]


def favourite_tracks(
    spark: SparkSession,
    daily: list[dict[str, Any]],
    first: str,
    last: str,
    tracks: list[dict[str, Any]] = TRACKS,
    catalogue: bool = True,
    size: int = 8,
) -> list[tuple[date, str, int, str, str | None, int]]:
    """Windows of two days: (chart_date, age_group, rank, track_id, title, plays)."""
    chart = favourites(
        frame(spark, tables.DAILY_TRACK_PLAYS, daily),
        frame(spark, tables.TRACKS, tracks),
        catalogue,
        *(day(text) for text in (first, last)),
        days=2,
        size=size,
    )
    assert chart.columns == tables.AGE_GROUP_FAVOURITES.names
    return rows_of(chart, "chart_date", "age_group", "rank", "track_id", "title", "plays")


def test_plays_started_from_the_list_itself_do_not_keep_a_track_on_it(spark: SparkSession):
    daily = [
        sums("03-01", "t1", 9, section_plays=7),
        sums("03-01", "t2", 3),
        sums("03-01", "t3", 5, section_plays=5),
        sums("03-01", "t4", 4, section_plays=None),
    ]
    assert [entry[2:] for entry in favourite_tracks(spark, daily, "03-01", "03-01")] == [
        (1, "t4", "T4", 4),
        (2, "t2", "T2", 3),
        (3, "t1", "T1", 2),
    ]


def test_favourites_of_an_age_group_count_all_countries_and_leave_out_unknown_age_groups(spark: SparkSession):
    daily = [
        sums("03-01", "t1", 1, "AT"),
        sums("03-01", "t1", 1, None),
        sums("03-02", "t1", 1, "DE"),
        sums("03-02", "t2", 2, age_group="65+"),
        sums("03-02", "t2", 9, age_group=None),
    ]
    assert favourite_tracks(spark, daily, "03-01", "03-03") == [
        (day("03-01"), "18-24", 1, "t1", "T1", 2),
        (day("03-02"), "18-24", 1, "t1", "T1", 3),
        (day("03-02"), "65+", 1, "t2", "T2", 2),
        (day("03-03"), "18-24", 1, "t1", "T1", 1),
        (day("03-03"), "65+", 1, "t2", "T2", 2),
    ]


def test_ties_of_favourites_break_by_track_id_and_the_list_ends_at_its_size(spark: SparkSession):
    daily = [sums("03-01", "t3", 2), sums("03-01", "t1", 2), sums("03-01", "t4", 1), sums("03-01", "t2", 2)]
    entries = favourite_tracks(spark, daily, "03-01", "03-01", size=3)
    assert [entry[2:4] for entry in entries] == [(1, "t1"), (2, "t2"), (3, "t3")]


def test_a_track_that_the_catalogue_lacks_is_a_favourite_only_without_a_catalogue(spark: SparkSession):
    daily = [sums("03-01", "stranger", 9), sums("03-01", "t1", 1)]
    assert [entry[2:5] for entry in favourite_tracks(spark, daily, "03-01", "03-01")] == [(1, "t1", "T1")]
    without = favourite_tracks(spark, daily, "03-01", "03-01", tracks=[], catalogue=False)
    assert [entry[2:5] for entry in without] == [(1, "stranger", None), (2, "t1", None)]
