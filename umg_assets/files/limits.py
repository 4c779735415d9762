"""What no landing file may cost more than."""

from dataclasses import dataclass

REJECTS_KEPT = 20_000
"""Of a file's bad records the first so many are kept; the others are counted."""
REJECTS_BYTES = 8 << 20
"""Texts of a file's bad records are kept whole until they have this size together; then REJECT_CHARACTERS of each."""
REJECT_CHARACTERS = 100

ROW_BYTES = 1 << 10
"""Of a row of columns or cells so many do not count as unpacked: there equal values are stored once, as they should."""


@dataclass(frozen=True)
class Limits:
    """Sizes beyond which a record is a reject, or a file is refused.

    record_bytes: a longer record is a reject. columns: a file with more is refused, and so is one that unpacks to more
    than unpacked_bytes and more than unpacked_times its size.
    """

    record_bytes: int = 16 << 20
    columns: int = 10_000
    unpacked_bytes: int = 1 << 30
    unpacked_times: int = 200

    def unpacked(self, packed: int) -> int:
        """To how many bytes a file of that size may unpack."""
        return max(self.unpacked_bytes, self.unpacked_times * packed)


USUAL = Limits()
