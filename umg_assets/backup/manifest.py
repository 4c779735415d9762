"""backup.json: what a back-up holds. It is written last, so one that was broken off has none."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from umg_assets.privacy.files import write_whole
from umg_assets.privacy.keys import UserKeys
from umg_assets.settings.home import on_disk

FILE = "backup.json"
_FORMAT = 1
_CHUNK = 1 << 20
Size = tuple[int, str]
"""A file's bytes and their SHA-256."""


class BackupError(RuntimeError):
    """A back-up cannot be made or restored; the message says why, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a back-up holds.

    taken_at: when the tables' versions were fixed (UTC). release: of umg_assets. versions: of the tables. published:
    the folder of exports/ that `current` names; "" for none. landing: whether landing/ is in it. user_key: the name of
    the key that it needs, which does not tell the key; "" where there was none yet. files: by path, in order.
    """

    taken_at: str
    release: str
    versions: dict[str, int]
    published: str
    landing: bool
    user_key: str
    files: dict[str, Size]

    @property
    def has_dagster(self) -> bool:
        """Whether what Dagster knows is in it; else that lies elsewhere (PostgreSQL), or there is nothing yet."""
        return any(path.startswith("dagster/") and path.endswith(".db") for path in self.files)

    def write(self, folder: Path) -> None:
        """Completes a back-up: what it lists is on disk before it is."""
        for path in self.files:
            with (folder / path).open("rb") as file:
                os.fsync(file.fileno())
        write_whole(folder / FILE, json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a whole back-up. Raises BackupError for anything else."""
        file = folder / FILE
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.pop("format") != _FORMAT:
                raise BackupError(f"{file}: made by a newer release of umg_assets: restore it with that one")
            files = {path: (size, digest) for path, (size, digest) in content.pop("files").items()}
            return cls(**content, files=files)
        except (FileNotFoundError, NotADirectoryError):
            raise BackupError(
                f"{folder}: expected {FILE}, which is written last, found none: this is no back-up, or one that was "
                "broken off: take another one"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BackupError(f"{file}: expected the list of a back-up, got something else: take another one") from None

    def check(self, folder: Path) -> None:
        """Raises BackupError where a file is missing or has another size."""
        for path, (size, _) in self.files.items():
            file = folder / path
            if not file.is_file() or file.stat().st_size != size:
                found = f"{file.stat().st_size:,} bytes" if file.is_file() else "none"
                raise damaged(file, f"{size:,} bytes", found)


def damaged(file: Path, expected: str, found: str) -> BackupError:
    """A back-up of which a file is not what it was."""
    return BackupError(f"{file}: expected {expected}, found {found}: the back-up is damaged: restore another one")


def copied(source: Path, target: Path) -> Size:
    """Copies a file and its times; its size and digest, as they were read. Raises FileNotFoundError if it has gone."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as read:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as written:
            while part := read.read(_CHUNK):
                digest.update(part)
                written.write(part)
                size += len(part)
    shutil.copystat(source, target)
    return size, digest.hexdigest()


def name_of_user_key(home: Path) -> str:
    """What tells one user_key from another, and neither key nor people. Raises KeyFileError without the key."""
    return UserKeys(home).derived("umg user_key name", 4).hex()


def check_empty(folder: Path, what: str) -> None:
    """Raises BackupError where a folder holds anything, and AddressError where it is none."""
    on_disk(folder, what)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{what}: expected a new or empty directory, got {folder}, which holds something")


def check_apart(places: Sequence[tuple[str, Path]]) -> None:
    """Raises BackupError where of several places (what it is, path) one lies in another."""
    for what, place in places:
        for other, folder in places:
            if (what, place) != (other, folder) and place.resolve().is_relative_to(folder.resolve()):
                raise BackupError(f"{what} {place}: expected a place outside {other} {folder}: name another")
