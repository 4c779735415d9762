"""Measures a command in a separate process: wall and cpu seconds, peak memory, bytes read."""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class CommandFailedError(RuntimeError):
    """A measured command ended with an error; the message holds the end of what it printed."""


@dataclass(frozen=True)
class Measured:
    """The resources that a command used, including the processes it started (such as Spark's Java).

    peak_mb: resident memory of the largest process. read_mb: bytes that the command itself read by read() from files or
    pipes, cached or not; NaN if the system does not report them. MB are 1,048,576 bytes (peak) and 10^6 bytes (read).
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    read_mb: float


_GOOD = (0, 3)
"""3: `umg run` set more aside than umg.toml allows, for generated files have faults."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end. Raises CommandFailedError if it fails."""
    _adopt_orphans()
    others = _children()
    with tempfile.TemporaryFile() as printed:
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - started
        read = _bytes_read(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        for orphan in _children() - others:
            _, _, usage = os.wait4(orphan, 0)
            cpu, peak = cpu + usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss)
        if process.returncode not in _GOOD:
            printed.seek(0)
            tail = printed.read().decode(errors="replace")[-2000:]
            raise CommandFailedError(f"{' '.join(command)} failed ({process.returncode}):\n{tail}")
    return Measured(wall, cpu, peak / 1024, read / 1e6)


def _adopt_orphans() -> None:
    """Makes this process the parent of processes that its children leave running, so that their usage is counted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> set[int]:
    """The child processes of this one, among them those that a measured command leaves running."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return {int(pid) for pid in children.read_text().split()} if children.exists() else set()


def _bytes_read(pid: int) -> float:
    """rchar of a process that has ended and has not been waited for yet."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return float("nan")
    return float(dict(line.split(": ") for line in lines)["rchar"])
