"""`make test`: every test on Sail, then what runs on an engine on Apache Spark; one pytest process an engine."""

import os
import subprocess
import sys

from umg_assets.resources.engine import EngineError, java_version


def run_pytest(engine: str, arguments: list[str]) -> int:
    """One pytest process; its exit code."""
    print(f"\n=== tests on {engine} ===", flush=True)
    return subprocess.call([sys.executable, "-m", "pytest", *arguments], env={**os.environ, "UMG_ENGINE": engine})


def main(arguments: list[str]) -> int:
    """Runs both halves. Without Java the Spark half is skipped, or fails when UMG_REQUIRE_SPARK is set."""
    failed = run_pytest("sail", arguments)
    try:
        java_version()
    except EngineError as error:
        if os.environ.get("UMG_REQUIRE_SPARK") == "1":
            print(f"Apache Spark's half FAILED, UMG_REQUIRE_SPARK=1: {error}")
            return 1
        print(f"Apache Spark's half was skipped: {error}")
        return failed
    return run_pytest("spark", arguments) or failed


sys.exit(main(sys.argv[1:]))
