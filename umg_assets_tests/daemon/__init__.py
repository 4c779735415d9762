"""Dagster's daemon and webserver over a lake under test: real processes, as `umg dev` starts them."""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg

from umg_assets.calendar import local_today
from umg_assets.catalogue import Catalogue
from umg_assets.cli.serving import processes
from umg_assets.landing.scan import scan
from umg_assets.planning.required import plan
from umg_assets.resources.dagster_internals import NOT_FINISHED_STATUSES
from umg_assets.resources.instance import open_instance
from umg_assets.resources.ledger import Ledger
from umg_assets.resources.watermarks import read_watermarks
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE, free_ports, of_group, own_environment

DEFINITIONS = "umg_assets.definitions"


class Daemon:
    """What `umg dev` starts over a lake: code server, daemon and, with `web`, webserver; each in a process group."""

    def __init__(self, lake: Lake, module: str = DEFINITIONS, web: bool = False) -> None:
        self.lake, self._module = lake, module
        self._port = free_port() if web else None
        self._log = lake.home.parent / "daemon.log"
        self._processes: list[subprocess.Popen] = []
        self._open = ExitStack()

    def start(self) -> None:
        """Starts the processes; with a webserver, waits until that answers."""
        with self._log.open("a") as log:
            self._processes = self._open.enter_context(
                processes(
                    self.lake.home,
                    self._port,
                    self._module,
                    env=environment(self.lake.home),
                    cwd=Path(__file__).parents[2],
                    stdout=log,
                    stderr=log,
                )
            )
        if self._port is not None:
            self.wait_for(self._answers, "the webserver's answer")

    def kill(self) -> None:
        """kill -9 for daemon, servers and every run, as when a machine loses its power."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes = []
        self._open.close()

    def code(self) -> int:
        """The process that holds the code; the code server has started it."""
        (found,) = of_group(self._processes[0].pid, "dagster api grpc")
        return found

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """The webserver's answer to a GraphQL query with variables."""
        assert self._port is not None
        return asked(self._port, query, **variables)

    def _answers(self) -> bool:
        try:
            return bool(self.post("{ version }"))
        except OSError:
            return False

    def wait_for(self, condition: Callable[[], Any], description: str) -> Any:
        """Returns the condition's value once it is true; fails with the end of the daemon's log if it never is."""
        value = awaited(condition)
        assert value, f"never came: {description}\n{self._log.read_text()[-6000:]}"
        return value

    def settle(self) -> None:
        """Waits until landing/ holds nothing new, no partition is stale and no run is queued or running."""
        self.wait_for(lambda: is_settled(self.lake), "everything up to date")

    def runs(self) -> list[dg.DagsterRun]:
        """Every run, oldest first."""
        with open_instance(self.lake.home) as instance:
            return list(instance.get_runs())[::-1]

    def skips(self, sensor: str) -> list[str]:
        """The reasons of a sensor's latest ticks that requested no run, newest first."""
        with open_instance(self.lake.home) as instance:
            states = [state for state in instance.all_instigator_state() if state.instigator_name == sensor]
            ticks = (
                instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id, limit=20) if states else []
            )
        return [tick.skip_reason or "" for tick in ticks if tick.status.value == "SKIPPED"]

    def failed_ticks(self) -> list[str]:
        """The errors of sensors' and schedules' ticks."""
        with open_instance(self.lake.home) as instance:
            errors = []
            for state in instance.all_instigator_state():
                for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=500):
                    if tick.error:
                        errors.append(tick.error.to_string())
        return errors


def asked(port: int, query: str, **variables: Any) -> dict[str, Any]:
    """The answer of the webserver at a port to a GraphQL query with variables. Raises OSError where nobody answers."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def is_settled(lake: Lake) -> bool:
    """Whether landing/ holds nothing new, no partition is stale and no run is queued or running."""
    settings, at_work = lake.settings, dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)
    with open_instance(lake.home) as instance:
        if instance.get_runs(filters=at_work, limit=1):
            return False
        history = Ledger(lake.home).read()
        if not settings.landing.is_dir() or scan(settings, history).changed or history.unfinished():
            return False
        catalogue = Catalogue.of(settings)
        watermarks = read_watermarks(instance, catalogue.planned)
        stale = plan(history, watermarks, catalogue, local_today(settings.time_zone))
        return not stale and not instance.get_runs(filters=at_work, limit=1)


def assert_same_as_fresh(lake: Lake) -> None:
    """Asserts that one run over the lake's landing files builds the same tables."""
    with tempfile.TemporaryDirectory(dir=lake.home.parent) as folder:
        assert lake.content() == lake.built_afresh(Path(folder, "fresh")).content()


def awaited(condition: Callable[[], Any]) -> Any:
    """The condition's value once it is true; its last value if PATIENCE runs out."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return value


def free_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    return free_ports(1)[0]


def environment(home: Path) -> dict[str, str]:
    """The environment of Dagster's processes over the lake."""
    inherited = {name: os.environ[name] for name in ("UMG_ENGINE", "DAGSTER_EVENT_BATCH_SIZE") if name in os.environ}
    return {**own_environment(), **inherited, "UMG_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
