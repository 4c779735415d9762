"""What follows from the ledger's entries up to one of them, kept in a folder beside its table.

Derived: it is made again from the table whenever it is missing, damaged, of another format or of another ledger.
It says nothing that the table does not. Its name begins with a dot, so no back-up has it.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from umg_assets.graph import Noted
from umg_assets.planning.entry import Entry, entry_of, iso
from umg_assets.planning.history import History
from umg_assets.planning.past import Past, Store
from umg_assets.planning.sums import DaySums, SourceSums, Tally
from umg_assets.resources.json_files import write_text
from umg_assets.resources.locks import exclusive
from umg_assets.resources.place_index import PlaceIndex

_FORMAT = 2
_HEADER = "snapshot.json"


class Snapshot(NamedTuple):
    """last: the mark of its last entry, by which its ledger is known. index: places of deliveries it does not hold."""

    history: History
    last: str
    index: PlaceIndex


def mark_of(entry: Entry) -> str:
    """What tells it from the entry of the same number of any other ledger, or of this one restored and grown again."""
    return _digest(f"{entry.sequence}\0{entry.recorded_at.isoformat()}\0{entry.source}\0{entry.path!r}")


def store(folder: Path, snapshot: Snapshot) -> None:
    """Writes one whose history holds no delivery itself, in the place of an older one. Raises OSError if it cannot."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive(folder / ".lock"):
        name = f"places-{uuid.uuid4().hex}"
        past = snapshot.history.past
        content = {
            "format": _FORMAT,
            "last": snapshot.last,
            "index": {"file": name, **snapshot.index.write(folder / name)},
            "sequence": past.sequence,
            "generation": past.generation,
            "days": {day.isoformat(): asdict(sums) for day, sums in past.days.items()},
            "noted": [[table, way, _by_iso(dates)] for (table, way), dates in past.noted.items()],
            "repeats": {source: sorted(pairs) for source, pairs in past.repeats.items()},
            "accepted": [asdict(entry) for entry in snapshot.history.accepted],
            "expired": [asdict(entry) for entry in snapshot.history.expired],
        }
        body = json.dumps(content, default=iso)
        write_text(folder / _HEADER, f"{_digest(body)}\n{body}")
        for file in folder.glob("places-*"):
            if file.name != name:
                file.unlink()


def stored(folder: Path, store_of: Callable[[int, PlaceIndex], Store]) -> Snapshot | None:
    """The snapshot in a folder; None where there is none that is whole and of this format.

    store_of: of a sequence and the places up to it, where the entries are.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        digest, _, body = (folder / _HEADER).read_text(encoding="utf-8").partition("\n")
        content = json.loads(body)
        if digest == _digest(body) and content["format"] == _FORMAT:
            return _snapshot(folder, content, store_of)
    return None


def _snapshot(folder: Path, content: Mapping[str, Any], store_of: Callable[[int, PlaceIndex], Store]) -> Snapshot:
    file, number, crc = (content["index"][name] for name in ("file", "number", "crc"))
    index = PlaceIndex.read(folder / file, number, crc)
    past = Past(
        content["sequence"],
        content["generation"],
        {date.fromisoformat(day): _day(sums) for day, sums in content["days"].items()},
        {
            (table, Noted(way)): {date.fromisoformat(day): last for day, last in dates.items()}
            for table, way, dates in content["noted"]
        },
        {source: frozenset(pairs) for source, pairs in content["repeats"].items()},
        store_of(content["sequence"], index),
    )
    accepted, expired = (tuple(map(entry_of, content[name])) for name in ("accepted", "expired"))
    return Snapshot(History((), accepted, expired, past, past.days), content["last"], index)


def _day(sums: Mapping[str, Any]) -> DaySums:
    return DaySums(sums["paths"], {source: _of_source(**of) for source, of in sums["sources"].items()})


def _of_source(delivered: Mapping[str, Any], landed_at: str | None, **others: Any) -> SourceSums:
    tallies = {definition: Tally(**tally) for definition, tally in delivered.items()}
    return SourceSums(delivered=tallies, landed_at=datetime.fromisoformat(landed_at) if landed_at else None, **others)


def _by_iso(dates: Mapping[date, int]) -> dict[str, int]:
    return {day.isoformat(): last for day, last in dates.items()}


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
