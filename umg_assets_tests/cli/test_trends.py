"""What `umg chart` says beyond the charts: plays by day, growth, movements of one kind, several markets at once."""

import csv
import io
import json
from pathlib import Path

import pytest

from umg_assets_tests.cli.conftest import Outcome, type_umg
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

PLAYS = {  # by month, market and track: how often it is played, once a day from the 1st on
    "2026-01": {("AT", "t1"): 5, ("AT", "t2"): 4, ("AT", "t3"): 3, ("DE", "t1"): 4, ("DE", "t4"): 2},
    "2026-02": {("AT", "t1"): 9, ("AT", "t2"): 2, ("AT", "t4"): 6, ("DE", "t1"): 1, ("DE", "t4"): 8, ("", "t2"): 7},
}
TRACKS = [
    ("t1", "One", "a1", "Ann", "Pop", 200_000),
    ("t2", "[bold]Two[/]", "a1", "Ann", "Pop", 200_000),
    ("t3", "Three", "a2", "Bob", "Rock", 200_000),
    ("t4", "Four :x:", "a2", "Bob", "Rock", 200_000),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse of two months and two markets with a chart of three tracks; the later month is complete."""
    lake = Lake(tmp_path_factory.mktemp("trends") / "home")
    lake.configure("[charts]\ntop_tracks = 3\n")
    lake.drop_tracks("2026-01-01", TRACKS)
    for month, counts in PLAYS.items():
        plays = [
            (f"{month}-{market}-{track}-{day}", f"u{day}", "s", track, f"{month}-{day:02}T10:00:00Z", 60_000, market)
            for (market, track), times in counts.items()
            for day in range(1, times + 1)
        ]
        lake.drop_plays(f"{month}-20", plays)
    lake.drop_plays("2026-03-01", [("last", "u1", "s", "t1", "2026-03-01T10:00:00Z", 60_000, "AT")])
    lake.run()
    lake.home.chmod(0o700)
    return lake.home


def chart(home: Path, *arguments: str) -> Outcome:
    """`umg chart ARGUMENTS`."""
    return type_umg(home, "chart", *arguments, home=home)


def rows(home: Path, *arguments: str) -> list[dict[str, str]]:
    """The rows that it prints as CSV."""
    done = chart(home, *arguments, "--format", "csv")
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def test_plays_by_day_and_market_have_a_row_for_each_day_also_without_a_play(home: Path):
    found = rows(home, "plays", "--market", "AT", "--market", "de", "--from", "2026-01-04", "--to", "2026-01-06")
    assert [
        (row["play_date"], row["country"], row["plays"], row["streams"], row["listening_minutes"]) for row in found
    ] == [
        ("2026-01-04", "AT", "2", "2", "2"),
        ("2026-01-04", "DE", "1", "1", "1"),
        ("2026-01-05", "AT", "1", "1", "1"),
        ("2026-01-05", "DE", "0", "0", "0"),
        ("2026-01-06", "AT", "0", "0", "0"),
        ("2026-01-06", "DE", "0", "0", "0"),
    ]


def test_plays_of_all_markets_hold_those_without_one_and_sum_up_to_the_table(home: Path):
    found = json.loads(chart(home, "plays", "--format", "json").out)
    assert {row["country"] for row in found} == {"AT", "DE", None}
    assert sum(row["plays"] for row in found) == sum(sum(counts.values()) for counts in PLAYS.values()) + 1
    assert (found[0]["play_date"], found[-1]["play_date"]) == ("2026-01-01", "2026-03-01")


def test_growth_compares_the_last_complete_month_with_the_one_before_beyond_the_chart(home: Path):
    found = rows(home, "growth", "--market", "AT", "--market", "DE")
    grown = [(row["market"], row["rank"], row["track_id"], row["before"], row["after"], row["change"]) for row in found]
    assert grown == [
        ("AT", "1", "t4", "0", "6", "6"),
        ("AT", "2", "t1", "5", "9", "4"),
        ("DE", "1", "t4", "2", "8", "6"),
    ]
    assert [row["change_percent"] for row in found] == ["", "80.0", "300.0"]
    assert {(row["month_before"], row["month"]) for row in found} == {("2026-01-01", "2026-02-01")}


def test_growth_over_all_markets_is_of_tracks_or_of_artists_up_or_down(home: Path):
    found = rows(home, "growth", "--top", "2")
    assert [(row["track_id"], row["change"]) for row in found] == [("t4", "12"), ("t2", "5")]
    found = rows(home, "growth", "--of", "artists", "--criterion", "listening-time")
    assert [(row["artist_id"], row["before"], row["after"]) for row in found] == [("a2", "5", "14"), ("a1", "13", "19")]
    found = rows(home, "growth", "--falling", "--from", "2026-01", "--to", "2026-02")
    assert [(row["track_id"], row["change"]) for row in found] == [("t3", "-3")]
    found = rows(home, "growth", "--falling", "--market", "AT")
    assert [(row["track_id"], row["change"]) for row in found] == [("t3", "-3"), ("t2", "-2")]


def test_movements_of_some_kinds_and_what_left_the_chart_are_shown(home: Path):
    february = ("movements", "--month", "2026-02")
    found = rows(home, *february, "--market", "AT", "--movement", "new", "--movement", "left")
    assert [(row["movement"], row["track_id"], row["rank"], row["previous_rank"]) for row in found] == [
        ("new", "t4", "2", ""),
        ("left", "t3", "", "3"),
    ]
    assert found[1]["title"] == "Three"
    assert [row["track_id"] for row in rows(home, *february, "--market", "AT", "--movement", "down")] == ["t2"]


def test_several_markets_give_several_tables_or_one_csv(home: Path):
    printed = chart(home, "top-tracks", "--market", "AT", "--market", "DE", "--month", "2026-01").out
    assert [line for line in printed.splitlines() if line.startswith("Top tracks")] == [
        "Top tracks by plays, AT 2026-01 (through 2026-01-05)",
        "Top tracks by plays, DE 2026-01 (through 2026-01-05)",
    ]
    for command in (("top-tracks", "--month", "2026-01"), ("movements", "--month", "2026-01")):
        assert [row["country"] for row in rows(home, *command, "--market", "DE,AT")] == ["DE", "DE", "AT", "AT", "AT"]
    artists = rows(home, "top-artists", "--genre", "Pop", "--market", "AT", "--market", "DE", "--day", "2026-02-02")
    assert {row["market"] for row in artists} == {"AT", "DE"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("plays", "--market", "AT", "--market", "FR"),
            "no plays of FR from 2026-01-01 to 2026-03-01: there are plays of AT, DE, no market",
        ),
        (("plays", "--from", "2027-01-01"), "no plays of any market from 2027-01-01"),
        (
            ("plays", "--from", "2026-02-01", "--to", "2026-01-01"),
            "expected --from not after --to, got 2026-02-01 and 2026-01-01",
        ),
        (
            ("top-tracks", "--market", "AT", "--market", "FR"),
            "there are charts for AT, DE in 2026-01, 2026-02, 2026-03",
        ),
        (("growth", "--to", "2026-08"), "no plays in 2026-07, 2026-08: there are plays in 2026-01, 2026-02, 2026-03"),
        (("growth", "--market", "FR"), "there are plays of AT, DE, no market"),
        (("growth", "--from", "2026-02", "--to", "2026-01"), "expected an earlier month than 2026-01"),
        (("growth", "--criterion", "listeners"), "listeners are counted for tracks in a market: expected --market"),
        (("growth", "--of", "genres"), "expected one of tracks, artists, got 'genres'"),
        (
            ("movements", "--market", "AT", "--movement", "up", "--month", "2026-02"),
            "no movement up in AT 2026-02 by plays: there are 1 same, 1 new, 1 down",
        ),
        (("movements", "--market", "AT", "--movement", "gone"), "expected one of new, re-entry, up, down, same, left"),
        (("movements", "--market", "AT", "--movement", "new", "--month", "2026-01"), "it is the market's first month"),
    ],
)
def test_what_is_not_there_is_an_error_of_one_line_that_names_what_is(
    home: Path, arguments: tuple[str, ...], message: str
):
    done = chart(home, *arguments)
    assert (done.code in (1, 2), done.out) == (True, "")
    *signs, error = done.err.splitlines()
    assert message in error
    assert [sign for sign in signs if not sign.startswith("look: 7 of 52 plays have no market")] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("chart", "top-tracks", "--market", "AT", "--criterion", "plays", "--criterion", "streams"),
        ("chart", "top-artists", "--genre", "Pop", "--genre", "Rock"),
        ("chart", "favourites", "--age-group", "18-24", "--age-group", "25-34"),
        ("quarantine", "--limit", "1", "--limit", "2"),
        ("run", "--range", "2026-01-01", "--range", "2026-01-02"),
        ("experiment", "plan", "--mean", "1", "--mean", "2"),
        ("--home", "elsewhere", "doctor"),
    ],
)
def test_an_option_that_takes_one_value_refuses_a_second_one(home: Path, arguments: tuple[str, ...]):
    done = type_umg(home, *arguments, home=home)
    assert (done.code, done.out) == (2, "")
    assert "expected once, got 2 times" in done.err


def test_brackets_and_colons_in_names_are_printed_as_they_are(home: Path):
    printed = chart(home, "top-tracks", "--market", "AT", "--month", "2026-02").out
    assert "[bold]Two[/]" in printed
    assert "Four :x:" in printed
