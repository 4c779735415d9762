"""A Delta table's log: whether a table is there, its version, a table opened; and a log without its past."""

import json
import re
from collections.abc import Iterable
from threading import Lock
from typing import Any
from urllib.parse import unquote

import deltalake
import deltalake.exceptions
import pyarrow as pa

from umg_assets.resources.table_location import Folder, Location

_OF_THE_SYSTEM = re.compile(r"os error (?!2\b)")
"""Rights, a failing disk: no fault of the log, as a missing file (2) is."""
_COMMIT = re.compile(r"[0-9]{20}\.json")


class TableDamagedError(RuntimeError):
    """A table that held rows cannot be opened any more; the message says which, why, and what to do."""


_MOST_OPENED = 64
_opened: dict[tuple[str, int, str], deltalake.DeltaTable] = {}
"""By address, version and identity of the version's commit, the tables that were opened to read."""
_lock = Lock()
_seen: dict[str, int] = {}
"""By the address of a table in a bucket, its newest version when it was last asked for: a listing begins there."""


def newest_version(table: Location) -> int:
    """The latest version of the Delta table at a location; -1 where there is none, or its creation was killed.

    From the names of its log files: opening the table would read the whole log.
    """
    newest = _newest(table.log_names(_seen.get(table.address, 0)))
    if newest < 0 and _seen.pop(table.address, 0):  # it is gone, or another one was made
        newest = _newest(table.log_names())
    if newest > 0 and not isinstance(table, Folder):
        _seen[table.address] = newest
    return newest if newest or _is_whole(table) else -1


def _newest(names: list[str]) -> int:
    return int(max(filter(_COMMIT.fullmatch, names), default="-1")[:20])


def is_table(table: Location) -> bool:
    """Whether something was ever committed to a table at a location. Raises TableDamagedError where its log is lost.

    A killed creation leaves a directory, a log without a version, or half of its first one: that is no table.
    """
    if newest_version(table) >= 0:
        return True
    if any(file.path.endswith(".parquet") for file in table.files()):
        raise _damaged(table, f"{table}/_delta_log holds no version, and there are files of rows")
    return False


def open_table(table: Location, version: int | None = None) -> deltalake.DeltaTable:
    """The Delta table at a location, at a version (default: the newest), to read: callers share it.

    Its log is read once in a process. Raises as `open_to_change` does.
    """
    if version is None:
        version = newest_version(table)
    key = table.address, version, table.identity(commit_file(version))
    if version < 0 or not key[2]:  # nothing tells whether it is another table of the same version
        return open_to_change(table, max(version, 0))
    with _lock:
        opened = _opened.pop(key, None)
    opened = opened or open_to_change(table, version)
    with _lock:
        _opened[key] = opened  # the last one used goes last
        while len(_opened) > _MOST_OPENED:
            del _opened[next(iter(_opened))]
    return opened


def open_to_change(table: Location, version: int | None = None) -> deltalake.DeltaTable:
    """The Delta table at a location, at a version (default: the newest). Raises TableDamagedError if it cannot be.

    So it does where the newest commit is an empty file, as a loss of power leaves one on a disk: delta-rs takes that
    for a commit of nothing. Raises StoreError where a bucket cannot be read.
    """
    if isinstance(table, Folder):
        newest = commit_file(max(newest_version(table), 0))
        if table.written_at(newest) and not table.identity(newest):
            raise _damaged(table, f"{table}/{newest} is empty")
    try:
        return deltalake.DeltaTable(table.address, version=version)
    except (deltalake.exceptions.DeltaError, ValueError) as error:
        if _OF_THE_SYSTEM.search(str(error)):
            raise OSError(str(error)) from None
        raise _damaged(table, " ".join(str(error).split())) from None


def has_all_columns(table: Location, names: Iterable[str]) -> bool:
    """Whether a table was created with these columns: each of its files has them. No, where its log begins later."""
    created = next((action["metaData"] for action in commit_of(table, 0) or () if "metaData" in action), None)
    columns = json.loads(created["schemaString"])["fields"] if created else ()
    return {column["name"] for column in columns}.issuperset(names)


def files_of(table: Location, version: int) -> set[str]:
    """The files of a version of a table, by their paths at its location. Raises TableDamagedError."""
    # pa.table() would import pandas, which takes longer than all the rest of a command
    actions = pa.RecordBatchReader.from_stream(open_table(table, version).get_add_actions(flatten=True)).read_all()
    return {unquote(path) for path in actions.column("path").to_pylist()}


def _damaged(table: Location, why: str) -> TableDamagedError:
    return TableDamagedError(
        f"{table.name}: expected a Delta table at {table}, and its log cannot be read: restore the lakehouse from a "
        "back-up (`umg restore`), or build it anew in another UMG_HOME from landing/ and keys/. It says: "
        f"{why}"
    )


def commit_file(version: int) -> str:
    """The path of a version's commit at a table's location."""
    return f"_delta_log/{version:020d}.json"


def commit_of(table: Location, version: int) -> list[dict[str, Any]] | None:
    """The actions of a version's commit; None where the log does not hold it."""
    content = table.read(commit_file(version))
    return None if content is None else [json.loads(line) for line in content.splitlines() if line]


def _is_whole(table: Location) -> bool:
    """Whether a table's first commit is all there: it says what the table is."""
    try:
        return any("metaData" in action for action in commit_of(table, 0) or ())
    except ValueError:
        return False


def forget_versions(table: Location) -> list[str]:
    """Removes from the log what only older versions need: its statistics may hold values that are gone.

    The latest version stays, as a checkpoint, and the commits since rows were last written, which tell when that was;
    no older version can be read any more. Nobody may be writing. Returns the names of the files removed.
    """
    newest = newest_version(table)
    if newest < 1:
        return []
    open_to_change(table).create_checkpoint()
    checkpoint, names = f"{newest:020d}.checkpoint", table.log_names()
    if not any(name.startswith(checkpoint) for name in names):
        raise RuntimeError(f"{table}: expected a checkpoint of version {newest}, found none; nothing was removed")
    first = next((version for version in range(newest, 0, -1) if _wrote_rows(table, version)), newest)
    old = [
        name
        for name in names
        if name[:20].isdigit()
        and not name.startswith(checkpoint)
        and (not name.endswith(".json") or int(name[:20]) < first)
    ]
    table.remove(f"_delta_log/{name}" for name in old)
    return sorted(old)


def _wrote_rows(table: Location, version: int) -> bool:
    operations = (action.get("commitInfo", {}).get("operation") for action in commit_of(table, version) or ())
    return any(operation in ("WRITE", "MERGE") for operation in operations)
