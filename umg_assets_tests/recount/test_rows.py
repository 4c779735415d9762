"""Every row of every table counted again from the raw tables: nothing differs, unless something does."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import pytest

from umg_assets import tables
from umg_assets.partitions import local_today
from umg_assets.recount.rows import RECOUNTED, Comparison, recount
from umg_assets_tests.lake import SHORT_WINDOWS, SOURCES, Lake
from umg_assets_tests.processes import printed_by
from umg_assets_tests.recount.changing import CHANGES, add_a_row, change_a_row, change_a_row_a_column, delete_a_row

pytestmark = pytest.mark.sail_enough

TRACKS = [(f"t{at}", f"Song {at}", f"a{at % 3}", f"Artist {at % 5}", "Rock" if at % 2 else "", 200_000 + at)
          for at in range(6)]  # fmt: skip


def compared(lake: Lake) -> dict[str, Comparison]:
    """The recount of a lakehouse by table, through today."""
    through = local_today(lake.settings.time_zone)
    return {one.table.name: one for one in recount(lake.settings, through)}


def differing(lake: Lake) -> dict[str, list[str]]:
    """By table that differs, what is said of its rows."""
    return {
        name: [f"{row.name}: {row.said}" for row in one.first] for name, one in compared(lake).items() if one.differing
    }


def some_plays(seed: int, count: int, first: datetime, days: int) -> list[tuple]:
    """Plays of a few users, close together and long, so that sessions touch, overlap and fill whole days."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        at = first + timedelta(seconds=chance.randrange(days * 86_400))
        user, session = f"u{chance.randrange(4)}", chance.choice(["", "s1", "s2"])
        if rows and chance.random() < 0.6:
            user, session = rows[-1][1:3]
            before = datetime.fromisoformat(rows[-1][4])
            silence = chance.choice([-5_400, -5_399, 0, 1, 1799, 1800, 1801, 7_200, 86_400, 86_401])
            at = before + timedelta(milliseconds=int(rows[-1][5] or 0)) + timedelta(seconds=silence)
        ms = chance.choice(["", 0, 29_999, 30_000, 190_000, 190_005, 3_600_000, 22 * 3_600_000, 24 * 3_600_000])
        track, country = f"t{chance.randrange(8)}", chance.choice(["AT", "DE", "FR", ""])
        rows.append((f"p{number}", user, session, track, at.isoformat(), ms, country))
    return rows


def test_nothing_differs_in_a_made_up_world_with_all_its_faults(made_lake: Lake):
    found = compared(made_lake)
    assert {name: (one.rows, one.differing) for name, one in found.items()} == {
        table.name: (len(made_lake.rows(table.name)), 0) for table in RECOUNTED
    }
    assert all(one.rows for one in found.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_differs_whatever_sessions_overlap_fill_days_or_know_no_duration(sail_lake: Lake, seed: int):
    first = datetime(2026, 3, 26, tzinfo=UTC)
    sail_lake.configure(SHORT_WINDOWS.replace("[charts]", "[charts]\ntop_tracks = 3\ntop_artists = 2\nfavourites = 2"))
    sail_lake.drop_users(
        "2026-03-28", [("u0", "AT", "", "2008-02-29"), ("u1", "DE", "18-24"), ("u2", "", "", "2001-03-29")]
    )
    sail_lake.drop_users("2026-04-02", [("u0", "DE", "", "2008-02-29"), ("u1", "", "25-34")])
    sail_lake.drop_tracks("2026-04-01", TRACKS)
    sail_lake.drop_tracks("2026-04-03", [("t1", "Song 1, live", "a2", "Artist 9", "Pop", "")])
    plays, days = some_plays(seed, 500, first, 40), (-36, -35, 0, 1, 35, 36)
    sail_lake.drop_plays("2026-06-20", plays)
    moved = [
        (*row[:4], (datetime.fromisoformat(row[4]) + timedelta(days=days[at % len(days)])).isoformat(), 5, "DE")
        for at, row in enumerate(plays[::9])
    ]
    sail_lake.drop_plays("2026-06-21", moved)
    sail_lake.run()
    assert len(sail_lake.rows("sessions")) > 50
    assert differing(sail_lake) == {}


def test_nothing_differs_without_users_tracks_sessions_and_durations(sail_lake: Lake):
    sources = SOURCES.split("[[sources.users]]")[0]
    for column in ("session_id", "played_ms"):
        sources = "\n".join(line for line in sources.splitlines() if not line.startswith(f"{column} ="))
    sail_lake.configure(sources=sources)
    sail_lake.drop_plays("2026-05-20", some_plays(3, 80, datetime(2026, 3, 26, tzinfo=UTC), 60))
    sail_lake.run()
    assert {row["criterion"] for row in sail_lake.rows("top_tracks_by_country")} == {"plays", "listeners"}
    assert differing(sail_lake) == {}


def test_a_play_that_is_corrected_to_tomorrow_waits_and_nothing_differs(sail_lake: Lake):
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    row = ("p1", "u1", "s1", "t1", (today - timedelta(days=2)).isoformat(), 190_000, "AT")
    sail_lake.drop_plays(f"{today - timedelta(days=1):%Y-%m-%d}", [row, ("p2", *row[1:])])
    sail_lake.run()
    sail_lake.drop_plays(f"{today:%Y-%m-%d}", [(*row[:4], (today + timedelta(hours=36)).isoformat(), 1, "AT")])
    assert sail_lake.run().waiting_days
    assert sail_lake.values("plays", "play_id") == [("p2",)]
    assert differing(sail_lake) == {}


def test_every_recounted_table_is_changed_by_a_test():
    assert set(CHANGES) == {table.name for table in RECOUNTED}


def test_whichever_column_of_whichever_table_is_changed_it_is_named(made_lake: Lake, tmp_path: Path):
    """A row a column of each table."""
    lake = made_lake.copied(tmp_path / "copy")
    changed = {table.name: change_a_row_a_column(lake, table) for table in RECOUNTED}
    found = {one.table.name: one for one in recount(lake.settings, local_today(lake.settings.time_zone))}
    for table, expected in changed.items():
        assert found[table].differing == len(expected)
        said = {row.name: set(row.stored or ()) for row in found[table].first}
        assert said == {name: {column} for name, column in expected.items()}


def test_a_row_that_is_gone_one_too_many_or_there_twice_is_named(made_lake: Lake, tmp_path: Path):
    lake = made_lake.copied(tmp_path / "copy")
    gone = delete_a_row(lake, "chart_movements")
    surplus = add_a_row(lake, "top_artists_by_genre", rank=999)
    twice = add_a_row(lake, "age_group_favourites")
    assert differing(lake) == {
        "chart_movements": [f"{gone}: missing"],
        "top_artists_by_genre": [f"{surplus}: one too many"],
        "age_group_favourites": [f"{twice}: copies 2, counted 1"],
    }


def test_of_many_differences_the_first_are_named_in_order_and_all_are_counted(made_lake: Lake, tmp_path: Path):
    lake = made_lake.copied(tmp_path / "copy")
    months = deltalake.DeltaTable(lake.home / "tables" / "monthly_track_plays")
    months.update(updates={"plays": "plays + 1"})
    (found,) = recount(lake.settings, local_today("UTC"), only=[tables.MONTHLY_TRACK_PLAYS], limit=3)
    assert (found.differing, len(found.first)) == (found.rows, 3)
    assert [row.row["month"] for row in found.first] == sorted(
        row["month"] for row in lake.rows("monthly_track_plays")
    )[:3]
    assert all(row.stored and row.counted for row in found.first)


def test_no_user_key_is_told_of_a_row(made_lake: Lake, tmp_path: Path):
    lake = made_lake.copied(tmp_path / "copy")
    name, _ = change_a_row(lake, "plays")
    play_id = name.split("play_id=")[1]
    deltalake.DeltaTable(lake.home / "tables" / "plays").update(
        predicate=f"play_id = '{play_id}'", new_values={"user_key": "somebody"}
    )
    (said,) = differing(lake)["plays"]
    assert said.startswith(f"{name}: user_key differs; played_ms 77, counted ")


def test_it_imports_no_transform_no_dagster_and_no_engine(made_lake: Lake):
    code = (
        "import sys\nfrom pathlib import Path\nfrom umg_assets.reconcile import reconcile\n"
        "from umg_assets.settings import read_settings\n"
        "assert reconcile(read_settings(Path(sys.argv[1])))\nprint('LOADED', *sys.modules)"
    )
    loaded = printed_by(code, made_lake.home).split("LOADED")[1].split()
    assert "umg_assets.recount.rows" in loaded
    assert not [name for name in loaded if name.startswith("umg_assets.transforms")]
    assert not {name.split(".")[0] for name in loaded} & {"dagster", "pyspark", "pysail", "delta"}
