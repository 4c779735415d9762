"""Runs Python in a process of its own: for another engine, a clean interpreter, a machine without Java."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from umg_assets.resources.engine import EngineError, java_version

FOR_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
"""For Apache Spark: interpreting a plan over a few rows is faster than generating and compiling its Java."""


PATIENCE = 1_800
"""Seconds until a process is given up: not a bound on speed. A busy machine takes 600 for a cluster's run."""


def own_environment() -> dict[str, str]:
    """The environment without UMG_... and what this process's engine has added."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("UMG_", "SPARK_", "PYSPARK_"))}


def of_session(leader: int, words: str = "") -> list[int]:
    """The processes of a session, of whatever group, that have these words in their command line; none where there is
    no /proc. A zombie is none."""
    return [pid for pid, _, session in _running() if session == leader and words in _command_line(pid)]


def of_group(leader: int, words: str) -> list[int]:
    """As of_session, the processes of a group."""
    return [pid for pid, group, _ in _running() if group == leader and words in _command_line(pid)]


def _command_line(pid: int) -> str:
    """Empty for a process that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def _running() -> Iterator[tuple[int, int, int]]:
    """Number, group and session of each process."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, session, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                yield int(stat.parent.name), int(group), int(session)


def kill_session(leader: int) -> None:
    """kill -9 for whatever is left of a session."""
    for pid in of_session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_python(code: str, *arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs code with arguments (sys.argv[1:]) and the variables of env; UMG_... of this process are not passed on."""
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", code, *map(str, arguments)],
        env={**own_environment(), **(env or {})},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def printed_by(code: str, *arguments: object, env: dict[str, str] | None = None) -> str:
    """What the code printed. Fails with its stderr when it exits with an error."""
    process = run_python(code, *arguments, env=env)
    assert process.returncode == 0, process.stderr[-4000:]
    return process.stdout


def free_ports(count: int) -> list[int]:
    """Ports of the loopback on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def need_package(name: str) -> None:
    """Skips the test without a package of the extra `exhaustive`; fails it when REQUIRE_PACKAGES=1."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        message = f"The package {name} is missing: `make test-all` installs it"
        if os.environ.get("REQUIRE_PACKAGES") == "1":
            pytest.fail(message)
        pytest.skip(message)


def need_java() -> None:
    """Skips the test where Apache Spark cannot run; fails it when UMG_REQUIRE_SPARK=1."""
    try:
        java_version()
    except EngineError as error:
        if os.environ.get("UMG_REQUIRE_SPARK") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
