"""Events of the app land like every source; of play_start and play_end, plays are made."""

from datetime import date

import dagster as dg
import pytest

from umg_assets.reconcile import reconcile
from umg_assets.settings import read_settings
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


def event(event_id: str, name: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """An event of u1 in s1; at: `03-02T10:00:00`, UTC."""
    instant = f"2026-{at}Z"
    known = {"user_id": "u1", "session_id": "s1", "track_id": track, "occurred_at": instant}
    return {"event_id": event_id, "event_name": name, **known, **more}


def start(event_id: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """A play_start."""
    return event(event_id, "play_start", at, track, **more)


def end(event_id: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """A play_end."""
    return event(event_id, "play_end", at, track, **more)


@pytest.fixture
def app(lake: Lake) -> Lake:
    """A lakehouse whose plays are made of events alone."""
    lake.configure("plays_from_events = true", SOURCES + EVENT_SOURCE)
    lake.drop_tracks("2026-03-01", TRACKS)
    lake.drop_users("2026-03-01", [("u1", "AT", "25-34")])
    return lake


def made(lake: Lake) -> list[tuple]:
    """What stands in plays: (play_id, MM-DD, track_id, played_ms)."""
    rows = lake.values("plays", "play_id", "play_date", "track_id", "played_ms")
    return [(i, f"{day:%m-%d}", track, ms) for i, day, track, ms in rows]


def test_starts_and_ends_make_plays_whatever_became_of_them(app: Lake):
    app.drop_events(
        "2026-03-02",
        [
            end("e1", "03-02T10:03:00"),  # delivered before its start
            start("s1", "03-02T10:00:00"),
            start("s2", "03-02T10:03:10"),  # crossed by the next one, of another track
            start("s3", "03-02T10:04:00", "t2"),
            end("e2", "03-02T10:05:10"),
            end("e3", "03-02T10:06:00", "t2"),
            start("s4", "03-02T10:10:00"),  # logged twice, once more by the client
            start("s5", "03-02T10:10:01"),
            end("e4", "03-02T10:11:00"),
            end("e5", "03-02T10:11:05"),
            start("s6", "03-02T10:20:00"),  # the app died
            start("s7", "03-02T10:30:00"),
            end("e7", "03-02T10:40:00", properties='{"played_ms": 5000}'),  # paused on the way
            start("s8", "03-02T11:00:00", track_id=""),
            end("e9", "03-02T12:00:00", "t2"),  # nobody knows of what
        ],
    )
    app.run()
    assert made(app) == [
        ("s1", "03-02", "t1", 180_000),
        ("s2", "03-02", "t1", 120_000),
        ("s3", "03-02", "t2", 120_000),
        ("s4", "03-02", "t1", 60_000),
        ("s6", "03-02", "t1", None),
        ("s7", "03-02", "t1", 5_000),
    ]
    assert reconcile(read_settings(app.home))


def test_the_outcomes_of_starts_and_ends_are_counted_by_day(app: Lake):
    app.drop_events(
        "2026-03-02",
        [
            start("s1", "03-02T10:00:00"),
            start("s2", "03-02T10:00:01"),
            end("e1", "03-02T10:05:00"),
            end("e2", "03-02T10:06:00"),
            start("s3", "03-02T10:07:00"),
            start("s4", "03-02T10:07:00", track_id=""),
        ],
    )
    app.run()
    found = app.instance.get_latest_materialization_event(dg.AssetKey("plays"))
    assert found is not None
    assert found.asset_materialization is not None
    metadata = found.asset_materialization.metadata
    assert {name: entry.value for name, entry in metadata.items() if name.startswith("events_")} == {
        "events_paired": 1,
        "events_start_again": 1,
        "events_end_without_start": 1,
        "events_start_without_end": 1,
        "events_without_track": 1,
    }


def test_an_end_that_comes_in_another_delivery_past_midnight_finds_its_start(app: Lake):
    app.drop_events("2026-03-02", [start("s1", "03-02T22:50:00"), event("h1", "home_loaded", "03-03T12:00:00")])
    app.run()
    assert made(app) == [("s1", "03-02", "t1", None)]
    app.drop_events("2026-03-04", [end("e1", "03-02T23:30:00")])  # 00:30 local time, of the next day
    report = app.run()
    assert made(app) == [("s1", "03-02", "t1", 2_400_000)]
    assert set(report.partitions["plays"]) == {"2026-03-02", "2026-03-03"}


def test_a_play_is_of_the_section_that_its_start_names_and_none_from_the_list_puts_a_track_on_it(app: Lake):
    app.drop_events(
        "2026-03-02",
        [
            start("s1", "03-02T10:00:00", properties='{"play_id": "p1", "section": "age_picks"}'),
            end("e1", "03-02T10:01:00", properties='{"play_id": "p1", "section": "home"}'),  # an end's is nobody's
            start("s2", "03-02T10:02:00", "t2", properties='{"section": "age_picks"}'),
            start("s3", "03-02T10:03:00", "t2", properties='{"section": "search"}'),
            start("s4", "03-02T10:04:00", properties='{"section": ""}'),
            start("s5", "03-02T10:05:00", properties='{"section": null}'),
            start("s6", "03-02T10:06:00"),
        ],
    )
    app.run()
    assert app.values("plays", "play_id", "section") == [
        ("p1", "age_picks"), ("s2", "age_picks"), ("s3", "search"), ("s4", None), ("s5", None), ("s6", None),
    ]  # fmt: skip
    assert app.values("daily_track_plays", "track_id", "plays", "section_plays") == [("t1", 4, 1), ("t2", 2, 1)]
    lists = app.values("age_group_favourites", "chart_date", "rank", "track_id", "plays")
    assert [row[1:] for row in lists if row[0] == date(2026, 3, 2)] == [(1, "t1", 3), (2, "t2", 1)]
    assert reconcile(read_settings(app.home))


@pytest.mark.sail_enough
def test_an_event_delivered_twice_counts_once_and_a_play_that_both_sources_have_is_raw_plays_own(app: Lake):
    again = [start("s1", "03-02T10:00:00", properties='{"play_id": "p1"}'), start("s2", "03-02T10:05:00")]
    app.drop_events("2026-03-02", [*again, end("e1", "03-02T10:01:00", properties='{"play_id": "p1"}')])
    app.drop_events("2026-03-03", again)
    app.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 55_000, "DE")])
    app.run()
    assert made(app) == [("p1", "03-02", "t1", 55_000), ("s2", "03-02", "t1", None)]
    assert reconcile(read_settings(app.home))


@pytest.mark.sail_enough
def test_a_bad_event_goes_to_the_quarantine_and_no_record_vanishes(app: Lake):
    rows = [start("s1", "03-02T10:00:00"), start("", "03-02T10:00:00"), start("s3", "03-02T25:00:00")]
    app.drop_events("2026-03-02", rows)
    app.run()
    assert app.values("quarantine", "source", "reason") == [
        ("events", "missing_event_id"),
        ("events", "unparsable_occurred_at"),
    ]
    entry = next(one for one in app.history().entries if one.source == "events" and one.state == "landed")
    assert (entry.records, entry.landed, entry.rows_by_play_date) == (3, 1, {"2026-03-02": 1})
    assert entry.play_dates == [date(2026, 3, 2)]


@pytest.mark.sail_enough
def test_without_a_source_of_events_none_is_read_and_with_plays_beside_them_plays_stay_the_exporters(lake: Lake):
    lake.configure("", SOURCES + EVENT_SOURCE)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 55_000, "DE")])
    lake.drop_events("2026-03-02", [start("s1", "03-02T10:00:00")])
    report = lake.run()
    assert lake.values("plays", "play_id") == [("p1",)]
    assert len(lake.rows("raw_app_events")) == 1
    assert "visits" not in report.partitions
    assert lake.run().runs == 0
