"""The same knobs give the same files, in the exporters' formats, with every fault that is promised."""

import csv
import hashlib
import json
import re
import tomllib
from collections import Counter
from datetime import date, timedelta
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import umg_assets.generator
from umg_assets.generator import World, generate
from umg_assets_tests.generator.recount import delivered_on, plays_that_count, read_text, recount

WORLD = World(plays=4_000, days=90, last_day=date(2026, 11, 22), dirty=0.03)
SOURCES = Path(umg_assets.generator.__file__).with_name("sources.toml")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("world")
    generate(WORLD, home / "landing", home / "truth")
    return home


def fingerprints(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_knobs_give_the_same_bytes(home: Path, tmp_path: Path) -> None:
    generate(WORLD, tmp_path / "landing", None)
    assert fingerprints(tmp_path / "landing") == fingerprints(home / "landing")


def test_another_seed_gives_other_bytes_in_every_file(tmp_path: Path) -> None:
    small = {"plays": 300, "days": 4, "last_day": date(2026, 11, 22)}
    generate(World(seed=1, **small), tmp_path / "first", None)
    generate(World(seed=2, **small), tmp_path / "second", None)
    first, second = fingerprints(tmp_path / "first"), fingerprints(tmp_path / "second")
    assert not {path for path in first if first[path] == second.get(path)}


def test_each_kind_of_fault_is_planted(home: Path) -> None:
    summary = json.loads((home / "truth/summary.json").read_text())
    assert all(count > 0 for count in summary["faults"].values()), summary["faults"]
    assert summary["faults"]["play_id_reused_after_35_days"] >= 3
    assert set(summary["reasons"]["plays"]) == {
        "field_count", "broken_json", "bad_encoding", "broken_quote", "missing_play_id", "missing_user_id",
        "missing_track_id", "missing_started_at", "unparsable_started_at", "unparsable_played_ms", "negative_duration",
        "duration_over_24h", "starts_after_delivery", "before_first_day",
    }  # fmt: skip
    assert set(summary["reasons"]["users"]) >= {"missing_user_id", "field_count", "unparsable_birth_date"}
    assert set(summary["reasons"]["tracks"]) >= {"missing_track_id", "field_count", "unparsable_duration_ms"}


def test_the_summary_counts_the_faults_that_are_in_the_files(home: Path) -> None:
    """The kind of a fault follows from how a play's copies differ; files delivered twice are left out."""
    faults = json.loads((home / "truth/summary.json").read_text())["faults"]
    contents = recount(home / "landing", WORLD.zone, WORLD.first_day)
    again = {path for path in contents.good if ".again." in path}
    assert len(again) == faults["file_delivered_twice"] == 3
    for path in again:
        assert contents.good[path] == contents.good[path.replace(".again", "")]
        assert contents.bad[path] == contents.bad[path.replace(".again", "")]

    copies: dict[str, list[dict]] = {}
    for path in sorted(contents.good, key=lambda path: (delivered_on(path), path)):
        for row in [] if path in again or not path.startswith("plays/") else contents.good[path]:
            copies.setdefault(row["play_id"], []).append(row | {"path": path})
    kinds: Counter[str] = Counter()
    for first, *others in copies.values():
        days = (first["delivered"] - first["started_at"].date()).days
        kinds["late"] += 1 <= days <= 10
        kinds["late_over_40_days"] += days > 40
        if len(others) == 2:
            one_file = others[0]["path"] == others[1]["path"]
            kinds["corrected_twice_in_a_file" if one_file else "corrected_in_two_files_of_a_day"] += 1
        elif others:
            kinds[what_differs(first, others[0])] += 1
    rows = [row for copies_of_play in copies.values() for row in copies_of_play]
    kinds["rows_with_event_country"] = sum(row["country"] is not None for row in rows)
    assert kinds == Counter({kind: faults[kind] for kind in kinds})
    assert len(kinds) == 11


def what_differs(first: dict, second: dict) -> str:
    if abs(second["play_date"] - first["play_date"]) > timedelta(days=35):
        return "play_id_reused_after_35_days"
    for column, kind in (("played_ms", "duration"), ("started_at", "start"), ("country", "country")):
        if first[column] != second[column]:
            return f"correction_of_{kind}"
    return "repeat_in_the_same_file" if first["path"] == second["path"] else "repeat_in_a_later_file"


def test_no_bad_record_has_the_id_of_a_good_play(home: Path) -> None:
    contents = recount(home / "landing", WORLD.zone, WORLD.first_day)
    good = {row["play_id"] for row in contents.rows("plays")}
    text = "".join(read_text(path) for path in (home / "landing/plays").glob("*.jsonl"))
    ids = [line.split('"')[3] for line in text.splitlines() if '"played_ms":-' in line]
    assert ids
    assert not good & set(ids)


def test_a_clean_world_has_no_bad_records(tmp_path: Path) -> None:
    summary = generate(World(plays=300, days=5, dirty=0), tmp_path / "landing", None)
    assert {source: total["quarantined"] for source, total in summary["totals"].items()} == dict.fromkeys(
        ("plays", "users", "tracks"), 0
    )


def test_users_who_move_count_in_both_countries(home: Path) -> None:
    contents = recount(home / "landing", WORLD.zone, WORLD.first_day)
    countries: dict[str, set[str]] = {}
    for row in contents.rows("users"):
        countries.setdefault(row["user_id"], set()).add(row["country"])
    moved = {user for user, seen in countries.items() if len(seen) > 1}
    assert len(moved) == json.loads((home / "truth/summary.json").read_text())["faults"]["users_who_move"]
    heard: dict[str, set[str]] = {user: set() for user in moved}
    for play in plays_that_count(contents):
        if play["user_id"] in moved:
            heard[play["user_id"]].add(play["country"])
    assert any(len(seen) > 1 for seen in heard.values())


def test_the_day_on_which_clocks_go_back_has_plays_in_both_of_its_second_hours(tmp_path: Path) -> None:
    world = World(plays=6_000, days=3, last_day=date(2026, 10, 26))
    generate(world, tmp_path, None)
    starts = [
        row["started_at"].astimezone(ZoneInfo(world.zone)) for row in recount(tmp_path, *zone_of(world)).rows("plays")
    ]
    twice = [start for start in starts if start.date() == date(2026, 10, 25) and start.hour == 2]
    assert {start.fold for start in twice} == {0, 1}


def zone_of(world: World) -> tuple[str, date]:
    return world.zone, world.first_day


def test_a_session_belongs_to_one_user_and_its_number_only_to_that_user(home: Path) -> None:
    sessions: dict[tuple[str, str], list] = {}
    for row in recount(home / "landing", *zone_of(WORLD)).rows("plays"):
        sessions.setdefault((row["user_id"], row["session_id"]), []).append(row["play_id"])
    users = {user for user, _ in sessions}
    assert {(user, "1") for user in users} == {key for key in sessions if key[1] == "1"}
    assert max(len(set(plays)) for plays in sessions.values()) <= 30
    assert Counter(len(set(plays)) > 1 for plays in sessions.values())[True] > len(sessions) / 2


def test_a_quarter_of_plays_are_skips_and_the_popular_tracks_are_far_ahead(home: Path) -> None:
    plays = plays_that_count(recount(home / "landing", *zone_of(WORLD)))
    assert sum(not play["is_stream"] for play in plays) / len(plays) == pytest.approx(0.25, abs=0.03)
    counts = sorted(Counter(play["track_id"] for play in plays).values(), reverse=True)
    assert sum(counts[: len(counts) // 10]) > 0.3 * sum(counts)


def test_plays_come_in_three_eras_and_late_files_keep_the_first_layout(home: Path) -> None:
    paths = sorted((home / "landing/plays").rglob("*.*"), key=lambda path: delivered_on(path.as_posix()))
    regular = [path for path in paths if path.is_file() and ".late." not in path.name]
    suffixes = [path.suffix for path in regular]
    assert [a for a, b in pairwise([*suffixes, ""]) if a != b] == [".gz", ".jsonl", ".parquet"]
    late = [path for path in paths if ".late." in path.name]
    assert {path.suffix for path in late} == {".gz", ".zst", ".bz2"}
    for path in [*late, regular[0]]:
        assert read_text(path).startswith("play_id,user_id,session_id,track_id,started_at,played_ms\n")
    starts = [row["started_at"] for row in csv.DictReader(read_text(regular[3]).splitlines()) if row["started_at"]]
    assert any(re.fullmatch(r"[-\d]{10}T[:\d]{8}Z", start) for start in starts)
    assert any(re.fullmatch(r"[-\d]{10}T[:\d]{8}\.\d{3}Z", start) for start in starts)
    assert pq.read_schema(regular[-1]).field("started_at").type == pa.timestamp("us", "UTC")


def test_the_catalogue_has_titles_that_are_difficult_in_csv(home: Path) -> None:
    (path,) = (home / "landing/tracks").glob("*.csv")
    with path.open(encoding="utf-8", newline="") as file:
        titles = "".join(row["title"] for row in csv.DictReader(file) if row["title"])
    assert all(char in titles for char in ',"\n')
    assert not titles.isascii()


def test_each_file_matches_one_source_which_gives_its_delivery_date(home: Path) -> None:
    sources = tomllib.loads(SOURCES.read_text("utf-8"))["sources"]
    for row in pq.read_table(home / "truth/files.parquet").to_pylist():
        fitting = [source for source in sources[row["source"]] if fnmatch(row["path"], source["files"])]
        assert len(fitting) == 1, row["path"]
        match = re.search(fitting[0]["delivered_on"], row["path"])
        assert match is not None
        assert match.group(1) == row["delivery_date"].isoformat()


def test_progress_rises_from_0_to_1(tmp_path: Path) -> None:
    reports: list[tuple[float, str]] = []
    world = World(plays=200, days=4)
    generate(world, tmp_path / "l", tmp_path / "t", lambda part, phrase: reports.append((part, phrase)))
    parts = [part for part, _ in reports]
    assert parts == sorted(parts)
    assert (parts[0], parts[-1]) == (0, 1)
    assert all(phrase for _, phrase in reports)


@pytest.mark.parametrize(
    "knobs", [{"plays": 5}, {"days": 2}, {"dirty": 0.9}, {"markets": ()}, {"markets": ("AT", "AT")}, {"seed": -1}]
)
def test_a_knob_out_of_range_is_refused(knobs: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(knobs))):
        World(**knobs)
