"""Dagster's SQLite files under UMG_HOME/dagster: made once and whole, by one process; and which of them are ruined.

Dagster 1.13 creates them without a lock: of two processes that open a new instance at once, one fails, or both leave a
file in which two schema versions stand, and which nothing opens any more.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import rmtree

from umg_assets.resources.locks import exclusive

FOLDERS = "history", "schedules", "storage"
"""What Dagster makes in its folder when it is first opened."""
_FILES = Path("history", "runs", "index.db"), Path("history", "runs.db"), Path("schedules", "schedules.db")
_MAKING, _LOCK = ".being_made", ".opening.lock"


@contextmanager
def one_opens(folder: Path) -> Iterator[None]:
    """While this process opens the instance in a folder; others wait. What a killed first opening left is removed.

    Nobody can have written to that: who opens an instance waits until it is whole.
    """
    with exclusive(folder / _LOCK):
        making = folder / _MAKING
        if making.exists():
            for name in FOLDERS:
                rmtree(folder / name, ignore_errors=True)
        elif any((folder / name).exists() for name in FOLDERS):
            yield
            return
        making.touch()
        yield
        making.unlink()


def ruined(folder: Path) -> dict[Path, str]:
    """Those of Dagster's files of all runs that cannot be used, and why; empty for an instance without any."""
    whys = {folder / file: _why_ruined(folder / file) for file in _FILES if (folder / file).exists()}
    return {file: why for file, why in whys.items() if why}


def _why_ruined(file: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            (checked,) = connection.execute("pragma quick_check(1)").fetchone()
            versions = connection.execute("select count(*) from alembic_version").fetchone()[0]
    except sqlite3.OperationalError as error:  # locked, or unreadable: which says nothing about what is in it
        return str(error) if "no such table" in str(error) else ""
    except sqlite3.DatabaseError as error:
        return str(error)
    if checked != "ok":
        return checked.splitlines()[-1]
    return "" if versions == 1 else f"it holds {versions} schema versions, expected one"
