"""Late, repeated, corrected, removed, moved: whatever pieces plays come in, in whatever order, the tables are the same.

Most tests share one lakehouse and read how it was after each of four deliveries. Each owns its play ids and days.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from umg_assets.generator import World, generate
from umg_assets.landing.scan import scan
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

Content = dict[str, list[dict[str, Any]]]

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]
OWN_DAYS = {
    "window": ("2026-03-02", "2026-04-06", "2026-04-07"),
    "removed": ("2026-03-03", "2026-03-04"),
    "late": ("2026-03-05",),
    "first": ("2026-03-06", "2026-03-07", "2026-03-08"),
    "copies": ("2026-03-09", "2026-03-10"),
    "chain": ("2026-03-11", "2026-04-08", "2026-05-07"),
    "same": ("2026-03-12",),
}
"""By story, the play dates that no other story has. They adjoin: a range of days is one run."""
COPIED = [("copies-p1", "03-09"), ("copies-p2", "03-10")]


def play(play_id: str, at: str, played_ms: int = 190_000, country: str = "AT", track: str = "t1") -> tuple:
    """A play of u1; at: `03-02`, at noon UTC, or `03-02T10:00`."""
    started = f"2026-{at}:00Z" if "T" in at else f"2026-{at}T12:00:00Z"
    return (play_id, "u1", "s1", track, started, played_ms, country)


def copied_plays() -> list[tuple]:
    """The plays that come a hundred times, of a user, a session, a track and a market of their own."""
    return [
        (play_id, "copies-u", "copies-s", "copies-t", f"2026-{day}T12:00:00Z", 190_000, "DE") for play_id, day in COPIED
    ]


@dataclass
class Outcomes:
    """The shared lakehouse, and by delivery, counted from 0: its content after the run, the days of plays rebuilt."""

    lake: Lake
    contents: list[Content] = field(default_factory=list)
    days: list[list[str]] = field(default_factory=list)

    def run(self) -> None:
        """Lands what was dropped, and notes the outcome."""
        report = self.lake.run()
        self.contents.append(self.lake.content())
        self.days.append(report.partitions.get("plays", []))

    def plays(self, story: str, delivery: int = -1) -> list[tuple]:
        """The current plays of a story after a delivery: (the rest of the play_id, MM-DD, played_ms)."""
        return sorted(
            (row["play_id"].removeprefix(f"{story}-"), f"{row['play_date']:%m-%d}", row["played_ms"])
            for row in self.contents[delivery]["plays"]
            if row["play_id"].startswith(f"{story}-")
        )

    def rebuilt(self, story: str, delivery: int) -> list[str]:
        """The days of plays that a delivery rebuilt, but for those of the other stories."""
        others = {day for name, days in OWN_DAYS.items() if name != story for day in days}
        return [day for day in self.days[delivery] if day not in others]


@pytest.fixture(scope="module")
def outcomes(new_lake: NewLake) -> Outcomes:
    """Every story of OWN_DAYS: all first files, all second files; the chain goes on for two more."""
    lake = new_lake("corrections")
    outcomes = Outcomes(lake)
    lake.drop_tracks("2026-03-01", [("copies-t", "Copied", "copies-a", "Cop", "copies-g", 200_000)])
    lake.drop_users("2026-03-01", [("copies-u", "DE", "18-24")])

    lake.drop_plays("2026-03-02-window", [play("window-near", "03-02", 1), play("window-far", "03-02", 1)])
    lake.drop_plays("2026-03-03-removed", [play("removed-p1", "03-03", 1), play("removed-p2", "03-03")])
    lake.drop_plays("2026-03-06-removed", [play("removed-p1", "03-04", 2), play("removed-p3", "03-04")])
    lake.drop_plays("2026-03-05-late", [play("late-p1", "03-05T10:00", 1)])
    lake.drop_plays("2026-03-14-first", [play("first-earlier", "03-06", 2), play("first-later", "03-08", 2)])
    lake.drop_plays("2026-03-10-copies", copied_plays())
    lake.drop_plays("2026-03-11-chain", [play("chain-p1", "03-11")])
    lake.drop_plays("2026-03-12-same", [play("same-p1", "03-12")])
    outcomes.run()

    lake.drop_plays("2026-04-07-window", [play("window-near", "04-06", 2), play("window-far", "04-07", 2)])
    lake.drop_plays("2026-03-06-removed", [play("removed-p3", "03-04")])
    lake.drop_plays("2026-08-30-late", [play("late-p1", "03-05T20:00", 2)])
    lake.drop_plays("2026-03-07-first", [play("first-earlier", "03-07", 1), play("first-later", "03-07", 1)])
    for number in range(100):
        lake.drop_plays(f"2026-03-10-copies-{number:03}", copied_plays())
    lake.drop_plays("2026-04-08-chain", [play("chain-p1", "04-08")])
    outcomes.run()

    lake.drop_plays("2026-05-07-chain", [play("chain-p1", "05-07")])
    outcomes.run()
    lake.drop_plays("2026-05-07-chain", [])
    outcomes.run()
    return outcomes


def test_four_deliveries_of_corrections_end_in_the_tables_of_a_fresh_build(outcomes: Outcomes, tmp_path: Path):
    fresh = outcomes.lake.built_afresh(tmp_path / "fresh")
    assert outcomes.contents[-1] == outcomes.lake.content() == fresh.content()


def test_a_file_touched_a_hundred_times_without_a_change_is_landed_once(outcomes: Outcomes):
    history, configured = outcomes.lake.history(), outcomes.lake.settings
    for _ in range(100):
        outcomes.lake.drop_plays("2026-03-12-same", [play("same-p1", "03-12")])
        assert not scan(configured, history).changed
    assert outcomes.lake.run().runs == 0
    assert outcomes.plays("same") == [("p1", "03-12", 190_000)]


def test_one_file_under_a_hundred_names_counts_once(outcomes: Outcomes):
    """Their market, genre, track, user and session are no other story's."""
    raw = [play_id for (play_id,) in outcomes.lake.values("raw_plays", "play_id") if play_id.startswith("copies-")]
    assert len(raw) == 101 * len(COPIED)
    before, after = (of_copies(content) for content in outcomes.contents[:2])
    assert after == before
    assert all(before.values()), "every table has rows of them"
    assert outcomes.plays("copies", 1) == [("p1", "03-09", 190_000), ("p2", "03-10", 190_000)]


def of_copies(content: Content) -> Content:
    """The rows that name something of the copied plays, or their market or age group."""

    def named(value: Any) -> bool:
        return isinstance(value, str) and (value in ("DE", "18-24") or value.startswith("copies-"))

    return {table: [row for row in rows if any(map(named, row.values()))] for table, rows in content.items()}


def test_a_play_again_on_another_day_within_35_days_is_a_correction_and_beyond_them_another_play(outcomes: Outcomes):
    assert outcomes.rebuilt("window", 1) == ["2026-03-02", "2026-04-06", "2026-04-07"]
    assert outcomes.plays("window", 1) == [("far", "03-02", 1), ("far", "04-07", 2), ("near", "04-06", 2)]


def test_a_play_again_on_its_own_day_counts_once_however_late_it_comes(outcomes: Outcomes):
    assert outcomes.plays("late", 0) == [("p1", "03-05", 1)]
    assert outcomes.plays("late", 1) == [("p1", "03-05", 2)]


@pytest.mark.parametrize(
    ("play_id", "corrected"), [("earlier", "03-06"), ("later", "03-08")], ids=["to an earlier day", "to a later day"]
)
def test_the_later_delivery_wins_whichever_comes_first(outcomes: Outcomes, play_id: str, corrected: str):
    assert (play_id, corrected, 2) in outcomes.plays("first", 0)
    assert [row for row in outcomes.plays("first", 1) if row[0] == play_id] == [(play_id, corrected, 2)]


def test_of_three_copies_in_a_chain_the_last_delivery_stands(outcomes: Outcomes):
    assert outcomes.plays("chain", 0) == [("p1", "03-11", 190_000)]
    assert outcomes.plays("chain", 1) == [("p1", "04-08", 190_000)]
    assert outcomes.plays("chain", 2) == [("p1", "05-07", 190_000)]
    assert outcomes.plays("chain", 3) == [("p1", "04-08", 190_000)]


def test_a_correction_that_is_itself_removed_brings_the_earlier_copy_back(outcomes: Outcomes):
    assert outcomes.plays("removed", 0) == [("p1", "03-04", 2), ("p2", "03-03", 190_000), ("p3", "03-04", 190_000)]
    assert outcomes.rebuilt("removed", 1) == ["2026-03-03", "2026-03-04"]
    assert outcomes.plays("removed", 1) == [("p1", "03-03", 1), ("p2", "03-03", 190_000), ("p3", "03-04", 190_000)]


@pytest.mark.exhaustive
def test_the_same_files_in_three_parts_and_another_order_end_in_the_same_tables(lake: Lake, tmp_path: Path):
    """The latest days first, then the earliest, then those between with the files left out of the latest."""
    world = World(plays=600, days=45, last_day=date(2025, 11, 20), seed=3, dirty=0.02)
    lake.configure(f"markets = {list(world.markets)}", sources="", first_day=world.first_day.isoformat())
    generate(world, tmp_path / "files", None)
    parts: list[list[Path]] = [[], [], []]
    for file in sorted(path for path in (tmp_path / "files").rglob("*") if path.is_file()):
        delivered = re.search(r"\d{4}-\d{2}-\d{2}", str(file.relative_to(tmp_path / "files")))
        assert delivered
        third = (date.fromisoformat(delivered[0]) - world.first_day).days // 15
        parts[2 if "part-0001" in file.name else (1, 2, 0)[third]].append(file)
    for part in parts:
        for file in part:
            lake.drop(str(file.relative_to(tmp_path / "files")), file.read_bytes())
        lake.run()
    fresh = lake.built_afresh(tmp_path / "fresh")
    assert lake.content() == fresh.content()
    assert lake.rows("quarantine") == fresh.rows("quarantine")
    assert len(fresh.rows("plays", "play_id")) == world.plays
    before = lake.versions()
    for file in (lake.home / "landing").rglob("*.*"):
        file.touch()
    assert lake.run().runs == 0
    assert lake.versions() == before


@pytest.mark.exhaustive
def test_chunks_of_a_few_plays_give_the_same_tables_as_one(lake: Lake, tmp_path: Path):
    rows = [play(f"p{n}", f"03-{1 + n % 9:02}T{n % 24:02}:00", n * 1000, track=f"t{1 + n % 2}") for n in range(90)]
    lake.drop_users("2026-03-01", [("u1", "AT", "18-24")])
    lake.drop_tracks("2026-03-01", TRACKS)
    for part in range(3):
        lake.drop_plays(f"2026-03-{10 + part}", rows[part * 20 : part * 20 + 50])
    lake.configure("chunk_plays = 10")
    lake.run()
    small = lake.content()
    chunked = ("raw_plays", "plays", "daily_track_plays", "sessions", "top_artists_by_genre", "age_group_favourites")
    assert {table: lake.version(table) > 2 for table in chunked} == dict.fromkeys(chunked, True)
    lake.configure()
    fresh = lake.built_afresh(tmp_path / "fresh")
    assert {table: fresh.version(table) for table in chunked} == dict.fromkeys(chunked, 1)
    assert small == fresh.content()
