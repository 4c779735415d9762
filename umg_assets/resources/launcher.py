"""Launches runs as Dagster's default launcher does, and can tell that a run's process is gone, or make it go.

Dagster 1.13's DefaultRunLauncher knows only the code server. So a run whose machine lost its power would count as
running for ever and hold its tables' pools; and a run that is stuck in native code, where Python sees no signal, would
go on writing after Dagster has canceled it and freed its pools. Run monitoring asks this launcher for both.
"""

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from umg_assets.resources.dagster_internals import (
    GRPC_INFO_TAG,
    CheckRunHealthResult,
    DagsterUserCodeUnreachableError,
    DefaultRunLauncher,
    WorkerStatus,
)

HOST_TAG = "umg/host"
"""Names the machine on which `umg run` executes a run; a launched run executes where its code server's socket is."""

GRACE_SECONDS = 10
"""How long an interrupted run may take to end before its process is killed."""


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher, with an eye on the processes of this machine's runs. Of runs elsewhere it knows nothing."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: by the run's process."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED when the run's process is gone; else RUNNING, also for a run on another machine."""
        if process_is_gone(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "The run's process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def terminate(self, run_id: str) -> bool:
        """Interrupts an unfinished run, and kills its process if that has not ended GRACE_SECONDS later.

        Returns whether the process has ended; of a run on another machine, whether it was interrupted. Killing is
        safe: a table's commit is atomic, and what the run did not finish is still stale.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        process = _process_of(self._instance, run)
        interrupted = False
        with contextlib.suppress(DagsterUserCodeUnreachableError):
            interrupted = super().terminate(run_id)
        if process is None:
            return interrupted
        if not interrupted:
            process.send(signal.SIGINT)
        if not process.ends_within(GRACE_SECONDS):
            self._instance.report_engine_event(
                f"The run did not end {GRACE_SECONDS} s after it was interrupted: killing its process {process.pid}",
                run,
            )
            process.send(signal.SIGKILL)
        return process.ends_within(GRACE_SECONDS)


def process_is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the run executed in a process of this machine that is no longer there."""
    process = _process_of(instance, run)
    return process is not None and not process.is_running()


@dataclass(frozen=True)
class _Process:
    """A process of this machine, by its number and a time at which it had it (seconds since 1970)."""

    pid: int
    seen_at: float

    def is_running(self) -> bool:
        """Whether it still runs: neither gone, nor a zombie, nor succeeded by a process with the same number."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        status = Path(f"/proc/{self.pid}/stat")
        try:
            state, *fields = status.read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return not Path("/proc/stat").exists()  # without /proc, all that is known is that the number is in use
        booted = next(
            int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
        )
        began = booted + int(fields[18]) / os.sysconf("SC_CLK_TCK")
        return state != "Z" and began <= self.seen_at + 2  # btime is in whole seconds

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, unless the process has ended."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Waits for the process to end; whether it did."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> _Process | None:
    """The last process that the run reported; None if it reported none, or executes on another machine."""
    # a run of `umg run` that was executed again in the UI has both tags
    launched = run.tags.get(GRPC_INFO_TAG)
    if not ('"socket"' in launched if launched else run.tags.get(HOST_TAG) == socket.gethostname()):
        return None
    processes = [
        _Process(int(str(event.get_dagster_event().engine_event_data.metadata["pid"].value)), event.timestamp)
        for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        if "pid" in event.get_dagster_event().engine_event_data.metadata
    ]
    return processes[-1] if processes else None
