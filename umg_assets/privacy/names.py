"""Ids named in a text: as whole words, many ids at once."""

import json
import re
from collections.abc import Collection, Iterator, Sequence

from ahocorasick_rs import BytesAhoCorasick

_JOINED = re.compile(rb"[\w\x80-\xff@+.-]*+")
_LONGEST = 256


class Names:
    """Finds user ids in bytes of UTF-8.

    An id counts where it is no part of a longer word (letters, digits, _), nor of the id of somebody else that joins
    words by -, @, + or a dot: ann@x.org is not named by mary-ann@x.org if that is one of `others`.
    """

    def __init__(self, user_ids: Sequence[str], others: Collection[str] = ()) -> None:
        self._others = {user_id.encode() for user_id in others} - {user_id.encode() for user_id in user_ids}
        forms = (form for user_id in user_ids for form in (user_id, json.dumps(user_id)[1:-1]))
        self._patterns = list(dict.fromkeys(form.encode() for form in forms if form))
        self._search = BytesAhoCorasick(self._patterns) if self._patterns else None

    def __call__(self, text: bytes) -> bool:
        """Whether a text names one of them."""
        return any(self._found(text))

    def _found(self, text: bytes) -> Iterator[bool]:
        if self._search is None:
            return
        for _, start, end in self._search.find_matches_as_indexes(text, overlapping=True):
            if is_whole_word(text, start, end):
                yield joined_word(text, start, end) not in self._others


def is_whole_word(text: bytes, start: int, end: int) -> bool:
    """Whether what lies between two positions of a text is no part of a longer word."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (
        (before and _is_of_word(before[0]) and _is_of_word(text[start]))
        or (after and _is_of_word(after[0]) and _is_of_word(text[end - 1]))
    )


def joined_word(text: bytes, start: int, end: int) -> bytes:
    """The word around two positions of a text, with those joined to it by -, @, + or a dot."""
    before = _JOINED.match(text[max(0, start - _LONGEST) : start][::-1])
    after = _JOINED.match(text[end : end + _LONGEST])
    assert before is not None
    assert after is not None
    return (before[0][::-1] + text[start:end] + after[0]).strip(b"-@+.")


def _is_of_word(byte: int) -> bool:
    return byte >= 0x80 or chr(byte).isalnum() or byte == ord("_")
