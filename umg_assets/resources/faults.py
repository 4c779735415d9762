"""Faults of the machine (a full disk, rights, a lock, a ruined file) as one line each: what it is, and what to do.

Python, SQLite, Arrow and both engines say them in words of their own, and some only as text: so they are told by words.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from umg_assets.resources.dagster_storage import ruined
from umg_assets.resources.locations import address_of

_QUOTED = 300
_FULL_BYTES = 1_000_000
_CLASS = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Fault): ")


def explained(said: str, home: Path) -> str | None:
    """What an error says, as one line with what to do; None for what is no fault of the machine.

    home: the lakehouse that was read or written.
    """
    for words, explain in _FAULTS.items():
        if re.search(words, said):
            return f"{explain(home)}. It says: {in_one_line(said)}"
    return None


def told(error: Exception, home: Path) -> str:
    """What a command says of an error: our own words; a fault of the machine with what to do; else its first line."""
    said = str(error) or type(error).__name__
    if type(error).__module__.startswith("umg_assets.") or type(error) in (ValueError, RuntimeError):
        return said
    return explained(said, home) or in_one_line(said)


def without_class(said: str) -> str:
    """An error's text without the name of its class, where that comes first."""
    return _CLASS.sub("", said)


def in_one_line(said: str) -> str:
    """The first line of an error, without its class."""
    first = without_class(next((line.strip() for line in said.splitlines() if line.strip()), ""))
    return first if len(first) <= _QUOTED else f"{first[:_QUOTED]} ..."


def _full(home: Path) -> str:
    return f"the disk is full, that of {home} or of what was being written: free space, and type this again"


def _quota(home: Path) -> str:
    return f"no file below {home} may grow further (a quota, or `ulimit -f`): raise it, and type this again"


def _read_only(home: Path) -> str:
    return f"{home} lies on a file system that is mounted read-only: mount it to be written, and type this again"


def _rights(home: Path) -> str:
    return f"this user may not do that below {home}: be its owner, or `chown -R` it, and type this again"


def _locked(home: Path) -> str:
    return (
        f"another process holds a file of Dagster's below {home / 'dagster'}: wait until it has ended, or end it (a "
        "run, `umg dev`, a copy being made), and type this again"
    )


def _ruined(home: Path) -> str:
    files = ruined(home / "dagster")
    return "; ".join(ruin(home, file, why) for file, why in files.items()) or (
        f"a file of Dagster's below {home / 'dagster'} cannot be used: `umg doctor` looks at each of them"
    )


def ruin(home: Path, file: Path, why: str) -> str:
    """What to do about a file of Dagster's that cannot be used."""
    lost = "what each table was built from is in it: `umg run` then builds every table again"
    if file.name != "index.db":
        lost = "no table depends on it: only Dagster's list of runs or of ticks begins anew"
    return (
        f"{file} is damaged ({why}): restore a back-up of {home} (`umg restore`), or move {file.name}, {file.name}-wal "
        f"and {file.name}-shm out of {file.parent} ({lost})"
    )


def _unreadable(home: Path) -> str:
    if shutil.disk_usage(home).free < _FULL_BYTES:  # SQLite says so of shared memory that it cannot make
        return _full(home)
    return f"the disk below {home} cannot be read or written: see the system's log, and `umg restore` a back-up"


def _open_files(_: Path) -> str:
    return "this user may not open more files: raise `ulimit -n`, and type this again"


def _store(home: Path) -> str:
    where = address_of(home) or "a bucket"
    return f"{where} cannot be read or written: `umg doctor` tries it; type this again once it answers"


_FAULTS: dict[str, Callable[[Path], str]] = {
    r"No space left on device|disk is full|os error 28\b": _full,
    r"Disk quota exceeded|File too large|os error (?:122|27)\b": _quota,
    r"Read-only file system|os error 30\b": _read_only,
    r"Permission denied|Operation not permitted|readonly database|os error 13\b": _rights,
    r"database (?:table )?is locked": _locked,
    r"not a database|disk image is malformed|unable to open database|more than one head|no such table": _ruined,
    r"Input/output error|disk I/O error|os error 5\b": _unreadable,
    r"Too many open files|os error 24\b": _open_files,
    r"Generic (?:S3|GCS|MicrosoftAzure) error|error sending request": _store,
}
"""By the words of which one is in the error; the first that is."""
