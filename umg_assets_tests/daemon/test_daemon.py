"""Under a real daemon: whatever happens to files, processes and Dagster, the tables end as a fresh build makes them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterRun, DagsterRunStatus

from umg_assets.calendar import utc_today
from umg_assets.cli import serving
from umg_assets.planning.partition_spans import from_text
from umg_assets.resources.instance import open_instance
from umg_assets.resources.partition_keys import PARTITIONS
from umg_assets_tests.daemon import Daemon, assert_same_as_fresh, awaited, environment, free_port
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE, kill_session, of_group, of_session, run_python

pytestmark = [pytest.mark.sail_enough]

SETTINGS = "[automation]\nsensor_seconds = 1\nquiet_seconds = 3\n[thresholds]\nshrunk_percent = 20\n"
USERS = [("u1", "AT", "", "2000-05-05"), ("u2", "DE", "", "1990-05-05")]
TRACKS = [("t1", "One", "a1", "Ann", "Pop", 200_000), ("t2", "Two", "a2", "Bob", "Rock", 200_000)]


def play(name: str, day: str, track: str = "t1", user: str = "u1", hour: int = 12) -> tuple:
    """A play of 190 s at an hour of a day of 2026 (month-day)."""
    return (name, user, "", track, f"2026-{day}T{hour:02d}:00:00Z", 190_000)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, Daemon]]:
    """A lake of a few days of February and March, run by a daemon from its first file on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("UMG_ENGINE", "sail")
        lake = Lake(tmp_path_factory.mktemp("watched") / "home")
        lake.configure(SETTINGS)
        daemon = Daemon(lake, "umg_assets_tests.dying")
        daemon.start()
        try:
            lake.drop_users("2026-02-20", USERS)
            lake.drop_tracks("2026-02-20", TRACKS)
            for day in ("02-20", "02-21", "03-01", "03-02"):
                lake.drop_plays(f"2026-{day}", [play(f"{day}-{n}", day, hour=8 + n) for n in range(4)])
            daemon.settle()
            yield lake, daemon
        finally:
            daemon.kill()


def test_new_files_land_in_one_run_a_range_and_runs_say_who_requested_them_and_why(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    landing = [run for run in daemon.runs() if run.job_name == "land_files"]
    asked_by = {run.tags["umg/asked_by"] for run in daemon.runs()}
    assert asked_by - {"catch_up"} == {"landing_sensor", "ledger_sensor"}
    assert any(
        "landing 2026-03-01 to 2026-03-02 changed: 2026-03-01.csv, 2026-03-02.csv" in run.tags["umg/why"]
        for run in landing
    )
    assert all("dagster/asset_partition_range_start" in run.tags for run in landing)
    assert_same_as_fresh(lake)


def test_sensors_request_nothing_when_nothing_has_changed(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    before, versions = len(daemon.runs()), lake.versions()
    ticks = len(daemon.skips("ledger_sensor"))
    daemon.wait_for(lambda: len(daemon.skips("ledger_sensor")) >= min(ticks + 2, 20), "two more ticks")
    assert (len(daemon.runs()), lake.versions()) == (before, versions)
    assert daemon.skips("landing_sensor")[0] == "no file is new or changed"


def built_by(runs: Sequence[DagsterRun]) -> dict[str, list[str]]:
    """By asset, the partitions that runs name."""
    named = (from_text(run.tags.get(PARTITIONS, "")) for run in runs)
    return {asset: keys for of_run in named for asset, keys in of_run.items()}


@pytest.mark.exhaustive
def test_a_file_delivered_again_under_its_name_lands_again(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    lake.drop_plays("2026-03-02", [play(f"03-02-{n}", "03-02", track="t2", hour=9 + n) for n in range(4)])
    daemon.settle()
    assert {track for day, track in lake.values("plays", "play_date", "track_id") if day == date(2026, 3, 2)} == {"t2"}
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_a_late_file_for_a_closed_month_rebuilds_what_it_affects_and_nothing_else(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    before = len(daemon.runs())
    lake.drop_plays("2026-03-03", [play("late", "02-20", track="t2", hour=14)])
    daemon.settle()
    built = built_by(daemon.runs()[before:])
    assert built["plays"] == ["2026-02-20"]
    assert built["sessions"] == ["2026-02-20", "2026-02-21"]
    assert built["monthly_track_plays"] == ["2026-02-01"]
    assert built["top_artists_by_genre"] == ["2026-02-20", "2026-02-21", "2026-02-22", "2026-02-23"]
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_late_plays_of_many_scattered_days_are_built_in_one_process(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    before = len(daemon.runs())
    late = ["02-20", "02-23", "02-26", "03-07"]
    lake.drop_plays("2026-03-08", [play(f"scattered-{day}", day, track="t2", hour=15) for day in late])
    daemon.settle()
    runs = daemon.runs()[before:]
    asked_by = {run.job_name: run.tags["umg/asked_by"] for run in runs}
    assert asked_by.pop("land_files") == "landing_sensor"
    assert asked_by.pop("catch_up") == "ledger_sensor"
    assert asked_by.pop("build_days") == asked_by.pop("sum_months") == asked_by.pop("publish") == "catch_up"
    assert built_by(runs)["plays"] == [f"2026-{day}" for day in late]
    assert sum(run.job_name == "build_days" for run in runs) == 1
    why = next(run.tags["umg/why"] for run in runs if run.job_name == "catch_up")
    assert re.match(r"landing (\S+ to )?2026-03-08 touched them: ", why), why
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_a_file_that_shrinks_is_held_until_it_is_accepted_and_a_check_is_red(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    before, content = (lake.home / "landing/plays/2026-03-01.csv").read_text(), lake.content()
    lake.drop("plays/2026-03-01.csv", "\n".join(before.splitlines()[:2]) + "\n")
    daemon.wait_for(lambda: "is held" in daemon.skips("landing_sensor")[0], "the file is held")
    assert "`umg accept plays/2026-03-01.csv` lets it land" in daemon.skips("landing_sensor")[0]
    assert not shrunk_check_is_green(lake)
    assert lake.content() == content
    lake.drop("plays/2026-03-02.csv", "")
    daemon.wait_for(lambda: "plays/2026-03-02.csv is held" in daemon.skips("landing_sensor")[0], "an empty one, too")
    lake.drop_plays("2026-03-02", [play(f"03-02-{n}", "03-02", track="t2", hour=9 + n) for n in range(4)])
    acceptance = umg(lake, "accept", "plays/2026-03-01.csv")
    assert "Accepted" in acceptance.stdout
    daemon.settle()
    daemon.wait_for(lambda: shrunk_check_is_green(lake), "the check is green again")
    assert len([day for (day,) in lake.values("plays", "play_date") if day == date(2026, 3, 1)]) == 1
    refusal = umg(lake, "accept", "plays/2026-03-01.csv")
    assert refusal.returncode == 1
    assert "not held" in refusal.stderr
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_a_file_still_being_written_is_left_until_it_is_quiet(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    rows = [play(f"slow-{n}", "03-04", hour=n) for n in range(20)]
    lines = lake.drop_plays("2026-03-04", rows).read_text().splitlines(keepends=True)
    file = lake.home / "landing/plays/2026-03-04.csv"
    file.write_text("")

    def write_slowly() -> None:
        with file.open("a") as growing:
            for line in lines:
                growing.write(line)
                growing.flush()
                time.sleep(0.7)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    daemon.wait_for(lambda: "still be being written" in daemon.skips("landing_sensor")[0], "it waits")
    writer.join()
    daemon.settle()
    landed = [entry for entry in lake.history().entries if entry.path == "plays/2026-03-04.csv"]
    assert {entry.records for entry in landed} == {20}
    assert_same_as_fresh(lake)


def test_a_missing_landing_and_a_file_of_the_future_are_reported_and_fail_no_tick(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    landing, content = lake.home / "landing", lake.content()
    landing.rename(lake.home / "away")
    daemon.wait_for(lambda: "cannot be looked at" in daemon.skips("landing_sensor")[0], "it says that landing/ is gone")
    (lake.home / "away").rename(landing)
    future = (utc_today() + timedelta(days=400)).isoformat()
    lake.drop_plays(future, [play("future", "03-01")])
    daemon.wait_for(lambda: "still to come" in daemon.skips("landing_sensor")[0], "it says that the file waits")
    assert lake.content() == content
    assert daemon.failed_ticks() == []
    (landing / f"plays/{future}.csv").unlink()
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
@pytest.mark.parametrize("table", ["raw_plays", "plays"])
def test_after_a_process_is_killed_between_a_commit_and_its_event_the_table_is_built_again(
    watched: tuple[Lake, Daemon], table: str
):
    lake, daemon = watched
    (lake.home / f"die_after_{table}").touch()
    before = len(daemon.runs())
    lake.drop_plays(f"2026-03-05-{table}", [play(f"killed-{table}-{n}", "02-21", track="t2", hour=n) for n in range(3)])
    daemon.wait_for(
        lambda: any(run.status is DagsterRunStatus.FAILURE for run in daemon.runs()[before:]), "the run has crashed"
    )
    daemon.settle()
    assert any(
        "dagster/retry_number" in run.tags or "dagster/parent_run_id" in run.tags for run in daemon.runs()[before:]
    )
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_a_machine_that_loses_its_power_in_a_run_catches_up_when_it_is_back(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    (lake.home / "stop_before_daily_track_plays").touch()
    lake.drop_plays("2026-03-06", [play(f"power-{n}", "03-02", track="t1", hour=n) for n in range(3)])
    daemon.wait_for(
        lambda: [
            run
            for run in daemon.runs()
            if run.status is DagsterRunStatus.STARTED and AssetKey("daily_track_plays") in (run.asset_selection or ())
        ],
        "the run is under way",
    )
    time.sleep(2)
    daemon.kill()
    (lake.home / "stop_before_daily_track_plays").unlink()
    assert [run for run in daemon.runs() if run.status is DagsterRunStatus.STARTED], "Dagster does not know yet"
    daemon.start()
    daemon.settle()
    assert not [run for run in daemon.runs() if not run.is_finished]
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_after_the_process_with_the_code_has_died_files_land_as_before(watched: tuple[Lake, Daemon]):
    lake, daemon = watched
    os.kill(daemon.code(), signal.SIGKILL)
    lake.drop_plays("2026-03-07", [play("after-the-code-died", "03-02", track="t2", hour=20)])
    daemon.wait_for(lambda: "plays/2026-03-07.csv" in str(lake.history().latest().keys()), "the file has landed")
    daemon.settle()
    assert_same_as_fresh(lake)


@pytest.mark.exhaustive
def test_servers_start_though_the_process_with_the_code_dies_while_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lake, await_code, killed = Lake(tmp_path / "home"), serving._await_code, list[int]()

    def killing(socket: Path, server: subprocess.Popen) -> None:
        killed.extend(awaited(lambda: of_group(server.pid, "dagster api grpc")))
        os.kill(killed[0], signal.SIGKILL)
        await_code(socket, server)

    monkeypatch.setattr(serving, "_await_code", killing)
    with serving.processes(lake.home, None, env=environment(lake.home)) as started:
        try:
            alive = of_group(started[0].pid, "dagster api grpc")
        finally:
            serving.end_all(started)
    assert alive
    assert alive != killed


@pytest.mark.exhaustive
def test_a_thousand_days_at_once_are_a_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("UMG_ENGINE", "sail")
    lake = Lake(tmp_path / "home")
    lake.configure(SETTINGS, first_day="2024-01-01")
    days = [date(2024, 1, 1) + timedelta(days=offset) for offset in range(1000)]
    for day in days:
        lake.drop_plays(day.isoformat(), [(f"p{day}", "u1", "", "t1", f"{day}T12:00:00Z", 190_000)])
    daemon = Daemon(lake)
    daemon.start()
    try:
        daemon.settle()
        runs = [run.job_name for run in daemon.runs()]
        assert runs.count("land_files") == 1
        assert len(runs) <= 8, runs
        assert sorted(day for (day,) in lake.values("plays", "play_date")) == days
        assert_same_as_fresh(lake)
    finally:
        daemon.kill()


def shrunk_check_is_green(lake: Lake) -> bool:
    """Whether no_file_has_shrunk on landing_plays passed when it was last executed."""
    from dagster import AssetCheckKey, AssetKey

    key = AssetCheckKey(AssetKey("landing_plays"), "no_file_has_shrunk")
    with open_instance(lake.home) as instance:
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    return record is not None and record.status.value == "SUCCEEDED"


def umg(lake: Lake, *arguments: str):
    """The command line over a lake."""
    code = "import sys; from umg_assets.cli.main import main; sys.argv = ['umg', *sys.argv[1:]]; main()"
    return run_python(code, *arguments, env={"UMG_HOME": str(lake.home), "UMG_ENGINE": "sail"})


def test_umg_dev_in_a_shells_background_ends_with_all_its_servers_on_sigterm(tmp_path: Path):
    port = free_port()
    umg_dev = subprocess.Popen(
        [sys.executable, "-m", "umg_assets", "--home", str(tmp_path / "home"), "dev", *_ports(port)],
        env=environment(tmp_path / "home"),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as sh does for `umg dev &`
    )
    try:
        assert awaited(lambda: _answers(port))
        umg_dev.terminate()
        umg_dev.wait(PATIENCE)
        assert awaited(lambda: not of_session(umg_dev.pid)), "daemon, webserver and code server are gone"
    finally:
        kill_session(umg_dev.pid)


def _ports(port: int) -> list[str]:
    return ["--port", str(port), "--dashboard-port", str(free_port())]


def _answers(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=30).status == 200
    except OSError:
        return False
