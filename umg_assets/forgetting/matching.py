"""The forms of all people, searched at once in bytes: whole texts, and streams block by block."""

from collections.abc import Collection, Iterator, Sequence
from enum import Enum

import ahocorasick_rs

from umg_assets.forgetting.forms import (
    SEPARATOR,
    Form,
    follows_its_length,
    forms_of,
    is_part_of_number,
    stands_alone,
    stands_in_text,
)
from umg_assets.privacy.escapes import unescaped
from umg_assets.privacy.names import is_part_of_other

Hit = tuple[str, int]
"""(how it is written, the person's position)."""

BLOCK_BYTES = 1 << 20
SURE_BYTES = 6
"""A plain value of so many bytes does not stand by chance in bytes that are packed, or are a database's pages."""

_BESIDE = 8
_ESCAPED_TIMES = 12


class Content(Enum):
    """What bytes are, and so which matches in them count.

    ANY: text, or binary where it holds a NUL: there a value counts that follows its own length, too. BINARY: binary for
    certain. PAGES: of a database, whose live values are searched, too: in its pages, values adjoin without a separator,
    and what is short stands by chance among numbers and packed values, so that it counts within text only. PACKED:
    compressed, and searched unpacked, so that what is short stands in it by chance only.
    """

    ANY = "any"
    BINARY = "binary"
    PAGES = "pages"
    PACKED = "packed"


class LongerWords:
    """Longer words of a database's live values that hold a form, by what stands beside it: in raw pages they are none.

    add: what stands at most three bytes before and after, up to the value's end.
    """

    def __init__(self) -> None:
        self._beside: dict[bytes, set[tuple[bytes, bytes]]] = {}

    def add(self, form: Form, data: bytes, start: int, end: int) -> None:
        before = data[max(0, start - 3) : start].rpartition(SEPARATOR)[2]
        self._beside.setdefault(form.pattern, set()).add((before, data[end : end + 3].partition(SEPARATOR)[0]))

    def explain(self, form: Form, data: bytes, start: int, end: int) -> bool:
        """Whether a match in the raw pages is such a longer word."""
        return any(
            data.endswith(before, 0, start) and data.startswith(after, end)
            for before, after in self._beside.get(form.pattern, ())
        )


class Matcher:
    """The forms of some people, in one automaton: the time of a search hardly depends on how many they are.

    others: ids of other people, which may hold one of theirs: ann@x.org is not named by mary-ann@x.org.
    """

    def __init__(self, people: Sequence[Sequence[bytes]], others: Collection[bytes] = frozenset()) -> None:
        self._others = others
        by_pattern: dict[bytes, list[Form]] = {}
        for form in forms_of(people):
            by_pattern.setdefault(form.pattern, []).append(form)
        self._forms = list(by_pattern.values())
        self._automaton = ahocorasick_rs.BytesAhoCorasick(list(by_pattern))
        longest = max(map(len, by_pattern), default=0)
        longest_text = max((len(identity) for identities in people for identity in identities), default=0)
        self.overlap = max(longest, _ESCAPED_TIMES * longest_text) + 64 * _BESIDE
        self.numbers: dict[int, list[int]] = {}
        """The people by the number that their id is, where it is all digits."""
        for person, identities in enumerate(people):
            if identities and identities[0].isdigit():
                self.numbers.setdefault(int(identities[0]), []).append(person)

    def hits(
        self,
        data: bytes,
        content: Content = Content.ANY,
        first: bool = True,
        last: bool = True,
        longer: LongerWords | None = None,
    ) -> set[Hit]:
        """Who stands in some bytes, and how written.

        Not first, or not last: what is so near the beginning, or the end, that its neighbours are not seen is left to
        the block before, or after. longer: in PAGES, what explains matches; else, what is noted for that.
        """
        hits = {(form.how, form.person) for form, _ in self._matches(data, content, first, last, longer)}
        if content in (Content.ANY, Content.BINARY) and (plain := unescaped(data)) is not data and plain != data:
            found = {(form.how, form.person) for form, _ in self._matches(plain, content, first, last, None)}
            hits |= {("escaped" if how == "plain" else f"{how}, escaped", person) for how, person in found - hits}
        return hits

    def ends(self, text: bytes) -> dict[Hit, int]:
        """Who stands in a text, as it is, and where the last such place ends."""
        return {(form.how, form.person): end for form, end in self._matches(text, Content.ANY, True, True, None)}

    def masked(self, name: str, what: str) -> str:
        """A name, or what it is the name of where the name itself holds a person: for places in findings."""
        hits = self.hits(name.encode(errors="surrogateescape"))
        people = sorted({person for _, person in hits})
        return f"<{what} named after person {', '.join(map(str, people))}>" if people else name

    def _matches(
        self, data: bytes, content: Content, first: bool, last: bool, longer: LongerWords | None
    ) -> Iterator[tuple[Form, int]]:
        least, most = 0 if first else _BESIDE, len(data) if last else len(data) - _BESIDE
        is_binary = content is not Content.ANY or b"\0" in data
        for index, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            if start < least or end > most:
                continue
            for form in self._forms[index]:
                if end - start < SURE_BYTES and (
                    content is Content.PACKED or (content is Content.PAGES and not stands_in_text(data, start, end))
                ):
                    continue
                if form.is_plain and self._others and is_part_of_other(data, start, end, self._others):
                    continue
                if (
                    stands_alone(form, data, start, end)
                    or (is_binary and follows_its_length(form, data, start))
                    or (content is Content.PAGES and self._adjoins(form, data, start, end, longer))
                ):
                    yield form, end
                elif longer is not None and content is not Content.PAGES:
                    longer.add(form, data, start, end)

    @staticmethod
    def _adjoins(form: Form, data: bytes, start: int, end: int, longer: LongerWords | None) -> bool:
        """Whether a match in raw pages may be a value beside others, and is no longer word of a live value."""
        if not form.is_plain or end - start < SURE_BYTES or is_part_of_number(form, data, start, end):
            return False
        return longer is None or not longer.explain(form, data, start, end)


class StreamSearch:
    """A search of a stream, fed block by block; memory is a block and the longest form.

    Afterwards hits are complete, and size is the stream's in bytes.
    """

    def __init__(self, matcher: Matcher, content: Content = Content.ANY, longer: LongerWords | None = None) -> None:
        self._matcher, self._content, self._longer = matcher, content, longer
        self._held, self._first = b"", True
        self.hits: set[Hit] = set()
        self.size = 0

    def feed(self, block: bytes) -> None:
        """The next bytes of the stream."""
        self.size += len(block)
        data = self._held + block
        if len(data) < BLOCK_BYTES:
            self._held = data
            return
        self._search(data, last=False)
        self._held, self._first = data[-self._matcher.overlap - _BESIDE :], False

    def end(self) -> set[Hit]:
        """The hits, when nothing is left to feed."""
        self._search(self._held, last=True)
        self._held = b""
        return self.hits

    def _search(self, data: bytes, last: bool) -> None:
        self.hits |= self._matcher.hits(data, self._content, self._first, last, self._longer)
