"""How `umg run` ends over data that was set aside: its lines, its exit code, and what charts and doctor say then."""

from pathlib import Path

import pytest

from umg_assets.checks import NEWEST
from umg_assets.cli.doctor import findings
from umg_assets.cli.ending import AGE_CHECKS
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_checks_of_runs import keeping

pytestmark = pytest.mark.sail_enough
SOURCE = """
[[sources.plays]]
files = "plays/*.csv"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(at)"
country = "if(country = '--', '', country)"
"""


def umg(home: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of a command over a home, and what it printed."""
    outcome = type_umg(home, *arguments, home=home)
    return outcome.code, outcome.out + outcome.err


def records(first: int, count: int, at: str, user: str = "u{}", country: str = "--") -> str:
    """A file of plays; user: with the number of the record in its braces."""
    lines = [f"p{number},{user.format(number)},t1,{at},{country}" for number in range(first, first + count)]
    return "\n".join(["id,user,track,at,country", *lines])


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What each command printed: with nothing good, then with good files and bad ones, then with nothing new."""
    lake = Lake(tmp_path_factory.mktemp("ending") / "home")
    lake.configure(sources=SOURCE)
    texts = {"chart before": umg(lake.home, "chart", "top-tracks", "--market", "AT")}
    lake.drop("plays/2026-03-01.csv", records(1, 20, "10:15"))
    texts["nothing good"] = umg(lake.home, "run")
    texts["again"] = umg(lake.home, "run")
    texts["chart of nothing"] = umg(lake.home, "chart", "top-tracks", "--market", "AT")
    texts["doctor"] = (0, "\n".join(f"{f.state} {f.subject} {f.text}" for f in findings(lake.home)))
    lake.drop("plays/2026-03-02.csv", "<html>")
    lake.drop("plays/2026-03-04.csv", records(30, 8, "2026-03-04 10:15:00"))
    lake.drop("plays/2026-03-04-b.csv", records(30, 4, "2026-03-04 11:15:00", user="other{}", country="FR"))
    texts["some good"] = umg(lake.home, "run")
    texts["nothing new"] = umg(lake.home, "run")
    for chart, option, value in (
        ("top-tracks", "--market", "AT"),
        ("top-artists", "--genre", "Pop"),
        ("favourites", "--age-group", "18-24"),
    ):
        texts[chart] = umg(lake.home, "chart", chart, option, value)
    return texts


def test_a_run_over_nothing_but_refused_data_says_so_and_ends_with_3_also_when_nothing_is_new(printed: dict):
    for name in ("nothing good", "again"):
        code, text = printed[name]
        assert code == 3
        assert "plays[0] plays/*.csv: 1 file; 20 records: 0 landed, 20 in quarantine; 20 unparsable_started_at" in text
        assert "set aside: plays[0] plays/*.csv: 20 of 20 records" in text
        assert "no record has landed" in text
        assert "`umg quarantine`" in text
        assert "p to date" not in text


def test_a_run_counts_refused_files_names_failed_checks_and_ends_with_3_only_over_what_it_landed(printed: dict):
    code, text = printed["some good"]
    assert code == 3
    assert "plays[0] plays/*.csv: 4 files; 1 refused; 32 records: 12 landed, 20 in quarantine" in text
    assert "set aside: plays[0] plays/*.csv: 1 of 1 files delivered on 2026-03-02" in text
    assert "check failed: plays, copies_are_of_one_play: of 8 copies of repeated play_ids 4 are of another user" in text
    assert "concat(user, '-', id)" in text
    assert printed["nothing new"][0] == 0
    assert "Nothing is new: every table is up to date with landing/." in printed["nothing new"][1]


def test_a_chart_that_is_not_there_says_whether_nothing_landed_or_what_is_missing(printed: dict):
    assert "landing" in printed["chart before"][1]
    assert "of 1 file of plays no record has landed, 20 are in quarantine" in printed["chart of nothing"][1]
    assert "none of 8 plays is of a market in umg.toml (8 of no country)" in printed["top-tracks"][1]
    assert "no tracks have landed, and a genre is a track's" in printed["top-artists"][1]
    assert "no users have landed, and an age group is a user's" in printed["favourites"][1]


def test_a_chart_says_that_users_or_tracks_were_refused_and_a_file_that_cannot_land_ends_a_run_with_3(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    users = "[[sources.users]]\nfiles = 'users/*.csv'\n[sources.users.columns]\nuser_id = 'id'\n"
    tracks = "[[sources.tracks]]\nfiles = 'tracks/*.csv'\n[sources.tracks.columns]\ntrack_id = 'id'\n"
    lake.configure(sources=SOURCE + users + tracks)
    lake.drop("plays/2026-03-04.csv", records(1, 2, "2026-03-04 10:15:00", country="AT"))
    assert umg(lake.home, "run")[0] == 0
    lake.drop("plays/late.csv", records(1, 2, "2026-03-04 10:15:00"))
    code, text = umg(lake.home, "run")
    assert code == 3
    assert "waits: plays/late.csv: delivered_on =" in text.replace("\n", " ")
    assert "set aside: plays[0] plays/*.csv: plays/late.csv, which cannot land as it is" in text
    assert "`umg doctor` tries" in text
    assert "p to date" not in text
    (lake.home / "landing/plays/late.csv").unlink()
    lake.drop("users/u.csv", "<html>")
    lake.drop("tracks/t.csv", "id\n\n,\n" + '""\n')
    umg(lake.home, "run")
    text = umg(lake.home, "chart", "favourites", "--age-group", "18-24")[1]
    assert "of 1 file of users no record has landed, 1 refused whole: `umg quarantine`" in text.replace("\n", " ")
    text = umg(lake.home, "chart", "top-artists", "--genre", "Pop")[1]
    assert "of tracks no record has landed" in text.replace("\n", " ")


def test_the_doctor_judges_a_source_that_yields_no_good_record(printed: dict):
    text = printed["doctor"][1]
    assert "bad sources.plays[0] plays/*.csv: 1 file; every expression works on 2026-03-01.csv: 20 records" in text
    assert "no record would land" in text


def test_the_doctor_tries_files_from_first_to_last_and_names_empty_columns_and_undated_files(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    lake.configure(sources=SOURCE)
    for day in range(1, 10):
        lake.drop(f"plays/2026-03-0{day}.csv", records(day * 10, 2, f"2026-03-0{day} 10:15:00"))
    lake.drop("plays/2026-3-10.csv", records(1, 1, "2026-03-10 10:15:00"))
    lake.drop("plays/2026-03-09.csv", records(1, 2_000, "noon"))
    said = [(finding.state, finding.text) for finding in findings(lake.home) if finding.subject == "sources.plays[0]"]
    assert said[0][0] == "bad"
    assert "1 file without a date; plays/2026-3-10.csv" in said[0][1]
    assert said[1] == (
        "warning",
        "plays/*.csv: 10 files; every expression works on 2026-03-01.csv and 4 more: 1,008 records, of which 1,000 "
        "unparsable_started_at",
    )
    assert said[2] == ("note", """columns.country = "if(country = '--', '', country)": empty in every record tried""")


def test_the_checks_that_do_not_count_for_the_exit_code_are_those_of_how_old_the_data_is():
    assert {key.name for check in NEWEST for key in check.check_keys} == set(AGE_CHECKS)


def test_a_run_that_a_check_blocks_says_what_stays_as_it_was_and_why_and_ends_with_1(tmp_path: Path):
    lake = Lake(tmp_path / "home", on_disk=True)
    lake.configure(sources=SOURCE)
    lake.drop("plays/2026-03-02.csv", records(1, 8, "2026-03-02 10:15:00", country="AT"))
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(Lakehouse, "write_slice", keeping("daily_track_plays"))  # so its sums do not hold the plays
        assert umg(lake.home, "run")[0] == 1
    for _ in range(2):
        code, text = umg(lake.home, "run")
        assert code == 1
        assert "blocked: top_artists_by_genre, age_group_favourites, exports cannot be brought up to date" in text
        assert "a blocking check failed on daily_track_plays" in text
        assert "check failed: daily_track_plays, sums_hold_every_play: 0 plays summed up" in text
        assert "Nothing is new" not in text
