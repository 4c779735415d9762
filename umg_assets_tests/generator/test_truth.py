"""The truth equals a recount of the landing files that shares no code with the generator."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from umg_assets.generator import World, generate
from umg_assets_tests.generator.recount import Recount, grouped, plays_that_count, recount, sums, top

WORLDS = {
    "vienna, over the long day of October": World(
        plays=3_000, days=60, last_day=date(2026, 11, 8), seed=3, dirty=0.03, users=40
    ),
    "new york, three markets, over the short day of March": World(
        plays=1_500, days=46, last_day=date(2027, 3, 20), zone="America/New_York", markets=("US", "CA", "MX"), users=60
    ),
    "auckland, three days": World(plays=300, days=3, last_day=date(2026, 4, 6), zone="Pacific/Auckland", dirty=0.1),
    "about one play a day": World(plays=100, days=80, last_day=date(2026, 5, 12), seed=721, dirty=0.3),
    "one market": World(plays=400, days=10, last_day=date(2026, 6, 1), markets=("US",), tracks=24, users=20),
}
Case = tuple[World, Recount, list[dict], Path]


@pytest.fixture(scope="module", params=list(WORLDS.values()), ids=list(WORLDS))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    world, home = request.param, tmp_path_factory.mktemp("world")
    generate(world, home / "landing", home / "truth")
    contents = recount(home / "landing", world.zone, world.first_day)
    return world, contents, plays_that_count(contents), home / "truth"


def truth_of(case: Case, table: str) -> list[dict]:
    return pq.read_table(case[3] / f"{table}.parquet").to_pylist()


def in_order(rows: list[dict]) -> list[tuple]:
    return sorted((tuple(sorted(row.items())) for row in rows), key=repr)


def test_every_file_has_the_records_that_the_truth_counts(case: Case) -> None:
    _, contents, _, _ = case
    files = {row["path"]: row for row in truth_of(case, "files")}
    assert sorted(files) == sorted(contents.good)
    for path, good in contents.good.items():
        bad = contents.bad[path].total()
        assert (files[path]["landed"], files[path]["quarantined"]) == (len(good), bad), path
        assert files[path]["records"] == len(good) + bad
        assert files[path]["source"] == path.split("/")[0]
        assert files[path]["delivery_date"].isoformat() in path


def test_every_bad_record_has_the_reason_that_the_truth_counts(case: Case) -> None:
    _, contents, _, _ = case
    counts = Counter({(row["path"], row["reason"]): row["count"] for row in truth_of(case, "file_reasons")})
    assert counts == Counter({(path, why): n for path, whys in contents.bad.items() for why, n in whys.items()})


def test_each_play_counts_once_on_its_local_day(case: Case) -> None:
    world, contents, plays, _ = case
    landed = Counter(row["play_date"] for row in contents.rows("plays"))
    counted = Counter(play["play_date"] for play in plays)
    assert len(plays) == world.plays
    assert truth_of(case, "plays_by_day") == [
        {"play_date": day, "landed": landed[day], "plays": counted[day], "duplicates": landed[day] - counted[day]}
        for day in sorted(landed)
    ]


def test_daily_track_plays_equal_the_recount(case: Case) -> None:
    expected = []
    for (day, country, age_group, track_id), rows in grouped(
        case[2], "play_date", "country", "age_group", "track_id"
    ).items():
        figures = sums(rows)
        expected.append(
            {"play_date": day, "country": country, "age_group": age_group, "track_id": track_id, **figures}
            | {"skips": figures["plays"] - figures["streams"], "completes": sum(row["is_complete"] for row in rows)}
            | {"section_plays": 0}
        )
    assert in_order(truth_of(case, "daily_track_plays")) == in_order(expected)


def test_the_country_charts_equal_the_recount(case: Case) -> None:
    charted = [play for play in case[2] if play["country"] and play["track"]]
    expected = []
    for (month, country), rows in grouped(charted, lambda play: play["play_date"].replace(day=1), "country").items():
        entries = []
        for (track_id,), plays in grouped(rows, "track_id").items():
            names = {name: plays[0]["track"][name] for name in ("title", "artist_name", "genre")}
            listeners = len({play["user_id"] for play in plays})
            entries.append(
                {
                    "month": month,
                    "country": country,
                    "track_id": track_id,
                    **names,
                    **sums(plays),
                    "listeners": listeners,
                }
            )
        for criterion in ("plays", "streams", "listening_time", "listeners"):
            expected += top(entries, criterion, "track_id", 50)
    assert in_order(truth_of(case, "top_tracks_by_country")) == in_order(expected)


def last_days(world: World) -> list[date]:
    return [world.last_day - timedelta(days=back) for back in range(min(10, world.days))]


def within(plays: list[dict], day: date, days: int) -> list[dict]:
    return [p for p in plays if p["track"] and timedelta(0) <= day - p["play_date"] < timedelta(days=days)]


def test_the_artist_charts_equal_the_recount(case: Case) -> None:
    expected = []
    for day in last_days(case[0]):
        window = within(case[2], day, 30)
        overall = [play | {"market": None} for play in window]
        by_market = [play | {"market": play["country"]} for play in window if play["country"]]
        for (market, genre), rows in grouped(
            overall + by_market, "market", lambda play: play["track"]["genre"]
        ).items():
            entries: list[dict[str, Any]] = [
                {"chart_date": day, "market": market, "genre": genre, "artist_id": artist_id, "artist_name": name}
                | sums(plays)
                for (artist_id, name), plays in grouped(
                    rows, lambda play: play["track"]["artist_id"], lambda play: play["track"]["artist_name"]
                ).items()
            ]
            for criterion in ("plays", "streams", "listening_time"):
                expected += top(entries, criterion, "artist_id", 10)
    assert in_order(truth_of(case, "top_artists_by_genre")) == in_order(expected)


def test_the_favourites_of_age_groups_equal_the_recount(case: Case) -> None:
    expected = []
    for day in last_days(case[0]):
        window = [play for play in within(case[2], day, 14) if play["age_group"]]
        for (age_group,), rows in grouped(window, "age_group").items():
            entries = [
                {"chart_date": day, "age_group": age_group, "track_id": track_id, "plays": len(plays)}
                | {name: plays[0]["track"][name] for name in ("title", "artist_name")}
                for (track_id,), plays in grouped(rows, "track_id").items()
            ]
            expected += top(entries, "plays", "track_id", 8)
    for row in expected:
        del row["criterion"]
    assert in_order(truth_of(case, "age_group_favourites")) == in_order(expected)
