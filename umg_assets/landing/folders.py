"""Folders that are one delivery (`folder_is_delivery`): what has left them, and whether they shrank too far.

A folder that is gone, or that has no file of its source any more, has been cleaned up: nothing is withdrawn from it.
"""

import fnmatch
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from umg_assets import tables
from umg_assets.catalogue import landing_asset
from umg_assets.planning.entry import Entry, folder_of
from umg_assets.planning.history import History
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind


@dataclass(frozen=True)
class Folder:
    """A folder of landing/ that is one delivery of a source.

    path: as files are named, relative to landing/ where it lies there. files: those of the source that lie in it now,
    by path. known: the ledger's last entries of files of it, without those withdrawn or gone by age. bytes_before: the
    size of what has landed of it.
    """

    kind: Kind
    position: int
    source: Source
    path: str
    files: Mapping[str, Path]
    known: Sequence[Entry]
    bytes_before: int

    @property
    def left(self) -> list[Entry]:
        """The known deliveries whose files lie in it no longer."""
        return [entry for entry in self.known if not os.path.lexists(self._absolute / PurePosixPath(entry.path).name)]

    @property
    def size(self) -> int:
        """The bytes of its files now. Raises OSError when one is gone."""
        return sum(file.stat().st_size for file in self.files.values())

    @property
    def changed_at(self) -> float:
        """When a file last came, went or changed, in seconds since 1970. Raises OSError when one is gone."""
        return max(path.stat().st_ctime for path in (self._absolute, *self.files.values()))

    @property
    def _absolute(self) -> Path:
        return next(iter(self.files.values())).parent

    def content(self, hashes: Mapping[str, str]) -> str:
        """SHA-256 of the paths and contents of its files. hashes: by path, of contents that the ledger may not know."""
        known = {entry.path: entry.content_hash for entry in self.known}
        lines = [f"{path} {hashes.get(path) or known.get(path, '')}" for path in sorted(self.files)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def folders_of(landing: Path, claimed: Mapping[tuple[Kind, str], tuple[int, Source]], history: History) -> list[Folder]:
    """The folders that are one delivery, each with its files. claimed: by kind and path, a file's source."""
    files: dict[tuple[Kind, int, str], dict[str, Path]] = {}
    sources: dict[tuple[Kind, int], Source] = {}
    for (kind, path), (position, source) in claimed.items():
        if source.folder_is_delivery:
            sources[kind, position] = source
            files.setdefault((kind, position, folder_of(path)), {})[path] = landing / path
    if not files:
        return []
    history = history.about((), {(kind, path) for kind, _, path in files})
    known, standing = (
        _by_folder(entries)
        for entries in (history.not_withdrawn(), (entry for kind in tables.KINDS for entry in history.standing(kind)))
    )
    folders = []
    for (kind, position, path), members in files.items():
        names = PurePosixPath(sources[kind, position].files).name
        there, standing_there = (
            [entry for entry in _named(of[kind, path], names) if not _gone_by_age(landing, entry, history)]
            for of in (known, standing)
        )
        sizes = {entry.path: bytes_landed(entry) for entry in standing_there}
        folders.append(Folder(kind, position, sources[kind, position], path, members, there, sum(sizes.values())))
    return folders


def _gone_by_age(landing: Path, entry: Entry, history: History) -> bool:
    """Whether a delivery's file was removed because it was old: then it has not left its folder."""
    return history.gone(landing_asset(entry.source), entry) and not (landing / entry.path).exists()


def _by_folder(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    grouped: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        grouped[entry.source, entry.folder].append(entry)
    return grouped


def _named(entries: Iterable[Entry], pattern: str) -> Iterator[Entry]:
    """The entries of files whose names match the last part of a glob: other sources' files may lie in the folder."""
    return (entry for entry in entries if fnmatch.fnmatchcase(PurePosixPath(entry.path).name, pattern))


def bytes_landed(entry: Entry) -> int:
    """The size that a file had when it landed, from the ledger."""
    return int(entry.signature.partition("-")[0] or 0)


def has_shrunk(before: int, now: int, percent: int) -> bool:
    """Whether what had so many bytes is empty now, or smaller by more than `percent` %."""
    return now * 100 < before * (100 - percent) or (before > 0 and not now)
