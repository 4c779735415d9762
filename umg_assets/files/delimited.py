"""CSV and TSV: separates well-formed records from bad ones and stages their fields as strings.

A block without quotes, or with one record on each line, goes to Arrow's CSV reader as it is. Other blocks, and those
that the reader refuses, are examined record by record; the reader then gets the good records, correctly quoted and
ending in LF.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from umg_assets.files.beginning import Beginning, RecordShape
from umg_assets.files.blocks import has_long_line, is_utf8
from umg_assets.files.dialect import Dialect
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.rejects import (
    BAD_ENCODING,
    BROKEN_QUOTE,
    FIELD_COUNT,
    NOT_THE_FORMAT,
    TOO_LARGE,
    RefusedError,
    foreign_content,
)
from umg_assets.files.staged import Staging


def _quote(fields: Sequence[bytes], quote: bytes) -> Iterator[bytes]:
    return (b"%s%s%s" % (quote, field.replace(quote, quote * 2), quote) for field in fields)


def whole_lines(block: bytes, last: bool) -> tuple[bytes, bytes]:
    """The lines of a block that are complete, and the bytes of one that is not; in the last block all are."""
    cut = len(block) if last else max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
    return block[:cut], block[cut:]


DelimitedRecord = tuple[int, int, bytes, bytes, str | None]
"""(start, end, raw, canonical, reason) of a record.

start, end: its positions in the block, with its line end. raw: its bytes, without. canonical: as the CSV reader gets
it. reason: why it is a reject; None: its fields are as many as the header's.
"""


class DelimitedRecords:
    """Tells the records of blocks apart, the bad ones too."""

    def __init__(self, shape: RecordShape):
        grammar, width = shape.grammar, shape.width
        self.grammar, self.width = grammar, width
        self.whole = grammar.record_of(width)
        self.requoting = grammar.quote or (b"'" if grammar.delimiter == b'"' else b'"')
        # Arrow's reader takes one byte: several, or a character of several, are replaced by one that no field has bare
        self.several = len(grammar.delimiter) > 1
        stand_in = b"\x1e" if grammar.quote == b"\x1f" else b"\x1f"
        self.read_by = stand_in if self.several else grammar.delimiter
        self.taken_to = 0

    def records_of(self, block: bytes, last: bool) -> Iterator[DelimitedRecord]:
        """The complete records of a block of whole lines; they and blank lines go up to its position `taken_to`."""
        lines = block.splitlines(keepends=True)
        at, i = 0, 0
        while i < len(lines):
            line = lines[i].rstrip(b"\r\n")
            if not line.strip(self.grammar.blank):
                at, i = at + len(lines[i]), i + 1
                continue
            taken, raw, reason = 1, line, None
            canonical = line
            if not self.grammar.is_special(line):
                if line.count(self.grammar.delimiter) != self.width - 1:
                    reason = FIELD_COUNT
                elif self.grammar.quote is None or self.several:
                    canonical = self._requoted(line.split(self.grammar.delimiter))
            elif self.several or self.grammar.has_escape(line) or self.whole.fullmatch(line) is None:
                fields, end, is_open = self.grammar.scan(block, at, self.width)
                if is_open and not last and end == len(block):
                    break
                if fields is not None and not (is_open and end < len(block)):
                    raw = block[at:end]
                    taken = len(raw.splitlines())
                    canonical = self._requoted(fields)
                    if len(fields) != self.width:
                        reason = FIELD_COUNT
                if fields is None or (taken > 1 and self._swallowed(lines[i : i + taken], reason is not None)):
                    reason, taken, raw = BROKEN_QUOTE, 1, line
            end = at + (len(lines[i]) if taken == 1 else sum(map(len, lines[i : i + taken])))
            yield at, end, raw, canonical, reason
            at, i = end, i + taken
        self.taken_to = at

    def _requoted(self, fields: Sequence[bytes]) -> bytes:
        return self.read_by.join(_quote(fields, self.requoting))

    def _swallowed(self, lines: Sequence[bytes], wrong_count: bool) -> bool:
        """Whether a record of several lines is a stray quote that swallowed good records up to the next quote.

        If the record has a wrong number of fields, one whole record among the lines after its first is enough. If its
        number is right, nine in ten of the lines between its first and last must be whole records, with three
        delimiters in total.
        """
        if self.width == 1:
            return False
        candidates = lines[1:] if wrong_count else lines[1:-1]
        whole = sum(self.whole.fullmatch(line.rstrip(b"\r\n")) is not None for line in candidates)
        if wrong_count:
            return whole > 0
        return whole * (self.width - 1) >= 3 and whole * 10 >= len(candidates) * 9


class _Body(DelimitedRecords):
    """The records below a file's beginning; the fields at its positions are staged."""

    def __init__(self, shape: RecordShape, staging: Staging, at_most: int):
        super().__init__(shape)
        self.staging, self.at_most = staging, at_most
        self.plain_lines = shape.grammar.lines_of(shape.width)
        self.columns = [None if position is None else f"c{position}" for position in shape.positions]
        self.wanted = [name for name in self.columns if name is not None]
        self.names = [f"c{i}" for i in range(shape.width)]

    def take(self, block: bytes, last: bool) -> bytes:
        """Stage or reject the complete records of a block, and return the bytes of an incomplete last record."""
        block, rest = whole_lines(block, last)
        utf8 = is_utf8(block)
        plain = not self.grammar.is_special(block)
        if not plain and self.grammar.escape is None and not self.several:
            plain = self.plain_lines.fullmatch(block) is not None
        if utf8 and plain and not has_long_line(block, self.at_most) and self._take_clean(block):
            return rest
        return self._take_carefully(block, last, utf8) + rest

    def begin_long(self, beginning: bytes) -> None:
        """Reject the record that begins so."""
        self.staging.records += 1
        self.staging.reject_beginning(self.staging.records, TOO_LARGE, beginning)

    def go_on(self, size: int, ends: bool) -> None:
        """Pass over a part of it."""

    def _take_clean(self, block: bytes) -> bool:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
            if b"\r" in block:
                return False
        if self.several:
            if self.read_by in block:
                return False
            block = block.replace(self.grammar.delimiter, self.read_by)
        if self.width == 1 and not all(line.strip(self.grammar.blank) for line in block.splitlines()):
            return False
        expected = block.count(b"\n") + (bool(block) and not block.endswith(b"\n"))
        try:
            table = self._read(block, self.grammar.quote)
        except pa.ArrowInvalid:
            return False
        if table.num_rows != expected:
            return False
        self._stage(table, np.arange(1, expected + 1) + self.staging.records)
        self.staging.records += expected
        return True

    def _take_carefully(self, block: bytes, last: bool, utf8: bool) -> bytes:
        good: list[bytes] = []
        numbers: list[int] = []
        record = self.staging.records
        for _, _, raw, canonical, reason in self.records_of(block, last):
            record += 1
            if len(raw) > self.at_most:
                self.staging.reject_beginning(record, TOO_LARGE, raw)
            elif reason is not None or not (utf8 or is_utf8(raw)):
                self.staging.reject_bytes(record, reason or BAD_ENCODING, raw)
            else:
                good.append(canonical)
                numbers.append(record)
        self.staging.records = record
        if good:
            self._stage(self._read(b"\n".join(good) + b"\n", self.requoting), np.array(numbers))
        return block[self.taken_to :]

    def _read(self, text: bytes, quote: bytes | None) -> pa.Table:
        if not text:
            return pa.table({name: pa.array([], pa.string()) for name in self.wanted or ["c0"]})
        return pa_csv.read_csv(
            pa.BufferReader(text),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self.names),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.read_by.decode(),
                quote_char=quote.decode() if quote else False,
                newlines_in_values=True,
                # the reader turns an empty line into a row of NULLs, which is right only for a single column's ""
                ignore_empty_lines=self.width > 1,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self.wanted, pa.string()),
                include_columns=self.wanted or ["c0"],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )

    def _stage(self, table: pa.Table, records: np.ndarray) -> None:
        if table.num_rows != len(records):
            raise RefusedError(
                NOT_THE_FORMAT, f"Expected {len(records)} rows from the CSV reader, got {table.num_rows}."
            )
        absent = pa.nulls(len(records), pa.string())
        self.staging.add([table.column(name) if name else absent for name in self.columns], records)


class _Taking(Protocol):
    def take(self, block: bytes, last: bool) -> bytes:
        """Take the complete records of a block, and return the bytes of an incomplete last record."""
        ...

    def begin_long(self, beginning: bytes) -> None:
        """Take the beginning of a record that is too long to be held."""
        ...

    def go_on(self, size: int, ends: bool) -> None:
        """Pass over so many bytes more of it, and perhaps its end."""
        ...


_Taker = TypeVar("_Taker", bound=_Taking)


def give_records(
    blocks: Iterator[tuple[bytes, bool]],
    columns: Sequence[str],
    dialect: Dialect,
    default: str,
    taker: Callable[[RecordShape, int], _Taker],
    limits: Limits = USUAL,
) -> Iterator[_Taker]:
    """Give what stands below the beginning of a CSV or TSV file, in UTF-8, to a taker; yields it after each block.

    taker: makes it, of the records' shape and the position where they begin. default: the delimiter where neither the
    dialect nor the file names one. A line that is longer than a record may be ends where the next line begins. Raises
    RefusedError for content of another kind.
    """
    beginning = Beginning(dialect, default, columns, limits.columns)
    body: _Taker | None = None
    held, first, read, beyond = b"", True, 0, False
    for block, last in blocks:
        read += len(block)
        if beyond and body is not None:
            end = min((at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0), default=len(block))
            beyond = end == len(block) and not last
            body.go_on(end, not beyond)
            block = block[end:]
            yield body
        held += block
        if body is None:
            if first and (content := foreign_content(held)):
                raise RefusedError(NOT_THE_FORMAT, f"Expected delimited text; this is {content}.", held)
            first = first and not held
            size = len(held)
            shape, held = beginning.take(held, last)
            header = len(held) if shape is None else 0 if dialect.skip_lines else size - len(held)
            if header > limits.record_bytes:
                sentence = f"Expected a line of column names of at most {limits.record_bytes:,} bytes; this is longer."
                raise RefusedError(NOT_THE_FORMAT, sentence, held)
            if shape is None:
                continue
            body = taker(shape, read - len(held))
        held = body.take(held, last)
        yield body
        if len(held) > limits.record_bytes and not last:
            body.begin_long(held)
            held, beyond = b"", True


def stage_delimited(
    blocks: Iterator[tuple[bytes, bool]],
    columns: Sequence[str],
    dialect: Dialect,
    default: str,
    staging: Staging,
    limits: Limits = USUAL,
) -> None:
    """Parse the blocks of a CSV or TSV file, in UTF-8, into `staging`. Raises RefusedError for content of another kind.

    default: the delimiter where neither the dialect nor the file names one.
    """
    for _ in give_records(
        blocks, columns, dialect, default, lambda shape, _: _Body(shape, staging, limits.record_bytes), limits
    ):
        pass
