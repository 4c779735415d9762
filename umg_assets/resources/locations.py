"""Where tables lie: in directories under UMG_HOME/tables, or under an address of a bucket (`places.tables`).

UMG_HOME/tables/location.json names the address, once there is one. It decides, so that another setting does not begin
an empty lakehouse beside the tables that are there. What makes writers of this machine wait lies in UMG_HOME/tables,
wherever the tables are.
"""

import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from umg_assets import tables
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.staging import staging_folder
from umg_assets.tables import Table

if TYPE_CHECKING:
    from umg_assets.object_store import ObjectStore

_RECORD, _MARKER = "location.json", "_umg_lakehouse.json"
_LOG = "_delta_log"


class LocationError(RuntimeError):
    """The tables lie elsewhere than umg.toml says, or another lakehouse's lie there; the message says what to do."""


@dataclass(frozen=True)
class StoredFile:
    """A file under a location: its path there, its size in bytes."""

    path: str
    size: int


class Location(ABC):
    """Where one table lies. address: what engines, delta-rs and DuckDB open. Paths are below it."""

    address: str

    @property
    def name(self) -> str:
        """The table's name."""
        return self.address.rpartition("/")[2]

    @abstractmethod
    def log_names(self, since: int = 0) -> list[str]:
        """The names of files in the table's log; of those before version `since`, some or none. Empty for no log."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """A file's content; None if there is none."""

    @abstractmethod
    def identity(self, path: str) -> str:
        """What tells a file from another one of the same path, without reading it; empty for none, or an empty one."""

    @abstractmethod
    def written_at(self, path: str) -> datetime | None:
        """When a file was written (UTC); None if there is none."""

    @abstractmethod
    def files(self) -> Iterator[StoredFile]:
        """Every file, of whatever version or none."""

    @abstractmethod
    def holds(self, paths: Iterable[str]) -> bool:
        """Whether all of these files are there."""

    @abstractmethod
    def remove(self, paths: Iterable[str]) -> None:
        """Removes files."""

    @abstractmethod
    def clear(self, personal: bool) -> None:
        """Removes whatever is there, and makes place for a new table. personal: only its owner may look into it."""

    def __str__(self) -> str:
        return self.address


class Folder(Location):
    """A table in a directory."""

    def __init__(self, path: Path) -> None:
        self.path, self.address = path, str(path)

    def log_names(self, since: int = 0) -> list[str]:
        """As Location says, of all versions."""
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return os.listdir(self.path / _LOG)  # noqa: PTH208 - names, not paths: a run asks some hundred times
        return []

    def read(self, path: str) -> bytes | None:
        """As Location says."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.path / path).read_bytes()
        return None

    def identity(self, path: str) -> str:
        """As Location says."""
        with suppress(OSError):
            status = (self.path / path).stat()
            return f"{status.st_ino} {status.st_mtime_ns} {status.st_size}" if status.st_size else ""
        return ""

    def written_at(self, path: str) -> datetime | None:
        """As Location says."""
        with suppress(OSError):
            return datetime.fromtimestamp((self.path / path).stat().st_mtime, UTC)
        return None

    def files(self) -> Iterator[StoredFile]:
        """As Location says."""
        for file in self.path.rglob("*"):
            with suppress(FileNotFoundError):  # a run or a vacuum has removed it meanwhile
                if file.is_file():
                    yield StoredFile(file.relative_to(self.path).as_posix(), file.stat().st_size)

    def holds(self, paths: Iterable[str]) -> bool:
        """As Location says."""
        return all((self.path / path).exists() for path in paths)

    def remove(self, paths: Iterable[str]) -> None:
        """As Location says."""
        for path in paths:
            (self.path / path).unlink()

    def clear(self, personal: bool) -> None:
        """As Location says."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, mode=0o700 if personal else 0o777)


class Prefix(Location):
    """A table under an address of a bucket. Every method raises StoreError where the bucket cannot be reached."""

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def _store(self) -> "ObjectStore":
        return _store(self.address)

    def log_names(self, since: int = 0) -> list[str]:
        """As Location says; one request for each thousand names."""
        listed = self._store.listing(under=_LOG, after=f"{_LOG}/{since:020d}" if since else "")
        return [found.key.rpartition("/")[2] for found in listed]

    def read(self, path: str) -> bytes | None:
        """As Location says."""
        found = self._store.read(path)
        return found[0] if found else None

    def identity(self, path: str) -> str:
        """As Location says."""
        found = self._store.head(path)
        return found.etag if found else ""

    def written_at(self, path: str) -> datetime | None:
        """As Location says."""
        found = self._store.head(path)
        return found.modified if found else None

    def files(self) -> Iterator[StoredFile]:
        """As Location says."""
        return (StoredFile(found.key, found.size) for found in self._store.listing())

    def holds(self, paths: Iterable[str]) -> bool:
        """As Location says; by a listing of all."""
        return {file.path for file in self.files()}.issuperset(paths)

    def remove(self, paths: Iterable[str]) -> None:
        """As Location says."""
        self._store.remove(list(paths))

    def clear(self, personal: bool) -> None:
        """As Location says; who may look into it, the bucket's own rules say."""
        self.remove(file.path for file in list(self.files()))

    def fetch(self, path: str, target: Path) -> None:
        """Writes a file's content to a new file on this disk. Raises FileNotFoundError."""
        found = self._store.head(path)
        if found is None:
            raise FileNotFoundError(f"{self.address}/{path}")
        self._store.fetch(found, target)


@lru_cache(maxsize=256)
def _store(address: str) -> "ObjectStore":
    from umg_assets.object_store import ObjectStore  # only where there is a bucket: it takes a while

    return ObjectStore(address)


def location_of(home: Path, table: Table | str) -> Folder | Prefix:
    """Where a table of the lakehouse lies, or will lie."""
    name = table if isinstance(table, str) else table.name
    root = address_of(home)
    return Prefix(f"{root}/{name}") if root else Folder(home / "tables" / name)


def local_file(home: Path, name: str) -> Path:
    """A path in UMG_HOME/tables for what this machine's processes share about tables: locks, and what is derived.

    Its directory is made if it is missing.
    """
    folder = home / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def names_of(home: Path) -> list[str]:
    """The names of the tables that are there, or that somebody began to create."""
    if address_of(home):
        return [table.name for table in tables.ALL]
    return [path.name for path in (home / "tables").glob("[!.]*") if path.is_dir()]


def address_of(home: Path) -> str | None:
    """The address under which all tables lie; None where they lie in UMG_HOME/tables."""
    try:
        return read_json(home / "tables" / _RECORD)["address"]
    except KeyError:
        return None


def root_of(home: Path) -> str:
    """Where all tables lie, for a sentence: a directory or an address."""
    return address_of(home) or str(home / "tables")


def fetched_files(home: Path) -> Iterator[tuple[str, Path]]:
    """Each file of the tables in a bucket: its address, and a copy that is there until the next one is asked for.

    Nothing where tables lie in UMG_HOME. Raises StoreError.
    """
    address = address_of(home)
    if not address:
        return
    with TemporaryDirectory(dir=staging_folder(home)) as folder:
        copy = Path(folder, "file")
        for file in _store(address).listing():
            _store(address).fetch(file, copy)
            yield f"{address}/{file.key}", copy
            copy.unlink()


def refuse_elsewhere(home: Path, wanted: str | None) -> None:
    """Raises LocationError where the tables lie elsewhere than `wanted`, which is `places.tables`, says."""
    address, folder = address_of(home), home / "tables"
    in_folder = any((folder / table.name).exists() for table in tables.ALL)
    if address != wanted and (address or in_folder):
        raise LocationError(
            f"places.tables: the tables of {home} lie in {address or folder}, and umg.toml says {wanted or folder}: "
            "set it back, or begin another UMG_HOME with this setting"
        )


def settle(home: Path, wanted: str | None) -> None:
    """Says where the tables lie, before the first one is made; later, that this is what umg.toml says.

    wanted: `places.tables`. The address gets a mark of whose it is. Raises LocationError where the tables lie
    elsewhere, or another lakehouse's lie there; StoreError where the bucket cannot be written.
    """
    refuse_elsewhere(home, wanted)
    folder = home / "tables"
    record = read_json(folder / _RECORD)
    if not wanted or record.get("marked"):
        return
    from umg_assets.object_store import ConflictError

    folder.mkdir(parents=True, exist_ok=True)
    name = record.get("lakehouse") or uuid.uuid4().hex
    write_json(folder / _RECORD, {"address": wanted, "lakehouse": name})
    store = _store(wanted)
    try:
        store.write(_MARKER, f'{{"lakehouse": "{name}"}}\n'.encode(), replaces="")
    except ConflictError:
        mark = store.read(_MARKER)
        if mark is None or name.encode() not in mark[0]:
            (folder / _RECORD).unlink()
            raise LocationError(
                f"places.tables: expected {wanted} to be empty, and another lakehouse has its tables there: name "
                "another prefix, or use the UMG_HOME that they belong to"
            ) from None
    write_json(folder / _RECORD, {"address": wanted, "lakehouse": name, "marked": True})
