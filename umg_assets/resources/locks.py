"""One writer at a time, among threads and processes of one machine."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file, which is created if it is missing; waits while anybody else holds it.

    The kernel releases the lock of a crashed process. Not reentrant: a holder that asks again waits for ever.
    """
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
