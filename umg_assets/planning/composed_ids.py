"""Ids composed with a user's id: which rows hold them otherwise than `privacy.pseudonyms` says. Pure.

The ledger tells. The definition of a delivery says whether its raw rows have pseudonyms; a note that all ids are
settled says it of everything before it: of raw rows, and of days frozen by then.
"""

from datetime import date

from umg_assets import tables
from umg_assets.graph import Noted
from umg_assets.planning.entry import DIMENSION_CHANGE, PSEUDONYMS, Entry
from umg_assets.planning.history import History
from umg_assets.tables import Kind

_HASHED, _AS_DELIVERED = "composed ids hashed", "composed ids as delivered"
_RAW = frozenset(tables.RAW[kind].name for kind in tables.OCCURRENCES)


def settled(hashed: bool, today: date) -> Entry:
    """A note of today (UTC): every id that contains a user's is a keyed hash or, in raw tables, as delivered."""
    path, definition = (_HASHED, PSEUDONYMS) if hashed else (_AS_DELIVERED, "")
    return Entry(DIMENSION_CHANGE, path, today, state="landed", definition_hash=definition)


def settled_at(history: History, hashed: bool) -> int:
    """The sequence of the last such note; 0 for none."""
    noted = history.noted.get((_HASHED if hashed else _AS_DELIVERED, Noted.EVERY_DELIVERY), {})
    return max(noted.values(), default=0)


def still_settled(history: History, hashed: bool, today: date) -> list[Entry]:
    """The note for days that freeze now: what they are built of is settled. Empty where it is not, or as delivered."""
    return [] if not hashed or unsettled(history, hashed) else [settled(hashed, today)]


def unsettled(history: History, hashed: bool) -> bool:
    """Whether some rows may hold ids otherwise than asked for. True for too much is settled by looking once."""
    frozen = hashed and any(
        expiry.source in _RAW and expiry.sequence > settled_at(history, hashed) for expiry in history.expired
    )
    return frozen or any(_days_with_others(history, kind, hashed) for kind in tables.OCCURRENCES)


def deliveries_otherwise(history: History, kind: Kind, hashed: bool) -> list[Entry]:
    """Deliveries whose raw rows are there, and have pseudonyms though none are asked for, or none though they are."""
    last, alike = _last(history, hashed)
    of_days = history.of_days(_days_with_others(history, kind, hashed))
    return [
        entry
        for entry in of_days.standing(kind)
        if entry.landed
        and not history.gone(tables.RAW[kind].name, entry)
        and (not alike if entry.sequence < last else entry.has_pseudonyms != hashed)
    ]


def _days_with_others(history: History, kind: Kind, hashed: bool) -> list[date]:
    """The delivery days that may hold such deliveries."""
    last, alike = _last(history, hashed)
    return [
        day
        for day, sums in history.sums_of(kind).items()
        if (not alike and sums.first < last)
        or (sums.last > last and any(definition.endswith(PSEUDONYMS) != hashed for definition in sums.delivered))
    ]


def _last(history: History, hashed: bool) -> tuple[int, bool]:
    """The sequence of the last note of either kind, and whether it says what is asked for."""
    asked, other = settled_at(history, hashed), settled_at(history, not hashed)
    return max(asked, other), asked >= other
