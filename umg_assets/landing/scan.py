"""Compares landing/ with the ledger: which files are new or changed, which wait, and which no source takes."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from umg_assets import clock, tables
from umg_assets.calendar import utc_today
from umg_assets.landing.bucket import copied
from umg_assets.landing.code_version import version_of_code
from umg_assets.landing.file_names import LandingError, found_by, name_of
from umg_assets.landing.fingerprints import definition_hash_of, hash_of, signature_and_day
from umg_assets.landing.folders import Folder, bytes_landed, folders_of, has_shrunk
from umg_assets.planning.composed_ids import settled_at, unsettled
from umg_assets.planning.entry import Entry
from umg_assets.planning.history import History
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind


class _BeingWrittenError(ValueError):
    """A file changed so lately that it may not be complete."""


@dataclass(frozen=True)
class LandingFile:
    """A new or changed file: its place, the source that takes it, its delivery date.

    path: relative to landing/ where it lies there. generation: of the landing that brought the same content before;
    None for a content that is new. moved_from: the delivery date under which that content landed before, by another
    definition of its source. accepted: the sequence at which somebody last accepted the content; None if nobody did.
    """

    kind: Kind
    source: Source
    path: str
    absolute: Path
    delivery_date: date
    signature: str
    content_hash: str
    definition_hash: str
    generation: int | None = None
    moved_from: date | None = None
    accepted: int | None = None

    @property
    def news(self) -> tuple[date, str, str]:
        """As in Scan.news: other news once its source is mended, or somebody has accepted it."""
        told = f"{self.signature} by {self.definition_hash}, accepted at {self.accepted}"
        return self.delivery_date, self.path, told

    @property
    def entry(self) -> Entry:
        """The file as a ledger entry, before its records are read."""
        return Entry(
            self.kind,
            self.path,
            self.delivery_date,
            signature=self.signature,
            content_hash=self.content_hash,
            definition_hash=self.definition_hash,
        )


@dataclass
class Scan:
    """The result of a scan of landing/.

    changed: files to read. withdrawn: the ledger's entries of files that have left a folder that is one delivery. held:
    files and such folders that shrank since they landed, each with a message that names both sizes; their rows stay
    until somebody accepts the new content. waiting: by path, why a file or folder cannot land yet. stuck: those of them
    that no time helps: a path without a date, a file that cannot be read, what is no file. unclaimed: paths of files
    that no source takes. claimed: by kind and path, the source that takes a file, or a held folder, and its position.
    ids: as news, that ids which contain a user's are not settled (landing/composed_ids.py).
    """

    changed: list[LandingFile] = field(default_factory=list)
    withdrawn: list[Entry] = field(default_factory=list)
    held: list[tuple[LandingFile, str]] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    unclaimed: list[str] = field(default_factory=list)
    claimed: dict[tuple[Kind, str], tuple[int, Source]] = field(default_factory=dict)
    ids: list[tuple[date, str, str]] = field(default_factory=list)

    @property
    def news(self) -> list[tuple[date, str, str]]:
        """What there is to land, to withdraw or to settle: delivery date, path, and what tells it from other news."""
        return [
            *(file.news for file in self.changed),
            *((entry.delivery_date, entry.path, f"withdrawn after {entry.sequence}") for entry in self.withdrawn),
            *self.ids,
        ]

    def of(self, days: Collection[str]) -> "Scan":
        """What there is to land or to withdraw of some delivery days (ISO)."""
        changed = [file for file in self.changed if file.delivery_date.isoformat() in days]
        return Scan(changed, [entry for entry in self.withdrawn if entry.delivery_date.isoformat() in days])


def claims(settings: Settings) -> Scan:
    """Which source takes which file of landing/, which files none takes, and what is no file that can land.

    Reads no file and no ledger. What cannot land is stuck.
    """
    found = Scan()
    in_landing: dict[str, str | None] = {}
    for kind in tables.KINDS:
        for position, source in enumerate(settings.sources.of(kind)):
            for file, why in found_by(settings.landing, source.files, source.follow_links):
                name = name_of(settings.landing, file)
                if why is None:
                    found.claimed.setdefault((kind, name), (position, source))
                else:
                    in_landing[name] = why
    in_landing |= {name_of(settings.landing, file): why for file, why in found_by(settings.landing, "**/*")}
    taken = {path for _, path in found.claimed}
    found.unclaimed = sorted(name for name, why in in_landing.items() if why is None and name not in taken)
    walked = _folders_of(taken.union(found.unclaimed))
    found.waiting = {name: why for name, why in in_landing.items() if why and name not in taken | walked}
    found.stuck = {*found.waiting}
    return found


def _folders_of(paths: Collection[str]) -> set[str]:
    """The folders in which files lie, and those in which these do."""
    folders: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders.add(path)
    return folders


def scan(settings: Settings, history: History, quiet_seconds: int = 0) -> Scan:
    """Compares landing/ with the ledger. Reads only files whose size, times or inode changed, to hash them.

    A file is changed when its content or its source's definition differs from the last landed entry of its path.
    Without `delivered_on`, its delivery date stays that entry's for as long as the content stays the same. A file that
    cannot be read waits, and so does one that changed less than quiet_seconds ago, unless it was fetched from a bucket.
    One that an internal error has refused is changed once umg has another version, or somebody has accepted it. A file
    that is empty, or smaller than what landed before by more than shrunk_percent, is held unless that content has been
    accepted. A file that has left a folder that is one delivery is withdrawn: see _settle. Whatever is of no delivery
    day from `deliveries_from` to today waits: no run has a partition for it.
    Raises LandingError when landing/ is not there.
    """
    if not settings.landing.is_dir():
        raise LandingError(f"{settings.landing} is not a directory: make it, or set UMG_HOME; `umg init` makes both")
    today, result, bucket = utc_today(), claims(settings), copied(settings)
    result.waiting |= bucket.refused
    result.stuck |= bucket.refused.keys()
    keep = settings.privacy.keep_raw_days
    of_files = history.about(result.claimed)
    back = of_files.back_in_reach(today - timedelta(days=keep) if keep else date.min)
    back |= of_files.to_try_again(version_of_code()) if any(entry.tried_by for entry in of_files.entries) else {}
    last = {key: entry for key, entry in of_files.latest().items() if key not in back}
    interrupted = of_files.interrupted() | back
    current = {(kind, entry.path): entry for kind in tables.KINDS for entry in of_files.standing(kind)}
    definitions = {
        (kind, position): definition_hash_of(settings, source, kind)
        for kind in tables.KINDS
        for position, source in enumerate(settings.sources.of(kind))
    }
    for key, (position, source) in list(result.claimed.items()):
        kind, name = key
        absolute, definition = settings.landing / name, definitions[kind, position]
        quiet = 0 if name in bucket.objects else quiet_seconds
        try:
            file = _changed(source, definition, absolute, key, last.get(key), interrupted.get(key), quiet)
        except Exception as error:
            known = isinstance(error, OSError | ValueError)
            result.waiting[name] = str(error) if known else f"internal error: {type(error).__name__}: {error}"
            result.stuck |= set() if isinstance(error, _BeingWrittenError) else {name}
            continue
        if file is None:
            continue
        file = replace(file, accepted=history.accepted_at(kind, file.path, file.content_hash))
        shrunk = _shrunk(file, current.get(key), settings.thresholds.shrunk_percent)
        if shrunk and file.accepted is None:
            result.held.append((file, shrunk))
        elif outside := _outside(file.delivery_date, settings.deliveries_from, today):
            result.waiting[file.path] = f"delivered on {outside}"
        else:
            result.changed.append(file)
    result.withdrawn = [entry for entry in history.unfinished() if entry.state == "withdrawing"]
    for folder in folders_of(settings.landing, result.claimed, history):
        _settle(settings, history, folder, result, quiet_seconds)
    withdrawn = {(entry.source, *entry.place): entry for entry in result.withdrawn}
    result.withdrawn = []
    for entry in withdrawn.values():
        if outside := _outside(entry.delivery_date, settings.deliveries_from, today):
            result.waiting[entry.path] = f"to be withdrawn, delivered on {outside}"
        else:
            result.withdrawn.append(entry)
    if unsettled(history, hashed := settings.privacy.pseudonyms):
        newest = max(day for kind in tables.OCCURRENCES for day in history.sums_of(kind))
        done = settled_at(history, hashed)
        day = min(max(newest, settings.deliveries_from), today)
        result.ids = [(day, "ids that contain user_id", f"{hashed} after {done}")]
    result.changed.sort(key=lambda file: (file.delivery_date, file.kind, file.path))
    return result


def _outside(delivered: date, first: date, today: date) -> str | None:
    """The date, and why it is none of the delivery days from the first to today (UTC); None if it is one."""
    if delivered > today:
        return f"{delivered}, which is still to come (UTC)"
    if delivered < first:
        return f"{delivered}, before the first delivery day {first}: set first_delivery in umg.toml"
    return None


def _changed(
    source: Source,
    definition_hash: str,
    absolute: Path,
    key: tuple[Kind, str],
    last: Entry | None,
    crashed: Entry | None,
    quiet_seconds: int,
) -> LandingFile | None:
    """The file, if it is new or changed. last: its last entry, if landed; crashed: its last entry, if staged only.

    Raises OSError when it cannot be read, ValueError when its name is not UTF-8 or has no date, or when it changed
    less than quiet_seconds ago.
    """
    kind, path = key
    if any("\ud800" <= letter <= "\udfff" for letter in path):
        raise ValueError("its name is not UTF-8: rename it")
    signature, modified_on = signature_and_day(absolute)
    same_definition = last is not None and last.definition == definition_hash
    if last and same_definition and last.signature == signature:
        return None
    age = clock.seconds_since(absolute.stat().st_ctime)  # a copy can keep the modification time, but not this one
    if quiet_seconds and age < quiet_seconds:  # without: a file server's clock may be ahead of this one
        raise _BeingWrittenError(f"changed {max(age, 0):.0f} s ago: it may still be being written")
    content_hash = hash_of(absolute, signature)
    before = last or crashed
    same_content = before is not None and before.content_hash == content_hash
    if last and same_content and same_definition:
        return None
    delivered = source.delivery_date(path, modified_on)
    if before and same_content and source.delivered_on is None:
        delivered = before.delivery_date
    if before is None or not same_content:
        return LandingFile(kind, source, path, absolute, delivered, signature, content_hash, definition_hash)
    moved_from = before.delivery_date if before.delivery_date != delivered else None
    return LandingFile(
        kind, source, path, absolute, delivered, signature, content_hash, definition_hash, before.generation, moved_from
    )


def _settle(settings: Settings, history: History, folder: Folder, result: Scan, quiet_seconds: int) -> None:
    """Withdraws what has left a folder that is one delivery.

    Nothing is withdrawn while a file of it waits or is held, or one came or went less than quiet_seconds ago. If all of
    it together shrank by more than shrunk_percent, it is held: nothing of it lands or is withdrawn unless its content
    has been accepted; this lets files in it that shrank land, too.
    """
    try:
        left, size, age = folder.left, folder.size, clock.seconds_since(folder.changed_at)
    except OSError as error:
        result.waiting[folder.path] = str(error)
        result.stuck.add(folder.path)
        return
    shrunk = has_shrunk(folder.bytes_before, size, settings.thresholds.shrunk_percent)
    if not left and not shrunk:
        return
    changed, held = (
        [file for file in files if file.kind == folder.kind and file.path in folder.files]
        for files in (result.changed, [file for file, _ in result.held])
    )
    content = folder.content({file.path: file.content_hash for file in (*changed, *held)})
    accepted = history.accepted_at(folder.kind, folder.path, content) is not None
    if shrunk:
        result.held = [(file, why) for file, why in result.held if file not in held]
        result.changed = [file for file in result.changed if file not in changed] + (changed + held if accepted else [])
    not_ready = [path for path in folder.files if path in result.waiting] or [file.path for file in held if not shrunk]
    if quiet_seconds and age < quiet_seconds:
        result.waiting[folder.path] = f"changed {max(age, 0):.0f} s ago: it may still be being written"
    elif shrunk and not accepted:
        delivered = max((entry.delivery_date for entry in folder.known), default=utc_today())
        result.claimed[folder.kind, folder.path] = folder.position, folder.source
        file = LandingFile(
            folder.kind, folder.source, folder.path, settings.landing / folder.path, delivered, str(size), content, ""
        )
        why = f"{folder.bytes_before:,} bytes of it landed, now it has {size:,}; {len(left)} of its files are gone"
        result.held.append((file, f"{why}: `umg accept {folder.path}` lets it land"))
    elif left and not_ready:
        result.waiting[folder.path] = f"{len(left)} of its files are gone; {not_ready[0]} has to land first"
    else:
        result.withdrawn += left


def _shrunk(file: LandingFile, before: Entry | None, percent: int) -> str | None:
    """The message when a file is empty now, or smaller by more than `percent` than what landed; else None."""
    if before is None:
        return None
    landed, size = bytes_landed(before), int(file.signature.partition("-")[0])
    if not has_shrunk(landed, size, percent):
        return None
    return (
        f"{landed:,} bytes landed on {before.delivery_date}, now it has {size:,}: `umg accept {file.path}` lets it land"
    )
