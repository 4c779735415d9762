"""`umg dev`: Dagster's webserver and daemon on the loopback, over UMG_HOME."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from umg_assets.console import out
from umg_assets.resources.instance import open_instance

MODULE = "umg_assets.definitions"


def serve(home: Path, port: int) -> int:
    """Starts both and waits: ends both when one ends or on Ctrl-C. Returns the exit code."""
    home.mkdir(parents=True, exist_ok=True)
    with open_instance(home):
        pass
    commands = [
        [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-m", MODULE],
        [sys.executable, "-m", "dagster._daemon", "run", "-m", MODULE],
    ]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = [subprocess.Popen(command) for command in commands]
    out.print(f"Dagster over {home}: http://127.0.0.1:{port} (Ctrl-C ends it)")
    code = 0
    try:
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        code = next(process.returncode for process in started if process.returncode is not None) or 1
    except KeyboardInterrupt:
        out.print("ending ...")
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
    return code
