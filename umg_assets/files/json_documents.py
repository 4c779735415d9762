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

from umg_assets.files.json_lines import BLANK_BYTES, HEAD_BYTES, is_object, objects_one_by_one, stage_json_lines
from umg_assets.files.json_stream import BEHIND, SCALAR, JsonStream, Value
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.rejects import (
    BROKEN_JSON,
    NOT_THE_FORMAT,
    TOO_LARGE,
    UNREADABLE_REST,
    RefusedError,
    foreign_content,
)
from umg_assets.files.schema_types import Typed
from umg_assets.files.staged import Staging

_BATCH_RECORDS, _BATCH_BYTES = 20_000, 8 << 20
_JUNK = re.compile(rb"[^\n\x1e{\[]++")
_LINE_START = re.compile(rb"\n[ \t]*+\Z")
_LAST = (b"]", b"")
_AT_TOP = re.compile(rb"\x1e|\n(?=\{)")


FoundRecord = tuple[bytes, str | None, int, int, int | None, int | None, bytes]
"""(raw, reason, start, end, before, following, closing) of a record.

raw, reason: as of Value. start, end: its positions in the file. before: the end of the element before it; None for the
first of an array. following: the start of the one after it; None for the last. closing: of the unreadable rest of a
file, the brackets that end it in its place.
"""


def is_lines(head: bytes) -> bool:
    """Whether JSON whose first 64 KiB are `head` is JSON lines, bad lines among them.

    It is not if no more than half of its lines are objects and it begins like an array, an RS, several objects on a
    line, or an object over several lines.
    """
    lines = [line.strip(BLANK_BYTES) for line in head.splitlines()]
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
    limits: Limits = USUAL,
) -> None:
    """Parse the blocks of a JSON file into `staging`. Raises RefusedError for content of another kind.

    types: of the columns, by their order; None: all are text. records: the dotted path to the array of records in an
    object; None: the framing is seen in the file's first 64 KiB.
    """
    first, last = next(blocks)
    blocks = itertools.chain([(first, last)], blocks)
    if records is None and is_lines(first[:HEAD_BYTES]):
        stage_json_lines(blocks, columns, types, staging, limits)
        return
    batch: list[tuple[int, bytes]] = []
    size = 0
    for found in documents_of(blocks, records, limits.record_bytes):
        raw, reason = found[0], found[1]
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


def documents_of(
    blocks: Iterator[tuple[bytes, bool]], records: str | None, at_most: int = USUAL.record_bytes
) -> Iterator[FoundRecord]:
    """The records of JSON that is no JSON lines. Raises RefusedError for content of another kind.

    records: the dotted path to the array of records in an object. at_most: the length of a record.
    """
    first, last = next(blocks)
    head = first[:HEAD_BYTES]
    content = foreign_content(first)
    if content is None and head.strip(BLANK_BYTES) and head.lstrip(BLANK_BYTES)[:1] not in b"{[\x1e":
        content = "no JSON"
    if content is not None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected JSON; this is {content}.", first)
    yield from _Documents(JsonStream(itertools.chain([(first, last)], blocks), at_most), records, head).records()


class _Documents:
    """The records of a file's top-level values: of arrays their elements, of objects themselves or an array in them."""

    def __init__(self, text: JsonStream, path: str | None, head: bytes) -> None:
        self._text, self._path, self._head = text, path, head
        self._cut = self._envelope_has = self._any_has = False
        self._closing = b""

    def records(self) -> Iterator[FoundRecord]:
        """Raises RefusedError if a path is given and no object has an array there. Such objects may lie in an array."""
        text, without, open_arrays, pages, before = self._text, 0, 0, False, None
        while not self._cut and (mark := text.skip()):
            start, record = text.place, None
            if mark == b"{" and self._path is not None:
                beginning, self._envelope_has = text.data[text.at :][:200], False
                yield from self._envelope(self._path.split("."))
                if not self._envelope_has and not self._cut:
                    without += 1
                    record = beginning[: text.place - start], BROKEN_JSON
            elif self._path is not None and (mark == b"[" or (mark == b"]" and open_arrays)):
                text.at, pages = text.at + 1, True
                open_arrays += 1 if mark == b"[" else -1
                self._closing = b"]" * open_arrays
            elif mark == b"{":
                record = self._noted(text.value(_AT_TOP))
            elif mark == b"[":
                yield from self._array()
            else:
                record = text.take(_JUNK), BROKEN_JSON
            end = None if mark == b"[" else text.place
            if record is not None:
                yield self._found(record, start, before)
            before = end
        if without and not self._any_has:
            raise self._refused("an array of objects without it" if pages else "an object without it")
        if open_arrays and not self._cut:
            yield self._found((b"(the file ends before its array does)", UNREADABLE_REST), text.place, None)

    def _found(self, record: Value, start: int, before: int | None) -> FoundRecord:
        """The record that has just been read; what follows it is skipped up to the next."""
        end, mark = self._text.place, self._text.skip()
        following = None if mark in _LAST else self._text.place
        closing = self._closing if record[1] == UNREADABLE_REST else b""
        return record[0], record[1], start, end, before, following, closing

    def _refused(self, what: str) -> RefusedError:
        sentence = f"Expected an array of objects at records = {self._path!r}; this is {what}."
        return RefusedError(NOT_THE_FORMAT, sentence, self._head)

    def _noted(self, record: Value) -> Value:
        self._cut = self._cut or record[1] == UNREADABLE_REST
        return record

    def _array(self) -> Iterator[FoundRecord]:
        text, next_record, before = self._text, None, None
        text.at += 1
        self._closing = b"]" + self._closing
        mark, start = text.skip(), text.place
        while not self._cut:
            if mark == b"]":
                text.at += 1
                self._closing = self._closing[1:]
                return
            if not mark:
                ends = self._noted((b"(the file ends before its array does)", UNREADABLE_REST))
                yield self._found(ends, start, before)
                return
            indented = _LINE_START.search(text.data, max(0, text.at - BEHIND), text.at)
            if indented and mark == b"{":
                next_record = re.compile(indented[0] + rb"(?=\{)")
            raw, reason = self._noted(text.value(next_record))
            reason = reason or (None if raw.startswith(b"{") else BROKEN_JSON)
            end, mark = text.before + text.at, text.skip()
            next_start = text.before + text.at
            closing = self._closing if self._cut else b""
            yield raw, reason, start, end, before, None if mark in _LAST else next_start, closing
            before, start = end, next_start

    def _envelope(self, path: Sequence[str]) -> Iterator[FoundRecord]:
        text = self._text
        text.at += 1
        self._closing = b"}" + self._closing
        while not self._cut:
            mark, start = text.skip(), text.place
            if mark == b"}":
                text.at += 1
                self._closing = self._closing[1:]
                return
            key = self._noted(text.value(None)) if mark == b'"' else self._noted(text.rest())
            mark = text.skip()
            if self._cut or not mark:
                ends = self._noted((key[0] or b"(the file ends before its object does)", UNREADABLE_REST))
                yield self._found(ends, start, None)
            elif _text_of(key[0]) != path[0]:
                if self._noted(text.value(None))[1] == UNREADABLE_REST:
                    yield self._found((key[0], UNREADABLE_REST), start, None)
            elif len(path) > 1 and mark == b"{":
                yield from self._envelope(path[1:])
            elif len(path) == 1 and mark == b"[":
                self._envelope_has = self._any_has = True
                yield from self._array()
            elif text.take(SCALAR) == b"null":
                self._envelope_has = self._any_has = True
            else:
                raise self._refused(f"{'an object' if mark == b'{' else 'no array'} at {_text_of(key[0])!r}")


def _text_of(key: bytes) -> str | None:
    try:
        return json.loads(key)
    except ValueError:
        return None
