"""`make test`: every test on Sail, and what runs on an engine on Apache Spark beside it: a pytest process an engine."""

import os
import shutil
import subprocess
import sys
import tempfile
from typing import IO

from umg_assets.resources.engine import EngineError, java_version


def start_pytest(engine: str, arguments: list[str], output: IO[str] | None = None) -> subprocess.Popen:
    """A pytest process of one engine, started."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, env={**os.environ, "UMG_ENGINE": engine}, stdout=output, stderr=output)


def main(arguments: list[str]) -> int:
    """Runs both halves at once: neither fills two cores. Spark's output comes after Sail's.

    Without Java the Spark half is skipped, or fails when UMG_REQUIRE_SPARK is set. Returns the exit code.
    """
    with tempfile.NamedTemporaryFile("w+") as output:
        spark, missing = None, ""
        try:
            java_version()
            spark = start_pytest("spark", arguments, output)
        except EngineError as error:
            missing = str(error)
        print("=== tests on sail ===", flush=True)
        failed = start_pytest("sail", arguments).wait()
        if spark is not None:
            failed = spark.wait() or failed
            print("\n=== tests on spark ===", flush=True)
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout)
    if not missing:
        return failed
    if os.environ.get("UMG_REQUIRE_SPARK") == "1":
        print(f"Apache Spark's half FAILED, UMG_REQUIRE_SPARK=1: {missing}")
        return 1
    print(f"Apache Spark's half was skipped: {missing}")
    return failed


sys.exit(main(sys.argv[1:]))
