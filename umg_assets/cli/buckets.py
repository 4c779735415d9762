"""The buckets of umg.toml, tried: whether they can be listed, read and written, and whether conditions hold there."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from umg_assets import clock
from umg_assets.landing.bucket import unfetched, unusable
from umg_assets.resources.locations import LocationError, refuse_elsewhere
from umg_assets.settings.model import Settings

State = Literal["good", "warning", "bad"]
T = TypeVar("T")

_SKEW_SECONDS = 60


def buckets(settings: Settings) -> Iterator[tuple[State, str, str]]:
    """State, subject and text of each finding, as `umg doctor` shows them. Writes an object to each, for a moment.

    The versions that a bucket may keep of what is replaced or deleted cannot be seen from here.
    """
    try:
        refuse_elsewhere(settings.home, settings.places.tables)
    except LocationError as error:
        yield "bad", "places.tables", str(error)
    if not any((settings.places.landing, settings.places.tables, settings.places.exports)):
        return
    from umg_assets.object_store import StoreError

    for tried, subject, address in (
        (partial(_readable, settings), "places.landing", settings.places.landing),
        (_writable, "places.tables", settings.places.tables),
        (_writable, "places.exports", settings.places.exports),
    ):
        try:
            if address:
                for state, text in tried(address):
                    yield state, subject, f"{address}: {text}"
        except StoreError as error:
            yield "bad", subject, str(error)


def while_tables_answer(section: Iterator[T], finding: Callable[[State, str, str], T]) -> Iterator[T]:
    """What a section of findings yields; where its tables lie in a bucket that does not answer, that as its last.

    finding: makes one of state, subject and text.
    """
    try:
        yield from section
    except RuntimeError as error:
        from umg_assets.object_store import StoreError

        if not isinstance(error, StoreError):
            raise
        yield finding("bad", "tables", str(error))


def _readable(settings: Settings, address: str) -> Iterator[tuple[State, str]]:
    from umg_assets.object_store import ObjectStore

    store = ObjectStore(address)
    listed = store.listing()
    smallest = min(listed, key=lambda found: found.size, default=None)
    if smallest:
        with TemporaryDirectory() as folder:
            store.fetch(smallest, Path(folder, "object"))
    new = len(unfetched(settings))
    left = f"; {new:,} to fetch: `umg run --explain` does, and lands nothing" if new else ""
    yield "good", f"{len(listed):,} objects, {sum(found.size for found in listed):,} bytes{left}"
    for key, why in unusable({found.key for found in listed}):
        yield "warning", f"{key}: {why}"


def _writable(address: str) -> Iterator[tuple[State, str]]:
    from umg_assets.object_store import ConflictError, ObjectStore

    store, key = ObjectStore(address), f"umg-doctor-{uuid.uuid4().hex}"
    store.write(key, b"", replaces="")
    try:
        written = next(found for found in store.listing() if found.key == key).modified
        try:
            store.write(key, b"", replaces="")
        except ConflictError:
            yield "good", "can be written, and conditions hold there"
        else:
            yield (
                "bad",
                "ignores conditions: two writers could write over each other; expected a store that has them",
            )
    finally:
        store.remove([key])
    if (skew := abs(clock.seconds_since(written.timestamp()))) > _SKEW_SECONDS:
        yield "warning", f"its clock differs by {skew:,.0f} s from this machine's"
