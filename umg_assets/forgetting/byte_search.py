"""The proof on the bytes: whether anything under a folder still names certain people.

Every byte of every file is searched, as it is and unpacked: archives, Parquet with its whole dictionaries, ORC, Avro,
SQLite; and names of files, and targets of links. Findings say where and whom by position, never the id itself.
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from umg_assets.forgetting.matching import Hit, Matcher
from umg_assets.forgetting.packed import Reading

FOLLOWED = "landing"
"""Directly under the folder searched: it may be a link, and links in it are followed, as landing does."""


@dataclass(frozen=True)
class Finding:
    """One place that names a person.

    path: from the folder searched, with what is inside: `landing/a.zip!users.csv`, `tables/x/part.parquet!column
    user_id (dictionary)`; a name that itself names a person is shown as `<entry 3>`, by its position in its folder.
    how: plain, base64, hex, utf-16, escaped, name, link, number, ... ; what is derived from the id begins with its
    name (`user_key`, `sealed base64`). person: the position in the list given.
    """

    path: str
    how: str
    person: int


@dataclass
class Searched:
    """What a search went through: files and their bytes on disk; what could not be read, and why; what was found."""

    files: int = 0
    bytes: int = 0
    unreadable: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def search_bytes(
    root: Path,
    people: Sequence[Sequence[bytes]],
    skip: Collection[Path] = (),
    others: Collection[bytes] = frozenset(),
    followed: str = FOLLOWED,
    outside: Collection[Path] = (),
    fetched: Iterable[tuple[str, Path]] = (),
) -> Searched:
    """Searches everything under root for people; the time hardly depends on how many they are.

    people: for each the byte strings that identify them: the user id in UTF-8, its user_key as 64 hexadecimal digits,
    the same as 32 bytes, the sealed user id. Each is looked for in many encodings (see `forms`). A longer word that
    holds an id is none of it, nor is one of `others`, ids that join words by -, @, + or a dot. skip: files and folders
    that are left out. followed: the folder directly under root in which links are followed; empty: in all of them.
    outside: files elsewhere that are searched, too. fetched: what lies in no folder: its path as it is shown, and a
    copy of it that is there until the next one is asked for.
    What cannot be opened or unpacked is in `unreadable`, its raw bytes searched all the same.
    Raises NotADirectoryError if root is no folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is no folder: nothing was searched.")
    matcher = Matcher(people, others)
    walk = _Walk(Reading(matcher, root), {path.absolute() for path in skip}, followed)
    walk.folder(root.absolute(), "", b"")
    for file in outside:
        walk.elsewhere(file.name, str(file.absolute().parent), file.absolute())
    for path, file in fetched:
        walk.elsewhere(path.rpartition("/")[2], path.rpartition("/")[0], file)
    findings = [Finding(path, how, person) for path, hits in walk.reading.places.items() for how, person in hits]
    return Searched(walk.files, walk.bytes, walk.reading.unreadable, findings)


class _Walk:
    """A walk through a folder: what it meets is searched."""

    def __init__(self, reading: Reading, skip: set[Path], followed: str) -> None:
        self.reading, self.skip, self._followed = reading, skip, followed
        self.files = self.bytes = 0
        self._within: list[Path] = []

    def folder(self, folder: Path, place: str, name: bytes) -> None:
        """Searches a folder's entries, hidden ones too, in the order of their names.

        place, name: the folder's path from the root, as it is shown and as it is.
        """
        real = folder.resolve()
        if real in self._within:  # a link to a folder in which it lies
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.reading.unreadable.append(f"{place}: {error.strerror}")
            return
        self._within.append(real)
        for at, entry in enumerate(entries):
            path = Path(entry.path)
            if path not in self.skip:
                whole = name + b"/" + os.fsencode(entry.name) if name else os.fsencode(entry.name)
                self._entry(path, self._place(entry.name, at, place, name, whole), whole)
        self._within.pop()

    def elsewhere(self, name: str, folder: str, file: Path) -> None:
        """Searches a file that lies elsewhere, and its name."""
        place = self._place(name, 0, folder, b"", os.fsencode(name))
        try:
            self._file(file, place)
        except OSError as error:
            self.reading.unreadable.append(f"{place}: {error.strerror}")

    def _place(self, entry: str, at: int, folder: str, folder_name: bytes, name: bytes) -> str:
        """An entry's path as it is shown; its name is searched."""
        hits = {hit for hit, end in self.reading.matcher.ends(name).items() if end > len(folder_name)}
        decoded = unquote_to_bytes(name)
        if decoded != name:
            least = len(unquote_to_bytes(folder_name))
            hits |= {hit for hit, end in self.reading.matcher.ends(decoded).items() if end > least}
        shown = f"<entry {at}>" if hits else os.fsencode(entry).decode(errors="backslashreplace")
        place = f"{folder}/{shown}" if folder else shown
        self.reading.note(place, _named("name", hits))
        return place

    def _entry(self, path: Path, place: str, name: bytes) -> None:
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                hits = self.reading.matcher.hits(os.fsencode(path.readlink()))
                self.reading.note(place, _named("link", hits))
                if path.exists() and (not self._followed or f"{place}/".startswith(f"{self._followed}/")):
                    mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                self.folder(path, place, name)
            elif stat.S_ISREG(mode):
                self._file(path, place)
        except OSError as error:
            if os.path.lexists(path):
                self.reading.unreadable.append(f"{place}: {error.strerror}")

    def _file(self, path: Path, place: str) -> None:
        with path.open("rb") as file:
            size = self.reading.content(file, place, path=path)
        self.files += 1
        self.bytes += size


def _named(what: str, hits: Iterable[Hit]) -> Iterator[Hit]:
    """Hits in a name or a link."""
    return ((what if how == "plain" else f"{what}, {how}", person) for how, person in hits)
