"""Watermarks: how far what a partition was built from reaches, by ledger sequence and local day. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple


class Watermark(NamedTuple):
    """How far: through which ledger sequence, and through which local day (plays of a day that has not begun wait)."""

    sequence: int
    day: date = date.min

    def covers(self, other: "Watermark") -> bool:
        """Whether it reaches as far as the other, in both."""
        return self.sequence >= other.sequence and self.day >= other.day

    def up_to(self, other: "Watermark") -> "Watermark":
        """The lesser of both, in each."""
        return Watermark(min(self.sequence, other.sequence), min(self.day, other.day))

    def and_also(self, other: "Watermark") -> "Watermark":
        """The greater of both, in each."""
        return Watermark(max(self.sequence, other.sequence), max(self.day, other.day))


NEVER = Watermark(-1)
_PREFIX = "ledger:"

Watermarks = Mapping[str, Mapping[str, Watermark]]
"""By asset and partition key, the watermark of its latest materialization; or the one that it needs."""


def written(watermark: Watermark, definition: str) -> str:
    """A watermark as Dagster keeps it: a data version, with the definition of the experiment that built it, if any."""
    return f"{_PREFIX}{watermark.sequence}:{watermark.day.isoformat()}{definition and f':{definition}'}"


def watermark_in(version: str, definition: str) -> Watermark:
    """The watermark in a data version; NEVER for a version that is none, or of another definition."""
    if not version.startswith(_PREFIX):
        return NEVER
    sequence, day, built_by = [*version.removeprefix(_PREFIX).split(":"), "", ""][:3]
    return Watermark(int(sequence), date.fromisoformat(day)) if day and built_by == definition else NEVER


def built_from(
    keys_read: Mapping[str, Iterable[str]], required: Watermarks, watermarks: Watermarks, read: Watermark
) -> Watermark:
    """The watermark of a slice built from upstream slices: `read`, or less where one of them was stale.

    keys_read: by upstream asset, the partition keys that were read. read: the ledger's last sequence and the local day
    when they were.
    """
    reached = read
    for asset, keys in keys_read.items():
        for key in keys:
            upstream = watermarks.get(asset, {}).get(key, NEVER)
            if not upstream.covers(required.get(asset, {}).get(key, NEVER)):
                reached = reached.up_to(upstream)
    return reached
