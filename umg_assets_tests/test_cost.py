"""Cost follows the change: which slices a change writes, counted in the Delta logs of the tables."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

DAYS = [date(2026, 2, 20) + timedelta(days=offset) for offset in range(20)]  # through 2026-03-11
TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 200_000)]
USERS = [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "", "1990-05-05")]


def plays_of(day: date, *tracks: str) -> list[tuple]:
    """Each user plays each track once, at noon."""
    at = f"{day}T12:00:00Z"
    return [(f"{day}{user}{track}", user, f"s{day}", track, at, 190_000) for user in ("u1", "u2") for track in tracks]


@pytest.fixture(scope="module")
def twenty_days(new_lake: NewLake) -> Lake:
    """A play of t1 by each user on each of DAYS, run once. Only copy it."""
    lake = new_lake("twenty_days")
    lake.drop_users("2026-02-20", USERS)
    lake.drop_tracks("2026-02-20", TRACKS)
    for day in DAYS:
        lake.drop_plays(day.isoformat(), plays_of(day, "t1"))
    lake.run()
    return lake


@pytest.fixture
def lake(twenty_days: Lake, tmp_path: Path) -> Lake:
    """A copy of those twenty days, to be changed."""
    return twenty_days.copied(tmp_path / "home")


def written_since(lake: Lake, versions: dict[str, int]) -> dict[str, tuple[int, list[str]]]:
    """By table with new versions: how many, and the partitions that they write or empty."""
    written = {}
    for table, version in lake.versions().items():
        partitions = set()
        for number in range(versions[table] + 1, version + 1):
            log = lake.home / "tables" / table / "_delta_log" / f"{number:020d}.json"
            for line in log.read_text().splitlines():
                action = json.loads(line)
                for file in (action.get("add"), action.get("remove")):
                    if file:
                        values = sorted((file.get("partitionValues") or {}).items())
                        partitions.add("|".join(value for _, value in values))
        if version > versions[table]:
            written[table] = (version - versions[table], sorted(partitions))
    return written


def days(first: str, last: str) -> list[str]:
    """The days from the first to the last of 2026."""
    begin, end = date.fromisoformat(f"2026-{first}"), date.fromisoformat(f"2026-{last}")
    return [(begin + timedelta(days=offset)).isoformat() for offset in range((end - begin).days + 1)]


def test_a_late_play_of_a_closed_month_writes_its_day_the_sessions_around_it_its_month_its_windows_and_nothing_else(
    lake: Lake,
):
    """Windows of 4 and 2 days; the ledger is written twice, a table once."""
    before = lake.versions()
    late = [("late", "u1", "s2026-02-24", "t2", "2026-02-24T13:00:00Z", 190_000)]
    lake.drop_plays("2026-03-12", late)
    lake.run()
    written = written_since(lake, before)
    assert {table: (count, keys) for table, (count, keys) in written.items() if table != "chart_movements"} == {
        "deliveries": (2, [""]),
        "raw_plays": (1, ["2026-03-12"]),
        "plays": (1, days("02-24", "02-24")),
        "sessions": (1, days("02-23", "02-27")),
        "daily_track_plays": (1, days("02-24", "02-24")),
        "monthly_track_plays": (1, ["2026-02-01"]),
        "top_tracks_by_country": (1, ["AT|2026-02-01", "DE|2026-02-01"]),
        "top_artists_by_genre": (1, days("02-24", "02-27")),
        "age_group_favourites": (1, days("02-24", "02-25")),
    }
    assert written["chart_movements"] == (1, ["AT", "DE"]), "movements of later months follow from the month's"
    columns = ("chart_date", "market", "genre", "criterion", "plays")
    artists = {tuple(row[:4]): row[4] for row in lake.values("top_artists_by_genre", *columns)}
    assert [artists[day, None, "Pop", "plays"] for day in DAYS[3:]] == [8] * 17, "a rebuilt window holds all its days"
    favourites = lake.values("age_group_favourites", "chart_date", "track_id", "age_group", "plays")
    of_two_days = {plays for day, track, _, plays in favourites if track == "t1" and DAYS[0] < day <= DAYS[-1]}
    assert of_two_days == {2}


def test_a_play_that_moves_to_another_day_writes_both_days_and_what_is_built_on_them(lake: Lake):
    before = lake.versions()
    moved = [("2026-02-22u1t1", "u1", "s2026-02-22", "t1", "2026-03-04T12:00:00Z", 190_000)]
    lake.drop_plays("2026-03-12", moved)
    lake.run()
    written = written_since(lake, before)
    assert written["plays"] == (1, ["2026-02-22", "2026-03-04"])
    assert written["sessions"] == (1, days("02-21", "02-25") + days("03-03", "03-07"))
    assert written["monthly_track_plays"] == (2, ["2026-02-01", "2026-03-01"])
    assert written["age_group_favourites"] == (2, days("02-22", "02-23") + days("03-04", "03-05"))


def test_a_new_title_writes_the_charts_that_show_it_and_no_day_no_month_and_no_sum(lake: Lake):
    lake.drop_plays("2026-03-12", plays_of(date(2026, 3, 8), "t2"))
    lake.run()
    before = lake.versions()
    lake.drop_tracks("2026-03-12", [("t2", "Two, remastered", "a2", "Bob", "Rock", 200_000)])
    lake.run()
    written = written_since(lake, before)
    assert set(written) == {
        "deliveries",
        "raw_tracks",
        "tracks",
        "top_tracks_by_country",
        "chart_movements",
        "age_group_favourites",
        "top_artists_by_genre",
    }
    assert written["top_tracks_by_country"][1] == ["AT|2026-03-01", "DE|2026-03-01"]
    assert written["age_group_favourites"] == (1, days("03-08", "03-09"))
    titles = lake.values("age_group_favourites", "track_id", "title")
    assert {title for track, title in titles if track == "t2"} == {"Two, remastered"}


def test_a_track_of_another_genre_writes_the_windows_of_its_plays_and_the_charts_that_show_it(lake: Lake):
    lake.drop_plays("2026-03-12", plays_of(date(2026, 3, 2), "t2"))
    lake.run()
    before = lake.versions()
    lake.drop_tracks("2026-03-12", [("t2", "Two", "a2", "Bob", "Jazz", 200_000)])
    lake.run()
    written = written_since(lake, before)
    assert written["top_artists_by_genre"] == (1, days("03-02", "03-05"))
    assert not {"plays", "sessions", "daily_track_plays", "monthly_track_plays"} & set(written)
    assert {genre for (genre,) in lake.values("top_artists_by_genre", "genre")} == {"Pop", "Jazz"}


def test_the_same_plays_delivered_again_in_other_files_change_no_row(lake: Lake):
    """The same plays under another name are new copies: their days are rebuilt, and come out the same."""
    content = lake.content()
    for day in DAYS[:2]:
        lake.drop_plays(f"2026-03-12-again-{day}".replace(f"-{day}", f"_{day:%m%d}"), plays_of(day, "t1"))
    lake.run()
    assert lake.content() == content
    before = lake.versions()
    assert lake.run().runs == 0
    assert written_since(lake, before) == {}
