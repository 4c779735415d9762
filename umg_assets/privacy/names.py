"""Ids named in a text: as whole words, many ids at once."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from ahocorasick_rs import BytesAhoCorasick

from umg_assets.privacy.escapes import unescaped

_JOINED = re.compile(rb"[\w\x80-\xff@+.-]*+")
_WORDS = re.compile(rb"[\w\x80-\xff]++|[@+.-]++")
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_QUOTES = "\"'\\"
_LONGEST = 256
_DISTINCT = 8


def is_distinct(user_id: str) -> bool:
    """Whether an id is not likely to be some other value, too, such as 757, AT, rock or 20260302.

    It is if it has letters and digits, or 8 characters that are no date.
    """
    if _DATE.fullmatch(user_id):
        return False
    return len(user_id) >= _DISTINCT or not (user_id.isalpha() or user_id.isdigit())


class Names:
    """Finds user ids in bytes of UTF-8, each as a whole word: by which records are taken out, and nobody else's.

    Letters, digits and _ make a word, and -, @, + and dots join words: s-ann does not name ann. An id is also seen
    where CSV doubles its quotes, and where it is escaped as in JSON, XML or URLs.
    """

    def __init__(self, user_ids: Sequence[str]) -> None:
        ids: dict[bytes, list[str]] = {}
        for user_id in user_ids:
            doubled = (user_id.replace(mark, 2 * mark) for mark in _QUOTES)
            for form in dict.fromkeys((user_id, json.dumps(user_id)[1:-1], *doubled)):
                if form:
                    ids.setdefault(form.encode(), []).append(user_id)
        self._patterns, self._ids = list(ids), list(ids.values())
        self._search = BytesAhoCorasick(self._patterns) if self._patterns else None

    def __call__(self, text: bytes) -> bool:
        """Whether a text names one of them."""
        return any(self._named_in(text))

    def those_in(self, text: bytes) -> set[str]:
        """The ids that a text names."""
        return {user_id for user_ids in self._named_in(text) for user_id in user_ids}

    def _named_in(self, text: bytes) -> Iterator[list[str]]:
        if self._search is None:
            return
        yield from self._standing_in(text, self._search)
        if (plain := unescaped(text)) != text:
            yield from self._standing_in(plain, self._search)

    def _standing_in(self, text: bytes, search: BytesAhoCorasick) -> Iterator[list[str]]:
        for index, start, end in search.find_matches_as_indexes(text, overlapping=True):
            if not any(_joined(text, start, end)):
                yield self._ids[index]


def holding(user_ids: Sequence[str], others: Iterable[str]) -> frozenset[str]:
    """Those of other ids that hold one of some: mary-ann@x.org holds ann@x.org."""
    search = BytesAhoCorasick([user_id.encode() for user_id in user_ids])
    known = frozenset(user_ids)
    return frozenset(other for other in others if other not in known and search.find_matches_as_indexes(other.encode()))


def is_part_of_other(text: bytes, start: int, end: int, others: Collection[bytes]) -> bool:
    """Whether what lies between two positions of a text is part of somebody else's id: ann of mary-ann@x.org."""
    before, after = _joined(text, start, end)
    heads = [before[at:] for at in _borders(before)]
    tails = [after[:at] for at in _borders(after)]
    return any(head + text[start:end] + tail in others for head in heads for tail in tails if head or tail)


def _joined(text: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """What is joined to a part of a text, before and after it."""
    before = _JOINED.match(text[max(0, start - _LONGEST) : start][::-1])
    after = _JOINED.match(text[end : end + _LONGEST])
    assert before is not None
    assert after is not None
    return before[0][::-1].lstrip(b"-@+."), after[0].rstrip(b"-@+.")


def _borders(joined: bytes) -> list[int]:
    """Where words begin and end, in joined ones."""
    return sorted({0, len(joined), *(match.start() for match in _WORDS.finditer(joined))})
