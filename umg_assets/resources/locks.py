"""Locks among threads and processes of one machine: one writer at a time; no clean-up while anybody writes."""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from umg_assets.resources.locations import local_file


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, which is created if it is missing; waits while anybody else holds it.

    The kernel releases the lock of a crashed process. Not reentrant: a holder that asks again waits for ever.
    """
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def writing(home: Path, table: str) -> Iterator[None]:
    """While a table is written. Any number of writers at once; waits while `no_writer` of it is held."""
    with _writers_file(home, table).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def no_writer(home: Path, table: str) -> AbstractContextManager[None]:
    """While nobody on this machine is writing a table: waits for those who are, and others wait for it."""
    return exclusive(_writers_file(home, table))


def _writers_file(home: Path, table: str) -> Path:
    return local_file(home, f".{table}.writers")
