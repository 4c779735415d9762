"""Where one table lies: a directory, or an address of a bucket; and what can be done with the files there."""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from umg_assets.resources.json_files import to_disk

if TYPE_CHECKING:
    from umg_assets.object_store import ObjectStore

_LOG = "_delta_log"


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
    def put(self, path: str, file: Path) -> None:
        """Writes a file with the content of one on this disk, whatever is there."""

    @abstractmethod
    def discard(self) -> None:
        """Removes whatever is there."""

    def clear(self, personal: bool) -> None:
        """Removes whatever is there, and makes place for a new table. personal: only its owner may look into it; for a
        bucket, its own rules say who may."""
        self.discard()

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

    def put(self, path: str, file: Path) -> None:
        """As Location says; when this returns, it is on the disk."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}")
        shutil.copy2(file, draft)
        to_disk(draft)
        draft.replace(target)
        to_disk(target.parent)

    def discard(self) -> None:
        """As Location says."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def clear(self, personal: bool) -> None:
        """As Location says."""
        self.discard()
        self.path.mkdir(parents=True, mode=0o700 if personal else 0o777)


class Prefix(Location):
    """A table under an address of a bucket. Every method raises StoreError where the bucket cannot be reached."""

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def _store(self) -> "ObjectStore":
        return store_at(self.address)

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

    def discard(self) -> None:
        """As Location says."""
        self.remove(file.path for file in list(self.files()))

    def put(self, path: str, file: Path) -> None:
        """As Location says."""
        self._store.write(path, file)

    def fetch(self, path: str, target: Path) -> None:
        """Writes a file's content to a new file on this disk. Raises FileNotFoundError."""
        self._store.download(path, target)


@lru_cache(maxsize=256)
def store_at(address: str) -> "ObjectStore":
    """The objects under an address of a bucket."""
    from umg_assets.object_store import ObjectStore  # only where there is a bucket: it takes a while

    return ObjectStore(address)
