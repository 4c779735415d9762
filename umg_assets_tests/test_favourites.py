"""Favourites of an age group: what its users play, except what they play because the app shows them the list."""

from datetime import date
from pathlib import Path

import deltalake
import pytest

from umg_assets.cli.reconcile import recount_tables
from umg_assets.resources.reading import TableMissingError
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import SECTION_SOURCES, SHORT_WINDOWS, Lake

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


def configure(lake: Lake, charts: str = "") -> None:
    """Plays that say their section; windows of two days."""
    lake.configure(f"{SHORT_WINDOWS}{charts}", SECTION_SOURCES)


def play(play_id: str, track: str, section: str, day: date = MONDAY, user: str = "u1") -> tuple:
    """A play at noon, in Austria."""
    return (play_id, user, "s1", track, f"{day}T12:00:00Z", 90_000, "AT", section)


def listed(lake: Lake, day: date = MONDAY) -> list[tuple]:
    """The favourites of a day, as (age group, rank, track, plays)."""
    rows = lake.values("age_group_favourites", "chart_date", "age_group", "rank", "track_id", "plays")
    return [row[1:] for row in rows if row[0] == day]


@pytest.fixture(scope="module")
def monday(new_lake: NewLake) -> Lake:
    """u1, who is 25 to 34, plays t1 once from a search and twice from the list, t2 twice from elsewhere.

    Run once. Only read it, or copy it.
    """
    lake = new_lake("favourites")
    configure(lake)
    lake.drop_tracks("2026-03-01", TRACKS)
    lake.drop_users("2026-03-01", [("u1", "AT", "25-34"), ("u2", "AT", "65+")])
    of_t1 = [play("p1", "t1", "search"), play("p2", "t1", "age_picks"), play("p3", "t1", "age_picks")]
    lake.drop_plays("2026-03-02", [*of_t1, play("p4", "t2", "home"), play("p5", "t2", "")])
    lake.run()
    return lake


@pytest.fixture
def listening(monday: Lake, tmp_path: Path) -> Lake:
    """A copy of that Monday, to be changed."""
    return monday.copied(tmp_path / "home")


def test_a_play_started_from_the_list_counts_everywhere_but_on_the_list(monday: Lake):
    assert monday.values("plays", "play_id", "section") == [
        ("p1", "search"), ("p2", "age_picks"), ("p3", "age_picks"), ("p4", "home"), ("p5", None),
    ]  # fmt: skip
    assert monday.values("daily_track_plays", "track_id", "plays", "section_plays") == [("t1", 3, 2), ("t2", 2, 0)]
    assert monday.values("monthly_track_plays", "track_id", "plays") == [("t1", 3), ("t2", 2)]
    assert listed(monday) == [("25-34", 1, "t2", 2), ("25-34", 2, "t1", 1)]
    assert recount_tables(monday.settings)


def test_what_is_played_from_the_list_alone_is_on_no_list(listening: Lake):
    """t1 is off the list after 3 March; t2, played from the list of 65+, is never on it."""
    listening.drop_plays("2026-03-05", [
        play("p6", "t1", "age_picks", date(2026, 3, 4)), play("p7", "t2", "age_picks", date(2026, 3, 4), "u2"),
    ])  # fmt: skip
    listening.run()
    assert listed(listening, TUESDAY) == [("25-34", 1, "t2", 2), ("25-34", 2, "t1", 1)]
    assert listed(listening, date(2026, 3, 4)) == []
    assert listed(listening, date(2026, 3, 5)) == []
    assert recount_tables(listening.settings)


def test_another_name_of_the_section_counts_once_its_days_are_made_again(listening: Lake):
    configure(listening, 'favourites_section = "home"\n')
    assert not recount_tables(listening.settings)
    listening.run((MONDAY, TUESDAY))
    assert listed(listening) == [("25-34", 1, "t1", 3), ("25-34", 2, "t2", 1)]
    assert recount_tables(listening.settings)


@pytest.mark.parametrize(
    ("table", "where", "column", "value", "message"),
    [
        ("age_group_favourites", "track_id = 't1'", "plays", 3, "rank=2: plays 3, counted 1"),
        ("daily_track_plays", "track_id = 't1'", "section_plays", 0, "track_id=t1: section_plays 0, counted 2"),
        ("plays", "play_id = 'p2'", "section", "search", "play_id=p2: section search, counted age_picks"),
    ],
)
def test_a_row_that_counts_a_play_from_the_list_is_named_by_the_recount(
    listening: Lake,
    capsys: pytest.CaptureFixture[str],
    table: str,
    where: str,
    column: str,
    value: int | str,
    message: str,
):
    path = listening.home / "tables" / table
    deltalake.DeltaTable(path).update(predicate=f"{where} and {_day(table)} = '{MONDAY}'", new_values={column: value})
    assert not recount_tables(listening.settings)
    text = capsys.readouterr().out
    assert f"{table}: 1 row differs" in text
    assert message in text


def _day(table: str) -> str:
    return "chart_date" if table == "age_group_favourites" else "play_date"


def test_a_lakehouse_that_was_made_before_plays_had_a_section_gets_it_by_a_run_over_its_days(listening: Lake):
    before = listening.content()
    for table, columns in (
        ("raw_plays", ("section", "generation", "play_pseudonym", "session_pseudonym")),
        ("plays", ("section",)),
        ("daily_track_plays", ("section_plays",)),
    ):
        _without(listening.home / "tables" / table, *columns)
    with pytest.raises(TableMissingError, match=r"raw_plays has no column section yet: type `umg run --range"):
        recount_tables(listening.settings)
    listening.run((MONDAY, TUESDAY))
    assert {section for (section,) in listening.values("plays", "section")} == {None}
    assert listed(listening) == [("25-34", 1, "t1", 3), ("25-34", 2, "t2", 2)]
    assert recount_tables(listening.settings)
    delivered = listening.home / "landing" / "plays" / "2026-03-02.csv"
    delivered.write_text(f"{delivered.read_text()}\n")  # other content, so it is read again
    listening.run()
    assert listening.content() == before
    assert recount_tables(listening.settings)


def test_a_day_that_was_summed_before_plays_had_a_section_counts_whole_until_it_is_made_again(listening: Lake):
    """The day itself is not stale, so what follows from it reads it as it is."""
    _without(listening.home / "tables" / "daily_track_plays", "section_plays")
    listening.drop_plays("2026-03-03", [play("p6", "t2", "age_picks", TUESDAY), play("p7", "t2", "home", TUESDAY)])
    listening.run()
    assert listening.values("daily_track_plays", "play_date", "track_id", "plays", "section_plays") == [
        (MONDAY, "t1", 3, None),
        (MONDAY, "t2", 2, None),
        (TUESDAY, "t2", 2, 1),
    ]
    assert listed(listening, TUESDAY) == [("25-34", 1, "t1", 3), ("25-34", 2, "t2", 3)]
    assert not recount_tables(listening.settings)


def _without(path: Path, *columns: str) -> None:
    """Takes columns out of a table, as before its contract had them; all else stays."""
    table = deltalake.DeltaTable(path)
    rows = table.to_pyarrow_table().drop_columns([*columns])
    partitions = table.metadata().partition_columns
    deltalake.write_deltalake(path, rows, mode="overwrite", schema_mode="overwrite", partition_by=partitions)
