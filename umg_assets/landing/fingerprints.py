"""By what the ledger knows a file that has not changed: its signature, its content, its source's definition."""

import functools
import hashlib
from datetime import date
from pathlib import Path

from umg_assets import clock, tables
from umg_assets.files.limits import USUAL
from umg_assets.landing.file_names import name_of
from umg_assets.planning.entry import PSEUDONYMS
from umg_assets.settings.model import Settings
from umg_assets.settings.sources import Source
from umg_assets.tables import Kind


def definition_hash_of(settings: Settings, source: Source, kind: Kind) -> str:
    """A hash of what decides a file's rows and the days that it affects.

    The source; also time zone, first day, correction days and pseudonyms, or for users the age groups. Limits belong to
    it where they are not the usual ones, so that a file is read again when its limit is raised.
    """
    limits = settings.limits.in_bytes
    limited = source.definition_hash + ("" if limits == USUAL else f"-{limits}")
    if kind in tables.OCCURRENCES:
        ids = PSEUDONYMS if settings.privacy.pseudonyms else ""
        return f"{limited}-{settings.time_zone}-{settings.first_day}-{settings.correction_days}{ids}"
    return f"{limited}-{settings.age_groups}" if kind == "users" else limited


def delivery_date_of(settings: Settings, source: Source, file: Path) -> date:
    """The delivery date of a file that has not landed yet. ValueError if `delivered_on` finds no date in its path."""
    return source.delivery_date(name_of(settings.landing, file), signature_and_day(file)[1])


def signature_of(path: Path) -> str:
    """By which the ledger knows a file that has not changed."""
    return signature_and_day(path)[0]


def signature_and_day(path: Path) -> tuple[str, date]:
    """The file's signature and the UTC day of its modification.

    The signature is size, modification time, change time (which a copy cannot keep) and inode.
    """
    stat = path.stat()
    signature = f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}"
    return signature, clock.instant_of(stat.st_mtime).date()


@functools.lru_cache(maxsize=10_000)
def hash_of(path: Path, signature: str) -> str:
    """The content's hash, computed once for each signature: a sensor scans every few seconds."""
    return content_hash_of(path)


def content_hash_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as the ledger has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
