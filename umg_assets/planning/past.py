"""What follows from old entries of a long ledger, so that a History need not hold them. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from umg_assets.graph import Noted
from umg_assets.planning.entry import Entry
from umg_assets.planning.sums import DaySums

Changes = Mapping[tuple[str, Noted], Mapping[date, int]]
"""By changed table and way of noting, the dates noted, each with the last sequence that names it; of every
delivery, its delivery date."""


class Store(Protocol):
    """Where entries are that a History does not hold."""

    def entries(self, days: Collection[date]) -> Iterator[Entry]:
        """Deliveries, by their delivery days; each day's are in order."""
        ...

    def days_of(self, places: Iterable[tuple[str, str]], folders: Iterable[tuple[str, str]]) -> set[date]:
        """Delivery days among which are all of these (source, path), and of files in these (source, folder)."""
        ...


@dataclass(frozen=True, eq=False)
class Past:
    """What follows from the deliveries up to a sequence, without them.

    noted: see Changes. repeats: by source, the pairs of its entries. store: where they are; None where there are none.
    """

    sequence: int = 0
    generation: int = 0
    days: Mapping[date, DaySums] = field(default_factory=dict)
    noted: Changes = field(default_factory=dict)
    repeats: Mapping[str, frozenset[str]] = field(default_factory=dict)
    store: Store | None = None

    def entries(self, days: Iterable[date]) -> Iterator[Entry]:
        """Its deliveries of some days; each day's are in order."""
        wanted = self.days.keys() & set(days)
        return self.store.entries(wanted) if self.store and wanted else iter(())
