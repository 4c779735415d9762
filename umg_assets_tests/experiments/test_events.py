"""Events of the app land like every source, and their play_start and play_end become plays.

One lakehouse tells all stories but the last; each has a day and a user of its own.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets.report import Report
from umg_assets.settings.model import read_settings
from umg_assets_tests.lake import EVENT_SOURCE, SOURCES, Lake

TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 100_000)]


def event(event_id: str, name: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """An event of the day's user in the day's session; at: `03-02T10:00:00`, UTC."""
    day = at[:5]
    known = {"user_id": f"u{day}", "session_id": f"s{day}", "track_id": track, "occurred_at": f"2026-{at}Z"}
    return {"event_id": event_id, "event_name": name, **known, **more}


def start(event_id: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """A play_start."""
    return event(event_id, "play_start", at, track, **more)


def end(event_id: str, at: str, track: str = "t1", **more: str) -> dict[str, str]:
    """A play_end."""
    return event(event_id, "play_end", at, track, **more)


OUTCOMES = [
    end("e1", "03-02T10:03:00"),  # delivered before its start
    start("s1", "03-02T10:00:00"),
    start("s2", "03-02T10:03:10"),  # overlaps the next one, of another track
    start("s3", "03-02T10:04:00", "t2"),
    end("e2", "03-02T10:05:10"),
    end("e3", "03-02T10:06:00", "t2"),
    start("s4", "03-02T10:10:00"),  # logged twice by the client
    start("s5", "03-02T10:10:01"),
    end("e4", "03-02T10:11:00"),
    end("e5", "03-02T10:11:05"),
    start("s6", "03-02T10:20:00"),  # the app crashed
    start("s7", "03-02T10:30:00"),
    end("e7", "03-02T10:40:00", properties='{"played_ms": 5000}'),  # paused in between
    start("s8", "03-02T11:00:00", track_id=""),
    end("e9", "03-02T12:00:00", "t2"),  # of an unknown start
]
COUNTED = [
    start("c1", "03-03T10:00:00"),
    start("c2", "03-03T10:00:01"),
    end("c3", "03-03T10:05:00"),
    end("c4", "03-03T10:06:00"),
    start("c5", "03-03T10:07:00"),
    start("c6", "03-03T10:07:00", track_id=""),
]
SECTIONS = [
    start("l1", "03-04T10:00:00", properties='{"play_id": "listed", "section": "age_picks"}'),
    end("l2", "03-04T10:01:00", properties='{"play_id": "listed", "section": "home"}'),  # an end's section is ignored
    start("l3", "03-04T10:02:00", "t2", properties='{"section": "age_picks"}'),
    start("l4", "03-04T10:03:00", "t2", properties='{"section": "search"}'),
    start("l5", "03-04T10:04:00", properties='{"section": ""}'),
    start("l6", "03-04T10:05:00", properties='{"section": null}'),
    start("l7", "03-04T10:06:00"),
]
TWICE = [start("d1", "03-05T10:00:00", properties='{"play_id": "both"}'), start("d2", "03-05T10:05:00")]
BAD = [start("b1", "03-06T10:00:00"), start("", "03-06T10:00:00"), start("b3", "03-06T25:00:00")]
# the day after the end must have no events: the test counts the days that are rebuilt
NIGHT = {"user_id": "u03-07", "session_id": "s03-07"}
BEFORE_MIDNIGHT = [start("n1", "03-07T22:50:00"), event("n2", "home_loaded", "03-08T12:00:00", **NIGHT)]
AFTER_MIDNIGHT = [end("n3", "03-07T23:30:00")]  # 00:30 local time, of the next day


@dataclass(frozen=True)
class App:
    """A lakehouse whose plays come from events.

    lake: after both runs. before: `plays` after the first run. report: of the second run, which AFTER_MIDNIGHT caused.
    reconciled: whether `umg reconcile` then counted the same.
    """

    lake: Lake
    before: list[tuple]
    report: Report
    reconciled: bool


pytestmark = pytest.mark.sail_enough


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, engine: str, today: date) -> App:
    """All stories in one lakehouse, run twice. Only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMG_ENGINE", engine)
        lake = Lake(tmp_path_factory.mktemp("events") / "home")
        lake.configure("plays_from_events = true", SOURCES + EVENT_SOURCE)
        lake.drop_tracks("2026-03-01", TRACKS)
        lake.drop_users("2026-03-01", [(f"u03-0{day}", "AT", "18-24" if day == 4 else "25-34") for day in range(2, 8)])
        lake.drop_events("outcomes-2026-03-02", OUTCOMES)
        lake.drop_events("counted-2026-03-03", COUNTED)
        lake.drop_events("sections-2026-03-04", SECTIONS)
        lake.drop_events("twice-2026-03-05", [*TWICE, end("d3", "03-05T10:01:00", properties='{"play_id": "both"}')])
        lake.drop_events("twice-2026-03-06", TWICE)
        lake.drop_plays("2026-03-05", [("both", "u03-05", "s03-05", "t1", "2026-03-05T10:00:00Z", 55_000, "DE")])
        lake.drop_events("bad-2026-03-06", BAD)
        lake.drop_events("night-2026-03-07", BEFORE_MIDNIGHT)
        lake.run()
        before = plays(lake)
        lake.drop_events("night-2026-03-09", AFTER_MIDNIGHT)
        report = lake.run()
        return App(lake, before, report, reconcile(read_settings(lake.home)))


def plays(lake: Lake) -> list[tuple]:
    """The plays: (play_id, MM-DD, track_id, played_ms)."""
    rows = lake.values("plays", "play_id", "play_date", "track_id", "played_ms")
    return [(play_id, f"{day:%m-%d}", track, ms) for play_id, day, track, ms in rows]


def plays_of(app: App, day: str) -> list[tuple]:
    """The plays of a day, MM-DD."""
    return [play for play in plays(app.lake) if play[1] == day]


def test_starts_and_ends_become_plays_in_whatever_order_they_come(app: App):
    assert plays_of(app, "03-02") == [
        ("s1", "03-02", "t1", 180_000),
        ("s2", "03-02", "t1", 120_000),
        ("s3", "03-02", "t2", 120_000),
        ("s4", "03-02", "t1", 60_000),
        ("s6", "03-02", "t1", None),
        ("s7", "03-02", "t1", 5_000),
    ]
    assert app.reconciled


def test_the_outcomes_of_starts_and_ends_are_counted_by_day(app: App):
    of_day = dg.AssetRecordsFilter(asset_key=dg.AssetKey("plays"), asset_partitions=["2026-03-03"])
    (record,) = app.lake.instance.fetch_materializations(of_day, limit=1).records
    assert record.asset_materialization is not None
    metadata: dict[str, Any] = dict(record.asset_materialization.metadata)
    assert {name: entry.value for name, entry in metadata.items() if name.startswith("events_")} == {
        "events_paired": 1,
        "events_start_again": 1,
        "events_end_without_start": 1,
        "events_start_without_end": 1,
        "events_without_track": 1,
    }


def test_an_end_in_a_later_delivery_and_past_midnight_is_paired_with_its_start(app: App):
    assert [play for play in app.before if play[1] in ("03-07", "03-08")] == [("n1", "03-07", "t1", None)]
    assert [*plays_of(app, "03-07"), *plays_of(app, "03-08")] == [("n1", "03-07", "t1", 2_400_000)]
    assert set(app.report.partitions["plays"]) == {"2026-03-07", "2026-03-08"}


def test_a_play_has_the_section_of_its_start_and_plays_from_the_list_do_not_count_for_the_list(app: App):
    day = date(2026, 3, 4)
    sections = app.lake.values("plays", "play_date", "play_id", "section")
    assert [row[1:] for row in sections if row[0] == day] == [
        ("l3", "age_picks"), ("l4", "search"), ("l5", None), ("l6", None), ("l7", None), ("listed", "age_picks"),
    ]  # fmt: skip
    sums = app.lake.values("daily_track_plays", "play_date", "track_id", "plays", "section_plays")
    assert [row[1:] for row in sums if row[0] == day] == [("t1", 4, 1), ("t2", 2, 1)]
    lists = app.lake.values("age_group_favourites", "chart_date", "age_group", "rank", "track_id", "plays")
    assert [row[2:] for row in lists if row[:2] == (day, "18-24")] == [(1, "t1", 3), (2, "t2", 1)]
    assert app.reconciled


def test_an_event_delivered_twice_counts_once_and_a_play_of_both_sources_is_the_exporters(app: App):
    assert plays_of(app, "03-05") == [("both", "03-05", "t1", 55_000), ("d2", "03-05", "t1", None)]
    assert app.reconciled


def test_a_bad_event_goes_to_the_quarantine_and_no_record_vanishes(app: App):
    assert app.lake.values("quarantine", "source", "reason") == [
        ("events", "missing_event_id"),
        ("events", "unparsable_occurred_at"),
    ]
    (entry,) = [
        entry for entry in app.lake.history().entries if "bad" in entry.path and entry.state == "landed"
    ]  # fmt: skip
    assert (entry.source, entry.records, entry.landed) == ("events", 3, 1)
    assert entry.rows_by_play_date == {"2026-03-06": 1}
    assert entry.play_dates == [date(2026, 3, 6)]


def test_without_experiments_events_make_no_visits_and_plays_stay_the_exporters(lake: Lake, today: date):
    lake.configure("", SOURCES + EVENT_SOURCE)
    lake.drop_plays("2026-03-02", [("p1", "u1", "s1", "t1", "2026-03-02T10:00:00Z", 55_000, "DE")])
    lake.drop_events("2026-03-02", [start("s1", "03-02T10:00:00")])
    report = lake.run()
    assert lake.values("plays", "play_id") == [("p1",)]
    assert len(lake.rows("raw_app_events")) == 1
    assert "visits" not in report.partitions
    assert lake.run().runs == 0
