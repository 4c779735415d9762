"""The whole way of a play: from a file in landing/ to a chart, and what changes on the way.

The tests share one lakehouse: all first files, a run, all second files, a run. Each owns its ids and days.
"""

from dataclasses import dataclass
from datetime import date

import pytest

from umg_assets.report import Report
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


@dataclass
class Way:
    """The lakehouse after both runs, the report of the second, and the plays after the first."""

    lake: Lake
    second: Report
    first_plays: list[str]

    def rows(self, table: str, story: str, *columns: str) -> list[tuple]:
        """The rows whose play_id begins with the story's name."""
        return [row for row in self.lake.values(table, "play_id", *columns) if row[0].startswith(story)]


@pytest.fixture(scope="module")
def way(new_lake: NewLake) -> Way:
    """Plays of 2 March; before them a moved play, a changed file, a vanished file, and a late play of February.

    Their days adjoin: a range of days is one run.
    """
    lake = new_lake("whole_way", text='markets = ["AT", "CH", "DE"]\n')
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
    lake.drop_plays("2026-02-24", [("moved", "u5", "s1", "t1", "2026-02-24T10:00:00Z", 190_000, "CH")])
    lake.drop_plays("2026-02-26-a", [("file-1", "u6", "s1", "t1", "2026-02-26T10:00:00Z", 190_000, "CH")])
    lake.drop_plays("2026-02-26-b", [("file-2", "u6", "s1", "t1", "2026-02-26T11:00:00Z", 190_000, "CH")])
    vanished = lake.drop_plays("2026-02-27", [("vanished", "u7", "s1", "t1", "2026-02-27T10:00:00Z", 190_000, "CH")])
    lake.drop_plays("2026-02-28", [("late-1", "u3", "s1", "t1", "2026-02-28T10:00:00Z", 190_000, "AT")])
    lake.drop_plays("2026-03-01", [("late-2", "u3", "s1", "t1", "2026-03-01T10:00:00Z", 190_000, "CH")])
    lake.run()
    first_plays = [play_id for (play_id,) in lake.values("plays", "play_id")]

    lake.drop_plays("2026-03-03", [("late-3", "u4", "s1", "t2", "2026-02-28T12:00:00Z", 190_000, "AT")])
    lake.drop_plays("2026-03-04", [("moved", "u5", "s1", "t1", "2026-02-25T10:00:00Z", 180_000, "CH")])
    lake.drop_plays("2026-02-26-a", [("file-3", "u6", "s1", "t1", "2026-02-26T12:00:00Z", 190_000, "CH")])
    vanished.unlink()
    return Way(lake, lake.run(), first_plays)


def chart(way: Way, month: str, country: str = "AT", criterion: str = "plays") -> list[tuple]:
    """A chart as (rank, track_id, plays, listeners)."""
    rows = [
        row
        for row in way.lake.rows("top_tracks_by_country")
        if (str(row["month"]), row["country"], row["criterion"]) == (month, country, criterion)
    ]
    return sorted((row["rank"], row["track_id"], row["plays"], row["listeners"]) for row in rows)


def test_a_play_makes_its_way_from_landing_to_the_chart_of_its_users_market(way: Way):
    assert len(way.rows("raw_plays", "p")) == 4, "one key for each user, not for each play: the join would double rows"
    assert chart(way, "2026-03-01") == [(1, "t2", 2, 1), (2, "t1", 1, 1)]
    assert chart(way, "2026-03-01", criterion="streams") == [(1, "t2", 2, 1), (2, "t1", 1, 1)]
    assert chart(way, "2026-03-01", country="DE") == [(1, "t2", 1, 1)]
    assert way.rows("plays", "p", "is_stream", "is_skip", "is_complete", "country", "age_group") == [
        ("p1", True, False, True, "AT", "25-34"),
        ("p2", False, True, False, "AT", "25-34"),
        ("p3", True, False, True, "AT", "25-34"),
        ("p4", True, False, True, "DE", "18-24"),
    ]


def test_a_second_run_finds_nothing_new_and_writes_no_table_version(way: Way):
    before = way.lake.versions()
    assert way.lake.run().runs == 0
    assert way.lake.versions() == before


def test_a_late_play_of_a_closed_month_recomputes_that_day_and_that_month_only(way: Way):
    """March has plays, and is not recomputed."""
    others = ("2026-02-24", "2026-02-25", "2026-02-26")
    assert [day for day in way.second.partitions["plays"] if day not in others] == ["2026-02-28"]
    assert way.second.partitions["monthly_track_plays"] == ["2026-02-01"]
    assert chart(way, "2026-02-01") == [(1, "t1", 1, 1), (2, "t2", 1, 1)]


def test_a_correction_that_moves_a_play_to_another_day_leaves_no_copy_behind(way: Way):
    others = ("2026-02-26", "2026-02-28")
    assert [day for day in way.second.partitions["plays"] if day not in others] == ["2026-02-24", "2026-02-25"]
    assert way.rows("plays", "moved", "play_date", "played_ms") == [("moved", date(2026, 2, 25), 180_000)]


def test_a_changed_file_replaces_its_own_rows_and_no_siblings(way: Way):
    assert {"file-1", "file-2"} <= set(way.first_plays)
    assert way.rows("raw_plays", "file") == [("file-2",), ("file-3",)]
    assert way.rows("plays", "file") == [("file-2",), ("file-3",)]


def test_a_file_that_vanished_takes_no_rows_with_it(way: Way):
    assert "2026-02-27" not in way.second.partitions["plays"]
    assert way.lake.run().runs == 0
    assert way.rows("plays", "vanished") == [("vanished",)]
