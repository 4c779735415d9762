"""The log of `umg dev`: what happens, once; and servers that no file of the current folder gets in the way of."""

import os
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from umg_assets.cli.log import Log, logged
from umg_assets.cli.serving import _why
from umg_assets.resources import python_module
from umg_assets.resources.instance import open_instance, tags_of

RUN = "f411d174-2040-415e-9d50-5adcf26ee92c"
SENSOR = "\x1b[32m2026-11-29 18:00:22 +0000\x1b[0m - dagster.daemon.SensorDaemon - \x1b[34mINFO\x1b[0m -"
STEP = f"land_files - {RUN} - 2909 - land -"
PRINTED = f"""\
{SENSOR} Checking for new runs for sensor: landing_sensor
{SENSOR} Sensor landing_sensor skipped: no file is new or changed
{SENSOR} Sensor landing_sensor skipped: a.csv waits: changed 2 s ago
{SENSOR} Sensor landing_sensor skipped: a.csv waits: changed 3 s ago
{SENSOR.replace("SensorDaemon", "QueuedRunCoordinatorDaemon")} Launched 1 runs.
2026-11-29 18:00:36 +0000 - dagster - DEBUG - land_files - {RUN} - 2909 - RUN_START - Started execution of run.
2026-11-29 18:00:36 +0000 - dagster - DEBUG - {STEP} STEP_START - Started execution of step "land".
2026-11-29 18:00:37 +0000 - dagster - INFO - land_files - {RUN} - land - 1 of 1 [bold] files landed
2026-11-29 18:00:37 +0000 - dagster - ERROR - {STEP} STEP_FAILURE - Execution of step "land" failed.
Traceback: what it says
2026-11-29 18:00:37 +0000 - dagster - DEBUG - land_files - {RUN} - 2909 - RUN_SUCCESS - Finished execution of run.
"""


def test_what_sensors_see_in_vain_and_steps_of_runs_are_left_out_and_nothing_is_coloured():
    log = Log(lambda run: f" for {run[:4]}")
    assert [line for printed in PRINTED.splitlines() if (line := log.line(printed)) is not None] == [
        "2026-11-29 18:00:22 +0000 - dagster.daemon.SensorDaemon - INFO - Sensor landing_sensor skipped: a.csv waits: "
        "changed 2 s ago",
        "2026-11-29 18:00:36 land_files started for f411",
        f"2026-11-29 18:00:37 +0000 - dagster - INFO - land_files - {RUN} - land - 1 of 1 [bold] files landed",
        f'2026-11-29 18:00:37 +0000 - dagster - ERROR - {STEP} STEP_FAILURE - Execution of step "land" failed.',
        "Traceback: what it says",
        "2026-11-29 18:00:37 land_files succeeded",
    ]


def test_what_processes_print_goes_through_the_log(tmp_path: Path):
    file = tmp_path / "log"
    with file.open("w") as stream, redirect_stdout(stream), logged(Log()) as printed:
        subprocess.run(["cat", "-"], input=PRINTED.encode(), stdout=printed, check=True)
    lines = file.read_text().splitlines()
    assert len(lines) == 6
    assert lines[1] == "2026-11-29 18:00:36 land_files started"


def test_a_run_is_named_with_its_partitions_who_asked_for_it_and_why(tmp_path: Path):
    tags = tags_of(("2026-03-01", "2026-03-02"), "landing_sensor", "landing changed: a.csv")
    with open_instance(tmp_path) as instance:
        run = instance.create_run_for_job(_job(), tags=tags)
    assert (
        _why(tmp_path, run.run_id) == " 2026-03-01 to 2026-03-02, asked for by landing_sensor: landing changed: a.csv"
    )
    assert _why(tmp_path, RUN) == ""


def _job():
    import dagster as dg

    @dg.job
    def nothing() -> None:
        pass

    return nothing


def test_a_file_of_the_current_folder_is_not_imported_for_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("gql", "click", "yaml", "grpc"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    installed = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env = python_module.environment(installed)
    for module in ("dagster", "dagster_webserver"):
        command = [*python_module.command(module), "--version"]
        for variables in (env, installed):
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    assert env["PYTHONSAFEPATH"] == "1", "and so for what they start in turn"
