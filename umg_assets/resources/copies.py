"""Copies, on this disk, of files of tables in a bucket: a Delta file never changes, so it is fetched once."""

import itertools
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock

from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_files import File
from umg_assets.resources.table_location import Folder, Prefix

_AT_ONCE = 8


class Copies:
    """The copies that this process has, each fetched when a page first needs it. Threads may share it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._copies: dict[str, Path] = {}
        self._numbers = itertools.count()
        self._folder: Path | None = None
        self._sets: list[Collection[str]] = []
        self._lock = Lock()

    def of(self, location: Folder | Prefix, files: Sequence[File]) -> list[File]:
        """The files of a table, each where it can be read from a disk. Raises StoreError, and OSError where
        a file is gone or this disk is full: the copies of the others stay."""
        if isinstance(location, Folder):
            return list(files)
        with self._lock:
            new = [file.path for file in files if file.path not in self._copies]
            folder = self._folder = self._folder or staging_folder(self._home)
            copies = [folder / f"{next(self._numbers)}.parquet" for _ in new]
            paths = [path.removeprefix(f"{location}/") for path in new]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                fetching = [pool.submit(location.fetch, *of_file) for of_file in zip(paths, copies, strict=True)]
            for path, copy, fetched in zip(new, copies, fetching, strict=True):
                if fetched.exception():
                    copy.unlink(missing_ok=True)  # a part of it
                else:
                    self._copies[path] = copy
            for fetched in fetching:
                fetched.result()
            return [replace(file, path=str(self._copies[file.path])) for file in files]

    def keep(self, files: Iterable[File]) -> None:
        """Keeps copies of a new set's files and of the set before, and removes others."""
        with self._lock:
            self._sets = [*self._sets[-1:], {file.path for file in files}]
            for path in self._copies.keys() - {path for paths in self._sets for path in paths}:
                self._copies.pop(path).unlink(missing_ok=True)
