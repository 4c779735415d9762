"""Files of landing/, and their objects in a bucket, without the records of some people: each replaced whole or not."""

import os
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from umg_assets.files.erasing import CannotEraseError, erase_records
from umg_assets.files.layout import Layout
from umg_assets.files.rejects import sentence_of
from umg_assets.files.wanted import Erased
from umg_assets.forgetting.work import Rewritten, Work
from umg_assets.landing import bucket
from umg_assets.landing.fingerprints import content_hash_of
from umg_assets.planning.entry import Entry
from umg_assets.privacy.files import put_in_place
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind

_DRAFT = ".umg-forgets-"
_ANEW = "it was delivered anew meanwhile"
_ANEW_IN_BUCKET = "its object was replaced or removed meanwhile"


class LandingFiles:
    """The landing files that hold records of people.

    names: whether a text names one of them; common: by an id that may well be another value. naming: the paths of files
    whose bytes name one, and whether by another id than such. folder: for temporary files; private.
    """

    def __init__(
        self,
        settings: Settings,
        work: Work,
        names: Callable[[bytes], bool],
        common: Callable[[bytes], bool] | None,
        naming: Mapping[str, bool],
        folder: Path,
    ) -> None:
        self._settings, self._work, self._folder = settings, work, folder
        self._names, self._common, self._naming = names, common, naming
        self.kept: dict[str, str] = {}
        """By path, why a file that holds records of theirs, or may hold them, was neither rewritten nor removed."""

    def clear_drafts(self, paths: Iterable[str]) -> None:
        """Removes drafts that a crash has left where these files lie."""
        for folder in {(self._settings.landing / path).resolve().parent for path in paths}:
            for draft in folder.glob(f"{_DRAFT}*"):
                draft.unlink()

    def rewrite(
        self,
        path: str,
        claims: Mapping[Kind, Source],
        landed: Mapping[Kind, Entry],
        numbers: Mapping[Kind, Collection[int]],
        others: Callable[[Kind, Entry], Collection[int]],
    ) -> None:
        """Rewrites a file, if it holds such records, and notes it before it takes effect.

        claims: the sources that take the file, by kind. landed: by kind, the ledger's entry of the content that it had;
        numbers: the records of that which are known to be theirs; others: gives those known to be other people's. A
        file that holds some and cannot be rewritten is removed (its other rows stay in the tables), unless the files
        that lie in its folder decide what is withdrawn. A file that was delivered anew meanwhile stays: whose its
        records are is known when it has landed.
        """
        absolute = self._settings.landing / path
        if path not in self._naming and not any(numbers.values()):
            return
        try:
            read = content_hash_of(absolute)
        except FileNotFoundError:  # it has left meanwhile
            return
        if any(entry.content_hash != read for entry in landed.values()):
            return
        if all(entry.refused for entry in landed.values()):
            if not self._naming.get(path):  # 757 and AT stand in any file
                return
            if landed:
                self._remove(path, absolute, claims, "no source could read it.", read)
                return
        suffixes = "".join(absolute.suffixes[-2:])
        draft = absolute.resolve().with_name(f"{_DRAFT}{uuid.uuid4().hex}{suffixes}")  # a link stays one
        erased: dict[Kind, Erased] = {}
        try:
            framings = _by_framing(path, claims)
            for position, (layout, kinds) in enumerate(framings, 1):
                wanted = {number for kind in kinds for number in numbers.get(kind, ())}
                source = draft if draft.exists() else absolute
                target = draft.with_name(f"{draft.name}.next{suffixes}")
                # whose records a content is that has not landed, nobody knows: an id that may be another value is none
                common = self._common if landed.keys() >= {*kinds} else None
                known = {number for kind in kinds for number in others(kind, landed[kind])} if common else ()
                gone = erase_records(
                    source,
                    layout,
                    target,
                    wanted,
                    self._names,
                    self._folder,
                    common,
                    known,
                    position < len(framings),
                    self._settings.limits.in_bytes,
                )
                if gone.removed:
                    target.replace(draft)
                erased.update({kind: gone for kind in kinds if kind in landed})
            if draft.exists():
                rewritten = Rewritten(
                    path,
                    read,
                    content_hash_of(draft),
                    {kind: of_kind.removed for kind, of_kind in erased.items()},
                    {kind: of_kind.rejected for kind, of_kind in erased.items()},
                    {kind: of_kind.beyond for kind, of_kind in erased.items()},
                )
                self._replace(path, absolute, draft, rewritten)
        except CannotEraseError as error:
            self._remove(path, absolute, claims, sentence_of(str(error)), read)
        except FileNotFoundError:
            if absolute.exists():
                raise
        finally:
            draft.unlink(missing_ok=True)

    def _replace(self, path: str, absolute: Path, draft: Path, rewritten: Rewritten) -> None:
        status = absolute.stat()
        draft.chmod(status.st_mode & 0o7777)
        os.utime(draft, ns=(status.st_atime_ns, status.st_mtime_ns))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        if content_hash_of(absolute) != rewritten.before:
            self.kept[path] = _ANEW
            return
        if not bucket.replace(self._settings, path, draft):
            self.kept[path] = _ANEW_IN_BUCKET
            return
        self._work.rewriting(rewritten)
        put_in_place(draft, absolute.resolve())

    def _remove(self, path: str, absolute: Path, claims: Mapping[Kind, Source], why: str, read: str) -> None:
        """Removes the file of that content hash."""
        try:
            if content_hash_of(absolute) != read:
                self.kept[path] = _ANEW
                return
        except FileNotFoundError:  # it has left meanwhile
            return
        if any(source.folder_is_delivery for source in claims.values()):
            self.kept[path] = f"{why} Correct it, or remove it by hand"
            return
        if bucket.remove(self._settings, [path]):
            self.kept[path] = _ANEW_IN_BUCKET
            return
        self._work.rewriting(Rewritten(path, read, ""))
        absolute.resolve().unlink()
        absolute.unlink(missing_ok=True)


def _by_framing(path: str, claims: Mapping[Kind, Source]) -> list[tuple[Layout, list[Kind]]]:
    """Layouts that number a file's records differently, each with the kinds whose sources number them so."""
    framings: dict[tuple, tuple[Layout, list[Kind]]] = {}
    for kind, source in claims.items():
        layout = source.layout(path)
        framing = layout.format, layout.records, layout.members, layout.dialect
        framings.setdefault(framing, (layout, []))[1].append(kind)
    return list(framings.values())
