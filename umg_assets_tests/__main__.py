"""`make test`: every test on Sail, what runs on an engine on Apache Spark beside it, and Dagster's daemon beside both.

A pytest process each: none of them fills a core all the time, and the daemon's tests mostly wait for its next look.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO

from umg_assets.resources.engine import EngineError, java_version


def start_pytest(engine: str, arguments: list[str], output: IO[str] | None = None) -> subprocess.Popen:
    """A pytest process of one engine, started."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, env={**os.environ, "UMG_ENGINE": engine}, stdout=output, stderr=output)


def main() -> int:
    """Runs all at once: Sail's output comes as it is, the others' after it.

    Without Java the Spark part is skipped, or fails when UMG_REQUIRE_SPARK is set. Returns the exit code.
    """
    beside, missing = {"dagster's daemon": ("sail", ["-m", "daemon"])}, ""
    try:
        java_version()
        beside["spark"] = ("spark", [])
    except EngineError as error:
        missing = str(error)
    with ExitStack() as opened:
        logs = {name: opened.enter_context(tempfile.TemporaryFile("w+")) for name in beside}
        started = {name: start_pytest(*how, logs[name]) for name, how in beside.items()}
        print("=== tests on sail ===", flush=True)
        failed = start_pytest("sail", ["-m", "not daemon"]).wait()
        for name, process in started.items():
            failed = process.wait() or failed
            print(f"\n=== tests on {name} ===", flush=True)
            logs[name].seek(0)
            shutil.copyfileobj(logs[name], sys.stdout)
    if not missing:
        return failed
    if os.environ.get("UMG_REQUIRE_SPARK") == "1":
        print(f"Apache Spark's part FAILED, UMG_REQUIRE_SPARK=1: {missing}")
        return 1
    print(f"Apache Spark's part was skipped: {missing}")
    return failed


sys.exit(main())
