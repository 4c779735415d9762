"""Dagster's daemon and webserver over a lakehouse under test: real processes, as `umg dev` starts them."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunsFilter

from umg_assets.partitions import local_today
from umg_assets.planning import PLANNED, Scope, plan
from umg_assets.resources.instance import open_instance
from umg_assets.resources.landing import scan
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.stamps import read_stamps
from umg_assets.serving import processes
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import own_environment

DEFINITIONS = "umg_assets.definitions"
PATIENCE = 900
"""Seconds after which a thing that was waited for has not come: not a bound on speed."""


class Daemon:
    """What `umg dev` starts over a lake (code server, daemon and, if asked for, webserver), as process groups."""

    def __init__(self, lake: Lake, module: str = DEFINITIONS, web: bool = False) -> None:
        self.lake, self._module = lake, module
        self._port = free_port() if web else None
        self._log = lake.home.parent / "daemon.log"
        self._processes: list[subprocess.Popen] = []
        self._open = ExitStack()

    def start(self) -> None:
        """Starts it; `wait_for` says when a thing has come about."""
        with self._log.open("a") as log:
            self._processes = self._open.enter_context(
                processes(
                    self.lake.home,
                    self._port,
                    self._module,
                    env=environment(self.lake.home),
                    cwd=Path(__file__).parent.parent,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        if self._port is not None:
            self.wait_for(self._answers, "the webserver's answer")

    def kill(self) -> None:
        """kill -9: daemon, servers and every run under way, as when a machine loses its power."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes = []
        self._open.close()

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """The webserver's answer to a GraphQL query with variables."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/graphql", body, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            return bool(self.post("{ version }"))
        except OSError:
            return False

    def wait_for(self, what: Callable[[], Any], said: str) -> Any:
        """Waits until `what` is true and returns it; fails with the daemon's last lines when it never is."""
        found = awaited(what)
        assert found, f"never came: {said}\n{self._log.read_text()[-6000:]}"
        return found

    def settle(self) -> None:
        """Waits until landing/ holds no news, no partition is stale and no run is under way."""
        self.wait_for(self._is_settled, "everything up to date")

    def _is_settled(self) -> bool:
        settings, history = self.lake.settings, Ledger(self.lake.home).read()
        if not settings.landing.is_dir() or scan(settings, history).changed or history.unfinished():
            return False
        with open_instance(self.lake.home) as instance:
            todo = plan(history, read_stamps(instance, PLANNED), Scope.of(settings), local_today(settings.time_zone))
            return not todo and not instance.get_runs(filters=RunsFilter(statuses=NOT_FINISHED_STATUSES))

    def runs(self) -> list[dg.DagsterRun]:
        """Every run, oldest first."""
        with open_instance(self.lake.home) as instance:
            return list(instance.get_runs())[::-1]

    def skips(self, sensor: str) -> list[str]:
        """The reasons of a sensor's latest ticks that asked for nothing, newest first."""
        with open_instance(self.lake.home) as instance:
            states = [one for one in instance.all_instigator_state() if one.instigator_name == sensor]
            ticks = (
                instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id, limit=20) if states else []
            )
        return [tick.skip_reason or "" for tick in ticks if tick.status.value == "SKIPPED"]

    def failed_ticks(self) -> list[str]:
        """What went wrong in sensors and schedules."""
        with open_instance(self.lake.home) as instance:
            found = []
            for state in instance.all_instigator_state():
                for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=500):
                    if tick.error:
                        found.append(tick.error.to_string())
        return found


def awaited(what: Callable[[], Any]) -> Any:
    """What `what` returns once that is true; its last answer when it never is."""
    until = time.monotonic() + PATIENCE
    while not (found := what()) and time.monotonic() < until:
        time.sleep(0.5)
    return found


def free_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def environment(home: Path) -> dict[str, str]:
    """What Dagster's processes need to know of the lake."""
    kept = {name: os.environ[name] for name in ("UMG_ENGINE", "DAGSTER_EVENT_BATCH_SIZE") if name in os.environ}
    return {**own_environment(), **kept, "UMG_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
