"""`umg dev`: Dagster's code server, webserver and daemon on the loopback, over UMG_HOME."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from umg_assets.console import out
from umg_assets.resources.instance import open_instance

MODULE = "umg_assets.definitions"


@contextlib.contextmanager
def commands(home: Path, port: int | None, module: str = MODULE) -> Iterator[list[list[str]]]:
    """The commands of a code server, of a daemon and, with a port, of a webserver, that fit each other while it lasts.

    One code server serves both: left to themselves each would start its own, and the daemon a new one every minute.
    """
    home.mkdir(parents=True, exist_ok=True)
    with open_instance(home), tempfile.TemporaryDirectory(prefix="umg-") as folder:
        socket, workspace = Path(folder, "code.sock"), Path(folder, "workspace.yaml")
        workspace.write_text(f"load_from:\n  - grpc_server:\n      socket: {socket}\n      location_name: umg_assets\n")
        python, served = [sys.executable, "-m"], ["-w", str(workspace)]
        made = [
            [*python, "dagster", "code-server", "start", "-m", module, "-s", str(socket), "--log-level", "warning"],
            [*python, "dagster._daemon", "run", *served],
        ]
        if port is not None:
            made.append([*python, "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *served])
        yield made


def serve(home: Path, port: int) -> int:
    """Starts all and waits: ends all when one ends or on Ctrl-C. Returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with commands(home, port) as made:
        started = [subprocess.Popen(command) for command in made]
        out.print(f"Dagster over {home}: http://127.0.0.1:{port} (Ctrl-C ends it)")
        return _until_one_ends(started)


def _until_one_ends(started: Sequence[subprocess.Popen]) -> int:
    code = 0
    try:
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        code = next(process.returncode for process in started if process.returncode is not None) or 1
    except KeyboardInterrupt:
        out.print("ending ...")
    finally:
        for process in started[::-1]:
            process.terminate()
        for process in started:
            process.wait()
    return code
