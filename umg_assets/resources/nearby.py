"""Slices of tables in a bucket, read on this disk.

Embedded Sail asks a bucket four times for each file of rows that it reads, and some of our queries read a file up to
four times: 2,864 of one new day's 4,899 requests. So the files of a slice are fetched once, and a Delta table
that consists of them alone is made beside them: its log is one commit, which we write, and its files are the bucket's.
What is large is read in the bucket: there requests are few for the bytes, and this disk need not have the room.
"""

import itertools
import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock

from umg_assets.resources.copies import Copies
from umg_assets.resources.delta_log import commit_file, newest_version, open_table
from umg_assets.resources.locations import location_of
from umg_assets.resources.slices import Slice
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_files import File, files_of
from umg_assets.resources.table_location import Folder, Prefix
from umg_assets.tables import Table

_MOST_BYTES = 1 << 30
"""So much a process copies to this disk in all; what is beyond is read in the bucket."""


@cache
def nearby(home: Path) -> "Nearby":
    """The copies that this process has of a lakehouse's tables."""
    return Nearby(home)


class Nearby:
    """Copies of parts of tables, for as long as this process lives. Threads may share it."""

    def __init__(self, home: Path) -> None:
        self._home, self._lock = home, Lock()
        self._begin()

    def _begin(self) -> None:
        self._copies, self._copied, self._bytes = Copies(self._home), set[str](), 0
        self._tables: dict[tuple[str, ...], Path] = {}
        self._numbers = itertools.count()
        self._folder: Path | None = None

    def clear(self) -> None:
        """Removes all copies: what was read from them cannot be read any more."""
        with self._lock:
            self._copies.keep(())
            if self._folder:
                shutil.rmtree(self._folder)
            self._begin()

    def table(self, table: Table, part: Slice | None) -> str | None:
        """The address of a table on this disk with at least the rows of a part of a table (None: all), as they are now.

        None where they are to be read where they are: on a disk already, too many bytes, or no room for them here.
        Raises StoreError, TableDamagedError.
        """
        location = location_of(self._home, table)
        if isinstance(location, Folder) or (version := newest_version(location)) < 0:
            return None
        files = [file for file in files_of(self._home, table, version) if part is None or _is_of(part, table, file)]
        key = (location.address, str(version), *sorted(file.path for file in files))
        with self._lock:
            if key not in self._tables:
                new = {file.path: file.bytes for file in files if file.path not in self._copied}
                if self._bytes + sum(new.values()) > _MOST_BYTES:
                    return None
                try:
                    self._tables[key] = self._made(location, version, files)
                except OSError:  # this disk is full, or somebody's vacuum took a file: the engine says what it finds
                    return None
                self._copied |= new.keys()
                self._bytes += sum(new.values())
            return str(self._tables[key])

    def _made(self, location: Prefix, version: int, files: Sequence[File]) -> Path:
        copies = self._copies.of(location, files)
        opened, adds = open_table(location, version), []
        self._folder = self._folder or staging_folder(self._home)
        folder = self._folder / f"{next(self._numbers)}-{location.name}"
        (folder / "_delta_log").mkdir(parents=True)
        for number, (file, copy) in enumerate(zip(files, copies, strict=True)):
            Path(folder, name := f"{number}.parquet").hardlink_to(copy.path)
            adds.append(
                {
                    "path": name,
                    "partitionValues": dict(file.values),
                    "size": file.bytes,
                    "modificationTime": 0,
                    "dataChange": True,
                }
            )
        metadata = {
            "id": location.name,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": opened.schema().to_json(),
            "partitionColumns": opened.metadata().partition_columns,
            "configuration": {},
            "createdTime": 0,
        }
        actions = [
            {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
            {"metaData": metadata},
            *({"add": add} for add in adds),
        ]
        (folder / commit_file(0)).write_text("".join(f"{json.dumps(action)}\n" for action in actions), encoding="utf-8")
        return folder


def _is_of(part: Slice, table: Table, file: File) -> bool:
    """Whether a file may hold rows of a part; yes, where the part does not name all partition columns."""
    values = tuple(file.values[name] for name in table.partitioned_by)
    return values in part.partitions or len(part.partitions[0]) != len(values)
