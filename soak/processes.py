"""The processes that work on a lakehouse, by what they are; Linux alone, from /proc."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from umg_assets import clock

CODE, RUN, ENGINE = "code of the server", "run", "engine of a run"
KINDS = {
    " dev --port": "umg dev",
    "dagster code-server": "code server",
    "dagster api grpc": CODE,
    "dagster._daemon": "daemon",
    "umg_assets.cli.webserver": "webserver",
    " dashboard --host": "dashboard",
    "--multiprocessing-fork": RUN,
    "resources.sail_server": ENGINE,
}
"""What a process is, by words of its command line. Others (the soak's own commands) have no kind."""
SHORT_LIVED = (RUN, ENGINE)

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process by its number; kind: one of KINDS, or empty."""

    pid: int
    kind: str

    @property
    def megabytes(self) -> float:
        """Its resident memory. Raises OSError when it has ended."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 1e6

    @property
    def open_files(self) -> int:
        """Its file descriptors. Raises OSError when it has ended."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - names alone

    def kill(self) -> None:
        """kill -9; nothing where it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def processes() -> Iterator[Process]:
    """Every process but this one that was started, by whomever, for the soak: under its clock. No zombies."""
    mark = f"{clock.SHIFT_FILE}={os.environ[clock.SHIFT_FILE]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.name != str(os.getpid()) and mark in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                kind = next((kind for sign, kind in KINDS.items() if sign in words), "")
                if words:
                    yield Process(int(folder.name), kind)
