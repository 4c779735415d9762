"""Late, repeated, corrected, removed, moved: in whatever pieces and order plays come, the same tables follow."""

import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umg_assets.generator import World, generate
from umg_assets.resources.landing import scan
from umg_assets_tests.lake import Lake

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


def play(play_id: str, at: str, played_ms: int = 190_000, country: str = "AT", track: str = "t1") -> tuple:
    """A play of u1; at: `03-02`, at noon UTC, or `03-02T10:00`."""
    started = f"2026-{at}:00Z" if "T" in at else f"2026-{at}T12:00:00Z"
    return (play_id, "u1", "s1", track, started, played_ms, country)


def standing(lake: Lake) -> list[tuple]:
    """What stands in plays: (play_id, MM-DD, played_ms)."""
    return [(i, f"{day:%m-%d}", ms) for i, day, ms in lake.values("plays", "play_id", "play_date", "played_ms")]


def test_the_same_files_in_three_parts_and_another_order_end_in_the_same_tables(sail_lake: Lake, tmp_path: Path):
    """The latest days first, then the earliest, then those between with the files left out of the latest."""
    world = World(plays=600, days=45, last_day=date(2025, 11, 20), seed=3, dirty=0.02)
    sail_lake.configure(f"markets = {list(world.markets)}", sources="", first_day=world.first_day.isoformat())
    generate(world, tmp_path / "files", None)
    parts: list[list[Path]] = [[], [], []]
    for file in sorted(path for path in (tmp_path / "files").rglob("*") if path.is_file()):
        found = re.search(r"\d{4}-\d{2}-\d{2}", str(file.relative_to(tmp_path / "files")))
        assert found
        third = (date.fromisoformat(found[0]) - world.first_day).days // 15
        parts[2 if "part-0001" in file.name else (1, 2, 0)[third]].append(file)
    for part in parts:
        for file in part:
            sail_lake.drop(str(file.relative_to(tmp_path / "files")), file.read_bytes())
        sail_lake.run()
    fresh = sail_lake.built_afresh(tmp_path / "fresh")
    assert sail_lake.content() == fresh.content()
    assert sail_lake.rows("quarantine") == fresh.rows("quarantine")
    assert len(fresh.rows("plays", "play_id")) == world.plays
    before = sail_lake.versions()
    for file in (sail_lake.home / "landing").rglob("*.*"):
        file.touch()
    assert sail_lake.run().runs == 0
    assert sail_lake.versions() == before


def test_a_file_touched_a_hundred_times_without_a_change_is_landed_once(sail_lake: Lake):
    rows = [play("p1", "03-02")]
    sail_lake.drop_plays("2026-03-02", rows)
    sail_lake.run()
    history = sail_lake.history()
    for _ in range(100):
        sail_lake.drop_plays("2026-03-02", rows)
        assert not scan(sail_lake.settings, history).changed
    assert sail_lake.run().runs == 0


def test_one_file_under_a_hundred_names_counts_once(sail_lake: Lake):
    rows = [play("p1", "03-02"), play("p2", "03-03")]
    sail_lake.drop_plays("2026-03-03", rows)
    sail_lake.run()
    content = sail_lake.content()
    for number in range(100):
        sail_lake.drop_plays(f"2026-03-03-{number:03}", rows)
    sail_lake.run()
    assert len(sail_lake.rows("raw_plays", "play_id")) == 101 * len(rows)
    assert sail_lake.content() == content


@pytest.mark.sail_enough
def test_a_play_again_on_another_day_within_35_days_is_a_correction_and_beyond_them_another_play(lake: Lake):
    lake.drop_plays("2026-03-02", [play("near", "03-02", 1), play("far", "03-02", 1)])
    lake.run()
    lake.drop_plays("2026-04-07", [play("near", "04-06", 2), play("far", "04-07", 2)])
    report = lake.run()
    assert report.partitions["plays"] == ["2026-03-02", "2026-04-06", "2026-04-07"]
    assert standing(lake) == [("far", "03-02", 1), ("far", "04-07", 2), ("near", "04-06", 2)]


def test_a_play_again_on_its_own_day_counts_once_however_late_it_comes(sail_lake: Lake):
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02T10:00", 1)])
    sail_lake.run()
    sail_lake.drop_plays("2026-08-30", [play("p1", "03-02T20:00", 2)])
    sail_lake.run()
    assert standing(sail_lake) == [("p1", "03-02", 2)]


@pytest.mark.parametrize("corrected", ["03-01", "03-05"], ids=["to an earlier day", "to a later day"])
def test_the_later_delivery_wins_whichever_comes_first(sail_lake: Lake, corrected: str):
    sail_lake.drop_plays("2026-03-09", [play("p1", corrected, 2)])
    sail_lake.run()
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02", 1)])
    sail_lake.run()
    assert standing(sail_lake) == [("p1", corrected, 2)]


def test_of_three_copies_in_a_chain_the_last_delivery_stands(sail_lake: Lake, tmp_path: Path):
    for delivered, at in (("2026-03-02", "03-02"), ("2026-03-30", "03-30"), ("2026-04-28", "04-28")):
        sail_lake.drop_plays(delivered, [play("p1", at)])
        sail_lake.run()
    assert standing(sail_lake) == [("p1", "04-28", 190_000)]
    sail_lake.drop_plays("2026-04-28", [])
    sail_lake.run()
    assert standing(sail_lake) == [("p1", "03-30", 190_000)]
    assert sail_lake.content() == sail_lake.built_afresh(tmp_path / "fresh").content()


def test_a_correction_that_is_itself_removed_brings_the_earlier_copy_back(sail_lake: Lake):
    sail_lake.drop_plays("2026-03-02", [play("p1", "03-02", 1), play("p2", "03-02")])
    sail_lake.drop_plays("2026-03-06", [play("p1", "03-05", 2), play("p3", "03-05")])
    sail_lake.run()
    assert standing(sail_lake) == [("p1", "03-05", 2), ("p2", "03-02", 190_000), ("p3", "03-05", 190_000)]
    sail_lake.drop_plays("2026-03-06", [play("p3", "03-05")])
    report = sail_lake.run()
    assert report.partitions["plays"] == ["2026-03-02", "2026-03-05"]
    assert standing(sail_lake) == [("p1", "03-02", 1), ("p2", "03-02", 190_000), ("p3", "03-05", 190_000)]


def test_chunks_of_a_few_plays_give_the_same_tables_as_one(sail_lake: Lake, tmp_path: Path):
    rows = [play(f"p{n}", f"03-{1 + n % 9:02}T{n % 24:02}:00", n * 1000, track=f"t{1 + n % 2}") for n in range(90)]
    sail_lake.drop_users("2026-03-01", [("u1", "AT", "18-24")])
    sail_lake.drop_tracks("2026-03-01", TRACKS)
    for part in range(3):
        sail_lake.drop_plays(f"2026-03-{10 + part}", rows[part * 20 : part * 20 + 50])
    sail_lake.configure("chunk_plays = 10")
    sail_lake.run()
    small = sail_lake.content()
    chunked = ("raw_plays", "plays", "daily_track_plays", "sessions", "top_artists_by_genre", "age_group_favourites")
    assert {table: sail_lake.version(table) > 2 for table in chunked} == dict.fromkeys(chunked, True)
    sail_lake.configure()
    fresh = sail_lake.built_afresh(tmp_path / "fresh")
    assert {table: fresh.version(table) for table in chunked} == dict.fromkeys(chunked, 1)
    assert small == fresh.content()


# neighbours, for sessions past midnight; two months; and days more than 35 apart
days = st.sampled_from(
    [date(2026, month, number) for month, number in [(2, 1), (2, 27), (2, 28), (3, 1), (3, 2), (4, 2)]]
)
times = st.tuples(days, st.sampled_from(["12:00", "22:50", "23:10"])).map(lambda at: f"{at[0]}T{at[1]}:00Z")
rows = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from(["s", ""]),
    times,
    st.sampled_from([1_000, 200_000]),
    st.sampled_from(["AT", "DE", ""]),
)
plays_files = st.tuples(st.just("plays"), st.sampled_from(["2026-04-03", "2026-04-05", "2026-04-05-b"]), st.lists(rows))
users_files = st.tuples(
    st.just("users"),
    st.sampled_from(["2026-02-10", "2026-03-01", "2026-04-04"]),
    st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from(["AT", "DE"]), st.just(""), st.just("2000-02-29"))),
)
tracks_files = st.tuples(
    st.just("tracks"),
    st.sampled_from(["2026-02-10", "2026-03-01"]),
    st.lists(
        st.tuples(
            st.sampled_from(["t1", "t2"]),
            st.sampled_from(["Un", "Deux"]),
            st.sampled_from(["a1", "a2"]),
            st.sampled_from(["Ann", "Bob"]),
            st.sampled_from(["Pop", "Rock"]),
            st.sampled_from([1, 9**6]),
        ),
        max_size=2,
    ),
)
histories = st.lists(st.lists(plays_files | users_files | tracks_files, min_size=1, max_size=3), min_size=2, max_size=4)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)
@given(histories)
def test_any_history_of_deliveries_ends_in_the_tables_of_a_fresh_build(history: list):
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "home")
        for run in history:
            for kind, name, content in run:
                if kind == "plays":
                    lake.drop_plays(name, [(i, "u", session, "t1", *rest) for i, session, *rest in content])
                else:
                    getattr(lake, f"drop_{kind}")(name, content)
            lake.run()
        before = lake.versions()
        assert lake.run().runs == 0
        assert lake.versions() == before
        assert lake.content() == lake.built_afresh(Path(folder) / "fresh").content()
