"""The disk of the lakehouse: a small one that is full now and then, where this user may mount it."""

import os
import random
import shutil
import time
from contextlib import suppress
from pathlib import Path

from soak.journal import Journal


class Disk:
    """Fills the disk of a folder for some seconds. other: a file on it, of somebody else's."""

    def __init__(self, other: Path, seed: int, journal: Journal) -> None:
        self._other, self._random, self._journal = other, random.Random(f"disk {seed}"), journal

    def fill(self) -> None:
        """Leaves from nothing to 2 MB for 5 to 15 s."""
        left = self._random.choice([0, 0, 100_000, 2_000_000])
        with self._other.open("wb") as other, suppress(OSError):  # others write meanwhile: full all the same
            os.posix_fallocate(other.fileno(), 0, max(shutil.disk_usage(self._other).free - left, 1))
        self._journal.note("filled", "the disk", f"but for {left:,} bytes")
        time.sleep(self._random.uniform(5, 15))
        self.clear()

    def clear(self) -> None:
        """Leaves room again."""
        self._other.unlink(missing_ok=True)
