"""A snapshot: the whole site of a set as files with relative links, for a disk, an object store or an e-mail."""

import json
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from umg_assets.dashboard.addresses import address, chart_address
from umg_assets.dashboard.file_names import STATIC
from umg_assets.dashboard.page_writers import PageWriters, write_file
from umg_assets.dashboard.served import Served
from umg_assets.dashboard.site import Site
from umg_assets.dashboard.static_files import static_files
from umg_assets.tables import CRITERIA

MARK = "snapshot.json"
"""The file by which a snapshot is known: nothing else is ever replaced."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""When each file of a zip was changed: the same files give the same zip."""


class NotASnapshotError(ValueError):
    """Where a snapshot is to be written lies something else; the message says what was expected."""


@dataclass(frozen=True)
class Written:
    """What was written: pages, files (downloads and styles too), their bytes together or of the zip, and seconds."""

    pages: int
    files: int
    size: int
    seconds: float


def write_snapshot(site: Site, target: Path) -> Written:
    """Writes the site of a set into a folder, or into a zip file where the name ends with .zip.

    All is written beside the target first, then takes its place. The same set and state give the same bytes. Raises
    NotASnapshotError, and writes nothing, where the target holds anything but a snapshot.
    """
    started = time.monotonic()
    is_zip = target.suffix == ".zip"
    _check(target, is_zip)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = _beside(target)
    draft.mkdir()
    try:
        pages = _write_pages(site, draft)
        for name, content in static_files().items():
            write_file(draft / STATIC / name, content)
        mark = {"set": site.served.id, "complete_through": f"{site.served.complete_through}", "pages": pages}
        write_file(draft / MARK, (json.dumps(mark, indent=1) + "\n").encode())
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        if is_zip:
            size = _pack(draft, files, target)
        else:
            size = sum(path.stat().st_size for path in files)
            _switch(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Written(pages, len(files), size, time.monotonic() - started)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")


def _check(target: Path, is_zip: bool) -> None:
    if not target.exists():
        return
    if is_zip:
        known = zipfile.is_zipfile(target) and any(
            name.endswith(f"/{MARK}") for name in zipfile.ZipFile(target).namelist()
        )
    else:
        known = target.is_dir() and ((target / MARK).is_file() or not any(target.iterdir()))
    if not known:
        kind = "a zip file" if is_zip else "an empty folder, or one"
        raise NotASnapshotError(
            f"{target} is not replaced: expected nothing there, or {kind} of an earlier snapshot, got something else"
        )


def _switch(draft: Path, target: Path) -> None:
    """Puts a draft in the place of what is there: the old folder steps aside, for a folder cannot be replaced at
    once."""
    if not target.exists():
        draft.rename(target)
        return
    aside = _beside(target)
    target.rename(aside)
    draft.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _pack(draft: Path, files: list[Path], target: Path) -> int:
    """Packs the files into one zip, in a folder named as it is; returns its bytes."""
    packed = _beside(target)
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for file in files:
                entry = zipfile.ZipInfo(f"{target.stem}/{file.relative_to(draft).as_posix()}", _TIME)
                entry.external_attr, entry.compress_type, entry.create_system = 0o644 << 16, zipfile.ZIP_DEFLATED, 3
                archive.writestr(entry, file.read_bytes())
        packed.replace(target)
    finally:
        packed.unlink(missing_ok=True)
    return target.stat().st_size


def _write_pages(site: Site, folder: Path) -> int:
    """Writes every page that a page links to, from the front page on, and the charts; returns how many.

    A page that links to one that turns out not to be there is written again, without that link.
    """
    linked: dict[str, tuple[str, ...]] = {}
    missing: set[str] = set()
    with PageWriters(site, folder) as writers:
        waiting = list(_firsts(site.served))
        while waiting:
            for wanted, others in writers.write(waiting):
                if others is None:
                    missing.add(wanted)
                else:
                    linked[wanted] = others
            asked = {other for wanted in waiting for other in linked.get(wanted, ())}
            waiting = sorted(asked - linked.keys() - missing)
        again = [wanted for wanted, others in linked.items() if not missing.isdisjoint(others)]
        list(writers.write(again, missing))
    return len(linked)


def _firsts(served: Served) -> Iterator[str]:
    """The front page, and the charts of all months, of which no page names all."""
    yield address()
    for market, months in served.months.items():
        for month in months:
            for criterion in CRITERIA:
                yield chart_address(market, month, criterion)
