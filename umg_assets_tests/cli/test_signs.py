"""What looks wrong is said with its likely cause, by `umg run`, `umg doctor` and `umg chart` alike."""

import json
from pathlib import Path

import pytest

from umg_assets.cli.doctor import findings
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.lake import SOURCES, Lake

pytestmark = pytest.mark.sail_enough


def said(lake: Lake) -> dict[str, str]:
    """What run, doctor and a chart say, each on one line."""
    home = lake.home
    run = type_umg(home, "run", home=home)
    chart = type_umg(home, "chart", "top-tracks", "--market", "AT", home=home)
    doctor = "\n".join(finding.text for finding in findings(home))
    texts = {"run": run.out + run.err, "doctor": doctor, "chart": chart.out + chart.err}
    return {command: " ".join(text.split()) for command, text in texts.items()}


def everywhere(lake: Lake, *sentences: str) -> None:
    """Asserts that run, doctor and chart say all of the sentences."""
    for command, text in said(lake).items():
        for sentence in sentences:
            assert sentence in text, (command, text)


def chartable(lake: Lake) -> Lake:
    """The lake with the one track that is played."""
    lake.drop_tracks("2026-03-01", [("t1", "A", "a", "A", "Pop", 200_000)])
    return lake


def play(number: int, played: object = 190_000, country: str = "AT", at: str = "2026-03-02T10:00:00Z") -> tuple:
    """A play of SOURCES."""
    return (f"p{number}", f"u{number}", "s", "t1", at, played, country)


def test_an_empty_landing_is_said_and_what_of_it_is_left_out(lake: Lake):
    everywhere(lake, f"landing/ is empty: drop files into {lake.home}/landing and type `umg run`")
    lake.drop("plays/_temporary/part-0.csv", "x")
    everywhere(lake, "left out: part-0.csv, whose name or folder begins with . or _")


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("notes.txt", "add a source to umg.toml"),
        ("2026-03-02.csv", "sources.plays[0] takes plays/*.csv*: it lies in another folder"),
        ("plays/old/2026-03-02.csv", "sources.plays[0] takes plays/*.csv*: it lies in another folder"),
        ("Plays/2026-03-02.CSV", "sources.plays[0] takes plays/*.csv*: small and capital letters differ"),
        ("users/2026-03-02.xlsx", "sources.users[0] takes users/*.csv: its name is another; correct `files`"),
        ("plays/2026-03-02.part", "it looks like a file that is still being transferred"),
        ("odd/[bold]a :x:.dat", "add a source to umg.toml"),
    ],
)
def test_a_file_that_no_source_takes_is_named_with_the_likely_cause(lake: Lake, path: str, cause: str):
    lake.drop(path, "a,b\n1,2\n")
    everywhere(lake, f"no source takes 1 file: {path}: {cause}")


def test_files_beside_the_built_in_sources_are_met_with_init(lake: Lake):
    lake.configure(sources="")
    lake.drop("export.csv", "a,b\n")
    everywhere(lake, "no source takes 1 file: export.csv: umg.toml names no source of your own: `umg init --from FILE`")


def test_plays_without_a_market_are_counted_with_what_gives_them_one(lake: Lake):
    chartable(lake).drop_plays("2026-03-02", [play(at, country="AT" if at < 6 else "") for at in range(10)])
    lake.run()
    everywhere(lake, "4 of 10 plays have no market: `country` is empty there, and their users have none")
    lake.configure(sources=SOURCES.replace('country = "country"\n', ""))
    everywhere(lake, "10 of 10 plays have no market: set `country` in the columns of [[sources.plays]]")


def test_plays_of_markets_that_umg_toml_does_not_list_are_counted_with_what_to_do(lake: Lake):
    chartable(lake).drop_plays("2026-03-02", [play(1), play(2, country="at"), play(3, country="Germany")])
    everywhere(
        lake,
        "2 of 3 plays are of no market in umg.toml (1 of ",
        "make codes such as 'AT' of them in `columns`, e.g. by upper()",
    )
    lake.drop_plays("2026-03-02", [play(1), play(2, country="FR")])
    everywhere(lake, "1 of 2 plays are of no market in umg.toml (1 of FR): add them to `markets`")


def test_seconds_where_milliseconds_are_expected_are_said_of_plays_and_of_tracks(lake: Lake):
    lake.drop_plays("2026-03-02", [play(number, 180 + number) for number in range(5)])
    lake.drop_tracks("2026-03-02", [(f"t{number}", "A", "a", "A", "Pop", 200 + number) for number in range(5)])
    everywhere(
        lake,
        "columns.played_ms = 'cast(played_ms as bigint)': expected milliseconds, but nine in ten of 5 are at most 18",
        'are they seconds? Then "round(cast(played_ms as double) * 1000)"',
        "columns.duration_ms = 'cast(duration_ms as bigint)': expected milliseconds, but nine in ten of 5 are at most ",
    )
    lake.drop_plays("2026-03-02", [play(number, 1000 * (180 + number)) for number in range(5)])
    lake.drop_tracks("2026-03-02", [(f"t{number}", "A", "a", "A", "Pop", 200_000) for number in range(5)])
    assert not [command for command, text in said(lake).items() if "expected milliseconds" in text]


@pytest.mark.parametrize(
    ("played", "seen"), [(190_000, "5 of 5 are over 24 hours"), (50_000, "half of 5 are over 13 hours")]
)
def test_milliseconds_where_an_expression_expects_seconds_are_said(lake: Lake, played: int, seen: str):
    lake.configure(sources=SOURCES.replace("cast(played_ms as bigint)", "cast(played_ms as bigint) * 1000"))
    lake.drop_plays("2026-03-02", [play(number, played) for number in range(5)])
    everywhere(lake, f"but {seen}: were milliseconds taken for seconds? Then without the factor 1000")


@pytest.mark.parametrize(
    ("expression", "at", "cause"),
    [
        (
            "timestamp_seconds(cast(started_at as bigint))",
            1772445600000,
            "are they milliseconds, not seconds? Then timestamp_millis(...)",
        ),
        (
            "timestamp_millis(cast(started_at as bigint))",
            1772445600,
            "are they seconds, not milliseconds? Then timestamp_seconds(...)",
        ),
        ("timestamp_seconds(cast(started_at as bigint) / 1000)", 1772445600, "are they seconds, not milliseconds?"),
    ],
)
def test_an_instant_in_the_other_unit_is_said(lake: Lake, expression: str, at: int, cause: str):
    lake.configure(sources=SOURCES.replace("to_timestamp(started_at)", expression))
    lake.drop_plays("2026-03-02", [play(number, at=str(at)) for number in range(5)])
    everywhere(lake, f"columns.started_at = '{expression}': 5 of 5 records", cause)


def test_signs_of_a_chart_go_to_standard_error_and_do_not_disturb_its_rows(lake: Lake):
    chartable(lake).drop_plays("2026-03-02", [play(1)])
    lake.drop("[x]notes.txt", "hello")
    lake.run()
    done = type_umg(lake.home, "chart", "top-tracks", "--market", "AT", "--format", "json", home=lake.home)
    assert [row["track_id"] for row in json.loads(done.out)] == ["t1"]
    assert done.err == "look: no source takes 1 file: [x]notes.txt: add a source to umg.toml\n"


def test_a_lakehouse_in_order_says_nothing(lake: Lake):
    chartable(lake).drop_plays("2026-03-02", [play(number) for number in range(5)])
    lake.run()
    done = type_umg(lake.home, "chart", "top-tracks", "--market", "AT", home=lake.home)
    assert (done.code, done.err) == (0, "")
    assert "look: " not in type_umg(lake.home, "run", home=lake.home).out


def test_a_path_with_markup_in_it_is_printed_as_it_is(tmp_path: Path):
    lake = Lake(tmp_path / "home")
    lake.configure(sources=SOURCES.replace("[[sources.plays]]", "[[sources.plays]]\nname = '[bold]web :x:'"))
    lake.drop("plays/[red]late[x].csv", "play_id\n")
    text = said(lake)["run"]
    assert "waits: plays/[red]late[x].csv: delivered_on" in text
    assert "plays[0] [bold]web :x:: no file found" in text or "plays[0] [bold]web :x:: 0 files" in text
    assert "set aside: plays[0] [bold]web :x:: plays/[red]late[x].csv, which cannot land as it is" in text
