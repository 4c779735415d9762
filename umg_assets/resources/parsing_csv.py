"""CSV and TSV: which records are whole, and their fields as strings.

A block of the file without quotes goes to Arrow's CSV reader as it is; it is looked at record by record only when the
reader objects or there are quotes. What is given to the reader then is whole, quoted right and ends in LF.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from umg_assets.resources.parsing_files import (
    BAD_ENCODING,
    BROKEN_QUOTE,
    FIELD_COUNT,
    MISSING_COLUMN,
    NOT_THE_FORMAT,
    RefusedError,
    Staging,
    foreign_content,
)

# a quoted field that runs on for longer is taken for an unterminated quote; it also bounds what is read twice
QUOTED_RECORD_BYTES = 1 << 20
_FIELDS_BEYOND = 64
_VALUE = re.compile(r"[-+]?\d[\d.,:/T Z+-]*")


class _Grammar:
    """The regular expressions of one delimiter. Unquoted fields end at the line, quoted ones may hold line ends."""

    def __init__(self, delimiter: bytes):
        d = re.escape(delimiter)
        self.delimiter = delimiter
        # a line of tabs is a record of empty fields in a TSV, so only what is no delimiter counts as blank
        self.blank = b" \t\x0b\x0c\r\n".replace(delimiter, b"")
        self.quoted = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
        self.unquoted = re.compile(rb"[^%s\r\n]*+" % d)
        self._strict = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"%s\r\n]*+)' % d
        one_line = rb'(?:"[^"\r\n]*+(?:""[^"\r\n]*+)*+"|[^"%s\r\n]*+)' % d
        self._one_line = (one_line, b"(?:%s%s)" % (d, one_line))
        self._next = b"(?:%s%s)" % (d, self._strict)

    def without_blank_lines(self, text: bytes) -> bytes:
        """The text from its first line that is not blank; empty where there is none."""
        start = re.match(rb"(?:[%s]*+(?:\r\n|\r|\n))*+" % self.blank.strip(b"\r\n"), text)
        assert start is not None
        rest = text[start.end() :]
        return rest if rest.strip(self.blank) else b""

    def record_of(self, fields: int) -> re.Pattern[bytes]:
        """Matches, whole, a record of so many fields with no quote but around and doubled inside a field."""
        return re.compile(b"%s%s{%d}" % (self._strict, self._next, fields - 1))

    def lines_of(self, fields: int) -> re.Pattern[bytes]:
        """Matches, whole, any number of such records with no line end inside a field."""
        return re.compile(b"(?:%s%s{%d}(?:\r?\n|\\Z))*+" % (*self._one_line, fields - 1))

    def scan(self, text: bytes, start: int, at_most: int) -> tuple[list[bytes] | None, int, bool]:
        """One record from `start`: its fields (quotes undone), where it ends, whether its quotes are still open.

        Fields are None for text after a closing quote, an open quote, or many more fields than `at_most`.
        """
        fields: list[bytes] = []
        at, stop = start, min(len(text), start + QUOTED_RECORD_BYTES)
        while len(fields) < at_most + _FIELDS_BEYOND:
            if text[at : at + 1] == b'"':
                found = self.quoted.match(text, at, stop)
                if found is None:
                    return None, stop, True
                fields.append(found[0][1:-1].replace(b'""', b'"'))
                # the text may go on with the second half of a doubled quote, or with what decides that the record ends
                if found.end() == stop:
                    return fields, stop, True
            else:
                found = self.unquoted.match(text, at)
                assert found is not None
                fields.append(found[0])
            at = found.end()
            after = text[at : at + 1]
            if after != self.delimiter:
                return (fields if after in (b"", b"\n", b"\r") else None), at, False
            at += 1
        return None, at, False


def _quote(fields: Sequence[bytes]) -> Iterator[bytes]:
    return (b'"%s"' % field.replace(b'"', b'""') for field in fields)


def _is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Body:
    """The records under a header of `width` fields, of which those at `positions` are wanted."""

    def __init__(self, grammar: _Grammar, width: int, positions: Sequence[int], staging: Staging):
        self.grammar, self.width, self.staging = grammar, width, staging
        self.whole = grammar.record_of(width)
        self.plain_lines = grammar.lines_of(width)
        self.wanted = [f"c{position}" for position in positions]
        self.names = [f"c{i}" for i in range(width)]

    def take(self, block: bytes, last: bool) -> bytes:
        """Stage or reject the complete records of a block; the bytes of the begun one are handed back."""
        if not last:
            cut = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
            block, rest = block[:cut], block[cut:]
        else:
            rest = b""
        utf8 = _is_utf8(block)
        plain = b'"' not in block or self.plain_lines.fullmatch(block) is not None
        if utf8 and plain and self._take_clean(block):
            return rest
        return self._take_carefully(block, last, utf8) + rest

    def _take_clean(self, block: bytes) -> bool:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
            if b"\r" in block:
                return False
        if self.width == 1 and not all(line.strip(self.grammar.blank) for line in block.splitlines()):
            return False
        expected = block.count(b"\n") + (bool(block) and not block.endswith(b"\n"))
        try:
            table = self._read(block)
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
        lines = block.splitlines(keepends=True)
        record, at, i = self.staging.records, 0, 0
        while i < len(lines):
            line = lines[i].rstrip(b"\r\n")
            if not line.strip(self.grammar.blank):
                at, i = at + len(lines[i]), i + 1
                continue
            taken, raw, reason = 1, line, None
            canonical = line
            if b'"' not in line:
                if line.count(self.grammar.delimiter) != self.width - 1:
                    reason = FIELD_COUNT
            elif self.whole.fullmatch(line) is None:
                fields, end, is_open = self.grammar.scan(block, at, self.width)
                if is_open and not last and end == len(block):
                    break
                if fields is not None and not (is_open and end < len(block)):
                    raw = block[at:end]
                    taken = len(raw.splitlines())
                    canonical = self.grammar.delimiter.join(_quote(fields))
                    if len(fields) != self.width:
                        reason = FIELD_COUNT
                if fields is None or (taken > 1 and self._swallowed(lines[i : i + taken], reason is not None)):
                    reason, taken, raw = BROKEN_QUOTE, 1, line
            record += 1
            if reason is not None or not (utf8 or _is_utf8(raw)):
                self.staging.reject_bytes(record, reason or BAD_ENCODING, raw)
            else:
                good.append(canonical)
                numbers.append(record)
            at += sum(map(len, lines[i : i + taken]))
            i += taken
        self.staging.records = record
        if good:
            self._stage(self._read(b"\n".join(good) + b"\n"), np.array(numbers))
        return block[at:]

    def _swallowed(self, lines: Sequence[bytes], wrong_count: bool) -> bool:
        """Whether a record of several lines is a stray quote that took good records along, up to the next quote.

        A record that is wrong anyway needs one line after its first that is a whole record; one with the right count
        of fields needs nine in ten lines between its first and last to be, and three delimiters in them to agree.
        """
        if self.width == 1:
            return False
        looked_at = lines[1:] if wrong_count else lines[1:-1]
        whole = sum(self.whole.fullmatch(line.rstrip(b"\r\n")) is not None for line in looked_at)
        if wrong_count:
            return whole > 0
        return whole * (self.width - 1) >= 3 and whole * 10 >= len(looked_at) * 9

    def _read(self, text: bytes) -> pa.Table:
        if not text:
            return pa.table({name: pa.array([], pa.string()) for name in self.wanted or ["c0"]})
        return pa_csv.read_csv(
            pa.BufferReader(text),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self.names),
            parse_options=pa_csv.ParseOptions(
                delimiter=self.grammar.delimiter.decode(),
                newlines_in_values=True,
                # the reader makes an empty line a row of NULLs, which only a single column's "" may come to
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
        self.staging.add([table.column(name) for name in self.wanted], records)


def _header(text: bytes, last: bool, grammar: _Grammar) -> tuple[list[str], bytes] | None:
    """(column names, the text after the header's line), or None while the header is not all there.

    Raises RefusedError where the first line is no header.
    """
    fields, end, is_open = grammar.scan(text, 0, len(text))
    if end == len(text) and not last:
        return None
    head = text[:end]
    content = None
    if text.lstrip()[:1] in (b"{", b"["):
        content = "JSON"
    elif not _is_utf8(head) or re.search(rb"[\x00-\x08\x0e-\x1f]", head):
        content = "binary, or text that is not UTF-8"
    elif fields is None or (is_open and end < len(text)):
        content = "a line with broken quotes"
    if content is not None or fields is None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected a line of column names first; this is {content}.", text)
    rest = text[end:]
    return [field.decode() for field in fields], rest[2:] if rest.startswith(b"\r\n") else rest[1:]


def _positions(names: Sequence[str], columns: Sequence[str], head: bytes) -> list[int]:
    """The place of each wanted column among the header's names; raises RefusedError."""
    missing = [column for column in columns if column not in names]
    if columns and len(missing) == len(columns) and any(_VALUE.fullmatch(name) for name in names):
        raise RefusedError(
            NOT_THE_FORMAT, "Expected a line of column names first; this looks like a row of data.", head
        )
    refuse_missing(missing, names, head)
    if doubled := [name for name, count in Counter(names).items() if count > 1 and name in columns]:
        raise RefusedError(
            NOT_THE_FORMAT, f"Expected each column once; the header names {', '.join(doubled)} twice.", head
        )
    return [names.index(column) for column in columns]


def refuse_missing(missing: Sequence[str], names: Sequence[str], head: bytes) -> None:
    """Raise RefusedError (missing_column) if any, naming them, what is nearest to each and what was found."""
    if not missing:
        return
    hints = []
    for column in missing:
        near = difflib.get_close_matches(column, names, n=1)
        hints.append(f"{column} (nearest: {near[0]})" if near else column)
    raise RefusedError(MISSING_COLUMN, f"Missing columns: {', '.join(hints)}. Found: {', '.join(names)}.", head)


def stage_delimited(
    blocks: Iterator[tuple[bytes, bool]], columns: Sequence[str], delimiter: bytes, staging: Staging
) -> None:
    """Parse the blocks of a CSV or TSV text into `staging`; raises RefusedError for a text that is none."""
    grammar = _Grammar(delimiter)
    body: _Body | None = None
    held = b""
    for block, last in blocks:
        held += block
        if body is None:
            if content := foreign_content(held):
                raise RefusedError(NOT_THE_FORMAT, f"Expected delimited text; this is {content}.", held)
            held = grammar.without_blank_lines(held)
            header = _header(held, last, grammar) if held else None
            if header is None:
                continue
            names, after = header
            body = _Body(grammar, len(names), _positions(names, columns, held), staging)
            held = after
        held = body.take(held, last)
