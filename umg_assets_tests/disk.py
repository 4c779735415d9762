"""A small disk that can be filled: a file system in memory, where this user may mount one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoMountError(PermissionError):
    """This user may not mount a file system."""


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of that size at a new folder. Raises NoMountError where this user may mount none."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise NoMountError("this user may not mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
