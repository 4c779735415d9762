"""Dagster's own commands in a checkout, as an engineer who knows Dagster types them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from umg_assets.resources.ledger import Ledger
from umg_assets_tests.daemon import awaited, environment, free_port
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import PATIENCE

pytestmark = [pytest.mark.sail_enough, pytest.mark.exhaustive]

_TO_END = 30
"""Seconds that Dagster has to end its processes by itself."""
CHECKOUT = Path(__file__).parents[2]
DAGSTER = [sys.executable, "-c", "import sys; from dagster._cli import main; sys.argv[0] = 'dagster'; main()"]


@contextmanager
def dagster_dev(log: Path, variables: dict[str, str]) -> Iterator[int]:
    """`dagster dev -w workspace.yaml` in a copy of the checkout's file: the port of its webserver."""
    shutil.copy(CHECKOUT / "workspace.yaml", log.parent)
    port = free_port()
    places = os.pathsep.join([str(log.parent), str(CHECKOUT)])
    with log.open("w") as printed:
        process = subprocess.Popen(
            [*DAGSTER, "dev", "-w", "workspace.yaml", "-p", str(port)],
            cwd=log.parent,
            env={**variables, "PYTHONPATH": places},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield port
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TO_END)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def locations(port: int) -> list[str]:
    """The code locations that the webserver has loaded; none while it does not answer."""
    query = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"
    body, headers = json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
    except OSError:
        return []
    return [entry["name"] for entry in entries if entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"]


@pytest.fixture
def delivered(lake: Lake) -> Lake:
    """A lake whose instance is there, and a file that has not landed."""
    lake.on_disk = True
    lake.run()
    lake.drop_plays("2026-03-02", [("a", "u1", "s1", "t1", "2026-03-01T10:00:00Z", 90_000, "AT")])
    return lake


def test_dagster_dev_over_the_lakes_instance_lands_what_is_delivered(delivered: Lake, tmp_path: Path):
    log = tmp_path / "dev.log"
    with dagster_dev(log, environment(delivered.home)) as port:
        assert awaited(lambda: locations(port)) == ["umg_assets"], log.read_text()[-4000:]
        assert awaited(lambda: Ledger(delivered.home).read().entries), log.read_text()[-4000:]


def test_dagster_dev_without_a_dagster_home_asks_for_nothing_and_says_what_to_set(delivered: Lake, tmp_path: Path):
    log = tmp_path / "dev.log"
    variables = environment(delivered.home)
    del variables["DAGSTER_HOME"]
    told = f"set DAGSTER_HOME={delivered.home / 'dagster'} for `dagster`"
    with dagster_dev(log, variables):
        assert awaited(lambda: log.read_text().count(told) > 1 or Ledger(delivered.home).read().entries)
    assert told in log.read_text()
    assert not Ledger(delivered.home).read().entries


def in_checkout(home: Path, command: list[str]) -> str:
    """What a command prints that somebody types in the checkout who has set UMG_HOME alone; it must succeed."""
    variables = {name: value for name, value in environment(home).items() if name != "DAGSTER_HOME"}
    process = subprocess.run(command, cwd=CHECKOUT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


@pytest.mark.parametrize("where", [(), ("-w", "workspace.yaml"), ("-m", "umg_assets.definitions")])
def test_dagster_definitions_validate_works_in_a_checkout(lake: Lake, where: tuple[str, ...]):
    printed = in_checkout(lake.home, [*DAGSTER, "definitions", "validate", *where])
    assert "All code locations passed validation" in printed


def test_dg_checks_and_lists_the_definitions_in_a_checkout(lake: Lake):
    pytest.importorskip("dagster_dg_cli", reason="the package dagster-dg-cli is not installed")
    dg = [sys.executable, "-c", "from dagster_dg_cli.cli import main; main()"]
    assert "All definitions loaded successfully" in in_checkout(lake.home, [*dg, "check", "defs"])
    assets = json.loads(in_checkout(lake.home, [*dg, "list", "defs", "--json"]))["assets"]
    assert {"plays", "top_tracks_by_country", "exports"} <= {asset["asset_key"] for asset in assets}
