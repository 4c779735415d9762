"""What goes by its age: files of landing/, quarantined records, raw plays; and what then stays as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from umg_assets.build import build_definitions
from umg_assets.cli.expire import expire
from umg_assets.cli.reconcile import reconcile
from umg_assets.cli.run import RunUnderWayError
from umg_assets.landing.retention import Outcome
from umg_assets.planning.frozen import FrozenDaysError
from umg_assets.recount.coverage import coverage
from umg_assets.recount.rows import recount
from umg_assets.resources.lakehouse import Lakehouse
from umg_assets.runner import RunFailedError
from umg_assets.settings.model import SettingsError
from umg_assets_tests.jobs import run_job
from umg_assets_tests.lake import SOURCES, Lake
from umg_assets_tests.landing.test_land import play, set_clock
from umg_assets_tests.recount.changing import change_a_row

BAD = ("x", "u1", "s1", "t1", "noon", 1)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 8)
FROZEN = tuple(date(2026, 3, day) for day in (1, 2, 3, 4))


def keeping(**days: int) -> str:
    """The `[privacy]` of umg.toml; copies correct a play within 2 days only."""
    lines = "\n".join(f"keep_{name}_days = {number}" for name, number in days.items())
    return f"correction_days = 2\n[privacy]\n{lines}\n"


def drop_days(lake: Lake) -> None:
    """A file of plays a day, each with a bad record; users and tracks with the first."""
    lake.drop_tracks(f"{FIRST}", [("t1", "One", "a1", "Ann", "Pop", 200_000)])
    lake.drop_users(f"{FIRST}", [("u1", "AT", "25-34", "")])
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(number)
        lake.drop_plays(f"{day}", [play(f"p-{day:%m-%d}-{at}", f"{day:%m-%d}T1{at}:00") for at in range(2)] + [BAD])


@contextmanager
def on(day: str) -> Iterator[None]:
    """While it is a day of 2026."""
    with pytest.MonkeyPatch.context() as clock:
        set_clock(clock, f"2026-{day}")
        yield


@pytest.fixture(scope="module")
def built(new_lake, patch: pytest.MonkeyPatch) -> Lake:
    """Eight days that landed on the last of them. Only copied."""
    lake = new_lake("retention")
    drop_days(lake)
    with on("03-08"):
        lake.configure(keeping())
        lake.run()
    return lake


@dataclass
class Old:
    """A copy of a lake, and what `umg expire` says of it on some day."""

    lake: Lake

    def expire(self) -> Outcome:
        return expire(self.lake.settings, self.lake.instance)

    def files(self) -> list[str]:
        """The names of the files of plays that are left."""
        return sorted(file.stem for file in (self.lake.home / "landing" / "plays").glob("*.csv"))


@pytest.fixture
def old(built: Lake, tmp_path: Path) -> Old:
    return Old(built.copied(tmp_path / "home"))


def went(outcome: Outcome) -> dict[str, tuple[str, str, int]]:
    """By what went: its first and last day (of March), and how much."""
    return {
        removed.what: (f"{min(removed.days):%m-%d}", f"{max(removed.days):%m-%d}", removed.number)
        for removed in outcome.removed
    }


# --- files and quarantine


def test_by_default_only_quarantined_records_go_and_these_after_90_days(old: Old):
    with on("06-06"):  # 90 days after the last
        before = old.lake.content()
        assert went(old.expire()) == {"quarantine": ("03-01", "03-07", 7)}
        assert [row["delivery_date"] for row in old.lake.rows("quarantine")] == [LAST]
        assert went(old.expire()) == {}
        assert old.lake.run().partitions.keys() <= {"top_artists_by_genre", "age_group_favourites", "exports"}
        assert len(old.files()) == 8
        after = old.lake.content()
        assert {name: after[name] for name in ("plays", "sessions", "top_tracks_by_country")} == {
            name: before[name] for name in ("plays", "sessions", "top_tracks_by_country")
        }
        assert len(old.lake.rows("raw_plays")) == 16
        assert sum(sum(entry.quarantined.values()) for entry in old.lake.history().delivered()) == 8
        assert reconcile(old.lake.settings)


def test_records_of_an_old_day_that_are_delivered_again_are_in_quarantine_again_until_they_are_removed_again(old: Old):
    with on("06-06"):
        old.expire()
        old.lake.drop_plays("2026-03-02", [play("p-03-02-0", "03-02T10:00"), BAD, BAD])
        old.lake.run()
        assert len([row for row in old.lake.rows("quarantine") if row["delivery_date"] == date(2026, 3, 2)]) == 2
        assert reconcile(old.lake.settings)
        assert went(old.expire()) == {"quarantine": ("03-02", "03-02", 2)}
        assert reconcile(old.lake.settings)


def test_files_go_once_they_have_landed_and_are_old_and_their_rows_stay(old: Old):
    with on("03-10"):
        old.lake.configure(keeping(landing=5))
        old.lake.drop_plays("2026-03-02", [play("p-03-02-9", "03-02T19:00"), BAD])  # changed, has not landed
        assert went(old.expire()) == {
            "landing_plays": ("03-01", "03-04", 3),
            "landing_users": ("03-01", "03-01", 1),
            "landing_tracks": ("03-01", "03-01", 1),
        }
        assert old.files() == ["2026-03-02", *(f"2026-03-{day:02}" for day in range(5, 9))]
        old.lake.run()
        assert reconcile(old.lake.settings)
        rows = old.lake.values("plays", "play_id")
        assert len(rows) == 15
        assert ("p-03-02-9",) in rows
        assert went(old.expire()) == {"landing_plays": ("03-02", "03-02", 1)}
        assert (old.lake.run().runs, old.lake.values("plays", "play_id")) == (0, rows)


def test_a_file_that_leaves_by_age_withdraws_nothing_from_a_folder_that_is_one_delivery(old: Old):
    whole = SOURCES.replace('files = "plays/*.csv*"', 'files = "plays/*.csv*"\nfolder_is_delivery = true')
    with on("03-10"):
        old.lake.configure(keeping(landing=5) + "[thresholds]\nshrunk_percent = 20\n", whole)
        old.lake.run()
        rows = old.lake.values("plays", "play_id")
        assert went(old.expire())["landing_plays"] == ("03-01", "03-04", 4)
        report = old.lake.run()
        assert (report.runs, report.scan.held, report.scan.waiting) == (0, [], {})
        assert old.lake.values("plays", "play_id") == rows
        (old.lake.home / "landing" / "plays" / "2026-03-08.csv").unlink()
        report = old.lake.run()
        assert [file.path for file, _ in report.scan.held] == ["plays"], "what leaves by hand still counts"


def test_a_process_that_dies_before_files_or_rows_go_is_followed_by_one_that_ends_in_the_same(
    old: Old, monkeypatch: pytest.MonkeyPatch
):
    def die(*_: object) -> None:
        raise RuntimeError("the power went")

    with on("06-06"):
        old.lake.configure(keeping(landing=90))
        for owner, step in ((Path, "unlink"), (Lakehouse, "write_slice")):
            with monkeypatch.context() as dying:
                dying.setattr(owner, step, die)
                with pytest.raises(RuntimeError, match="the power went"):
                    old.expire()
        assert went(old.expire()) == {"quarantine": ("03-01", "03-07", 7)}
        assert old.files() == ["2026-03-08"]
        assert len(old.lake.history().expired) == 9 + 7, "each day is noted once"
        old.lake.run()
        assert reconcile(old.lake.settings)


def test_nothing_goes_while_a_run_is_under_way_and_the_command_says_what_went(
    old: Old, capsys: pytest.CaptureFixture[str]
):
    with on("06-06"):
        run = old.lake.instance.create_run_for_job(weekly_job(old.lake))
        with pytest.raises(RunUnderWayError, match="of compact_tables is under way, and may read what this removes"):
            old.expire()
        old.lake.instance.delete_run(run.run_id)
        old.expire()
        old.expire()
        said = capsys.readouterr().out
    assert "quarantine: 7 rows of 7 delivery days, 2026-03-01 to 2026-03-07, went." in said
    assert "Nothing is older than umg.toml keeps it." in said


def test_the_weekly_job_removes_what_is_old_before_it_compacts(old: Old):
    with on("06-06"):
        assert weekly_job(old.lake).execute_in_process(instance=old.lake.instance).success
        assert [row["delivery_date"] for row in old.lake.rows("quarantine")] == [LAST]
        assert old.lake.history().expired


def weekly_job(lake: Lake) -> dg.JobDefinition:
    return build_definitions(lake.settings).resolve_job_def("compact_tables")


def test_raw_rows_are_not_kept_shorter_than_the_files_they_came_from(old: Old):
    for days in ({"raw": 30}, {"raw": 30, "landing": 31}):
        old.lake.configure(keeping(**days))
        with pytest.raises(SettingsError, match=r"keep_raw_days: expected keep_landing_days to be set, and 30 at most"):
            _ = old.lake.settings


# --- raw plays


KEPT = ("plays", "sessions", "daily_track_plays", "monthly_track_plays", "top_tracks_by_country", "chart_movements")


def charts(lake: Lake) -> dict[str, list[dict]]:
    return {name: lake.rows(name) for name in KEPT}


@pytest.fixture(scope="module")
def frozen(new_lake, built: Lake) -> Lake:
    """The lake of 15 March, after `umg expire` has removed raw rows of 1 to 4 March. Only copied."""
    lake = built.copied(new_lake("frozen").home.parent / "copy")
    with on("03-15"):
        lake.configure(keeping(landing=10, raw=10))
        lake.run()
        before = charts(lake)
        outcome = expire(lake.settings, lake.instance)
        assert went(outcome)["raw_plays"] == ("03-01", "03-04", 8)
        assert outcome.raw_stays == ""
        assert charts(lake) == before
    return lake


@pytest.fixture
def kept(frozen: Lake, tmp_path: Path) -> Iterator[Lake]:
    """A copy of it, on 15 March."""
    with on("03-15"):
        yield frozen.copied(tmp_path / "home")


def test_raw_plays_go_and_what_was_built_from_them_stays_and_is_reconciled_as_far_as_it_can_be(
    kept: Lake, capsys: pytest.CaptureFixture[str]
):
    assert {day for (day,) in kept.values("raw_plays", "delivery_date")} == {date(2026, 3, day) for day in range(5, 9)}
    assert (len(kept.rows("raw_users")), len(kept.rows("raw_tracks")), len(kept.rows("plays"))) == (1, 1, 16)
    versions = kept.versions()
    assert kept.run().runs == 0
    assert kept.versions() == versions
    assert reconcile(kept.settings)
    said = " ".join(capsys.readouterr().out.split())
    assert "Plays of 4 days, 2026-03-01 to 2026-03-04, cannot be counted again" in said
    assert went(expire(kept.settings, kept.instance)) == {}


@pytest.mark.parametrize("name", ["plays", "daily_track_plays", "monthly_track_plays", "top_tracks_by_country"])
def test_a_changed_row_of_what_can_be_counted_is_still_found_in_frozen_months_too(kept: Lake, name: str):
    row, difference = change_a_row(kept, name)
    compared = {each.table.name: each for each in recount(kept.settings, date(2026, 3, 15), kept=FROZEN)}
    assert [(each.name, each.description) for each in compared[name].first] == [(row, difference)]


def test_frozen_days_are_refused_by_a_range_and_by_a_materialization_before_anything_is_written(kept: Lake):
    versions = kept.versions()
    refusal = r"plays of 2026-03-03 to 2026-03-04 cannot be built again: 4 plays .*Choose days from 2026-03-05 on"
    with pytest.raises(FrozenDaysError, match=refusal):
        kept.run((date(2026, 3, 3), date(2026, 3, 6)))
    with pytest.raises(FrozenDaysError, match=refusal):
        run_job(kept, "build_days", "2026-03-03", "2026-03-06", "plays")
    assert kept.versions() == versions
    before = charts(kept)
    kept.run((date(2026, 3, 5), date(2026, 3, 6)))
    run_job(kept, "sum_months", "2026-03-01")
    assert charts(kept) == before
    assert reconcile(kept.settings)


def test_a_first_day_that_would_empty_frozen_days_is_refused_and_their_plays_stay(kept: Lake):
    before = kept.rows("plays")
    kept.configure(keeping(landing=10, raw=10), first_day="2026-03-04")
    with pytest.raises(RunFailedError, match=r"leaves out plays of 2026-03-01 to 2026-03-03, .*2026-03-01 or earlier"):
        kept.run()
    assert kept.rows("plays") == before


def test_what_comes_late_for_a_frozen_day_is_in_raw_and_changes_no_table_and_the_run_says_so(kept: Lake):
    before = kept.rows("plays")
    kept.drop_plays("2026-03-14", [play("late", "03-02"), play("in time", "03-06")])
    kept.drop_users("2026-03-14", [("u1", "DE", "25-34", "")])
    kept.drop_tracks("2026-03-14", [("t1", "One", "a1", "Ann", "Pop", 300_000)])
    report = kept.run()
    assert report.untouched_days == list(FROZEN)
    assert report.partitions["plays"] == [f"2026-03-{day:02}" for day in (5, 6, 7, 8)]
    after = {row["play_id"]: row for row in kept.rows("plays")}
    assert after.keys() - {row["play_id"] for row in before} == {"in time"}
    assert ("late",) in kept.values("raw_plays", "play_id")
    assert {row["play_id"]: row for row in before if row["play_date"] in FROZEN}.items() <= after.items()
    assert kept.run().runs == 0
    assert reconcile(kept.settings)


def test_tables_are_not_behind_because_of_what_came_for_a_frozen_day(kept: Lake, monkeypatch: pytest.MonkeyPatch):
    kept.drop_plays("2026-03-14", [play("late", "03-02")])
    kept.run()
    monkeypatch.setattr("umg_assets.recount.coverage._last_write", lambda *_: datetime(2026, 3, 15, 11, tzinfo=UTC))
    assert coverage(kept.settings, kept.history()).behind == ()
    kept.drop_plays("2026-03-15", [play("in time", "03-06")])
    kept.run()
    assert coverage(kept.settings, kept.history()).behind == ("plays/2026-03-15.csv",)


def test_files_that_are_put_back_land_again_once_they_are_kept_long_enough_and_unfreeze_their_days(
    kept: Lake, built: Lake
):
    before = charts(kept)
    back = [built.home / "landing" / "plays" / f"2026-03-{day:02}.csv" for day in (1, 2, 3, 4)]
    for file in back:
        kept.drop(f"plays/{file.name}", file.read_text())
    assert kept.run().runs == 0
    kept.configure(keeping(landing=30, raw=30))
    kept.run()
    assert kept.values("raw_plays", "play_id", "generation") == built.values("raw_plays", "play_id", "generation")
    kept.run((FIRST, LAST))
    assert charts(kept) == before
    assert reconcile(kept.settings)


def test_raw_plays_stay_while_tables_are_not_up_to_date_or_days_of_them_may_be_corrected(old: Old):
    with on("03-10"):
        old.lake.configure(keeping(landing=1, raw=1).replace("correction_days = 2", "correction_days = 5"))
        old.lake.drop_plays("2026-03-10", [play("new", "03-09")])
        waits = "9 new or changed files wait in landing/: `umg run` first"  # eight of them by correction_days
        assert old.expire().raw_stays == waits
        old.lake.run()
        outcome = old.expire()
        assert went(outcome)["raw_plays"] == ("03-01", "03-05", 10)
        assert outcome.raw_stays == (
            "deliveries of 2026-03-06 hold plays or events of 2026-03-06, which may still be corrected"
        )
        assert reconcile(old.lake.settings)


def test_a_process_that_dies_between_the_note_and_the_raw_rows_is_followed_by_one_that_ends_in_the_same(
    old: Old, frozen: Lake, monkeypatch: pytest.MonkeyPatch
):
    def die(*_: object) -> None:
        raise RuntimeError("the power went")

    with on("03-15"):
        old.lake.configure(keeping(landing=10, raw=10))
        old.lake.run()
        with monkeypatch.context() as dying:
            dying.setattr(Lakehouse, "write_slice", die)
            with pytest.raises(RuntimeError, match="the power went"):
                old.expire()
        with pytest.raises(FrozenDaysError):
            old.lake.run((FIRST, LAST))
        assert went(old.expire())["raw_plays"] == ("03-01", "03-04", 8)
        assert charts(old.lake) == charts(frozen)
        assert reconcile(old.lake.settings)
