"""The second reader: counts a landing file's records with Python's own readers.

It shares what a source declares (`Layout`) with the parser, and no code that reads.
"""

import bz2
import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from umg_assets.files.layout import Layout, format_of, is_taken, is_zip
from umg_assets.recount.second_containers import BINARY, members_of
from umg_assets.recount.second_json import count_json, count_lines

_STAND_IN = "\ue000"


def count_records(path: Path, layout: Layout | None = None) -> int:
    """The number of records in a landing file, without header and blank lines.

    layout: what its source declares; default: the format by its suffix. A quoted newline belongs to its record. Where
    a quote is never closed, is closed within a field, or swallows whole records, its line is one record and the
    following lines are records again.
    """
    layout = layout or Layout(format_of(path.name) or "csv", ())
    if is_zip(path.name, layout):
        return sum(
            _count(_plain(content, member), layout.of_member(member))
            for member, content in members_of(
                _plain(path.read_bytes(), path.name), lambda member: is_taken(member, layout.members)
            )
        )
    return _count(_plain(path.read_bytes(), path.name), layout)


def _count(data: bytes, layout: Layout) -> int:
    if layout.format == "json":
        return count_json(_json_in_utf8(data, layout.dialect.encoding), layout.records)
    if layout.format == "jsonl":
        return count_lines(_json_in_utf8(data, layout.dialect.encoding))
    if layout.format in BINARY:
        return BINARY[layout.format](data)
    return _count_delimited(data, layout)


def _count_delimited(data: bytes, layout: Layout) -> int:
    dialect = layout.dialect
    lines = _lines(_decoded(data, dialect.encoding))
    separator = re.fullmatch(r'"?sep=([^"\r\n])"?[;,\t]*', lines[0], re.IGNORECASE) if lines[0].isascii() else None
    delimiter = dialect.delimiter or (separator[1] if separator else "\t" if layout.format == "tsv" else ",")
    lines = lines[max(dialect.skip_lines, bool(separator)) :]
    blank = "".join(sign for sign in " \t\x0b\x0c" if delimiter.strip() or sign not in delimiter)
    if len(delimiter) > 1:  # csv takes one character, and what the fields say does not count
        lines = [line.replace(_STAND_IN, "?").replace(delimiter, _STAND_IN) for line in lines]
        delimiter = _STAND_IN
    width = 0 if dialect.header else len(dialect.column_names)
    count = sum(1 for _ in _records(lines, _Format(delimiter, dialect.quote, dialect.escape, blank), width))
    return max(0, count - dialect.header)


@dataclass(frozen=True)
class _Format:
    """How fields are divided, quoted and escaped, and what a blank line is made of."""

    delimiter: str
    quote: str
    escape: str | None
    blank: str

    def is_special(self, line: str) -> bool:
        return bool(self.quote and self.quote in line) or bool(self.escape and self.escape in line)

    def reader(self, lines: Iterable[str], strict: bool = True) -> Any:
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=self.escape,
            strict=strict,
        )


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decoded(data: bytes, encoding: str) -> str:
    """The text, with a sign in place of each byte that the encoding does not have. A byte order mark tells more."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8"
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def _json_in_utf8(data: bytes, encoding: str) -> bytes:
    """JSON as UTF-8, without a mark; a byte that its encoding does not have becomes one that UTF-8 does not have."""
    text = _decoded(data, encoding)
    if codecs.lookup(encoding).name == "utf-8" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.removeprefix(codecs.BOM_UTF8)
    return text.encode().replace("\ufffd".encode(), b"\xff")


def _plain(data: bytes, name: str) -> bytes:
    suffix = Path(name).suffix.lower()
    if suffix == ".gz":
        return gzip.decompress(data)
    if suffix == ".bz2":
        return bz2.decompress(data)
    if suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            return reader.read()
    return data


def _records(lines: list[str], form: _Format, width: int) -> Iterator[int]:
    """The index of each record's first line; a header counts as a record. width: of all records; 0: the first one's."""
    at = 0
    while at < len(lines):
        if not lines[at].strip(form.blank):
            at += 1
            continue
        fields, height = _parsed(lines, at, form)
        width = width or fields
        if height > 1 and _swallows_records(lines[at : at + height], fields, width, form):
            height = 1
        yield at
        at += height


def _parsed(lines: list[str], at: int, form: _Format) -> tuple[int, int]:
    """The number of fields and lines of the record that begins at a line; (0, 1) where its quotes are broken."""
    if not form.is_special(lines[at]):
        return lines[at].count(form.delimiter) + 1, 1
    csv.field_size_limit(1 << 20)
    reader = form.reader(f"{lines[line]}\n" for line in range(at, len(lines)))
    try:
        return len(next(reader)), reader.line_num
    except csv.Error:
        return 0, 1


def _swallows_records(lines: list[str], fields: int, width: int, form: _Format) -> bool:
    """Whether the lines of a quoted record look like records themselves, so that its opening quote is a stray one."""
    if width == 1:
        return False
    inner = lines[1:] if fields != width else lines[1:-1]
    whole = sum(_is_whole(line, width, form) for line in inner)
    if fields != width:
        return whole > 0
    return whole * (width - 1) >= 3 and whole * 10 >= len(inner) * 9


def _is_whole(line: str, width: int, form: _Format) -> bool:
    """Whether a line alone is a record of `width` fields, with quotes only around fields, or doubled inside them."""
    if _parsed([line], 0, form) != (width, 1):
        return False
    if not form.quote:
        return True
    plain = re.sub(f"{re.escape(form.escape)}.", "", line) if form.escape else line
    inside = sum(field.count(form.quote) for field in next(form.reader([plain], strict=False)))
    around = plain.count(form.quote) - 2 * inside
    return around >= 0 and around % 2 == 0
