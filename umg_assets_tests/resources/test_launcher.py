"""The launcher ends the process of a run, whether or not that listens, and can tell when it is gone."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from umg_assets import clock
from umg_assets.resources import launcher
from umg_assets.resources.dagster_internals import EngineEventData
from umg_assets.resources.instance import end_dead_runs, here, open_instance
from umg_assets.resources.launcher import HOST_TAG, process_is_gone

# started from a job in the background, this process may have inherited an ignored SIGINT
OBEDIENT = (
    "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "print('ready', flush=True); time.sleep(600)"
)
DEAF = OBEDIENT.replace("default_int_handler", "SIG_IGN")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance as deployment/dagster.yaml defines it."""
    with open_instance(tmp_path_factory.mktemp("launcher")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def one_second_of_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits longer for a process to end by itself."""
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 1)


def start(instance: dg.DagsterInstance, code: str, tags: dict[str, str]) -> tuple[dg.DagsterRun, subprocess.Popen]:
    """A run under way, and the process in which it says that it executes."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    run = instance.create_run_for_job(build_nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event(
        "Executing steps in process", run, EngineEventData({"pid": dg.MetadataValue.text(str(process.pid))})
    )
    return run, process


@dg.job
def build_nothing() -> None:
    """A job whose runs execute elsewhere."""


def messages(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run's engine events say."""
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return "\n".join(event.get_dagster_event().message or "" for event in events)


def test_a_run_that_listens_ends_by_itself_when_it_is_interrupted(instance: dg.DagsterInstance):
    run, process = start(instance, OBEDIENT, here())
    assert not process_is_gone(instance, run)
    assert instance.run_launcher.terminate(run.run_id)
    assert process.wait(10) == -signal.SIGINT
    assert process_is_gone(instance, run)
    assert "killing its process" not in messages(instance, run)


def test_a_run_that_does_not_listen_is_killed(instance: dg.DagsterInstance):
    run, process = start(instance, DEAF, here())
    assert instance.run_launcher.terminate(run.run_id)
    assert process.wait(10) == -signal.SIGKILL
    assert f"killing its process {process.pid}" in messages(instance, run)


def test_a_run_on_another_machine_is_left_alone_and_not_taken_for_crashed(instance: dg.DagsterInstance):
    run, process = start(instance, OBEDIENT, {HOST_TAG: f"not {socket.gethostname()}"})
    assert not instance.run_launcher.terminate(run.run_id)
    assert process.poll() is None
    process.kill()
    process.wait()
    assert not process_is_gone(instance, run)
    assert run.run_id not in end_dead_runs(instance)


def test_a_finished_run_is_not_terminated_though_its_process_lives(instance: dg.DagsterInstance):
    run, process = start(instance, OBEDIENT, here())
    instance.report_run_failed(run)
    assert not instance.run_launcher.terminate(run.run_id)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_crashed_run_is_failed_when_it_is_looked_for(instance: dg.DagsterInstance):
    run, process = start(instance, OBEDIENT, here())
    assert run.run_id not in end_dead_runs(instance)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie, which counts as gone
    assert instance.run_launcher.check_run_worker_health(run).status.value == "FAILED"
    assert run.run_id in end_dead_runs(instance)
    process.wait()
    failed = instance.get_run_by_id(run.run_id)
    assert failed
    assert failed.status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster-postgres.yaml"])
def test_both_deployments_end_a_run_that_hangs(name: str):
    settings = yaml.safe_load((Path(launcher.__file__).parents[1] / "deployment" / name).read_text())
    assert settings["run_monitoring"]["enabled"]
    assert settings["run_monitoring"]["max_runtime_seconds"] == 12 * 60 * 60
    assert settings["run_launcher"]["class"] == "WatchedRunLauncher"


def test_a_run_that_holds_a_pool_a_minute_after_it_ended_loses_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    storage = instance.event_log_storage
    storage.set_concurrency_slots("raw", 1)
    run, process = start(instance, OBEDIENT, here())
    assert storage.claim_concurrency_slot("raw", run.run_id, "land").is_claimed
    end_dead_runs(instance)
    assert storage.get_concurrency_run_ids() == {run.run_id}, "it is at work"
    instance.report_run_failed(run)
    end_dead_runs(instance)
    assert storage.get_concurrency_run_ids() == {run.run_id}, "it may be about to free it"
    monkeypatch.setattr(clock, "seconds_since", lambda noted: time.time() + 61 - noted)
    end_dead_runs(instance)
    assert storage.get_concurrency_run_ids() == set()
    process.kill()
    process.wait()
