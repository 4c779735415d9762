"""Takes a back-up while runs may be under way: what Dagster knows first, then the tables, the ledger last.

A restored lakehouse plans by comparing the ledger with what Dagster says has been built. So that it can only plan too
much: what Dagster knows is copied before the versions of the tables are fixed (a table is never older than Dagster
says), and of these the ledger's last (it names all that a table was built from). Nothing lands while versions are
fixed, so the ledger says of the raw tables what is in them. What a run does meanwhile is built once more after a
restore. Nothing is vacuumed until all files are copied.
"""

import importlib.metadata
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC
from pathlib import Path

from umg_assets import clock, tables
from umg_assets.backup.manifest import BackupError, Manifest, Size, check_apart, check_empty, copied, name_of_user_key
from umg_assets.landing.file_names import files_of as files_of_landing
from umg_assets.landing.sealing import sealing_alone
from umg_assets.privacy.keys import KEYS
from umg_assets.resources.delta_log import files_of, newest_version
from umg_assets.resources.forgetting_lock import FOLDER as FORGOTTEN
from umg_assets.resources.forgetting_lock import alone, refuse_while_forgetting
from umg_assets.resources.json_files import read_json
from umg_assets.resources.locations import location_of, names_of
from umg_assets.resources.locks import writing
from umg_assets.resources.published import CURRENT, MANIFEST, published_versions
from umg_assets.resources.table_location import Folder, Prefix

TOMBSTONES = Path(FORGOTTEN, "tombstones")
_APART = {"tables", "dagster", "exports", "landing", "keys", "staging"}
"""What of UMG_HOME is copied in a way of its own, or not at all."""
_LOG_FILE = re.compile(r"(\d{20})\.(?:json|crc|checkpoint[\w.]*\.parquet)")
_INDEX = Path("history", "runs", "index.db")
_NOT_KEPT = re.compile(r"\..*|empty-.*|nothing_stale\.json|.*\.db-(?:wal|shm|journal)")
"""Files of Dagster's folder that are made again, or are part of a database that is copied by SQLite."""


def back_up(home: Path, target: Path, landing: bool, keys: Path | None, say: Callable[[str], None]) -> Manifest:
    """Copies a lakehouse into a new directory, and its keys into another, if one is given.

    Raises BackupError where a place will not do, or a copied table is not what was copied; ForgettingError while people
    are being forgotten. A directory without backup.json is what a killed call leaves.
    """
    places = [("the back-up", target), ("UMG_HOME", home), *([("the keys", keys)] if keys else [])]
    check_apart(places)
    check_empty(target, "the back-up")
    if keys:
        check_empty(keys, "the keys")
    if not (home / "tables").is_dir():
        raise BackupError(f"{home}: expected a lakehouse, found no tables/: the first `umg run` makes them")
    refuse_while_forgetting(home)
    copy = _Copy(home, target)
    say("what Dagster knows")
    copy.dagster()
    published = copy.published()
    say("fixing the versions of the tables; what is landing lands first")
    with ExitStack() as held:
        with sealing_alone(home), alone(home):
            names = names_of(home)
            for name in names:
                held.enter_context(writing(home, name))
            versions, taken_at = _versions(home, names), clock.now().astimezone(UTC)
            user_key = name_of_user_key(home) if (home / "keys" / KEYS[0]).exists() else ""
            copy.folder(home / FORGOTTEN)
            if keys:
                _copy_keys(home, keys)
        for name, version in versions.items():
            say(f"{name}, version {version}")
            copy.table(name, version, published)
    copy.rest()
    if landing:
        say("landing/")
        copy.landing()
    release = importlib.metadata.version("umg-assets")
    taken = taken_at.isoformat(timespec="seconds")
    manifest = Manifest(taken, release, versions, published, landing, user_key, dict(sorted(copy.files.items())))
    manifest.write(target)
    return manifest


def _versions(home: Path, names: Iterable[str]) -> dict[str, int]:
    """The newest version of each table, the ledger's read last; a table whose creation was killed has none."""
    order = sorted(names, key=lambda name: (name == tables.DELIVERIES.name, name))
    versions = {name: newest_version(location_of(home, name)) for name in order}
    return {name: version for name, version in versions.items() if version >= 0}


def _copy_keys(home: Path, keys: Path) -> None:
    """The keys, and the list of who has been forgotten: it may be newer than the back-up that is restored one day."""
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in (*(home / "keys" / name for name in KEYS), home / TOMBSTONES):
        with suppress(FileNotFoundError):
            copied(file, keys / file.name)


class _Copy:
    """Copies parts of a lakehouse; files: what has been copied, by its path."""

    def __init__(self, home: Path, target: Path) -> None:
        self._home, self._target = home, target
        self.files: dict[str, Size] = {}
        target.mkdir(parents=True, exist_ok=True, mode=0o700)

    def dagster(self) -> None:
        """Dagster's databases, the index of what has been built first, and its other files."""
        folder = self._home / "dagster"
        for file in sorted(_files_in(folder), key=lambda file: file != folder / _INDEX):
            if _NOT_KEPT.fullmatch(file.name):
                continue
            if file.suffix == ".db":
                self._database(file)
            else:
                self._file(file)

    def published(self) -> str:
        """The published set that is current, and what stands beside the sets; the set's name."""
        for _ in range(10):  # the set before the last is removed whenever another is published
            name = _current(self._home)
            with suppress(FileNotFoundError):
                for file in _files_in(self._home / "exports" / name) if name else ():
                    self._file(file, may_be_gone=False)
                break
        else:
            raise BackupError(f"{self._home / 'exports'}: sets are published faster than one is copied: try again")
        for file in (self._home / "exports").glob("[!.]*.json"):
            self._file(file)
        return name

    def table(self, name: str, version: int, published: str) -> None:
        """A table at a version, with the log up to it; and the files that the published set reads.

        Raises BackupError where the copy does not hold the same files.
        """
        location, copy = location_of(self._home, name), Folder(self._target / "tables" / name)
        shown = read_json(self._target / "exports" / published / MANIFEST).get("versions", {}).get(name, version)
        files = files_of(location, version)
        known = shown in published_versions(self._home, name)  # else people were forgotten since, and older versions
        for file in files | (files_of(location, shown) if known else set()):
            self._of_table(location, file, may_be_gone=False)
        for log_file in filter(None, map(_LOG_FILE.fullmatch, sorted(location.log_names()))):
            if int(log_file[1]) <= version:
                self._of_table(location, f"_delta_log/{log_file[0]}", may_be_gone=True)
        if files_of(copy, version) != files:
            raise BackupError(
                f"{copy}: expected the files of {location} at version {version}, got others: take it again"
            )

    def rest(self) -> None:
        """umg.toml, and whatever else somebody keeps in UMG_HOME."""
        for place in sorted(self._home.glob("[!.]*")):
            if place.is_dir() and place.name not in _APART | {FORGOTTEN}:
                self.folder(place)
            elif place.is_file():
                self._file(place)

    def landing(self) -> None:
        """The files of landing/, also those that links lead to."""
        for file in files_of_landing(self._home / "landing", "**/*"):
            self._file(file)

    def folder(self, folder: Path) -> None:
        """Every file in a folder, but for locks."""
        for file in _files_in(folder):
            if file.name != ".lock":
                self._file(file)

    def _file(self, file: Path, may_be_gone: bool = True) -> None:
        path = file.relative_to(self._home)
        try:
            self.files[path.as_posix()] = copied(file, self._target / path)
        except FileNotFoundError:
            if not may_be_gone:
                raise

    def _of_table(self, location: Folder | Prefix, path: str, may_be_gone: bool) -> None:
        """A file of a table, wherever the table lies."""
        if isinstance(location, Folder):
            self._file(location.path / path, may_be_gone)
            return
        fetched, target = self._target / ".fetched", Path("tables", location.name, path)
        with suppress(*([FileNotFoundError] if may_be_gone else [])):
            location.fetch(path, fetched)
            self.files[target.as_posix()] = copied(fetched, self._target / target)
            fetched.unlink()

    def _database(self, file: Path) -> None:
        """A file of SQLite, as of one moment, by SQLite itself."""
        whole = self._target / f".{file.name}"
        with (
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as read,
            closing(sqlite3.connect(whole)) as written,
        ):
            read.backup(written)
        path = file.relative_to(self._home)
        self.files[path.as_posix()] = copied(whole, self._target / path)
        whole.unlink()


def _current(home: Path) -> str:
    link = home / "exports" / CURRENT
    return link.readlink().name if link.is_symlink() else ""


def _files_in(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file())
