"""The files of landing/ that a glob matches, what each is called, and why others cannot land."""

import errno
import fnmatch
import glob
import itertools
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from umg_assets.files.layout import format_of

IS_FOLDER = "is a folder, though it is called like a file"
_IS_LOOP = "is a link that leads back to where it lies"
_NO_FILES = {
    stat.S_IFIFO: "is a named pipe, not a file",
    stat.S_IFSOCK: "is a socket, not a file",
    stat.S_IFCHR: "is a device, not a file",
    stat.S_IFBLK: "is a device, not a file",
}


class LandingError(RuntimeError):
    """landing/ cannot be read; the message says what to do. Never the same as an empty landing/."""


Found = tuple[Path, str | None]
"""A path, and why what lies there cannot land; None: it is a regular file."""


def files_of(landing: Path, pattern: str, follow_links: bool = False) -> Iterator[Path]:
    """Regular files that a glob matches, sorted, without what an exporter's tools leave beside the data.

    These are files whose names begin with . or _, and all files in folders whose names do (`_temporary`), at any depth,
    unless the glob names the folder. As in Hive and Spark, `_name=value` is a partition. follow_links: whether links
    may lead out of landing/, or, for an absolute glob, out of the folder that it begins with.
    """
    return (path for path, why in found_by(landing, pattern, follow_links) if why is None)


def found_by(landing: Path, pattern: str, follow_links: bool = False) -> list[Found]:
    """As files_of, and what else the glob matches, each with the reason why it cannot land.

    Named pipes, sockets, devices, links to nothing, to where they lie or out of landing/, folders that are called like
    files or cannot be read. No file is opened. `**` passes by links to folders within landing/, whose files are found
    where they lie, unless it follows links.
    """
    parts = Path(pattern).parts or ("",)
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), parts[:-1]))
    base = landing.joinpath(*fixed)
    root = landing if base.is_relative_to(landing) and ".." not in fixed else base
    named = {part for part in parts if not glob.has_magic(part)}
    walk = _Walk(_real(root), follow_links, named)
    if base.exists() and (why := walk.leads_out(_real(base))):
        return [(base, why)]
    return sorted(dict(walk.below(base, parts[len(fixed) :])).items(), key=lambda found: str(found[0]))


@dataclass(frozen=True)
class _Walk:
    """A walk through folders along the parts of a glob. root: what links may not leave; named: parts without magic."""

    root: Path
    follow_links: bool
    named: Collection[str]

    def below(self, base: Path, parts: tuple[str, ...]) -> Iterator[Found]:
        """What the parts match below a folder."""
        left: list[tuple[Path, tuple[str, ...], tuple[Path, ...]]] = [(base, parts, (_real(base),))]
        while left:
            folder, parts, reals = left.pop()
            first, rest = parts[0], parts[1:]
            if first == "**" and rest:
                left.append((folder, rest, reals))
            try:
                entries = list(os.scandir(folder)) if folder.is_dir() else []
            except OSError as error:
                yield folder, f"cannot be read: {error.strerror}"
                continue
            for entry in entries:
                if self._is_hidden(entry.name) or not (first == "**" or fnmatch.fnmatchcase(entry.name, first)):
                    continue
                path, why = folder / entry.name, self._why_not(entry, reals)
                if why is None and entry.is_dir():
                    if first != "**" and not rest and format_of(entry.name):
                        yield path, IS_FOLDER
                    if first == "**" and (self.follow_links or not entry.is_symlink()):
                        left.append((path, parts, (*reals, _real_of(entry, reals[-1]))))
                    if first != "**" and rest:
                        left.append((path, rest, (*reals, _real_of(entry, reals[-1]))))
                elif (not rest and not entry.name.startswith((".", "_"))) or (why is not None and path.is_dir()):
                    yield path, why

    def leads_out(self, real: Path) -> str | None:
        """Why a link to what lies there is not followed; None: it is."""
        if self.follow_links or real.is_relative_to(self.root):
            return None
        return f"is a link that leads out of {self.root}; where it may, set follow_links = true in its source"

    def _is_hidden(self, name: str) -> bool:
        return name.startswith((".", "_")) and "=" not in name and name not in self.named

    def _why_not(self, entry: os.DirEntry[str], reals: tuple[Path, ...]) -> str | None:
        """Why an entry is neither a regular file nor a folder that may be walked. reals: the folders it lies in."""
        if entry.is_file(follow_symlinks=False):
            return None
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if error.errno == errno.ELOOP:
                return _IS_LOOP
            is_dangling = error.errno == errno.ENOENT and entry.is_symlink()
            return "is a link to nothing" if is_dangling else f"cannot be read: {error.strerror}"
        if entry.is_symlink():
            real = _real_of(entry, reals[-1])
            if why := self.leads_out(real):
                return why
            if real in reals:
                return _IS_LOOP
        return _NO_FILES.get(stat.S_IFMT(mode))


def _real(path: Path) -> Path:
    """A path without links; Path.resolve raises where they lead back to themselves."""
    return Path(os.path.realpath(path))


def _real_of(entry: os.DirEntry[str], folder: Path) -> Path:
    """An entry's path without links. folder: the one that it lies in, without links."""
    return _real(Path(entry.path)) if entry.is_symlink() else folder / entry.name


def name_of(landing: Path, absolute: Path) -> str:
    """What a file is called: its path relative to landing/ where it lies there, else as it is."""
    return str(absolute).removeprefix(f"{landing}{os.sep}")
