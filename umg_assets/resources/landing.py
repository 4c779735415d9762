"""landing/: which of its files are new or changed, by the ledger; which wait, and which no source takes."""

import functools
import glob
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from umg_assets import tables
from umg_assets.partitions import utc_today
from umg_assets.resources.ledger import Entry, History
from umg_assets.settings import Settings
from umg_assets.sources import Source
from umg_assets.tables import Kind


class LandingError(RuntimeError):
    """landing/ cannot be read; the message says what to do. Never the same as an empty landing/."""


@dataclass(frozen=True)
class LandingFile:
    """A file that is new or changed: where it lies, what takes it, when it was delivered."""

    kind: Kind
    source: Source
    path: str
    absolute: Path
    delivery_date: date
    signature: str
    content_hash: str
    definition_hash: str
    moved_from: date | None = None
    """The delivery date under which the same content landed before, by another definition of its source."""

    @property
    def entry(self) -> Entry:
        """The file in the ledger's words, before anything is known of its records."""
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
    """What lies in landing/: what to read; what waits, with the reason; what no source takes.

    held: files that shrank since they landed, each with the sizes: what was published stays until somebody accepts.
    """

    changed: list[LandingFile] = field(default_factory=list)
    held: list[tuple[LandingFile, str]] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    unclaimed: list[str] = field(default_factory=list)


def scan(settings: Settings, history: History, quiet_seconds: int = 0) -> Scan:
    """Compares landing/ with the ledger. Reads only files whose size, times or inode changed, to hash them.

    A file is changed when its content, or its source's definition, is not what the ledger's last landed entry of
    its path says. Without `delivered_on` its delivery date stays that entry's as long as the content does. A file
    that cannot be read waits, with the reason; so does one that changed less than quiet_seconds ago. A file smaller
    than what landed before by over shrunk_percent, or empty, is held, unless that content has been accepted.
    Raises LandingError when landing/ is not there.
    """
    if not settings.landing.is_dir():
        raise LandingError(f"{settings.landing} is not a directory: make it, or set UMG_HOME; `umg init` makes both")
    last, today, found, claimed = history.latest(), utc_today(), Scan(), set()
    interrupted = history.interrupted()
    standing = {(kind, entry.path): entry for kind in tables.KINDS for entry in history.standing(kind)}
    for kind in tables.KINDS:
        taken: set[Path] = set()
        for source in settings.sources.of(kind):
            for absolute in files_of(settings.landing, source.files):
                if absolute in taken:
                    continue
                taken.add(absolute)
                key = (kind, _shown(settings.landing, absolute))
                try:
                    file = _changed(settings, source, absolute, key, last.get(key), interrupted.get(key), quiet_seconds)
                except (OSError, ValueError) as error:
                    found.waiting[_printable(key[1])] = str(error)
                    continue
                if file is None:
                    continue
                shrunk = _shrunk(file, standing.get(key), settings.thresholds.shrunk_percent)
                if shrunk and not history.may_shrink(kind, file.path, file.content_hash):
                    found.held.append((file, shrunk))
                elif file.delivery_date > today:
                    found.waiting[file.path] = f"delivered on {file.delivery_date}, which is still to come (UTC)"
                elif file.delivery_date < settings.deliveries_from:
                    found.waiting[file.path] = (
                        f"delivered on {file.delivery_date}, before the first delivery day {settings.deliveries_from}: "
                        "set first_delivery in umg.toml"
                    )
                else:
                    found.changed.append(file)
        claimed |= taken
    found.unclaimed = sorted(
        _printable(_shown(settings.landing, file)) for file in files_of(settings.landing, "**/*") if file not in claimed
    )
    found.changed.sort(key=lambda file: (file.delivery_date, file.kind, file.path))
    return found


def _changed(
    settings: Settings,
    source: Source,
    absolute: Path,
    key: tuple[Kind, str],
    last: Entry | None,
    cut: Entry | None,
    quiet_seconds: int,
) -> LandingFile | None:
    """The file if it is new or changed. last, cut: its last entry when that is landed, or when its run died.

    Raises OSError when it cannot be read, ValueError when its name is no UTF-8 or has no date, or when it changed
    less than quiet_seconds ago.
    """
    kind, path = key
    if _printable(path) != path:
        raise ValueError("its name is not UTF-8: rename it")
    definition_hash = _definition_hash(settings, source, kind)
    signature, modified_on = _signature(absolute)
    same_definition = last is not None and last.definition_hash == definition_hash
    if last and same_definition and last.signature == signature:
        return None
    since = time.time() - absolute.stat().st_ctime  # a copy may keep the modification time, never this one
    if since < quiet_seconds:
        raise ValueError(f"changed {max(since, 0):.0f} s ago: it may still be being written")
    content_hash = _hash_of(absolute, signature)
    before = last or cut
    same_content = before is not None and before.content_hash == content_hash
    if last and same_content and same_definition:
        return None
    delivered = source.delivery_date(path, modified_on)
    if before and same_content and source.delivered_on is None:
        delivered = before.delivery_date
    moved_from = before.delivery_date if before and same_content and before.delivery_date != delivered else None
    return LandingFile(kind, source, path, absolute, delivered, signature, content_hash, definition_hash, moved_from)


def _shrunk(file: LandingFile, before: Entry | None, percent: int) -> str | None:
    """What a person reads when a file is smaller than what stands of it by over `percent`, or empty now."""
    if before is None:
        return None
    was, now = (int(one.partition("-")[0] or 0) for one in (before.signature, file.signature))
    if now * 100 >= was * (100 - percent) and (now or not was):
        return None
    return f"{was:,} bytes landed on {before.delivery_date}, now it has {now:,}: `umg accept {file.path}` lets it land"


def _definition_hash(settings: Settings, source: Source, kind: Kind) -> str:
    """What decides a file's rows: of plays and events, the time zone and the first day; of users, the age groups."""
    if kind in tables.MOMENTS:
        return f"{source.definition_hash}-{settings.time_zone}-{settings.first_day}"
    return f"{source.definition_hash}-{settings.age_groups}" if kind == "users" else source.definition_hash


def _printable(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()


def files_of(landing: Path, pattern: str) -> Iterator[Path]:
    """Plain files that a glob names, in order; names that begin with . or _ are an exporter's own marks."""
    absolute = pattern if Path(pattern).is_absolute() else str(Path(glob.escape(str(landing)), pattern))
    for name in sorted(glob.glob(absolute, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        path = Path(name)
        if path.is_file() and not path.name.startswith((".", "_")):
            yield path


def _shown(landing: Path, absolute: Path) -> str:
    return str(absolute.relative_to(landing)) if absolute.is_relative_to(landing) else str(absolute)


def _signature(path: Path) -> tuple[str, date]:
    """Size, modification and change time, and inode (a copy that keeps times has a new change time); and the day."""
    stat = path.stat()
    signature = f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}"
    return signature, datetime.fromtimestamp(stat.st_mtime, UTC).date()


@functools.lru_cache(maxsize=10_000)
def _hash_of(path: Path, signature: str) -> str:
    """The content's hash, read once as long as the signature stays: a sensor looks every few seconds."""
    return _content_hash(path)


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
