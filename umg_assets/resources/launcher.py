"""Runs and their processes: Dagster's default launcher, told when the process of a run is gone.

Dagster 1.13's DefaultRunLauncher cannot tell, so a run whose machine was switched off would be under way for ever, and
hold its tables' pools. Run monitoring asks this launcher, fails such a run, and run retries start it again.
"""

import os
import socket
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import GRPC_INFO_TAG

HOST_TAG = "umg/host"
"""On which machine a run of `umg run` takes place; a launched run takes place where its code server's socket lies."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches as the default launcher does; a run is healthy while a process that it has reported is there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does: by the run's process."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Running, or failed when the run's process is gone; of a run elsewhere nothing is known: running."""
        if process_is_gone(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "The run's process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def process_is_gone(instance: dg.DagsterInstance, run: DagsterRun) -> bool:
    """Whether the last process that the run reported was one of this machine and is there no longer."""
    here = '"socket"' in run.tags.get(GRPC_INFO_TAG, "") or run.tags.get(HOST_TAG) == socket.gethostname()
    if not here:
        return False
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    reported = [
        (int(str(event.get_dagster_event().engine_event_data.metadata["pid"].value)), event.timestamp)
        for event in events
        if "pid" in event.get_dagster_event().engine_event_data.metadata
    ]
    return bool(reported) and not _was_there(*reported[-1])


def _was_there(pid: int, at: float) -> bool:
    """Whether the process that had a number at a time (seconds since 1970) is still running, and is not another one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return True  # no /proc here: the number is in use
    state, *fields = status.read_text().rpartition(")")[2].split()
    booted = next(
        int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
    )
    began = booted + int(fields[18]) / os.sysconf("SC_CLK_TCK")
    return state != "Z" and began <= at + 2  # btime is in whole seconds
