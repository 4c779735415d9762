"""The state of the data as a page: what is late, set aside, held, not published or red; and the sums behind it."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from umg_assets import clock
from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.site import Site
from umg_assets.dashboard.state import Finding, state_of
from umg_assets.planning.health import conservation
from umg_assets.resources.commits import Commit
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.published import HEALTH
from umg_assets.resources.status import STATUS, note, note_sums, read_status
from umg_assets.runner import RunFailedError
from umg_assets.tables import Table
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake
from umg_assets_tests.test_checks_of_runs import change, keeping, look_at_ledger

pytestmark = pytest.mark.sail_enough
NOW = datetime(2026, 3, 11, 6, tzinfo=UTC)
LIMITS = "[thresholds]\nquarantine_percent = 20\nshrunk_percent = 100\n"


def play(number: int, day: str) -> tuple:
    return (f"p{day}-{number}", "u1", "s1", "t1", f"{day}T10:{number:02}:00Z", 90_000, "AT")


@pytest.fixture(scope="module")
def published(new_lake: NewLake) -> Iterator[Lake]:
    """Plays of ten days, one record of the last in quarantine; users and tracks of the first. Only read it."""
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(clock, "now", lambda: NOW)
        lake = new_lake("health", text=LIMITS)
        lake.drop_users("2026-03-01", [("u1", "AT", "25-34")])
        lake.drop_tracks("2026-03-01", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
        for day in range(1, 11):
            lake.drop_plays(f"2026-03-{day:02}", [play(number, f"2026-03-{day:02}") for number in range(8)])
        lake.drop_plays(
            "2026-03-10-late", [play(40, "2026-03-03"), ("", "u1", "s1", "t1", "2026-03-10T10:00:00Z", 1, "")]
        )
        lake.run()
        yield lake


@pytest.fixture
def lake(published: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A copy of that lake, to be changed."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return published.copied(tmp_path / "home")


def findings(lake: Lake, now: datetime = NOW) -> list[Finding]:
    served = Served.newest(lake.home, lake.settings.dashboard)
    return list(state_of(served, lake.settings, now).findings)


def wrong(lake: Lake, now: datetime = NOW) -> list[tuple[str, str, str]]:
    """Level, subject and sentence of all that is not good."""
    return [(of.level, of.subject, of.sentence) for of in findings(lake, now) if of.level != "good"]


def page(lake: Lake, query: str = "", now: datetime = NOW) -> str:
    served = Served.newest(lake.home, lake.settings.dashboard)
    site = Site(served, state_of(served, lake.settings, now), ROUTES, Renderer(lake.settings.dashboard))
    answer = site.answer(f"/health{query}")
    assert answer.status == 200
    return answer.body.decode()


def sheet(lake: Lake, name: str) -> list[dict]:
    return json.loads(page(lake, f"?format=json&table={name}"))


def test_data_in_order_are_said_to_be_in_order(published: Lake):
    assert wrong(published) == []
    said = {of.subject: of.sentence for of in findings(published)}
    assert (
        said["in order"] == "No file is held, no check is red, no run has failed: last looked at less than an hour ago."
    )
    assert said["published"] == "The newest state of the tables is published."


def test_a_source_is_late_by_its_freshness_and_by_the_days_that_usually_lie_between_its_deliveries(lake: Lake):
    lake.drop_users("2026-03-08", [("u1", "AT", "25-34")])
    lake.run()
    newest = {row["source"]: row for row in sheet(lake, "newest")}
    assert (newest["plays"]["usual_days"], newest["users"]["usual_days"]) == (1, 7)
    # users of 8 March: due seven days later, and 36 hours more are allowed after the sixth
    due = datetime(2026, 3, 9, tzinfo=UTC) + timedelta(hours=36, days=6)
    assert "users" not in str(wrong(lake, due))
    late = [finding for finding in wrong(lake, due + timedelta(hours=1)) if "users" in finding[2]]
    assert late == [
        ("note", "late", "The newest delivery of users is of 2026-03-08: it ended 181 hours ago, the limit is 180.")
    ]
    plays = [finding for finding in wrong(lake, NOW + timedelta(days=3)) if "delivery of plays" in finding[2]]
    assert plays == [
        ("bad", "late", "The newest delivery of plays is of 2026-03-10: it ended 78 hours ago, the limit is 36.")
    ]


def test_records_set_aside_beyond_the_limit_are_wrong_over_all_and_of_the_newest_delivery_alone(lake: Lake):
    assert wrong(lake) == [], "1 of 10 records of the newest delivery: under the limit"
    bad = ("", "u1", "s1", "t1", "2026-03-11T10:00:00Z", 1, "")
    lake.drop_plays("2026-03-11", [play(1, "2026-03-11"), bad])
    lake.run()
    sentences = [sentence for level, subject, sentence in wrong(lake) if subject == "set aside"]
    assert sentences == [
        "1 of 2 records of plays of the newest delivery, 2026-03-11, are set aside (50.0 %, the limit is 20 %)."
    ]


def test_refused_and_half_landed_files_are_findings_without_their_names(lake: Lake):
    lake.drop("plays/secret-2026-03-11.csv", b"\x00\x01 no table")
    lake.run()
    assert ("note", "set aside", "1 file was refused whole.") in wrong(lake)
    Ledger(lake.home).append(
        [replace(lake.history().delivered()[0], state="staged")]
    )  # as a run that is killed leaves it
    note_sums(lake.home, lake.history())
    assert ("bad", "interrupted", "1 file is half landed: a run over it was interrupted.") in wrong(lake)
    assert "secret" not in page(lake)


def test_records_read_are_shown_as_what_became_of_them_and_it_adds_up(lake: Lake):
    rows = {row["source"]: row for row in sheet(lake, "records")}
    assert rows["plays"] == {
        "source": "plays",
        "files": 11,
        "records_read": 82,
        "landed": 81,
        "quarantined": 1,
        "filtered": 0,
        "suppressed": 0,
        "unaccounted": 0,
    }
    assert {row["unaccounted"] for row in rows.values()} == {0}
    text = re.sub(r"<[^>]+>|\s", "", page(lake))
    assert "plays1182=81+1yes" in text
    file = lake.home / "exports" / HEALTH
    sums = json.loads(file.read_text())
    sums["records"][0]["landed"] -= 3
    file.write_text(json.dumps({**sums, "sequence": sums["sequence"] + 1}))
    assert "no: 3 missing" in page(lake)


def test_quarantine_is_shown_by_reason_and_day_and_plays_by_days_late(lake: Lake):
    assert sheet(lake, "quarantine") == [
        {"delivery_date": "2026-03-10", "source": "plays", "reason": "missing_play_id", "records": 1}
    ]
    late = {row["late"]: row["plays"] for row in sheet(lake, "lateness")}
    assert late == {"same day": 80, "1 day": 0, "2 to 7 days": 1, "8 to 30 days": 0, "over 30 days": 0}
    assert "plays: missing play id" in page(lake)


def test_where_nobody_has_looked_the_page_says_that_it_is_not_known(lake: Lake):
    (lake.home / "exports" / STATUS).unlink()
    assert [(level, subject) for level, subject, _ in wrong(lake)] == [("note", "not known")]
    assert "is not known: nobody has looked" in page(lake)


def test_a_file_that_is_held_is_noted_by_the_run_and_seen_as_a_count(lake: Lake):
    lake.configure("[thresholds]\nshrunk_percent = 10\nquarantine_percent = 50\n")
    lake.drop_plays("2026-03-09", [play(0, "2026-03-09")])
    lake.run()
    assert wrong(lake) == [("bad", "held", "1 file or folder has shrunk, and is held since 2026-03-11 06:00 UTC.")]
    noted = (lake.home / "exports" / STATUS).read_text()
    assert "2026-03-09" not in noted
    assert "2026-03-09.csv" not in page(lake)


def test_a_red_blocking_check_and_a_failed_run_are_seen_though_nothing_was_exported(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    exported = (lake.home / "exports" / "current").resolve()
    broken = "country = 'AT' and rank = 1 and criterion = 'plays'"
    change(lake, "top_tracks_by_country", broken, rank="9")
    with monkeypatch.context() as spoilt:
        spoilt.setattr("umg_assets.resources.lakehouse.Lakehouse.write_slice", keeping("top_tracks_by_country"))
        lake.drop_plays("2026-03-11", [play(1, "2026-03-11")])
        with pytest.raises(RunFailedError):
            lake.run()
    assert (lake.home / "exports" / "current").resolve() == exported
    red = ("bad", "red", "Check ranks_have_no_gaps of top_tracks_by_country was red when it was last executed.")
    failed = ("bad", "red", "1 run over what still has to be built has failed since 2026-03-11 06:00 UTC.")
    seen = wrong(lake)
    assert red in seen
    assert failed in seen
    assert "not published" in {subject for _, subject, _ in seen}
    assert "ranks_have_no_gaps" in page(lake)
    lake.run()  # nothing can be built after the red check: it is still red, and no run has failed
    assert red in wrong(lake)
    look_at_ledger(lake)
    assert red in wrong(lake), "a sensor that looks sees the same"
    day = datetime(2026, 3, 11).date()
    lake.run(rebuild=(day, day))
    assert "red" not in {subject for _, subject, _ in wrong(lake)}


def test_a_sensor_counts_the_failed_runs_of_work_that_is_still_to_be_done_and_writes_the_ledgers_sums(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    write = Lakehouse.write_slice

    def fail_at_sums(self: Lakehouse, table: Table, *given: Any) -> Commit:
        if table.name == "daily_track_plays":
            raise OSError("no space left on the device")
        return write(self, table, *given)

    with monkeypatch.context() as spoilt:
        spoilt.setattr(Lakehouse, "write_slice", fail_at_sums)
        lake.drop_plays("2026-03-11", [play(1, "2026-03-11")])
        with pytest.raises(RunFailedError):
            lake.run()
    note(lake.home, failed_runs=0)
    (lake.home / "exports" / HEALTH).unlink()
    look_at_ledger(lake)
    failed = ("bad", "red", "1 run over what still has to be built has failed since 2026-03-11 06:00 UTC.")
    assert failed in wrong(lake)
    assert [row["delivery_date"] for row in sheet(lake, "newest") if row["source"] == "plays"] == ["2026-03-11"]
    lake.run()
    assert "red" not in {subject for _, subject, _ in wrong(lake)}


def test_tables_that_are_newer_than_what_is_published_are_named_with_the_time(lake: Lake):
    change(lake, "tracks", "track_id = 't1'", title="'Won'")
    versions = {row["table"]: row for row in sheet(lake, "versions")}
    assert versions["tracks"]["newest"] == versions["tracks"]["published"] + 1
    assert versions["tracks"]["newer_since"] is not None
    assert versions["chart_movements"]["newer_since"] is None
    written = datetime.now(UTC)
    lately = [of for of in findings(lake, written) if of.subject == "not published"]
    assert [(of.level, of.figure) for of in lately] == [("note", "1 table")]
    stuck = [of for of in findings(lake, written + timedelta(hours=2)) if of.subject == "not published"]
    assert [of.level for of in stuck] == ["bad"]


def test_a_note_replaces_the_file_only_where_a_fact_has_changed_and_says_since_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "exports" / STATUS
    times = iter(NOW + timedelta(minutes=minute) for minute in range(100))
    monkeypatch.setattr(clock, "now", lambda: next(times))
    note(tmp_path, held=1, failed_checks=[("plays", "known_users", False)])
    first = file.stat().st_ino
    note(tmp_path, held=1)
    note(tmp_path)
    assert file.stat().st_ino == first
    before = read_status(tmp_path)
    assert before.looked_at is not None
    assert NOW + timedelta(minutes=2) < before.looked_at < NOW + timedelta(minutes=10), "when somebody looked last"
    note(tmp_path, held=0)
    after = read_status(tmp_path)
    assert file.stat().st_ino != first or file.read_text().count('"is": 0')
    assert after.facts["held"].count == 0
    assert after.facts["held"].since > before.facts["held"].since
    assert after.facts["failed_checks"] == before.facts["failed_checks"]
    assert after.facts["failed_checks"].checks == (("plays", "known_users", False),)
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    assert read_status(tmp_path).looked_at == NOW


def test_no_name_of_a_file_nobodys_id_and_no_text_of_the_quarantine_is_on_the_page_or_in_a_download(lake: Lake):
    sums = conservation(lake.history())
    assert sums
    texts = [page(lake), *(page(lake, f"?format={form}") for form in ("csv", "json"))]
    texts += [json.dumps(sheet(lake, name)) for name in ("findings", "records", "quarantine", "newest", "versions")]
    for text in texts:
        assert '.csv"' not in text.replace("format=csv", "")
        assert "u1" not in text
        assert "landing/plays" not in text
