"""Ids named in a text: as whole words, many ids at once."""

import json
from collections.abc import Sequence

from ahocorasick_rs import BytesAhoCorasick

_JOINING = b"-@+"


class Names:
    """Finds user ids in bytes of UTF-8.

    An id counts where it is no part of a longer word. Letters, digits and _ make a word, and so do -, @ and + between
    them: u-1 is not named by u-1-2, nor ann@x.org by mary-ann@x.org.
    """

    def __init__(self, user_ids: Sequence[str]) -> None:
        self._ids = [user_id.encode() for user_id in user_ids]
        escaped = {json.dumps(user_id)[1:-1].encode(): number for number, user_id in enumerate(user_ids)}
        self._patterns = {**escaped, **{user_id: number for number, user_id in enumerate(self._ids)}}
        self._numbers = list(self._patterns.values())
        self._search = BytesAhoCorasick(list(self._patterns)) if self._patterns else None

    def __call__(self, text: bytes) -> bool:
        """Whether a text names one of them."""
        return any(self._found(text))

    def named(self, text: bytes) -> set[int]:
        """The positions, in the list of ids, of those that a text names."""
        return set(self._found(text))

    def _found(self, text: bytes):
        if self._search is None:
            return
        for pattern, start, end in self._search.find_matches_as_indexes(text, overlapping=True):
            if is_whole_word(text, start, end):
                yield self._numbers[pattern]


def is_whole_word(text: bytes, start: int, end: int) -> bool:
    """Whether what lies between two positions of a text is no part of a longer word."""
    before, after = text[max(0, start - 2) : start][::-1], text[end : end + 2]
    return not (_goes_on(before, text[start]) or _goes_on(after, text[end - 1]))


def _goes_on(beside: bytes, edge: int) -> bool:
    """Whether a word whose last byte is `edge` goes on in the two bytes beside it."""
    if not beside or not _is_of_word(edge):
        return False
    return _is_of_word(beside[0]) or (beside[0] in _JOINING and len(beside) > 1 and _is_of_word(beside[1]))


def _is_of_word(byte: int) -> bool:
    return byte >= 0x80 or chr(byte).isalnum() or byte == ord("_")
