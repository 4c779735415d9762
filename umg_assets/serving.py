"""`umg dev`: Dagster's code server, webserver and daemon on the loopback, over UMG_HOME."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient

from umg_assets.console import out
from umg_assets.resources.instance import open_instance

MODULE = "umg_assets.definitions"


@contextlib.contextmanager
def processes(home: Path, port: int | None, module: str = MODULE, **options: Any) -> Iterator[list[subprocess.Popen]]:
    """A code server, a daemon and, with a port, a webserver, started; the caller ends them. options: Popen's.

    One code server serves both: left to themselves each would start its own, and the daemon a new one every minute.
    They start once it answers: a webserver that finds no code shows an error until somebody reloads it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with open_instance(home), tempfile.TemporaryDirectory(prefix="umg-") as folder:
        socket, workspace = Path(folder, "code.sock"), Path(folder, "workspace.yaml")
        workspace.write_text(f"load_from:\n  - grpc_server:\n      socket: {socket}\n      location_name: umg_assets\n")
        python, served = [sys.executable, "-m"], ["-w", str(workspace)]
        code = [*python, "dagster", "code-server", "start", "-m", module, "-s", str(socket), "--log-level", "warning"]
        others = [[*python, "dagster._daemon", "run", *served]]
        if port is not None:
            others.append([*python, "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *served])
        started = [subprocess.Popen(code, **options)]
        _await_code(socket, started[0])
        started += [subprocess.Popen(command, **options) for command in others]
        yield started


def _await_code(socket: Path, server: subprocess.Popen) -> None:
    """Until the code server answers, or has ended."""
    while server.poll() is None:
        with contextlib.suppress(DagsterUserCodeUnreachableError):
            if socket.exists() and DagsterGrpcClient(socket=str(socket)).ping("umg"):
                return
        time.sleep(0.2)


def serve(home: Path, port: int) -> int:
    """Starts all and waits: ends all when one ends or on Ctrl-C. Returns the exit code."""
    # a shell starts what it puts in the background with SIGINT ignored: Dagster's servers would then never end
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    with processes(home, port) as started:
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
