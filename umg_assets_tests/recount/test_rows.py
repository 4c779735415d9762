"""The recount of every row of every table from the raw tables: it names what differs, and nothing else."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import deltalake
import pytest

from umg_assets import tables
from umg_assets.calendar import local_today
from umg_assets.recount.rows import Comparison, recount
from umg_assets_tests.lake import SHORT_WINDOWS, SOURCES, Lake
from umg_assets_tests.processes import printed_by
from umg_assets_tests.recount.changing import CHANGES, add_a_row, change_a_row, change_a_row_a_column, delete_a_row

pytestmark = pytest.mark.sail_enough

TRACKS = [(f"t{at}", f"Song {at}", f"a{at % 3}", f"Artist {at % 5}", "Rock" if at % 2 else "", 200_000 + at)
          for at in range(6)]  # fmt: skip


def compared(lake: Lake) -> dict[str, Comparison]:
    """The recount of a lakehouse by table, through today."""
    through = local_today(lake.settings.time_zone)
    return {comparison.table.name: comparison for comparison in recount(lake.settings, through)}


def differing(lake: Lake) -> dict[str, list[str]]:
    """By table that differs, its differences as text."""
    return {
        name: [f"{row.name}: {row.description}" for row in comparison.first]
        for name, comparison in compared(lake).items()
        if comparison.differing
    }


def some_plays(seed: int, count: int, first: datetime, days: int) -> list[tuple]:
    """Plays of users `SEED-u0` to `-u3`, so close and so long that sessions adjoin, overlap and fill whole days."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        at = first + timedelta(seconds=chance.randrange(days * 86_400))
        user, session = f"{seed}-u{chance.randrange(4)}", chance.choice(["", "s1", "s2"])
        if rows and chance.random() < 0.6:
            user, session = rows[-1][1:3]
            before = datetime.fromisoformat(rows[-1][4])
            silence = chance.choice([-5_400, -5_399, 0, 1, 1799, 1800, 1801, 7_200, 86_400, 86_401])
            at = before + timedelta(milliseconds=int(rows[-1][5] or 0)) + timedelta(seconds=silence)
        ms = chance.choice(["", 0, 29_999, 30_000, 190_000, 190_005, 3_600_000, 22 * 3_600_000, 24 * 3_600_000])
        track, country = f"t{chance.randrange(8)}", chance.choice(["AT", "DE", "FR", ""])
        rows.append((f"{seed}-p{number}", user, session, track, at.isoformat(), ms, country))
    return rows


def test_nothing_differs_in_a_generated_world_with_all_its_faults(generated_lake: Lake):
    comparisons = compared(generated_lake)
    assert {name: (comparison.rows, comparison.differing) for name, comparison in comparisons.items()} == {
        table.name: (len(generated_lake.rows(table.name)), 0) for table in tables.RECOUNTED
    }
    assert all(comparison.rows for comparison in comparisons.values())


def one_play_a_day(first: date, days: int) -> list[tuple]:
    """One play on each of some days: without a gap between days, `umg run` builds them in one run per table."""
    noons = (datetime.combine(first + timedelta(days=day), time(12), UTC) for day in range(days))
    return [(f"day-{noon:%m-%d}", "daily", "", "t7", noon.isoformat(), 30_000, "AT") for noon in noons]


SEEDS = (1, 2)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class Corrected(NamedTuple):
    """A lakehouse after its last run, and the days whose plays still wait."""

    lake: Lake
    waiting_days: Sequence[date]


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Corrected:
    """Plays of SEEDS, a ninth of them moved to other days. The last run corrects a play of two days ago to tomorrow."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("corrected") / "home")
        lake.configure(SHORT_WINDOWS.replace("[charts]", "[charts]\ntop_tracks = 3\ntop_artists = 2\nfavourites = 2"))
        users, later_users = [], []
        for seed in SEEDS:
            born = [(f"{seed}-u0", "AT", "", "2008-02-29"), (f"{seed}-u2", "", "", "2001-03-29")]
            users += [*born, (f"{seed}-u1", "DE", "18-24")]
            later_users += [(f"{seed}-u0", "DE", "", "2008-02-29"), (f"{seed}-u1", "", "25-34")]
        lake.drop_users("2026-03-28", users)
        lake.drop_users("2026-04-02", later_users)
        lake.drop_tracks("2026-04-01", TRACKS)
        lake.drop_tracks("2026-04-03", [("t1", "Song 1, live", "a2", "Artist 9", "Pop", "")])
        days = (-36, -35, 0, 1, 35, 36)
        lake.drop_plays("2026-06-20-daily", one_play_a_day(date(2026, 2, 15), 124))
        for seed in SEEDS:
            plays = some_plays(seed, 500, datetime(2026, 3, 26, tzinfo=UTC), 40)
            lake.drop_plays(f"2026-06-20-{seed}", plays)
            moved = [
                (*row[:4], (datetime.fromisoformat(row[4]) + timedelta(days=days[at % len(days)])).isoformat(), 5, "DE")
                for at, row in enumerate(plays[::9])
            ]
            lake.drop_plays(f"2026-06-21-{seed}", moved)
        lake.run()  # alone: one range of deliveries from June to today would hold 160 days
        row = ("p1", "u1", "s1", "t1", (TODAY - timedelta(days=2)).isoformat(), 190_000, "AT")
        lake.drop_plays(f"{TODAY - timedelta(days=1):%Y-%m-%d}", [row, ("p2", *row[1:])])
        lake.run()
        assert {("p1",), ("p2",)} <= set(lake.values("plays", "play_id"))
        # a local day that has not begun, also when the local date is already that of tomorrow
        lake.drop_plays(f"{TODAY:%Y-%m-%d}", [(*row[:4], (TODAY + timedelta(hours=47)).isoformat(), 1, "AT")])
        report = lake.run()
    return Corrected(lake, report.waiting_days)


def test_nothing_differs_however_sessions_overlap_fill_days_or_lack_durations(corrected: Corrected):
    lake = corrected.lake
    users = dict(lake.values("plays", "play_id", "user_key"))
    for seed in SEEDS:
        keys = {user for play_id, user in users.items() if play_id.startswith(f"{seed}-")}
        assert sum(user in keys for (user,) in lake.values("sessions", "user_key")) > 50
    assert differing(lake) == {}


def test_nothing_differs_without_users_tracks_sessions_and_durations(sail_lake: Lake):
    sources = SOURCES.split("[[sources.users]]")[0]
    for column in ("session_id", "played_ms"):
        sources = "\n".join(line for line in sources.splitlines() if not line.startswith(f"{column} ="))
    sail_lake.configure(sources=sources)
    sail_lake.drop_plays("2026-05-28", some_plays(3, 80, datetime(2026, 3, 26, tzinfo=UTC), 60))
    sail_lake.drop_plays("2026-05-28-daily", one_play_a_day(date(2026, 3, 26), 62))
    sail_lake.run()
    assert {row["criterion"] for row in sail_lake.rows("top_tracks_by_country")} == {"plays", "listeners"}
    assert differing(sail_lake) == {}


def test_a_play_that_is_corrected_to_tomorrow_waits_and_nothing_differs(corrected: Corrected):
    lake = corrected.lake
    assert corrected.waiting_days
    assert [row for row in lake.values("plays", "play_id") if row[0] in ("p1", "p2")] == [("p2",)]
    assert differing(lake) == {}


def test_every_recounted_table_is_changed_by_a_test():
    assert set(CHANGES) == {table.name for table in tables.RECOUNTED}


def test_a_change_in_any_column_of_any_table_is_named(generated_lake: Lake, tmp_path: Path):
    """One row per column of each table is changed."""
    lake = generated_lake.copied(tmp_path / "copy")
    changed = {table.name: change_a_row_a_column(lake, table) for table in tables.RECOUNTED}
    comparisons = compared(lake)
    for table, expected in changed.items():
        assert comparisons[table].differing == len(expected)
        named = {row.name: set(row.stored or ()) for row in comparisons[table].first}
        assert named == {name: {column} for name, column in expected.items()}


def test_a_missing_a_surplus_and_a_doubled_row_are_named(generated_lake: Lake, tmp_path: Path):
    lake = generated_lake.copied(tmp_path / "copy")
    gone = delete_a_row(lake, "chart_movements")
    surplus = add_a_row(lake, "top_artists_by_genre", rank=999)
    twice = add_a_row(lake, "age_group_favourites")
    assert differing(lake) == {
        "chart_movements": [f"{gone}: missing"],
        "top_artists_by_genre": [f"{surplus}: one too many"],
        "age_group_favourites": [f"{twice}: copies 2, counted 1"],
    }


def test_many_differences_are_counted_and_the_first_are_named_in_order(generated_lake: Lake, tmp_path: Path):
    lake = generated_lake.copied(tmp_path / "copy")
    months = deltalake.DeltaTable(lake.home / "tables" / "monthly_track_plays")
    months.update(updates={"plays": "plays + 1"})
    (comparison,) = recount(lake.settings, local_today("UTC"), only=[tables.MONTHLY_TRACK_PLAYS], limit=3)
    assert (comparison.differing, len(comparison.first)) == (comparison.rows, 3)
    assert [row.row["month"] for row in comparison.first] == sorted(
        row["month"] for row in lake.rows("monthly_track_plays")
    )[:3]
    assert all(row.stored and row.counted for row in comparison.first)


def test_no_user_key_is_shown_of_a_row(generated_lake: Lake, tmp_path: Path):
    lake = generated_lake.copied(tmp_path / "copy")
    name, _ = change_a_row(lake, "plays")
    play_id = name.split("play_id=")[1]
    deltalake.DeltaTable(lake.home / "tables" / "plays").update(
        predicate=f"play_id = '{play_id}'", new_values={"user_key": "somebody"}
    )
    (difference,) = differing(lake)["plays"]
    assert difference.startswith(f"{name}: user_key differs; played_ms 77, counted ")


def test_it_imports_no_transform_no_dagster_and_no_engine(generated_lake: Lake):
    code = (
        "import sys\nfrom pathlib import Path\nfrom umg_assets.cli.reconcile import reconcile\n"
        "from umg_assets.settings.model import read_settings\n"
        "assert reconcile(read_settings(Path(sys.argv[1])))\nprint('LOADED', *sys.modules)"
    )
    loaded = printed_by(code, generated_lake.home).split("LOADED")[1].split()
    assert "umg_assets.recount.rows" in loaded
    assert not [name for name in loaded if name.startswith("umg_assets.transforms")]
    assert not {name.split(".")[0] for name in loaded} & {"dagster", "pyspark", "pysail", "delta"}
