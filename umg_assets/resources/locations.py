"""Where tables lie: in directories under UMG_HOME/tables, or under an address of a bucket (`places.tables`).

UMG_HOME/tables/location.json names the address, once there is one. It decides, so that another setting does not begin
an empty lakehouse beside the tables that are there. What makes writers of this machine wait lies in UMG_HOME/tables,
wherever the tables are.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from umg_assets import tables
from umg_assets.resources.json_files import read_json, write_json
from umg_assets.resources.staging import staging_folder
from umg_assets.resources.table_location import Folder, Prefix, store_at
from umg_assets.tables import Table

_RECORD, _MARKER = "location.json", "_umg_lakehouse.json"
_ADDRESS, _LAKEHOUSE, _MARKED, _LEFT, _BEGUN = "address", "lakehouse", "marked", "left", "begun"
"""Keys of the record. marked: that the mark is at the address; no table is there before. left: the address at which
tables lay before they moved, None for UMG_HOME/tables; while it is there, so are their files. begun: likewise, the
address to which a move has begun, where copies lie."""


class LocationError(RuntimeError):
    """The tables lie elsewhere than umg.toml says, or another lakehouse's lie there; the message says what to do."""


def location_of(home: Path, table: Table | str) -> Folder | Prefix:
    """Where a table of the lakehouse lies, or will lie."""
    name = table if isinstance(table, str) else table.name
    return _below(address_of(home), home, name)


def target_of(home: Path, table: Table, wanted: str | None) -> Folder | Prefix:
    """Where the table will lie once the tables have moved to `wanted`, which is `places.tables`."""
    return _below(wanted, home, table.name)


def _below(address: str | None, home: Path, name: str) -> Folder | Prefix:
    return Prefix(f"{address}/{name}") if address else Folder(home / "tables" / name)


def local_file(home: Path, name: str) -> Path:
    """A path in UMG_HOME/tables for what this machine's processes share about tables: locks, and what is derived.

    Its directory is made if it is missing.
    """
    folder = home / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def names_of(home: Path) -> list[str]:
    """The names of the tables that are there, or that somebody began to create."""
    if address_of(home):
        return [table.name for table in tables.ALL]
    return [path.name for path in (home / "tables").glob("[!.]*") if path.is_dir()]


def address_of(home: Path) -> str | None:
    """The address under which all tables lie; None where they lie in UMG_HOME/tables."""
    record = read_json(home / "tables" / _RECORD)
    return record.get(_ADDRESS) if record.get(_MARKED) else None


def root_of(home: Path) -> str:
    """Where all tables lie, for a sentence: a directory or an address."""
    return address_of(home) or str(home / "tables")


def fetched_files(home: Path) -> Iterator[tuple[str, Path]]:
    """Each file of the tables in a bucket: its address, and a copy that is there until the next one is asked for.

    Also of a bucket to which a move has begun. Nothing where tables lie in UMG_HOME. Raises StoreError.
    """
    addresses = (address_of(home), read_json(home / "tables" / _RECORD).get(_BEGUN))
    for address in filter(None, addresses):
        with TemporaryDirectory(dir=staging_folder(home)) as folder:
            copy = Path(folder, "file")
            for file in store_at(address).listing():
                store_at(address).fetch(file, copy)
                yield f"{address}/{file.key}", copy
                copy.unlink()


def refuse_elsewhere(home: Path, wanted: str | None) -> None:
    """Raises LocationError where the tables lie elsewhere than `wanted`, which is `places.tables`, says, or where what
    they left behind when they moved is still there."""
    record, folder = read_json(home / "tables" / _RECORD), home / "tables"
    address = address_of(home)
    in_folder = any((folder / table.name).exists() for table in tables.ALL)
    if address != wanted and (address or in_folder):
        raise LocationError(
            f"places.tables: the tables of {home} lie in {address or folder}, and umg.toml says {wanted or folder}: "
            "set it back, or type `umg move-tables`, which moves them there"
        )
    if _LEFT in record:
        raise LocationError(
            f"the tables of {home} have moved to {address or folder}, and their files in {record[_LEFT] or folder} are "
            "still there: type `umg move-tables`, which removes them"
        )


def settle(home: Path, wanted: str | None) -> None:
    """Says where the tables lie, before the first one is made; later, that this is what umg.toml says.

    wanted: `places.tables`. The address gets a mark of whose it is. Raises LocationError where the tables lie
    elsewhere, or another lakehouse's lie there; StoreError where the bucket cannot be written.
    """
    refuse_elsewhere(home, wanted)
    record = read_json(home / "tables" / _RECORD)
    if not wanted or record.get(_MARKED):
        return
    name = record.get(_LAKEHOUSE) or uuid.uuid4().hex
    _note(home, {_LAKEHOUSE: name})  # before the mark, which says it: so a call that was killed knows its mark
    _mark(wanted, name)
    _note(home, {_ADDRESS: wanted, _LAKEHOUSE: name, _MARKED: True})


def prepare_move(home: Path, wanted: str | None) -> None:
    """Marks the place to which tables are to move as this lakehouse's; they still lie where they lay.

    Raises LocationError where another lakehouse's lie there, or where it is the place, or is in the place, where they
    lie; StoreError where the bucket cannot be written.
    """
    record = {_LAKEHOUSE: uuid.uuid4().hex} | read_json(home / "tables" / _RECORD)
    _note(home, record)
    if wanted:
        _refuse_same(address_of(home), wanted)
        _mark(wanted, record[_LAKEHOUSE])
    _note(home, record | {_BEGUN: wanted})


def undo_move(home: Path, wanted: str | None) -> bool:
    """Removes what a move that was broken off has copied, unless it was to `wanted`. Whether there was such a move.

    Raises StoreError.
    """
    from umg_assets.object_store import MissingError

    record = read_json(home / "tables" / _RECORD)
    if _BEGUN not in record or record[_BEGUN] == wanted:
        return False
    begun = record.pop(_BEGUN)
    with suppress(MissingError):  # nor is there a bucket any more
        for table in tables.ALL:
            _below(begun, home, table.name).discard()
        if begun:
            store_at(begun).remove([_MARKER])
    _note(home, record)
    return True


def move(home: Path, wanted: str | None) -> None:
    """Says that the tables lie at `wanted` from now on, where all their files are; those where they lay are left."""
    record = read_json(home / "tables" / _RECORD)
    _note(home, {_ADDRESS: wanted, _LAKEHOUSE: record[_LAKEHOUSE], _MARKED: True, _LEFT: record.get(_ADDRESS)})


def left_behind(home: Path) -> list[Folder | Prefix]:
    """Where tables lay before they moved, as long as not all files there have been removed."""
    record = read_json(home / "tables" / _RECORD)
    return [_below(record[_LEFT], home, table.name) for table in tables.ALL] if _LEFT in record else []


def finish_move(home: Path) -> None:
    """Notes that nothing is left behind any more. Raises StoreError."""
    record = read_json(home / "tables" / _RECORD)
    if left := record.pop(_LEFT, None):
        store_at(left).remove([_MARKER])
    if record[_ADDRESS]:
        _note(home, record)
    else:
        local_file(home, _RECORD).unlink()


def _note(home: Path, record: Mapping[str, Any]) -> None:
    """On the disk when this returns: what is done next may be the removal of tables."""
    write_json(local_file(home, _RECORD), record, durable=True)


def _refuse_same(lain: str | None, wanted: str) -> None:
    """Raises LocationError where the addresses share files, also by two names of one place."""
    if not lain:
        return
    outer, inner = sorted((lain, wanted), key=len)
    probe = f"_umg_probe_{uuid.uuid4().hex}"
    store_at(lain).write(probe, b"")
    try:
        same = store_at(wanted).head(probe) is not None
    finally:
        store_at(lain).remove([probe])
    within_a_table = inner.removeprefix(f"{outer}/").partition("/")[0] in tables.BY_NAME
    if same or (within_a_table and inner.startswith(f"{outer}/")):
        raise LocationError(
            f"places.tables: expected a place apart from {lain}, where the tables lie, got {wanted}: name another "
            "prefix, or set it back"
        )


def _mark(address: str, name: str) -> None:
    """Raises LocationError where it is marked as another lakehouse's."""
    from umg_assets.object_store import ConflictError  # only where there is a bucket: it takes a while

    store = store_at(address)
    try:
        store.write(_MARKER, f'{{"lakehouse": "{name}"}}\n'.encode(), replaces="")
    except ConflictError:
        mark = store.read(_MARKER)
        if mark is None or name.encode() not in mark[0]:
            raise LocationError(
                f"places.tables: expected {address} to be empty, and another lakehouse has its tables there: name "
                "another prefix, or use the UMG_HOME that they belong to"
            ) from None
