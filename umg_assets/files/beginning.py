"""What stands before the records of delimited text: skipped lines, an Excel line `sep=;`, the header."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from umg_assets.files.blocks import is_utf8
from umg_assets.files.dialect import Dialect
from umg_assets.files.grammar import Grammar
from umg_assets.files.limits import USUAL
from umg_assets.files.misfits import fitting_delimiter
from umg_assets.files.rejects import (
    MISSING_COLUMN,
    NOT_THE_FORMAT,
    RefusedError,
    refuse_many_columns,
    refuse_missing,
)
from umg_assets.files.staged import FILE_PATH

_FIRST_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\r(?!\Z)|\n)")
_SEPARATOR_LINE = re.compile(rb'"?sep=([\x01-\x09\x20-\x21\x23-\x7e])"?[;,\t]*', re.IGNORECASE)
_HEAD_BYTES = 64 << 10
_VALUE = re.compile(r"[-+]?\d[\d.,:/T Z+-]*")


@dataclass(frozen=True)
class RecordShape:
    """How the records of a file are read: `width` fields each, of which those at the positions are wanted.

    A position is None where the file lacks the column.
    """

    grammar: Grammar
    width: int
    positions: list[int | None]


def _header(
    text: bytes, last: bool, grammar: Grammar, columns: Sequence[str], at_most: int
) -> tuple[list[str], bytes] | None:
    """(column names, the text after the header), or None while the header is incomplete.

    Raises RefusedError if the first line is no header, or has more columns than `at_most`.
    """
    line = _FIRST_LINE.match(text)
    refuse_many_columns((line[1] if line else text).count(grammar.delimiter) + 1, at_most, text)
    fields, end, is_open = grammar.scan(text, 0, len(text))
    if end == len(text) and not last:
        return None
    head = text[:end]
    content = None
    if text.lstrip()[:1] in (b"{", b"["):
        content = "JSON"
    elif not is_utf8(head):
        content = 'binary, or text of another encoding (set it, e.g. encoding = "cp1250")'
    elif _is_binary(head, grammar):
        content = "binary, or text that is not UTF-8"
    elif fields is None or (is_open and end < len(text)):
        content = "a line with broken quotes"
        if fitting := fitting_delimiter(_first_line(text), grammar.delimiter.decode(), columns):
            content = f"{content}; divided by {fitting!r} it has the columns: set delimiter = {json.dumps(fitting)}"
    if content is not None or fields is None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected a line of column names first; this is {content}.", text)
    rest = text[end:]
    return [field.decode() for field in fields], rest[2:] if rest.startswith(b"\r\n") else rest[1:]


def _is_binary(line: bytes, grammar: Grammar) -> bool:
    return re.search(rb"[\x00-\x08\x0e-\x1f]", line.replace(grammar.delimiter, b"")) is not None


def _first_line(text: bytes) -> str:
    line = _FIRST_LINE.match(text, 0, _HEAD_BYTES)
    return (line[1] if line else text[:_HEAD_BYTES]).decode(errors="replace")


def _positions(names: Sequence[str], columns: Sequence[str], head: bytes, delimiter: str) -> list[int | None]:
    """The position of each wanted column in the header; None for a file_path that is not there.

    Raises RefusedError if another column is missing, or one occurs twice.
    """
    missing = [column for column in columns if column not in names and column != FILE_PATH]
    if columns and len(missing) == len(columns) and any(_VALUE.fullmatch(name) for name in names):
        raise RefusedError(
            NOT_THE_FORMAT,
            "Expected a line of column names first; this looks like a row of data (if it is one, set header = false "
            "and column_names).",
            head,
        )
    if missing and (fitting := fitting_delimiter(_first_line(head), delimiter, columns)):
        raise RefusedError(
            MISSING_COLUMN,
            f"Missing columns: {', '.join(missing)}. The header is not divided by {delimiter!r} but by {fitting!r}: "
            f"set delimiter = {json.dumps(fitting)}.",
            head,
        )
    refuse_missing(missing, names, head)
    if doubled := [name for name, count in Counter(names).items() if count > 1 and name in columns]:
        raise RefusedError(
            NOT_THE_FORMAT, f"Expected each column once; the header names {', '.join(doubled)} twice.", head
        )
    return [names.index(column) if column in names else None for column in columns]


class Beginning:
    """What stands before the records: skipped lines, an Excel line `sep=;`, the header."""

    def __init__(self, dialect: Dialect, default: str, columns: Sequence[str], at_most: int = USUAL.columns):
        self.dialect, self.columns, self.at_most = dialect, columns, at_most
        self.delimiter, self.to_skip = dialect.delimiter or default, dialect.skip_lines
        self.at_first_line = True

    def take(self, text: bytes, last: bool) -> tuple[RecordShape | None, bytes]:
        """The shape of the records once the beginning is complete, and the text that is not yet taken."""
        if self.at_first_line:
            line = _FIRST_LINE.match(text)
            if line is None and not last:
                return None, text
            self.at_first_line = False
            if match := _SEPARATOR_LINE.fullmatch(line[1] if line else text.rstrip(b"\r")):
                self.to_skip = max(self.to_skip, 1)
                self.delimiter = self.dialect.delimiter or match[1].decode()
        while self.to_skip and (line := _FIRST_LINE.match(text)):
            text, self.to_skip = text[line.end() :], self.to_skip - 1
        if self.to_skip:
            return None, b"" if last else text
        grammar = Grammar(self.delimiter, self.dialect.quote, self.dialect.escape)
        text = grammar.without_blank_lines(text)
        if not self.dialect.header:
            return self._without_header(text, last, grammar)
        header = _header(text, last, grammar, self.columns, self.at_most) if text else None
        if header is None:
            return None, text
        names, after = header
        positions = _positions(names, self.columns, text, self.delimiter)
        return RecordShape(grammar, len(names), positions), after

    def _without_header(self, text: bytes, last: bool, grammar: Grammar) -> tuple[RecordShape | None, bytes]:
        line = _FIRST_LINE.match(text)
        if line is None and not last:
            return None, text
        if _is_binary(line[1] if line else text, grammar):
            raise RefusedError(NOT_THE_FORMAT, "Expected delimited text; this is binary.", text)
        names = self.dialect.column_names
        positions = [names.index(column) if column in names else None for column in self.columns]
        return RecordShape(grammar, len(names), positions), text
