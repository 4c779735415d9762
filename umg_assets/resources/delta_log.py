"""A Delta table's log: whether a table is there, its version, a table opened; and a log without its past."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import deltalake
import deltalake.exceptions
import pyarrow as pa

_OF_THE_SYSTEM = re.compile(r"os error (?!2\b)")
"""Rights, a failing disk: no fault of the log, as a missing file (2) is."""
_COMMIT = re.compile(r"[0-9]{20}\.json")


class TableDamagedError(RuntimeError):
    """A table that held rows cannot be opened any more; the message says which, why, and what to do."""


def newest_version(table: Path) -> int:
    """The latest version of the Delta table in a directory; -1 where there is none, or its creation was killed.

    From the names of its log files: opening the table would read the whole log.
    """
    names: list[str] = []
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        names = os.listdir(table / "_delta_log")  # noqa: PTH208 - names, not paths: a run asks some hundred times
    newest = int(max(filter(_COMMIT.fullmatch, names), default="-1")[:20])
    return newest if newest or _is_whole(_commit_file(table, 0)) else -1


def is_table(table: Path) -> bool:
    """Whether something was ever committed to a table in a directory. Raises TableDamagedError where its log is lost.

    A killed creation leaves a directory, a log without a version, or half of its first one: that is no table.
    """
    if newest_version(table) >= 0:
        return True
    if any(table.rglob("*.parquet")):
        raise _damaged(table, f"{table / '_delta_log'} holds no version, and there are files of rows")
    return False


def open_table(table: Path, version: int | None = None) -> deltalake.DeltaTable:
    """The Delta table in a directory, at a version (default: the newest). Raises TableDamagedError if it cannot be.

    So it does where the newest commit is an empty file, as a loss of power leaves one: delta-rs takes that for a commit
    of nothing.
    """
    newest = _commit_file(table, max(newest_version(table), 0))
    if newest.exists() and not newest.stat().st_size:
        raise _damaged(table, f"{newest} is empty")
    try:
        return deltalake.DeltaTable(table, version=version)
    except (deltalake.exceptions.DeltaError, ValueError) as error:
        if _OF_THE_SYSTEM.search(str(error)):
            raise OSError(str(error)) from None
        raise _damaged(table, " ".join(str(error).split())) from None


def files_of(table: Path, version: int) -> set[str]:
    """The files of a version of a table, by their paths in its directory. Raises TableDamagedError."""
    # pa.table() would import pandas, which takes longer than all the rest of a command
    actions = pa.RecordBatchReader.from_stream(open_table(table, version).get_add_actions(flatten=True)).read_all()
    return {unquote(path) for path in actions.column("path").to_pylist()}


def _damaged(table: Path, why: str) -> TableDamagedError:
    return TableDamagedError(
        f"{table.name}: expected a Delta table at {table}, and its log cannot be read: restore the lakehouse from a "
        "back-up (`umg restore`), or build it anew in another UMG_HOME from landing/ and keys/. It says: "
        f"{why}"
    )


def _commit_file(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020d}.json"


def _is_whole(first: Path) -> bool:
    """Whether a table's first commit is all there: it says what the table is."""
    try:
        actions = [json.loads(line) for line in first.read_bytes().splitlines() if line]
    except (FileNotFoundError, ValueError):
        return False
    return any("metaData" in action for action in actions)


def forget_versions(table: Path) -> list[str]:
    """Removes from the log what only older versions need: its statistics may hold values that are gone.

    The latest version stays, as a checkpoint, and the commits since rows were last written, which tell when that was;
    no older version can be read any more. Nobody may be writing. Returns the names of the files removed.
    """
    log, newest = table / "_delta_log", newest_version(table)
    if newest < 1:
        return []
    open_table(table).create_checkpoint()
    checkpoint = f"{newest:020d}.checkpoint"
    if not any(file.name.startswith(checkpoint) for file in log.iterdir()):
        raise RuntimeError(f"{log}: expected a checkpoint of version {newest}, found none; nothing was removed")
    first = next((version for version in range(newest, 0, -1) if _wrote_rows(log, version)), newest)
    old = [
        file
        for file in log.iterdir()
        if file.name[:20].isdigit()
        and not file.name.startswith(checkpoint)
        and (file.suffix != ".json" or int(file.name[:20]) < first)
    ]
    for file in old:
        file.unlink()
    return sorted(file.name for file in old)


def _wrote_rows(log: Path, version: int) -> bool:
    file = _commit_file(log.parent, version)
    lines = file.read_bytes().splitlines() if file.exists() else []
    operations = (json.loads(line).get("commitInfo", {}).get("operation") for line in lines if line)
    return any(operation in ("WRITE", "MERGE") for operation in operations)
