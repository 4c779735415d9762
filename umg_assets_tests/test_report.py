"""That `umg run` would find nothing is told without Dagster, and only while it is so."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from umg_assets import clock
from umg_assets.build import build_definitions
from umg_assets.cli.run import runner_of
from umg_assets.report import nothing_new
from umg_assets.resources.instance import open_instance
from umg_assets.resources.status import note
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

Play = tuple[str, str, str, str, str, int, str]


def play(day: str, name: str) -> Play:
    return (name, "u1", "s1", "t1", f"{day}T10:00:00Z", 190_000, "AT")


@pytest.fixture(scope="module")
def lake(new_lake: NewLake) -> Lake:
    """A lake on Dagster's own instance, whose last run found nothing stale. Each test leaves it so."""
    lake = new_lake("report")
    lake.drop_plays("2026-03-02", [play("2026-03-02", "p1")])
    settle(lake)
    return lake


def settle(lake: Lake) -> None:
    """Runs until a run finds nothing, which leaves word of it."""
    while runner_of(lake.settings).bring_up_to_date().runs:
        pass
    assert nothing_new(lake.settings)


def test_before_a_run_found_nothing_a_run_has_to_look(new_lake: NewLake):
    lake = new_lake("report_new")
    assert nothing_new(lake.settings) is None
    lake.drop_plays("2026-03-02", [play("2026-03-02", "p1")])
    assert runner_of(lake.settings).bring_up_to_date().runs
    assert nothing_new(lake.settings) is None, "the run built something: whether that is all was not looked at"


def test_the_report_is_that_of_a_run_that_looks(lake: Lake):
    told, looked = nothing_new(lake.settings), runner_of(lake.settings).bring_up_to_date()
    assert told
    assert (told.runs, told.partitions, told.refused, told.waiting_days, told.untouched_days) == (0, {}, [], [], [])
    assert (told.failed_checks, told.since) == (looked.failed_checks, looked.since)
    assert [entry.sequence for entry in told.history.entries] == [entry.sequence for entry in looked.history.entries]


def drop_a_file(lake: Lake) -> None:
    lake.drop_plays("2026-03-03", [play("2026-03-02", "p2")])


def land_by_another_process(lake: Lake) -> None:
    """Another process lands: the ledger grows, landing/ has nothing new."""
    lake.drop_plays("2026-03-04", [play("2026-03-02", "p3")])
    with open_instance(lake.home) as instance:
        job = build_definitions(lake.settings).resolve_job_def("land_files")
        assert job.execute_in_process(instance=instance, tags={"dagster/partition": "2026-03-04"}).success


def change_a_setting(lake: Lake) -> None:
    lake.configure("correction_days = 20")


def wipe_an_asset(lake: Lake) -> None:
    with open_instance(lake.home) as instance:
        instance.wipe_assets([dg.AssetKey("sessions")])


def report_a_materialization(lake: Lake) -> None:
    """Somebody builds a day anew in Dagster's UI, from nobody knows what."""
    with open_instance(lake.home) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("plays", partition="2026-03-02"))


@pytest.mark.parametrize(
    "change",
    [drop_a_file, land_by_another_process, change_a_setting, wipe_an_asset, report_a_materialization],
)
def test_whatever_may_make_something_stale_makes_a_run_look(lake: Lake, change: Callable[[Lake], None]):
    change(lake)
    assert nothing_new(lake.settings) is None
    settle(lake)


def test_a_run_that_would_find_nothing_tells_what_is_wrong(lake: Lake, tmp_path: Path):
    taken = tmp_path / "taken"
    program = [sys.executable, "-c", f"import sys; open({str(taken)!r}, 'a').write(sys.stdin.read())"]
    lake.configure(f"[alerts]\ncommand = {json.dumps(program)}\n")
    settle(lake)
    note(lake.home, failed_landings=1)
    assert nothing_new(lake.settings)
    assert '"failed_landings"' in taken.read_text()
    lake.configure()
    settle(lake)


def test_another_day_makes_a_run_look(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    assert nothing_new(lake.settings)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert nothing_new(lake.settings) is None


def test_a_lost_or_broken_event_log_makes_a_run_look(lake: Lake):
    index = lake.home / "dagster" / "history" / "runs" / "index.db"
    whole = index.read_bytes()
    index.write_bytes(b"no database")
    assert nothing_new(lake.settings) is None
    index.write_bytes(whole)
    assert nothing_new(lake.settings)
