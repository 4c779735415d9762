"""The generated truth, row by row, against the lakehouse that was run over its files by the built-in sources."""

from collections import Counter
from typing import Any

import pyarrow.parquet as pq

from umg_assets_tests.lake import Lake


def truth(lake: Lake, table: str) -> list[dict[str, Any]]:
    """A table of the generator's truth."""
    return pq.read_table(lake.home / "truth" / f"{table}.parquet").to_pylist()


def in_order(rows: list[dict[str, Any]]) -> list[tuple]:
    """Rows as tuples of their values by column name, sorted."""
    return sorted((tuple(row[name] for name in sorted(row)) for row in rows), key=repr)


def test_every_file_lands_and_sets_aside_what_the_truth_says(made_lake: Lake):
    columns = ("source", "path", "delivery_date", "records", "landed", "quarantined")
    landed = [
        {**{name: getattr(entry, name) for name in columns}, "quarantined": sum(entry.quarantined.values())}
        for entry in made_lake.history().entries
        if entry.state == "landed" and entry.source != "stamps"
    ]
    assert in_order(landed) == in_order(truth(made_lake, "files"))
    assert all(row["records"] == row["landed"] + row["quarantined"] for row in landed)


def test_the_quarantine_holds_each_bad_record_with_its_reason(made_lake: Lake):
    found = Counter(made_lake.values("quarantine", "source_file", "reason"))
    assert found == {(row["path"], row["reason"]): row["count"] for row in truth(made_lake, "file_reasons")}
    by_path = Counter(path for path, _ in found.elements())
    assert sum(by_path.values()) == len(set(made_lake.values("quarantine", "source", "source_file", "record")))


def test_raw_holds_every_copy_and_plays_each_play_once_on_its_local_day(made_lake: Lake):
    landed = Counter(day for (day,) in made_lake.values("raw_plays", "play_date"))
    plays = Counter(day for (day,) in made_lake.values("plays", "play_date"))
    expected = truth(made_lake, "plays_by_day")
    assert sum(row["duplicates"] for row in expected) > 0
    assert expected == [
        {"play_date": day, "landed": landed[day], "plays": plays[day], "duplicates": landed[day] - plays[day]}
        for day in sorted(landed)
    ]


def test_daily_sums_equal_the_truth(made_lake: Lake):
    found = made_lake.rows("daily_track_plays")
    known = {track for (track,) in made_lake.values("tracks", "track_id")}
    assert {row["completes"] is None for row in found if row["track_id"] not in known} == {True}
    for row in found:
        row["completes"] = row["completes"] or 0
    assert in_order(found) == in_order(truth(made_lake, "daily_track_plays"))


def test_the_country_charts_equal_the_truth_by_every_criterion(made_lake: Lake):
    found = made_lake.rows("top_tracks_by_country")
    last_days: dict[Any, Any] = {}
    for (day,) in made_lake.values("plays", "play_date"):
        last_days[day.replace(day=1)] = max(day, last_days.get(day.replace(day=1), day))
    assert {row.pop("data_through") == last_days[row["month"]] for row in found} == {True}
    assert {row["criterion"] for row in found} == {"plays", "streams", "listening_time", "listeners"}
    assert in_order(found) == in_order(truth(made_lake, "top_tracks_by_country"))


def test_unknown_users_and_tracks_are_kept_and_counted_in_no_market_of_a_chart(made_lake: Lake):
    tracks = {track for (track,) in made_lake.values("tracks", "track_id")}
    users = {user for (user,) in made_lake.values("users", "user_key")}
    plays = made_lake.values("plays", "track_id", "user_key", "country", "age_group")
    of_nobody = [play for play in plays if play[1] not in users]
    assert of_nobody
    assert {play[3] for play in of_nobody} == {None}
    assert None in {play[2] for play in of_nobody}
    assert any(play[0] not in tracks for play in plays)
    assert {track for (track,) in made_lake.values("top_tracks_by_country", "track_id")} <= tracks
