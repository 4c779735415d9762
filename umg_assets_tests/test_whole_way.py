"""The whole way of a play: from a file in landing/ to a chart, and what changes on the way."""

from datetime import date

import pytest

from umg_assets_tests.lake import Lake

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


def chart(lake: Lake, month: str = "2026-03-01", country: str = "AT", criterion: str = "plays") -> list[tuple]:
    """A chart as (rank, track_id, plays, listeners)."""
    rows = [
        row
        for row in lake.rows("top_tracks_by_country")
        if (str(row["month"]), row["country"], row["criterion"]) == (month, country, criterion)
    ]
    return sorted((row["rank"], row["track_id"], row["plays"], row["listeners"]) for row in rows)


def test_a_play_makes_its_way_from_landing_to_the_chart_of_its_users_market(lake: Lake):
    lake.drop_users("2026-03-01", [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "18-24")])
    lake.drop_tracks("2026-03-01", TRACKS)
    lake.drop_plays(
        "2026-03-02",
        [
            ("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000),
            ("p2", "u1", "s1", "t2", "2026-03-02T10:04:00Z", 10_000),
            ("p3", "u1", "s1", "t2", "2026-03-02T10:05:00Z", 95_000),
            ("p4", "u2", "s1", "t2", "2026-03-02T11:00:00Z", 95_000),
        ],
    )
    lake.run()
    assert len(lake.rows("raw_plays", "play_id")) == 4, "a key a user, not one a play: the join would double rows"
    assert chart(lake) == [(1, "t2", 2, 1), (2, "t1", 1, 1)]
    assert chart(lake, criterion="streams") == [(1, "t2", 2, 1), (2, "t1", 1, 1)]
    assert chart(lake, country="DE") == [(1, "t2", 1, 1)]
    assert lake.values("plays", "play_id", "is_stream", "is_skip", "is_complete", "country", "age_group") == [
        ("p1", True, False, True, "AT", "25-34"),
        ("p2", False, True, False, "AT", "25-34"),
        ("p3", True, False, True, "AT", "25-34"),
        ("p4", True, False, True, "DE", "18-24"),
    ]


@pytest.mark.sail_enough
def test_a_second_run_finds_nothing_new_and_writes_no_table_version(lake: Lake):
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.run()
    before = lake.versions()
    assert lake.run().runs == 0
    assert lake.versions() == before


@pytest.mark.sail_enough
def test_a_late_play_of_a_closed_month_recomputes_that_day_and_that_month_only(lake: Lake):
    lake.drop_tracks("2026-03-01", TRACKS)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.drop_plays("2026-04-02", [("p2", "u1", "s1", "t1", "2026-04-02T10:00:00Z", 190_000, "AT")])
    lake.run()
    lake.drop_plays("2026-04-03", [("p3", "u2", "s1", "t2", "2026-03-02T12:00:00Z", 190_000, "AT")])
    report = lake.run()
    assert report.partitions["plays"] == ["2026-03-02"]
    assert report.partitions["monthly_track_plays"] == ["2026-03-01"]
    assert chart(lake) == [(1, "t1", 1, 1), (2, "t2", 1, 1)]


def test_a_correction_that_moves_a_play_to_another_day_leaves_no_copy_behind(lake: Lake):
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.run()
    lake.drop_plays("2026-03-06", [("p1", "u1", "s1", "t1", "2026-03-05T10:00:00Z", 180_000, "AT")])
    report = lake.run()
    assert report.partitions["plays"] == ["2026-03-02", "2026-03-05"]
    assert lake.values("plays", "play_id", "play_date", "played_ms") == [("p1", date(2026, 3, 5), 180_000)]


def test_a_changed_file_replaces_its_own_rows_and_no_siblings(lake: Lake):
    lake.drop_plays("2026-03-02-a", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.drop_plays("2026-03-02-b", [("p2", "u1", "s1", "t1", "2026-03-02T11:00:00Z", 190_000, "AT")])
    lake.run()
    lake.drop_plays("2026-03-02-a", [("p3", "u1", "s1", "t1", "2026-03-02T12:00:00Z", 190_000, "AT")])
    lake.run()
    assert lake.values("raw_plays", "play_id") == [("p2",), ("p3",)]
    assert lake.values("plays", "play_id") == [("p2",), ("p3",)]


@pytest.mark.sail_enough
def test_a_file_that_vanished_takes_no_rows_with_it(lake: Lake):
    file = lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 190_000, "AT")])
    lake.run()
    file.unlink()
    assert lake.run().runs == 0
    assert lake.values("plays", "play_id") == [("p1",)]
