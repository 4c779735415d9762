"""landing/ as a copy of what exporters put into a bucket: fetched before each look, and corrected there, too.

Everything else reads landing/ as it does without a bucket. A file that is there beside what the bucket holds stays.
"""

import errno
import math
import os
import time
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from umg_assets.landing.file_names import LandingError
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.locks import exclusive
from umg_assets.settings.model import Settings
from umg_assets.text import visible

if TYPE_CHECKING:
    from umg_assets.object_store import Object, ObjectStore

_STATE, _LOCK, _DRAFT = ".umg-bucket.json", ".umg-bucket.lock", ".umg-fetch-"
OF_BUCKET = (_STATE, _LOCK, _DRAFT)
"""How names of files begin that lie in landing/ for the fetching alone."""
_AT_ONCE = 8
_NAME_BYTES = 255
_OF_THE_NAME = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""Errors that one file has where it lies, and others have not, as they have a full disk."""


@dataclass
class Copied:
    """What landing/ has of a bucket. objects: by key, the ETag and size of what was fetched; refused: why others were
    not."""

    address: str
    objects: dict[str, tuple[str, int]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def copied(settings: Settings) -> Copied:
    """What landing/ has of the bucket; nothing without one, or before the first look."""
    address = settings.places.landing or ""
    content = read_json(settings.landing / _STATE) if address else None
    if not content or content["address"].rstrip("/") != address:
        return Copied(address)
    return Copied(address, {key: (etag, size) for key, (etag, size) in content["objects"].items()}, content["refused"])


def fetch(settings: Settings, seconds: float = math.inf) -> int:
    """Makes landing/ the copy of what the bucket holds now: fetches what is new or changed, then removes what has gone.

    A file appears whole, with the time at which the object was written. Returns how many were fetched or removed; 0
    without a bucket. seconds: after so many it begins no other file, and removes none; the next look goes on. Raises
    LandingError when the bucket cannot be listed or read: then nothing has been removed.
    """
    if not settings.places.landing:
        return 0
    from umg_assets.object_store import ConflictError, MissingError

    settings.landing.mkdir(parents=True, exist_ok=True)
    with _changing(settings) as (store, known):
        for draft in settings.landing.glob(f"{_DRAFT}*"):
            draft.unlink()
        files = _files(store)
        known.refused = dict(unusable(files))
        wanted = {key: found for key, found in files.items() if key not in known.refused}
        changed = [found for key, found in wanted.items() if known.objects.get(key) != (found.etag, found.size)]
        fetched, until = 0, time.monotonic() + seconds
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                under_way = {pool.submit(_fetch, store, found, settings.landing): found for found in changed}
                for done in as_completed(under_way):
                    found = under_way[done]
                    try:
                        done.result()
                        known.objects[found.key] = found.etag, found.size
                        fetched += 1
                    except (ConflictError, MissingError):  # the next look shows what is there now
                        pass
                    except OSError as error:
                        if error.errno not in _OF_THE_NAME:
                            raise
                        known.refused[found.key] = f"it cannot be written to landing/: {error.strerror}"
                    if time.monotonic() > until:
                        return fetched
            finally:
                pool.shutdown(cancel_futures=True)
        gone = known.objects.keys() - wanted.keys()
        for key in gone:
            _remove(settings.landing, key)
            del known.objects[key]
    return fetched + len(gone)


def unfetched(settings: Settings) -> set[str]:
    """The keys of what has come, changed or gone in the bucket since the last look, but for those that a disk cannot
    hold; nothing without a bucket. Changes nothing. Raises LandingError when the bucket cannot be listed."""
    if not settings.places.landing:
        return set()
    from umg_assets.object_store import ObjectStore

    known = copied(settings)
    with _explained():
        files = _files(ObjectStore(known.address))
    refused = {*known.refused, *dict(unusable(files))}
    there = {key: (found.etag, found.size) for key, found in files.items() if key not in refused}
    return {key for key in there | known.objects if there.get(key) != known.objects.get(key)}


def replace(settings: Settings, path: str, content: Path) -> bool:
    """Writes a file of landing/ over its object. False: the object is not what was fetched, and stays.

    True also without a bucket, or for a file that is not the bucket's. Raises LandingError.
    """
    if path not in copied(settings).objects:
        return True
    from umg_assets.object_store import ConflictError, MissingError

    with _changing(settings) as (store, known):
        try:
            etag = store.write(path, content, replaces=known.objects[path][0])
        except (ConflictError, MissingError):
            return False
        known.objects[path] = etag, content.stat().st_size
        return True


def remove(settings: Settings, paths: Collection[str]) -> set[str]:
    """Deletes the objects of files, where they have some; the files are the caller's.

    Returns the paths whose objects are not what was fetched: they were delivered anew, and stay. Raises LandingError.
    """
    if copied(settings).objects.keys().isdisjoint(paths):
        return set()
    with _changing(settings) as (store, known):
        fetched = known.objects.keys() & paths
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = {now.key: (now.etag, now.size) for now in pool.map(store.head, fetched) if now}
        anew = {path for path in fetched & there.keys() if there[path] != known.objects[path]}
        store.remove(sorted(fetched - anew))
        for path in fetched - anew:
            del known.objects[path]
    return anew


@contextmanager
def _changing(settings: Settings) -> Iterator[tuple["ObjectStore", Copied]]:
    """The bucket, and what landing/ has of it, which is kept afterwards; one process at a time."""
    from umg_assets.object_store import ObjectStore  # only where there is a bucket: it takes a while

    address = settings.places.landing or ""
    with exclusive(settings.landing / _LOCK):
        known = copied(settings)
        before = dict(known.objects), dict(known.refused)
        try:
            with _explained():
                yield ObjectStore(address), known
        finally:
            if (known.objects, known.refused) != before:
                write_json(settings.landing / _STATE, vars(known))


@contextmanager
def _explained() -> Iterator[None]:
    """What a bucket does not do is an error of landing/."""
    from umg_assets.object_store import StoreError

    try:
        yield
    except StoreError as error:
        raise LandingError(f"{visible(str(error))}: what is in landing/ stays; `umg doctor` tries the bucket") from None


def _files(store: "ObjectStore") -> dict[str, "Object"]:
    """By key, the objects that stand for files: consoles stand for a folder by one without content."""
    listed = {found.key: found for found in store.listing()}
    folders = {outer for key in listed for outer in _outer(key)}
    return {key: found for key, found in listed.items() if found.size or key not in folders}


def _fetch(store: "ObjectStore", found: "Object", landing: Path) -> None:
    draft, target = landing / f"{_DRAFT}{uuid.uuid4().hex}", landing / found.key
    try:
        store.fetch(found, draft)
        written = found.modified.timestamp()
        os.utime(draft, (written, written))
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _remove(landing: Path, key: str) -> None:
    """Removes a file, and the folders that are empty without it."""
    file = landing / key
    if file.is_dir():  # made by hand since
        return
    file.unlink(missing_ok=True)
    for folder in file.parents:
        if folder == landing or not folder.is_dir() or any(folder.iterdir()):
            break
        folder.rmdir()


def unusable(keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """The keys that a disk cannot hold as files, and why."""
    for key in keys:
        parts = key.split("/")
        inside = next((outer for outer in _outer(key) if outer in keys), None)
        if any(part in ("", ".", "..") for part in parts) or "\0" in key:
            yield key, "its key is no path of a file: put it under another"
        elif any(len(part.encode()) > _NAME_BYTES for part in parts):
            yield key, f"its key has a part of more than {_NAME_BYTES} bytes: put it under a shorter one"
        elif parts[0].startswith(OF_BUCKET):
            yield key, "its key is one that umg uses itself: put it under another"
        elif inside:
            yield key, f"{inside} is an object, too, and cannot be a folder on a disk: put one under another key"


def _outer(key: str) -> Iterator[str]:
    """The folders in which a key lies."""
    return (key[:at] for at, letter in enumerate(key) if letter == "/")
