"""The tables against the generator's truth, row by row, after a run over its files with the built-in sources."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from umg_assets.planning.entry import DIMENSION_CHANGE
from umg_assets_tests.lake import Lake


def truth(lake: Lake, table: str) -> list[dict[str, Any]]:
    """A table of the generator's truth."""
    return pq.read_table(lake.home / "truth" / f"{table}.parquet").to_pylist()


def in_order(rows: list[dict[str, Any]]) -> list[tuple]:
    """Rows as tuples of their values by column name, sorted."""
    return sorted((tuple(row[name] for name in sorted(row)) for row in rows), key=repr)


def test_every_file_lands_and_sets_aside_what_the_truth_says(generated_lake: Lake):
    columns = ("source", "path", "delivery_date", "records", "landed", "quarantined")
    landed = [
        {**{name: getattr(entry, name) for name in columns}, "quarantined": sum(entry.quarantined.values())}
        for entry in generated_lake.history().entries
        if entry.state == "landed" and entry.source != DIMENSION_CHANGE
    ]
    assert in_order(landed) == in_order(truth(generated_lake, "files"))
    assert all(row["records"] == row["landed"] + row["quarantined"] for row in landed)


def test_the_quarantine_holds_each_bad_record_with_its_reason(generated_lake: Lake):
    counts = Counter(generated_lake.values("quarantine", "source_file", "reason"))
    assert counts == {(row["path"], row["reason"]): row["count"] for row in truth(generated_lake, "file_reasons")}
    by_path = Counter(path for path, _ in counts.elements())
    assert sum(by_path.values()) == len(set(generated_lake.values("quarantine", "source", "source_file", "record")))


def test_raw_holds_every_copy_and_plays_each_play_once_on_its_local_day(generated_lake: Lake):
    landed = Counter(day for (day,) in generated_lake.values("raw_plays", "play_date"))
    plays = Counter(day for (day,) in generated_lake.values("plays", "play_date"))
    expected = truth(generated_lake, "plays_by_day")
    assert sum(row["duplicates"] for row in expected) > 0
    assert expected == [
        {"play_date": day, "landed": landed[day], "plays": plays[day], "duplicates": landed[day] - plays[day]}
        for day in sorted(landed)
    ]


def test_daily_sums_equal_the_truth(generated_lake: Lake):
    rows = generated_lake.rows("daily_track_plays")
    known = {track for (track,) in generated_lake.values("tracks", "track_id")}
    assert {row["completes"] is None for row in rows if row["track_id"] not in known} == {True}
    for row in rows:
        row["completes"] = row["completes"] or 0
    assert in_order(rows) == in_order(truth(generated_lake, "daily_track_plays"))


def test_the_country_charts_equal_the_truth_by_every_criterion(generated_lake: Lake):
    rows = generated_lake.rows("top_tracks_by_country")
    last_days: dict[Any, Any] = {}
    for (day,) in generated_lake.values("plays", "play_date"):
        last_days[day.replace(day=1)] = max(day, last_days.get(day.replace(day=1), day))
    assert {row.pop("data_through") == last_days[row["month"]] for row in rows} == {True}
    assert {row["criterion"] for row in rows} == {"plays", "streams", "listening_time", "listeners"}
    assert in_order(rows) == in_order(truth(generated_lake, "top_tracks_by_country"))


def test_unknown_users_and_tracks_are_kept_and_counted_in_no_market_of_a_chart(generated_lake: Lake):
    tracks = {track for (track,) in generated_lake.values("tracks", "track_id")}
    users = {user for (user,) in generated_lake.values("users", "user_key")}
    plays = generated_lake.values("plays", "track_id", "user_key", "country", "age_group")
    of_nobody = [play for play in plays if play[1] not in users]
    assert of_nobody
    assert {play[3] for play in of_nobody} == {None}
    assert None in {play[2] for play in of_nobody}
    assert any(play[0] not in tracks for play in plays)
    assert {track for (track,) in generated_lake.values("top_tracks_by_country", "track_id")} <= tracks


@pytest.mark.parametrize("chart", ["top_artists_by_genre", "age_group_favourites"])
def test_the_window_charts_of_the_last_days_equal_the_truth(generated_lake: Lake, chart: str):
    """The truth holds the window charts of ten days, so days enter and leave the window."""
    expected = truth(generated_lake, chart)
    days = {row["chart_date"] for row in expected}
    assert len(days) == 10
    assert in_order([row for row in generated_lake.rows(chart) if row["chart_date"] in days]) == in_order(expected)


def test_movements_equal_what_the_truth_of_the_charts_says_month_by_month(generated_lake: Lake):
    charts = truth(generated_lake, "top_tracks_by_country")
    months = sorted({row["month"] for row in charts})
    assert len(months) > 1
    ranks: dict[tuple, dict[date, int]] = {}
    for row in charts:
        ranks.setdefault((row["country"], row["criterion"], row["track_id"]), {})[row["month"]] = row["rank"]
    expected = []
    for row in charts:
        months_of_track = ranks[row["country"], row["criterion"], row["track_id"]]
        past = {month: rank for month, rank in months_of_track.items() if month <= row["month"]}
        at = months.index(row["month"])
        previous = past.get(months[at - 1]) if at else None
        movement = "re-entry" if len(past) > 1 else "new"
        if previous is not None:
            movement = "up" if row["rank"] < previous else "down" if row["rank"] > previous else "same"
        movement_row = {name: row[name] for name in ("month", "country", "criterion", "rank", "track_id")}
        movement_row |= {"previous_rank": previous, "peak_rank": min(past.values()), "months_on_chart": len(past)}
        expected.append({**movement_row, "movement": movement if at else None})
    assert in_order(generated_lake.rows("chart_movements")) == in_order(expected)


def test_sessions_hold_every_play_once_and_are_those_that_silence_and_midnight_make(generated_lake: Lake):
    """Recounts play by play; without a session_id, 30 minutes of silence end a session, with one, 24 hours."""
    plays: dict[tuple, list[dict[str, Any]]] = {}
    for row in generated_lake.rows("plays"):
        plays.setdefault((row["user_key"], row["session_id"]), []).append(row)
    expected = []
    for (user, session), rows in plays.items():
        rows.sort(key=lambda row: (row["started_at"], row["play_id"]))
        allowed = timedelta(minutes=30) if session is None else timedelta(hours=24)
        silent_since, began, previous = None, None, None
        for row in rows:
            ended = row["started_at"] + timedelta(milliseconds=row["played_ms"] or 0)
            day, linked = row["play_date"], silent_since is not None and row["started_at"] - silent_since <= allowed
            began = began if linked and began else day
            if not linked or (previous < day and (day - began).days >= 2):
                expected.append(
                    {"user_key": user, "session_date": day, "plays": 0, "skips": 0, "listening_ms": 0}
                    | {"started_at": row["started_at"], "ended_at": ended, "country": row["country"]}
                )
            expected[-1]["plays"] += 1
            expected[-1]["skips"] += row["is_skip"] or 0
            expected[-1]["listening_ms"] += row["played_ms"] or 0
            expected[-1]["ended_at"] = max(expected[-1]["ended_at"], ended)
            silent_since, previous = max(silent_since or ended, ended) if linked else ended, day
    sessions = [{name: row[name] for name in expected[0]} for row in generated_lake.rows("sessions")]
    for row in sessions:
        row.update(skips=row["skips"] or 0, listening_ms=row["listening_ms"] or 0)
    assert in_order(sessions) == in_order(expected)
    assert any(row["ended_at"].date() > row["session_date"] for row in sessions)
