"""staging/: directories of files on their way into a table. They hold personal data, so none outlives its process.

Each process has a directory of its own, beside a file that it holds a lock on for as long as it lives. A process that
ends removes its directory; what a killed one has left is removed by the next process that stages or runs anything.
"""

import atexit
import fcntl
import functools
import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO

_LOCK = ".lock"


def staging_folder(home: Path) -> Path:
    """A new directory under `home`/staging, of mode 0700, which is gone when this process has ended."""
    folder = _of_process(home, os.getpid()) / uuid.uuid4().hex
    folder.mkdir(mode=0o700)
    return folder


def clear_abandoned(home: Path) -> list[str]:
    """Removes what processes that no longer live have left under `home`/staging. Returns the names of what it removed.

    Directories without a lock are of versions that made none.
    """
    root = home / "staging"
    removed = []
    for lock_file in sorted(root.glob(f"*{_LOCK}")):
        lock = _locked(lock_file)
        if lock is None:
            continue  # its process lives, or another process is removing it
        with lock:
            shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
            lock_file.unlink(missing_ok=True)
        removed.append(lock_file.stem)
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.is_dir() and not folder.with_name(f"{folder.name}{_LOCK}").exists():
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed


@functools.cache
def _of_process(home: Path, process: int) -> Path:
    """This process's directory. `process` is its id, so that a forked child has another than its parent."""
    root = home / "staging"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    root.chmod(0o700)
    clear_abandoned(home)
    lock = None
    while lock is None:  # until nobody has removed the file between its creation and its lock
        folder = root / f"{process}-{uuid.uuid4().hex}"
        lock = _locked(folder.with_name(f"{folder.name}{_LOCK}"), create=True)
    folder.mkdir(mode=0o700)
    atexit.register(_remove, folder, lock, process)
    return folder


def _locked(file: Path, create: bool = False) -> IO[str] | None:
    """The file, open and under an exclusive lock; None if another process holds it, or the file has been removed."""
    try:
        lock = os.fdopen(os.open(file, os.O_RDWR | (os.O_CREAT if create else 0), 0o600), "w")
    except FileNotFoundError:
        return None
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock.fileno()), file.stat()):
            return lock
    lock.close()
    return None


def _remove(folder: Path, lock: IO[str], process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}{_LOCK}").unlink(missing_ok=True)
        lock.close()
