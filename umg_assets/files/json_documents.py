"""JSON in any framing: an array, objects one after the other, RS-separated or pretty-printed, or an array in an object.

A scanner separates the records in a stream of blocks and holds no more than one of them; each is decoded as a JSON line
is. Commas and blanks between records are optional. A record that is no object is a reject (broken_json); where its
brackets or quotes do not close, reading goes on at the next line that begins as its neighbours do, or after the next
RS. If there is none, the rest of the file is one reject (unreadable_rest), and so is the end of a file that is cut off.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence

from umg_assets.files.json_lines import HEAD_BYTES, RECORD_BYTES, is_object, objects_one_by_one, stage_json_lines
from umg_assets.files.rejects import (
    BROKEN_JSON,
    NOT_THE_FORMAT,
    REFUSAL_CHARACTERS,
    TOO_DEEP,
    TOO_LARGE,
    UNREADABLE_REST,
    RefusedError,
    foreign_content,
)
from umg_assets.files.schema_types import Typed
from umg_assets.files.staged import Staging

DEPTH = 200
_BATCH_RECORDS, _BATCH_BYTES = 20_000, 8 << 20
_BLANK = b" \t\x0b\x0c\r\n"
_BETWEEN = re.compile(rb"[\s,:\x1e]*+")
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"\x1e]++|[\]}]')
_JUNK = re.compile(rb"[^\n\x1e{\[]++")
_LINE_START = re.compile(rb"\n[ \t]*+\Z")
_AT_TOP = re.compile(rb"\x1e|\n(?=\{)")
_BEHIND = 256  # bytes kept before the position, to see how far its line is indented
_CLOSING = {ord("{"): ord("}"), ord("["): ord("]")}

_Record = tuple[bytes, str | None]
"""The bytes of a record, or the first of them, and the reason why it is a reject; None: it is still to be decoded."""


def is_lines(head: bytes) -> bool:
    """Whether JSON whose first 64 KiB are `head` is JSON lines, bad lines among them.

    It is not if no more than half of its lines are objects and it begins like an array, an RS, several objects on a
    line, or an object over several lines.
    """
    lines = [line.strip(_BLANK) for line in head.splitlines()]
    if len(head) >= HEAD_BYTES and len(lines) > 1:
        del lines[-1]
    lines = [line for line in lines if line]
    if not lines or 2 * sum(map(is_object, lines)) > len(lines):
        return True
    begins = lines[0].startswith((b"[", b"\x1e")) or re.search(rb"\}\s*\{", lines[0])
    spread = lines[0].startswith(b"{") and len(lines) > 1 and lines[1].startswith((b'"', b"}"))
    return not (begins or spread)


def stage_json(
    blocks: Iterator[tuple[bytes, bool]],
    columns: Sequence[str],
    types: Sequence[Typed] | None,
    records: str | None,
    staging: Staging,
) -> None:
    """Parse the blocks of a JSON file into `staging`. Raises RefusedError for content of another kind.

    types: of the columns, by their order; None: all are text. records: the dotted path to the array of records in an
    object; None: the framing is seen in the file's first 64 KiB.
    """
    first, last = next(blocks)
    blocks = itertools.chain([(first, last)], blocks)
    head = first[:HEAD_BYTES]
    if records is None and is_lines(head):
        stage_json_lines(blocks, columns, types, staging)
        return
    content = foreign_content(first)
    if content is None and head.strip(_BLANK) and head.lstrip(_BLANK)[:1] not in b"{[\x1e":
        content = "no JSON"
    if content is not None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected JSON; this is {content}.", first)
    batch: list[tuple[int, bytes]] = []
    size = 0
    for raw, reason in _Documents(_Text(blocks), records, head).records():
        staging.records += 1
        if reason is None:
            batch.append((staging.records, raw))
            size += len(raw)
        elif reason in (TOO_LARGE, UNREADABLE_REST):
            staging.reject_beginning(staging.records, reason, raw)
        else:
            staging.reject_bytes(staging.records, reason, raw)
        if size > _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            staging.add(*objects_one_by_one(batch, columns, types, staging))
            batch, size = [], 0
    staging.add(*objects_one_by_one(batch, columns, types, staging))


class _Scanner:
    """Finds the end of an object, an array or a string that may lie in several pieces of text."""

    def __init__(self) -> None:
        self.open = bytearray()
        self.in_string = self.escaped = self.broken = False
        self.deepest = 0

    def end(self, text: bytes, at: int) -> int | None:
        """The position after the value's end, or of a bracket that does not fit (`broken`); None: it goes on."""
        if self.escaped and at < len(text):
            at, self.escaped = at + 1, False
        while at < len(text):
            at = (_IN_STRING if self.in_string else _TO_BRACKET).match(text, at).end()  # type: ignore[union-attr]
            if at == len(text):
                break
            mark, at = text[at], at + 1
            if mark == ord("\\"):
                self.escaped = True
            elif mark == ord('"'):
                self.in_string = not self.in_string
            elif mark in _CLOSING:
                self.open.append(_CLOSING[mark])
                self.deepest = max(self.deepest, len(self.open))
            elif self.open and mark == self.open[-1]:
                self.open.pop()
            else:
                self.broken = True
                return at - 1
            if not self.open and not self.in_string and not self.escaped:
                return at
        return None


class _Text:
    """The text of a file from a position on, as far as it has been read."""

    def __init__(self, blocks: Iterator[tuple[bytes, bool]]) -> None:
        self._blocks = blocks
        self._ended = False
        self._before = 0
        self.data, self.at = b"", 0

    @property
    def place(self) -> int:
        """The position in the file."""
        return self._before + self.at

    def more(self) -> bool:
        """Read a block and forget what lies before the position; False at the end of the file."""
        if self._ended:
            return False
        block, self._ended = next(self._blocks)
        kept = min(self.at, _BEHIND)
        self._before += self.at - kept
        self.data, self.at = self.data[self.at - kept :] + block, kept
        return True

    def skip(self, pattern: re.Pattern[bytes] = _BETWEEN) -> bytes:
        """Skip what the pattern matches; the next byte, none at the end of the file."""
        while True:
            match = pattern.match(self.data, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.data):
                return self.data[self.at : self.at + 1]
            if not self.more():
                return b""

    def take(self, pattern: re.Pattern[bytes]) -> bytes:
        """What the pattern matches from the position on."""
        while True:
            match = pattern.match(self.data, self.at)
            end = match.end() if match else self.at
            if end < len(self.data) or end - self.at > RECORD_BYTES or not self.more():
                taken, self.at = self.data[self.at : end], end
                return taken

    def rest(self) -> _Record:
        """The beginning of all that is left, read to its end."""
        beginning = self.data[self.at : self.at + REFUSAL_CHARACTERS]
        self.at = len(self.data)
        while self.more():
            self.at = len(self.data)
        return beginning, UNREADABLE_REST

    def value(self, next_record: re.Pattern[bytes] | None) -> _Record:
        """The value at the position. next_record: where reading may go on if the value's end cannot be seen."""
        if self.data[self.at] not in b'{["':
            return self.take(_SCALAR), BROKEN_JSON
        scanner, at, beginning = _Scanner(), self.at, None
        if self.data[at] == ord('"'):
            scanner.in_string, at = True, at + 1
        while (end := scanner.end(self.data, at)) is None:
            if len(self.data) - self.at > RECORD_BYTES and beginning is None:
                if next_record and next_record.search(self.data, self.at + 1):
                    return self._resume(next_record)
                beginning = self.data[self.at : self.at + REFUSAL_CHARACTERS]
            if beginning is not None:
                self.at = len(self.data)
            scanned = len(self.data) - self.at
            if not self.more():
                return self._resume(next_record) if beginning is None else (beginning, UNREADABLE_REST)
            at = self.at + scanned
        if scanner.broken:
            return self._resume(next_record) if beginning is None else (beginning, self.rest()[1])
        raw = self.data[self.at : end] if beginning is None else beginning
        too_large = beginning is not None or len(raw) > RECORD_BYTES
        self.at = end
        return raw, TOO_LARGE if too_large else TOO_DEEP if scanner.deepest > DEPTH else None

    def _resume(self, next_record: re.Pattern[bytes] | None) -> _Record:
        while next_record:
            match = next_record.search(self.data, self.at + 1)
            if match:
                raw, self.at = self.data[self.at : match.start()], match.start()
                return raw.rstrip(_BLANK + b","), BROKEN_JSON
            if len(self.data) - self.at > RECORD_BYTES or not self.more():
                break
        return self.rest()


class _Documents:
    """The records of a file's top-level values: of arrays their elements, of objects themselves or an array in them."""

    def __init__(self, text: _Text, path: str | None, head: bytes) -> None:
        self._text, self._path, self._head = text, path, head
        self._cut = self._envelope_has = self._any_has = False

    def records(self) -> Iterator[_Record]:
        """Raises RefusedError if a path is given and no object has an array there. Such objects may lie in an array."""
        text, without, open_arrays, pages = self._text, 0, 0, False
        while not self._cut and (mark := text.skip()):
            if mark == b"{" and self._path is not None:
                beginning, start, self._envelope_has = text.data[text.at :][:200], text.place, False
                yield from self._envelope(self._path.split("."))
                if not self._envelope_has and not self._cut:
                    without += 1
                    yield beginning[: text.place - start], BROKEN_JSON
            elif self._path is not None and (mark == b"[" or (mark == b"]" and open_arrays)):
                text.at, pages = text.at + 1, True
                open_arrays += 1 if mark == b"[" else -1
            elif mark == b"{":
                yield self._noted(text.value(_AT_TOP))
            elif mark == b"[":
                yield from self._array()
            else:
                yield text.take(_JUNK), BROKEN_JSON
        if without and not self._any_has:
            raise self._refused("an array of objects without it" if pages else "an object without it")
        if open_arrays and not self._cut:
            yield b"(the file ends before its array does)", UNREADABLE_REST

    def _refused(self, what: str) -> RefusedError:
        sentence = f"Expected an array of objects at records = {self._path!r}; this is {what}."
        return RefusedError(NOT_THE_FORMAT, sentence, self._head)

    def _noted(self, record: _Record) -> _Record:
        self._cut = self._cut or record[1] == UNREADABLE_REST
        return record

    def _array(self) -> Iterator[_Record]:
        text, next_record = self._text, None
        text.at += 1
        while not self._cut:
            mark = text.skip()
            if mark == b"]":
                text.at += 1
                return
            if not mark:
                yield self._noted((b"(the file ends before its array does)", UNREADABLE_REST))
                return
            indented = _LINE_START.search(text.data, max(0, text.at - _BEHIND), text.at)
            if indented and mark == b"{":
                next_record = re.compile(indented[0] + rb"(?=\{)")
            raw, reason = self._noted(text.value(next_record))
            yield raw, reason or (None if raw.startswith(b"{") else BROKEN_JSON)

    def _envelope(self, path: Sequence[str]) -> Iterator[_Record]:
        text = self._text
        text.at += 1
        while not self._cut:
            mark = text.skip()
            if mark == b"}":
                text.at += 1
                return
            key = self._noted(text.value(None)) if mark == b'"' else self._noted(text.rest())
            mark = text.skip()
            if self._cut or not mark:
                yield self._noted((key[0] or b"(the file ends before its object does)", UNREADABLE_REST))
            elif _text_of(key[0]) != path[0]:
                if self._noted(text.value(None))[1] == UNREADABLE_REST:
                    yield key[0], UNREADABLE_REST
            elif len(path) > 1 and mark == b"{":
                yield from self._envelope(path[1:])
            elif len(path) == 1 and mark == b"[":
                self._envelope_has = self._any_has = True
                yield from self._array()
            elif text.take(_SCALAR) == b"null":
                self._envelope_has = self._any_has = True
            else:
                raise self._refused(f"{'an object' if mark == b'{' else 'no array'} at {_text_of(key[0])!r}")


def _text_of(key: bytes) -> str | None:
    try:
        return json.loads(key)
    except ValueError:
        return None
