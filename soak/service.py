"""`umg dev` as a service manager keeps it: started again whenever it has ended."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from soak.journal import Journal
from soak.processes import CODE, SHORT_LIVED, Process, processes
from umg_assets_tests.daemon import asked, environment, free_port

_TO_END = 120
"""Seconds that `umg dev` has to end after one of its servers was killed, or after a signal: Dagster's take up to 30."""


class Service:
    """The service over a home; its log is one file. Everything it starts is found by `processes`."""

    def __init__(self, home: Path, log: Path, journal: Journal) -> None:
        self.port, self.dashboard_port, self.log = free_port(), free_port(), log
        self._home, self._journal = home, journal
        self._lock, self._wanted = threading.Lock(), True
        self._killed: Process | None = None
        self._killed_at = 0.0
        self._umg_dev = self._started()

    def keep_up(self) -> None:
        """Starts it again if it has ended. It has to end when a server was killed, and to load the code again when the
        process that had it was: else that is a fault, and all of it is killed."""
        with self._lock:
            if not self._wanted:
                return
            if self._umg_dev.poll() is not None:
                self._journal.note("started", "umg dev", f"again after its exit code {self._umg_dev.returncode}")
                self._umg_dev = self._started()
            elif self._killed and self._killed.kind == CODE and self.of_kind(CODE):
                self._killed = None
            elif self._killed and time.monotonic() > self._killed_at + _TO_END:
                self._journal.fault(f"umg dev has not got over the death of {self._killed.kind} within {_TO_END} s")
                for left in [process for process in processes() if process.kind]:
                    left.kill()

    def kill(self, victim: Process) -> None:
        """kill -9 for one of its processes."""
        with self._lock:
            victim.kill()
            if victim.kind not in SHORT_LIVED and not self._killed:
                self._killed, self._killed_at = victim, time.monotonic()

    def end(self) -> None:
        """Ends it as a service manager does, by SIGTERM to `umg dev`; what is left of it then is a fault, and ends."""
        with self._lock:
            self._wanted = False
            self._umg_dev.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _TO_END
        while (left := [process for process in processes() if process.kind]) and time.monotonic() < deadline:
            self._umg_dev.poll()
            time.sleep(0.5)
        for process in left:
            self._journal.fault(f"{process.kind} (process {process.pid}) is left {_TO_END} s after umg dev was ended")
            process.kill()

    def kill_all(self) -> None:
        """kill -9 for whatever it has left, as at the end of a soak that broke off."""
        with self._lock:
            self._wanted = False
            for process in processes():
                process.kill()
            self._umg_dev.wait()

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """The webserver's answer to a GraphQL query. Raises OSError while it does not answer."""
        return asked(self.port, query, **variables)

    def of_kind(self, kind: str) -> list[Process]:
        """Its processes of a kind."""
        return [process for process in processes() if process.kind == kind]

    def _started(self) -> subprocess.Popen:
        self._killed = None
        ports = ["--port", str(self.port), "--dashboard-port", str(self.dashboard_port)]
        with self.log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "umg_assets", "--home", str(self._home), "dev", *ports],
                env=environment(self._home),
                cwd=Path(__file__).parents[1],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def umg(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command typed over the home, while the service is at work."""
    return subprocess.run(
        [sys.executable, "-m", "umg_assets", "--home", str(home), *arguments],
        env=environment(home),
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
