"""Mistakes in umg.toml that TOML or a whole section is in the way of: one line says what stands where."""

import datetime
from pathlib import Path

import pytest

from umg_assets.settings.model import read_settings
from umg_assets_tests.settings.test_settings import refusal

COLUMNS = 'play_id = "id"\nuser_id = "user"\ntrack_id = "track"\nstarted_at = "to_timestamp(ts)"\n'
PLAYS = f'[[sources.plays]]\nfiles = "a/*.csv"\n[sources.plays.columns]\n{COLUMNS}'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-13-01", None),
        ("2026-02-30", None),
        ("2026-1-1", "2026-01-01"),
        ("01.05.2026", "2026-05-01"),
        ("'1. 5. 2026'", "2026-05-01"),
        ("2026/05/01", "2026-05-01"),
        ("'05/31/2026'", "2026-05-31"),
        ("'05/06/2026'", None),
        ("'May'", None),
        ("2026", None),
        ("20304000", None),  # pydantic takes it for seconds, and so for 1970-08-24
        ("20260501", "2026-05-01"),
        ("2026-05-01T10:00:00", "2026-05-01"),
        ("true", None),
    ],
)
def test_a_date_in_another_notation_is_refused_with_the_day_that_is_meant(
    tmp_path: Path, written: str, meant: str | None
):
    hint = f"; did you mean {meant}?" if meant else ""
    for key in ("first_day", "first_delivery"):
        got = refusal(tmp_path, f"time_zone = 'UTC'\n{key} = {written}  # a comment\n")
        assert (
            got
            == f"umg.toml:2: {key}: expected a date as YYYY-MM-DD, got {'True' if written == 'true' else written}{hint}"
        )


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_lines_are_counted_as_an_editor_does_whatever_letters_a_comment_holds(tmp_path: Path, letter: str):
    text = f"# a{letter}b\ntime_zone = 'UTC'\nfirst_day = "
    assert refusal(tmp_path, f"{text}'May'\n").startswith("umg.toml:3: first_day: expected a date")
    assert refusal(tmp_path, f"{text}\n").startswith("umg.toml:3: ")


def test_a_day_is_taken_as_toml_and_as_text(tmp_path: Path):
    for written in ("2026-05-01", "'2026-05-01'", "2026-05-01T00:00:00Z"):
        (tmp_path / "umg.toml").write_text(f"first_day = {written}\n")
        assert read_settings(tmp_path).first_day == datetime.date(2026, 5, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "first_day = 2026-01-01\nfirst_day = 2026-02-01\n",
            "2: first_day: it is there twice, first in line 1: keep one of them",
        ),
        (
            "[charts]\ntop_tracks = 1\ntop_tracks = 2\n",
            "3: charts.top_tracks: it is there twice, first in line 2: keep",
        ),
        (f'{PLAYS}track_id = "x"\n', "8: sources.plays[0].columns.track_id: it is there twice, first in line 6: keep"),
        (
            "charts = { top_tracks = 1, top_tracks = 2 }\n",
            "1: charts.top_tracks: it is there twice, first in the same line",
        ),
        (
            "[charts]\n[thresholds]\n[charts]\n",
            "3: [charts]: it is there twice, first in line 1: put what stands under both",
        ),
        (f"{PLAYS}[sources.plays.columns]\n", "8: [sources.plays.columns]: it is there twice, first in line 3: put"),
        ("[experiments.e]\n[experiments.e]\n", "2: [experiments.e]: it is there twice, first in line 1: put what"),
        (
            f"{PLAYS.replace('[[sources.plays]]', '[sources.plays]')}{PLAYS}",
            "8: [sources.plays]: it is there twice, first in line 1: each of several is [[sources.plays]]",
        ),
    ],
)
def test_what_is_there_twice_is_named_with_both_lines(tmp_path: Path, text: str, message: str):
    got = refusal(tmp_path, text)
    assert got.startswith(f"umg.toml:{message}")
    assert "\n" not in got


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_zone = UTC\n", "1: time_zone: expected a text in quotes, got UTC"),
        ("plots = True\n", "1: plots: expected true in small letters, got True"),
        ("first_day =\n", "1: first_day: expected a value after =, got none"),
    ],
)
def test_a_value_that_is_no_toml_is_named_with_what_was_expected(tmp_path: Path, text: str, message: str):
    assert refusal(tmp_path, text) == f"umg.toml:{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            PLAYS.replace("plays", "play"),
            "1: [[sources.play]]: no such kind of source; did you mean [[sources.plays]]?",
        ),
        (
            PLAYS.replace("plays", "Users"),
            "1: [[sources.Users]]: no such kind of source; did you mean [[sources.users]]?",
        ),
        (
            PLAYS.replace("plays", "songs"),
            "1: [[sources.songs]]: no such kind of source; known: plays, users, tracks, events",
        ),
        (
            PLAYS.replace("[sources.plays.columns]", "[sources.play.columns]"),
            "3: [sources.play.columns]: no such kind of source; did you mean [sources.plays.columns]?",
        ),
        (
            PLAYS.replace("[sources.plays.columns]\n", ""),
            "3: sources.plays[0]: play_id, user_id, track_id, started_at: expected the header [sources.plays.columns] "
            "above the columns, got none",
        ),
        (
            f'{PLAYS}[[sources.users]]\nfiles = "u.csv"\nuser_id = "id"\n',
            "10: sources.users[0]: user_id: expected the header [sources.users.columns] above the columns, got none",
        ),
        (
            PLAYS.replace("plays.columns", "plays.colums"),
            "3: [sources.plays.colums]: no such setting; did you mean [sources.plays.columns]?",
        ),
        (
            PLAYS.replace("[sources.plays.columns]", "[columns]"),
            "3: [columns]: expected [sources.plays.columns], with the name of its source",
        ),
        (
            PLAYS.replace("[sources.plays.columns]", "[[sources.plays.columns]]"),
            "3: [[sources.plays.columns]]: expected [sources.plays.columns] in single brackets: a source has one",
        ),
        (
            PLAYS.replace("[[sources.plays]]", "[sources.plays]"),
            "1: [sources.plays]: expected [[sources.plays]] in double brackets: there can be several",
        ),
        (
            PLAYS.replace("[sources.plays.columns]", "[sources.tracks.columns]"),
            "3: [sources.tracks.columns]: expected below a [[sources.tracks]], got none",
        ),
        (
            "[sources.plays.columns]\n" + COLUMNS + '[[sources.plays]]\nfiles = "a"\n',
            "6: [[sources.plays]]: [sources.plays.columns] in line 1 stands above it: put it below",
        ),
        (
            PLAYS.replace('files = "a/*.csv"\n', "") + 'files = "a/*.csv"\n',
            "7: sources.plays[0].files: expected above [sources.plays.columns], got it below",
        ),
        (
            f'{PLAYS}delimiter = ";"\n',
            "8: sources.plays[0].delimiter: expected above [sources.plays.columns], got it below",
        ),
        ("[[plays]]\nfiles = 'a'\n", "1: plays: no such setting; did you mean [[sources.plays]]?"),
        ("[[sources]]\nfiles = 'a'\n", "1: [[sources]]: expected one of [[sources.plays]], [[sources.users]], "),
    ],
)
def test_a_wrong_or_lost_header_is_one_line_not_one_for_every_key_below_it(tmp_path: Path, text: str, message: str):
    got = refusal(tmp_path, text)
    assert got.startswith(f"umg.toml:{message}")
    assert "\n" not in got
