"""Which records of a file are to be left out, and which were."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

_WINDOW_BYTES = 1 << 20


class CannotEraseError(RuntimeError):
    """The file cannot be rewritten; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """The records that are to be left out: by their numbers, or because a text of theirs holds an id.

    names: whether a text, in UTF-8, holds an id. common: whether it holds one that may well be another value, such as
    757; this counts in no record of `landed`, the numbers of records of which it is known whose they are. in_part: what
    is no record to this layout may be one to another, so an id may stand there.
    """

    numbers: Collection[int]
    names: Callable[[bytes], bool]
    common: Callable[[bytes], bool] | None = None
    landed: Collection[int] = frozenset()
    in_part: bool = False

    def takes(self, number: int, texts: Iterable[bytes]) -> bool:
        """Whether the record is to be left out."""
        held = list(texts)
        if number in self.numbers or any(map(self.names, held)):
            return True
        return self.common is not None and number not in self.landed and any(map(self.common, held))

    def after(self, records: int) -> "Wanted":
        """The same for a file that is read after so many records of others, and numbered from 1."""
        numbers, landed = ({number - records for number in those} for those in (self.numbers, self.landed))
        return replace(self, numbers=numbers, landed=landed)

    def is_in(self, pieces: Iterator[bytes]) -> bool:
        """Whether a long text holds an id; it is looked at in windows that end with a line, or else at a comma."""
        held = b""
        for piece in pieces:
            held += piece
            if len(held) >= _WINDOW_BYTES:
                cut = held.rfind(b"\n") + 1 or held.rfind(b",") + 1 or len(held)
                if self.names(held[:cut]):
                    return True
                held = held[cut:]
        return bool(held) and self.names(held)


@dataclass
class Erased:
    """How many records a file had, and the numbers of those left out; it is written anew only if there are any.

    rejected: of those left out, the bad records by reason; beyond: those of them that stood after the first
    REJECTS_KEPT of the file, which are counted and not kept.
    """

    records: int
    removed: list[int]
    rejected: dict[str, int] = field(default_factory=dict)
    beyond: dict[str, int] = field(default_factory=dict)
