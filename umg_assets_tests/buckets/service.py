"""`umg dev` over a lakehouse whose files, tables and exports all lie in a bucket, as a service manager keeps it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from umg_assets.landing.bucket import unfetched
from umg_assets.resources.instance import open_instance
from umg_assets_tests.buckets.conftest import Bucket
from umg_assets_tests.daemon import Daemon, environment, is_settled
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import free_ports, kill_session, of_session

_PATIENCE = 500
"""Seconds until a wait is given up: not a bound on speed. The slowest one takes a tenth of it on an idle machine."""
_RUN = "--multiprocessing-fork"
"""Words of the command line of a run's process."""


class UmgDev(Daemon):
    """`umg dev` in a session of its own. It ends when one of its servers does, and `start` starts it again."""

    def __init__(self, lake: Lake, bucket: Bucket) -> None:
        super().__init__(lake)
        self._bucket = bucket
        self._umg_dev: subprocess.Popen[bytes] | None = None
        self.dashboard_port = 0

    def start(self) -> None:
        """Starts it; does not wait."""
        port, self.dashboard_port = free_ports(2)
        words = ["dev", "--port", str(port), "--dashboard-port", str(self.dashboard_port)]
        with self._log.open("a") as log:
            self._umg_dev = subprocess.Popen(
                [sys.executable, "-m", "umg_assets", "--home", str(self.lake.home), *words],
                env={**environment(self.lake.home), "UMG_PLOTS": "false"},
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9 for whatever is left of it."""
        if self._umg_dev:
            kill_session(self._umg_dev.pid)
            self._umg_dev.wait()

    def end(self) -> None:
        """Ends it as a service manager does, and waits until nothing of it is left."""
        assert self._umg_dev
        self._umg_dev.terminate()
        self.wait_for(lambda: not self.processes(), "the end of every process after SIGTERM")

    def processes(self, words: str = "") -> list[int]:
        """Its processes that have these words in their command line, by number."""
        if not self._umg_dev:
            return []
        self._umg_dev.poll()
        return of_session(self._umg_dev.pid, words)

    def kill_when(self, happened: Callable[[], bool], words: str, description: str) -> None:
        """kill -9 for its processes of these words, as soon as something has happened and one of them is there."""

        def victims() -> list[int]:
            return self.processes(words) if happened() else []

        for pid in self.wait_for(victims, f"{description}, while {words} is at work"):
            os.kill(pid, signal.SIGKILL)

    def kill_a_run_when(self, happened: Callable[[], bool], description: str) -> None:
        """kill -9 for the run that is at work once something has happened."""
        self.kill_when(happened, _RUN, description)

    def has_ended(self) -> bool:
        """Whether `umg dev` and whatever it had started are gone."""
        return not self.processes()

    def wait_for(self, condition: Callable[[], Any], description: str, every: float = 0.1) -> Any:
        """The condition's value once it is true, asked for every so many seconds; fails with the state that it saw if
        it never is."""
        deadline = time.monotonic() + _PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"never came: {description}\n{json.dumps(self.state(), indent=1, default=str)}")
            time.sleep(every)
        return value

    def settle(self) -> None:
        """Waits until what lies in the bucket has been fetched, has landed and is in the published set."""
        self.wait_for(
            lambda: is_settled(self.lake) and not unfetched(self.lake.settings) and self.is_published(),
            "all that lies in the bucket is in the charts there",
            every=1,
        )

    def is_published(self) -> bool:
        """Whether the set in the bucket is the one on this machine."""
        current = "charts/current.json"
        there = json.loads(self._bucket.get(current))["set"] if current in self._bucket.keys else ""
        return there == (self.lake.home / "exports" / "current").resolve().name

    def page(self) -> str:
        """The dashboard's first page; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.dashboard_port}/") as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def state(self) -> dict[str, Any]:
        """What is going on, for a message."""
        assert self._umg_dev
        with open_instance(self.lake.home) as instance:
            runs = [f"{run.job_name} {run.status.value} {run.tags.get('umg/why', '')}" for run in instance.get_runs()]
        return {
            "exit code of umg dev": self._umg_dev.poll(),
            "processes": len(self.processes()),
            "in the bucket and not fetched": sorted(unfetched(self.lake.settings)),
            "runs, newest first": runs[:20],
            "skips": {name: self.skips(name)[:2] for name in ("landing_sensor", "ledger_sensor")},
            "failed ticks": [error[-500:] for error in self.failed_ticks()[-3:]],
            "published": self.is_published(),
            "log": self._log.read_text()[-6000:].splitlines(),
        }
