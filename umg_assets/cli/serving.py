"""`umg dev`: Dagster's code server, webserver and daemon over UMG_HOME, and the dashboard beside them; on the loopback
unless it is told otherwise."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from umg_assets.cli.access import Access
from umg_assets.cli.console import out
from umg_assets.cli.log import Log, logged
from umg_assets.cli.ports import check_free, check_path
from umg_assets.resources.dagster_internals import (
    DAEMON_MODULE,
    LOCATION,
    MODULE,
    DagsterGrpcClient,
    DagsterUserCodeUnreachableError,
)
from umg_assets.resources.instance import ASKED_BY, RANGE, WHY, open_instance
from umg_assets.resources.python_module import command, environment

_TO_END = 45
"""Seconds that the servers have to end: the code server waits 30 for runs, and umg.service 60 for all of it."""

_LOOK_SECONDS = 5
"""Between two looks whether the code answers; it is gone when it does not twice."""
_TO_LOAD = 180
"""Seconds that the code has to load."""


@contextlib.contextmanager
def processes(
    home: Path,
    port: int | None,
    module: str = MODULE,
    access: Access = Access(),  # noqa: B008 - it is frozen
    dashboard_port: int | None = None,
    **options: Any,
) -> Iterator[list[subprocess.Popen]]:
    """Starts a code server, a daemon and, with a port of its own each, a webserver and the dashboard, each in a process
    group of its own; the caller ends them.

    module: Python module that holds the definitions. access: default: the loopback, and everyone who reaches it.
    options: passed on to Popen. Webserver and daemon share the code
    server: otherwise each would start its own, and the daemon a new one every minute. They start once it answers,
    because a webserver that finds no code shows an error until somebody reloads it. Raises PortError, and starts
    nothing, where the temporary directory's path is too long for the code server's socket.
    """
    home.mkdir(parents=True, exist_ok=True)
    with open_instance(home), tempfile.TemporaryDirectory(prefix="umg-") as folder:
        socket, workspace = Path(folder, "code.sock"), Path(folder, "workspace.yaml")
        check_path(socket)
        workspace.write_text(f"load_from:\n  - grpc_server:\n      socket: {socket}\n      location_name: {LOCATION}\n")
        # Dagster takes the first place of imports away and puts -d there, by default the current folder: the same here
        options["env"], location = environment(options.get("env"), first=folder), ["-w", str(workspace)]
        server = [*command("dagster"), "code-server", "start", "-m", module, "-s", str(socket), "-d", folder]
        server += ["--log-level", "warning"]
        others = [[*command(DAEMON_MODULE), "run", *location]]
        if port is not None:
            others.append([*command("umg_assets.cli.webserver"), *access.options(), "-p", str(port), *location])
        options["process_group"] = 0  # of each server, with what it starts
        started = list[subprocess.Popen]()
        try:
            started.append(subprocess.Popen(server, **options))
            if dashboard_port is not None:  # it needs no code server: its first page is there long before Dagster's
                address = [*access.options("--host"), "--port", str(dashboard_port)]
                address += ["--behind-proxy"] if access.behind_proxy else []
                started.append(
                    subprocess.Popen([*command("umg_assets"), "--home", str(home), "dashboard", *address], **options)
                )
            _await_code(socket, started[0])
            started += [subprocess.Popen(arguments, **options) for arguments in others]
        except BaseException:
            end_all(started)
            raise
        ended = threading.Event()
        threading.Thread(target=_keep_code, args=(socket, ended, started), daemon=True).start()
        try:
            yield started
        finally:
            ended.set()


def _await_code(socket: Path, server: subprocess.Popen) -> None:
    """Waits until the code server answers or has ended.

    Its socket is there once the code has been loaded, or has died of it: then nobody answers there.
    """
    client, silent = DagsterGrpcClient(socket=str(socket)), False
    while server.poll() is None:
        if socket.exists():
            if _answers(client):
                return
            if silent:
                _load_again(client)
            silent = not silent
        time.sleep(0.2 if not silent else _LOOK_SECONDS)


def _keep_code(socket: Path, ended: threading.Event, started: Sequence[subprocess.Popen]) -> None:
    """Has the code server load the code into a new process when the one that had it has died: it never does by itself,
    and every sensor would fail for ever. Once one of the servers has ended, all do, and the code has not died."""
    client, silent = DagsterGrpcClient(socket=str(socket)), False
    while not ended.wait(_LOOK_SECONDS) and all(server.poll() is None for server in started):
        is_silent = not _answers(client)
        if is_silent and silent and not ended.is_set():
            _load_again(client)
        silent = is_silent and not silent


def _answers(client: DagsterGrpcClient) -> bool:
    with contextlib.suppress(DagsterUserCodeUnreachableError):
        return bool(client.ping("umg"))
    return False


def _load_again(client: DagsterGrpcClient) -> None:
    out.print("The process with the code has died: the code server loads it again")
    with contextlib.suppress(DagsterUserCodeUnreachableError):  # it has, and then misses the old process
        client.reload_code(_TO_LOAD)


def serve(home: Path, port: int, access: Access, dashboard_port: int) -> int:
    """Starts all servers and waits; ends them all when one ends or on Ctrl-C. Returns the exit code.

    Raises AccessError or PortError, and starts nothing, when the access is not as it must be, a port is taken, or
    TMPDIR is too long.
    """
    access.check()
    check_free(access.host, port)
    check_free(access.host, dashboard_port, "--dashboard-port")
    # a shell starts background jobs with SIGINT ignored: Dagster's servers would then never end
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it; else its terminal was closed
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    log = Log(lambda run: _why(home, run))
    with (
        logged(log) as printed,
        processes(home, port, access=access, dashboard_port=dashboard_port, stdout=printed, stderr=printed) as started,
    ):
        out.print(f"Dagster over {home}: {access.scheme}://{access.shown_host}:{port} (Ctrl-C ends it)")
        return _wait_and_end_all(started)


def _why(home: Path, run_id: str) -> str:
    """What a run is asked for, by whom, and for which partitions; empty for a run that does not say."""
    with open_instance(home) as instance:
        run = instance.get_run_by_id(run_id)
    tags = run.tags if run else {}
    first, last = (tags.get(name, "") for name in RANGE)
    days = first if first == last else f"{first} to {last}"
    asked = ": ".join(text for text in (tags.get(ASKED_BY), tags.get(WHY)) if text)
    return f" {days}".rstrip() + (f", asked for by {asked}" if asked else "")


def _wait_and_end_all(started: Sequence[subprocess.Popen]) -> int:
    code = 0
    try:
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        code = next(process.returncode for process in started if process.returncode is not None) or 1
    except KeyboardInterrupt:
        out.print("ending ...")
    finally:
        end_all(started)
    return code


def end_all(started: Sequence[subprocess.Popen]) -> None:
    """Ends servers, the last one first, and then what they leave behind: a run that takes longer than the code server
    waits for it, or code whose disk was full, so that it never hears that it is to end. Ctrl-C does not wait."""
    for server in started[::-1]:
        server.terminate()
    deadline = time.monotonic() + _TO_END
    for server in started:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            server.wait(max(deadline - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left; on macOS, or only zombies
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
