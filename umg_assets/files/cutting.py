"""Text files without some of their records: what is left stays byte for byte, in its encoding.

A first reading tells where the records lie, as the parser does; a last one copies the bytes between those left out.
With an element of a JSON array goes one comma.
"""

import codecs
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from umg_assets.files.beginning import RecordShape
from umg_assets.files.blocks import BLOCK_BYTES, blocks_of
from umg_assets.files.delimited import DelimitedRecords, give_records, whole_lines
from umg_assets.files.json_documents import documents_of, is_lines
from umg_assets.files.json_lines import BLANK_BYTES, HEAD_BYTES, lines_of
from umg_assets.files.layout import Layout
from umg_assets.files.limits import Limits
from umg_assets.files.recoding import as_utf8, marked_encoding, places_in_file
from umg_assets.files.wanted import CannotEraseError, Erased, Wanted

_Span = tuple[int, int]


class _Place(NamedTuple):
    """Where a record lies: `raw` are its bytes (perhaps not all), `following` is the start of the next one.

    following: None for the last element of an array. before: the end of the element before; None for the first.
    closing: what has to end the file without this record.
    """

    raw: bytes
    start: int
    end: int
    before: int | None
    following: int | None
    closing: bytes = b""


class _Places(DelimitedRecords):
    """The places of delimited records, block by block."""

    def __init__(self, shape: RecordShape, place: int):
        super().__init__(shape)
        self._place = place
        self.found: list[_Place] = []
        self._long: tuple[bytes, int] = b"", 0

    def begin_long(self, beginning: bytes) -> None:
        self._long = beginning, self._place
        self._place += len(beginning)

    def go_on(self, size: int, ends: bool) -> None:
        self._place += size
        self.found = [_Place(*self._long, self._place, None, self._place)] if ends else []

    def take(self, block: bytes, last: bool) -> bytes:
        block, rest = whole_lines(block, last)
        at, found = self._place, self.records_of(block, last)
        self.found = [_Place(raw, at + start, at + end, None, at + end) for start, end, raw, _, _ in found]
        self._place += self.taken_to
        return block[self.taken_to :] + rest


def _lines(blocks: Iterator[tuple[bytes, bool]], limits: Limits) -> Iterator[_Place]:
    long: tuple[bytes, int] | None = None
    at = 0
    for at, text, too_large in lines_of(blocks, limits.record_bytes):
        if long is not None and text:
            yield _Place(*long, at, None, at)
            long = None
        if too_large:
            long = (text, at)
        for line in () if too_large else text.splitlines(keepends=True):
            end = at + len(line)
            if line.strip(BLANK_BYTES):
                yield _Place(line.rstrip(b"\r\n"), at, end, None, end)
            at = end
    if long is not None:
        yield _Place(*long, at, None, at)


def _unsplit(blocks: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    """The blocks, of which none but the last ends with a CR, so that a CRLF is one line end."""
    held = b""
    for block, last in blocks:
        block, held = held + block, b""
        if block.endswith(b"\r") and not last:
            block, held = block[:-1], b"\r"
        yield block, last


def _places(blocks: Iterator[tuple[bytes, bool]], layout: Layout, limits: Limits) -> Iterator[_Place]:
    """The places of all records of a text in UTF-8, in their order. Raises RefusedError."""
    if layout.format == "json":
        first, last = next(blocks)
        blocks = itertools.chain([(first, last)], blocks)
        if layout.records is not None or not is_lines(first[:HEAD_BYTES]):
            found = documents_of(blocks, layout.records, limits.record_bytes)
            for raw, _, start, end, before, following, closing in found:
                yield _Place(raw, start, end, before, following, closing)
            return
    if layout.format in ("json", "jsonl"):
        yield from _lines(_unsplit(blocks), limits)
        return
    dialect, default = layout.dialect, layout.delimiter
    for places in give_records(_unsplit(blocks), layout.columns, dialect, default, _Places, limits):
        yield from places.found


@dataclass
class _Cuts:
    """The records left out so far, and the spans that go with them."""

    records: int = 0
    removed: list[int] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)
    long: list[tuple[int, _Span]] = field(default_factory=list)
    closing: bytes = b""
    _end: int = -1
    _before: int | None = None

    def add(self, place: _Place) -> None:
        """Leave out the record at a place; the last of an array goes with what stands between it and those left."""
        if place.before != self._end:
            self._before = place.before
        if place.following is not None:
            span = (place.start, place.following)
        else:
            span = (place.start if self._before is None else self._before, place.end)
        self._end, self.closing = place.end, place.closing
        self.removed.append(self.records)
        while self.spans and self.spans[-1][1] >= span[0]:
            start, end = self.spans.pop()
            span = (min(start, span[0]), max(end, span[1]))
        self.spans.append(span)


@dataclass(frozen=True)
class _TextFile:
    path: Path
    layout: Layout
    wanted: Wanted
    limits: Limits

    def content(self) -> Iterator[bytes]:
        """The file, a piece at a time."""
        with self.path.open("rb") as file:
            yield from iter(lambda: file.read(BLOCK_BYTES), b"")

    def utf8(self) -> Iterator[bytes]:
        """Its text, a piece at a time; a byte order mark in UTF-8 is left."""
        return as_utf8(self.content(), self.layout.dialect.encoding)[0]

    def cuts(self, more: frozenset[int] = frozenset()) -> _Cuts:
        """more: records that are left out, too. Positions count from the text's beginning, without a mark."""
        cuts = _Cuts()
        for place in _places(blocks_of(self.utf8()), self.layout, self.limits):
            cuts.records += 1
            if cuts.records in more or self.wanted.takes(cuts.records, (place.raw,)):
                cuts.add(place)
            elif len(place.raw) < place.end - place.start - 2:
                cuts.long.append((cuts.records, (place.start, place.end)))
        return cuts

    def mark(self) -> int:
        """The length of the byte order mark that the text in UTF-8 begins with."""
        head = b""
        for piece in self.utf8():
            head += piece
            if len(head) >= len(codecs.BOM_UTF8):
                break
        return len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0

    def encoding(self) -> str:
        with self.path.open("rb") as file:
            return marked_encoding(file.read(4)) or self.layout.dialect.encoding

    def encoded(self, text: bytes) -> bytes:
        """ASCII in the file's encoding, without a byte order mark."""
        encoding = self.encoding()
        with self.path.open("rb") as file:
            if file.read(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
                encoding += "-be"
        return text.decode().encode(encoding)[len("".encode(encoding)) :]

    def in_file(self, spans: Sequence[_Span]) -> list[_Span]:
        """Spans of the text in UTF-8 as spans of the file's bytes."""
        encoding = self.encoding()
        if not as_utf8(iter([b""]), encoding)[1]:
            return list(spans)
        places = iter(places_in_file(self.content(), encoding, [place for span in spans for place in span]))
        return list(zip(places, places, strict=True))


def _pieces(chunks: Iterator[bytes], spans: Sequence[_Span]) -> Iterator[tuple[int | None, bytes]]:
    """The chunks, divided: each piece with the number of the span, from 0, in which it lies; None: in none."""
    at, i = 0, 0
    for chunk in chunks:
        begin, end = at, at + len(chunk)
        while begin < end:
            while i < len(spans) and spans[i][1] <= begin:
                i += 1
            start, stop = spans[i] if i < len(spans) else (end, end)
            inside = start <= begin
            until = min(end, stop if inside else start)
            yield (i if inside else None), chunk[begin - at : until - at]
            begin = until
        at = end


def _kept(chunks: Iterator[bytes], spans: Sequence[_Span]) -> Iterator[bytes]:
    return (piece for span, piece in _pieces(chunks, spans) if span is None)


def cut_text(path: Path, layout: Layout, draft: Path, wanted: Wanted, limits: Limits) -> Erased:
    """Write a text file, not compressed, without the wanted records. Raises RefusedError and CannotEraseError."""
    text = _TextFile(path, layout, wanted, limits)
    mark = text.mark()
    cuts = text.cuts()
    if cuts.long:
        spans = [(start + mark, end + mark) for _, (start, end) in cuts.long]
        named = {
            cuts.long[span][0]
            for span, pieces in itertools.groupby(_pieces(text.utf8(), spans), key=lambda piece: piece[0])
            if span is not None and wanted.is_in(piece for _, piece in pieces)
        }
        cuts = text.cuts(frozenset(named)) if named else cuts
    spans = [(start + mark, end + mark) for start, end in cuts.spans]
    if not wanted.in_part and wanted.is_in(_kept(text.utf8(), spans)):
        raise CannotEraseError("an id stands between or above its records, in none of them: remove it by hand.")
    if cuts.removed:
        with draft.open("wb") as file:
            file.writelines(_kept(text.content(), text.in_file(spans)))
            file.write(text.encoded(cuts.closing))
    return Erased(cuts.records, cuts.removed)
