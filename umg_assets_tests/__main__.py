"""`make test`: the tests on Sail, those that depend on the engine also on Apache Spark, and Dagster's daemon.

Three pytest processes side by side: none of them fills its core all the time. Sail's has a pytest-xdist worker for each
core, the daemon's has two, which mostly wait for the next tick. A file stays on one worker: its tests share a lake.
`--all` (`make test-all`) adds the tests marked `exhaustive`, and a fourth process for those that mostly wait for `umg
dev` over a bucket.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO

from umg_assets.resources.engine import EngineError, java_version

_SLOWEST = ("--durations=12", "--durations-min=5")
"""Each process ends with what took it longest."""

_DAEMON, _BY_SENSORS = "umg_assets_tests/daemon", "umg_assets_tests/buckets/test_by_sensors.py"
_ACCESS = "umg_assets_tests/cli/test_access.py"
"""Beside the daemon: in a worker that thousands of tests had used, a TLS handshake of its had no answer, twice."""


def start_pytest(engine: str, arguments: list[str], output: IO[str] | None = None) -> subprocess.Popen:
    """Starts a pytest process of one engine. Dozens of processes import the package, so its bytecode is kept."""
    command = [sys.executable, "-m", "pytest", *_SLOWEST, *arguments]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, env={**env, "UMG_ENGINE": engine}, stdout=output, stderr=output)


def _workers(count: int) -> list[str]:
    return ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]


def main() -> int:
    """Runs them all: Sail's output comes as it is, the others' after it.

    Without Java the Spark tests are skipped, or fail when UMG_REQUIRE_SPARK=1. Returns the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m umg_assets_tests", description="Runs the tests on both engines.")
    parser.add_argument("--all", action="store_true", help="run the tests marked exhaustive, too")
    is_all = parser.parse_args().all
    chosen = [] if is_all else ["-m", "not exhaustive"]
    elsewhere = [*chosen, *(f"--ignore={path}" for path in (_DAEMON, _BY_SENSORS, _ACCESS))]
    beside, missing = {"dagster's daemon": ("sail", [_DAEMON, _ACCESS, *chosen, *_workers(2)])}, ""
    if is_all:
        beside["a bucket by sensors"] = ("sail", [_BY_SENSORS])
    try:
        java_version()
        beside["spark"] = ("spark", elsewhere)
    except EngineError as error:
        missing = str(error)
    with ExitStack() as stack:
        logs = {name: stack.enter_context(tempfile.TemporaryFile("w+")) for name in beside}
        processes = {name: start_pytest(*command, logs[name]) for name, command in beside.items()}
        print("=== tests on sail ===", flush=True)
        failed = start_pytest("sail", [*elsewhere, *_workers(os.cpu_count() or 1)]).wait()
        for name, process in processes.items():
            failed = process.wait() or failed
            print(f"\n=== tests on {name} ===", flush=True)
            logs[name].seek(0)
            shutil.copyfileobj(logs[name], sys.stdout)
    if not missing:
        return failed
    if os.environ.get("UMG_REQUIRE_SPARK") == "1":
        print(f"The tests on Apache Spark FAILED, UMG_REQUIRE_SPARK=1: {missing}")
        return 1
    print(f"The tests on Apache Spark were skipped: {missing}")
    return failed


sys.exit(main())
