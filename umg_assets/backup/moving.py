"""Moves the tables to where umg.toml says: into a bucket, out of it, or into another one.

Every file is copied, and the copies compared, before location.json names the new place. So a move that is broken off
leaves the tables where they lie, and the next one goes on with what is missing. Then the files at the old place go:
until they have, nothing else may write, because forgetting would not find them.
"""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from umg_assets import tables
from umg_assets.landing.sealing import sealing_alone
from umg_assets.resources.delta_log import files_of, is_table, newest_version
from umg_assets.resources.forgetting_lock import alone, refuse_while_forgetting
from umg_assets.resources.interop import refresh_catalog
from umg_assets.resources.locations import (
    address_of,
    finish_move,
    left_behind,
    local_file,
    location_of,
    move,
    prepare_move,
    target_of,
    undo_move,
)
from umg_assets.resources.locks import exclusive, no_writer
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_location import Folder, Prefix
from umg_assets.text import counted

_AT_A_TIME = 8
"""Files copied at the same time: a bucket answers each in its own time."""


class MoveError(RuntimeError):
    """The tables cannot be moved; the message says why, and what to do."""


@dataclass(frozen=True)
class Moved:
    """What has been copied: tables, files and bytes; those that a broken-off move had copied are in it."""

    tables: int = 0
    files: int = 0
    bytes: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.tables + other.tables, self.files + other.files, self.bytes + other.bytes)


def move_tables(home: Path, wanted: str | None, say: Callable[[str], None]) -> Moved:
    """Moves all tables to `wanted`, which is `places.tables`, and removes them where they lay. No run may be under way.

    Also finishes a move that was broken off; one to elsewhere is undone. Nothing to do: an empty Moved. Raises
    MoveError where files are missing or a copy is not what was copied, LocationError where another lakehouse's tables
    lie there or the place is where they lie already, TableDamagedError for a table that cannot be opened, StoreError,
    ForgettingError while people are being forgotten.
    """
    refuse_while_forgetting(home)
    moved = Moved()
    with ExitStack() as held:
        held.enter_context(sealing_alone(home))
        held.enter_context(alone(home))
        held.enter_context(exclusive(local_file(home, ".creating.lock")))
        for table in tables.ALL:
            held.enter_context(no_writer(home, table.name))
        _remove_left(home, say)
        if undo_move(home, wanted):
            say("removed what a move that was broken off had copied elsewhere")
        if address_of(home) != wanted:
            prepare_move(home, wanted)
            for table in tables.ALL:
                if is_table(source := location_of(home, table)):
                    moved += _copied(source, target_of(home, table, wanted), home, say)
            move(home, wanted)
            _remove_left(home, say)
    return moved


def _remove_left(home: Path, say: Callable[[str], None]) -> None:
    left = left_behind(home)
    if not left:
        return
    say("removing the files at the old place")
    for location in left:
        location.discard()
    finish_move(home)
    refresh_catalog(home)


def _copied(source: Folder | Prefix, target: Folder | Prefix, home: Path, say: Callable[[str], None]) -> Moved:
    """Copies the files that are missing at `target`, and removes there what is not in `source`."""
    wanted = {file.path: file.size for file in source.files()}
    there = {file.path: file.size for file in target.files()}
    say(f"{source.name}: {counted(len(wanted), 'file')}")
    version = newest_version(source)
    if gone := files_of(source, version) - wanted.keys():
        raise MoveError(
            f"{source}: expected every file that the table's log names, {counted(len(gone), 'file')} of them missing, "
            f"such as {min(gone)}; nothing was copied: restore the lakehouse from a back-up (`umg restore`), or put "
            "them back, and type `umg move-tables` again"
        )
    target.remove(there.keys() - wanted.keys())
    # a file of rows has a name of its own for ever; what is in the log may have been written anew under its name
    missing = [path for path, size in wanted.items() if there.get(path) != size or path.startswith("_delta_log/")]
    folder = staging_folder(home)

    def copy(path: str) -> None:
        fetched = folder / uuid.uuid4().hex
        if isinstance(source, Folder):
            target.put(path, source.path / path)
        else:
            source.fetch(path, fetched)
            target.put(path, fetched)
            fetched.unlink()

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(copy, missing))
    copied = {file.path: file.size for file in target.files()}
    if copied != wanted or newest_version(target) != version or files_of(target, version) != files_of(source, version):
        raise MoveError(
            f"{source.name}: expected the same files in {target} as in {source}, found others; nothing was removed, "
            "and the tables are used where they lay: let nothing else write there, and type `umg move-tables` again"
        )
    return Moved(1, len(wanted), sum(wanted.values()))
