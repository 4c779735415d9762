"""The head of a file of unknown layout: how it is written, and its first records."""

import csv
import io
import itertools
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import charset_normalizer
import duckdb
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq

from umg_assets.files.archives import is_encrypted
from umg_assets.files.arrow_values import values_of
from umg_assets.files.avro import first_rows, open_avro
from umg_assets.files.blocks import COMPRESSIONS, chunks_of
from umg_assets.files.few_rows import parquet_batches
from umg_assets.files.json_sample import BLANK, RECORD_SEPARATOR, Column, flat, json_records
from umg_assets.files.layout import format_of, is_taken
from umg_assets.files.orc import orc_batches
from umg_assets.files.parquet import readable_alike, staged_column
from umg_assets.files.rejects import RefusedError
from umg_assets.files.workbooks import rows_of

RECORDS = 1_000
"""Records of a file that are looked at."""
_HEAD_BYTES = 1 << 20
_LINES = 20
_COMPRESSED = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
_CODE_PAGES = ["cp1250", "cp1252", "iso8859_2", "iso8859_15", "cp1251", "koi8_r", "cp852"]
_EMPTY = "(empty)"
_STAND_IN = "\x1f"


class SampleError(ValueError):
    """A file whose layout cannot be guessed; the message names it, and says why and what to do."""


@dataclass(frozen=True)
class Sample:
    """The head of a file.

    settings: by the names of umg.toml, the settings of a source whose defaults do not fit the file. records: the first
    ones, each value as text (None: not there, or empty). typed: columns that are no text in the file itself, by what
    they are: instant, date, number or other. nested: whether a record holds others (JSON).
    notes: what is left open, a sentence each.
    """

    path: Path
    settings: dict[str, Any]
    records: list[dict[Column, str | None]]
    typed: dict[Column, str] = field(default_factory=dict)
    nested: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[Column]:
        """The columns of the records, in order of appearance."""
        return list(dict.fromkeys(column for record in self.records for column in record))

    def values(self, column: Column) -> list[str]:
        """The values of a column that are not empty."""
        return [value for record in self.records if (value := record.get(column))]


def read_sample(path: Path) -> Sample:
    """The first records of a file, read as its content asks. Raises SampleError, or OSError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return _sample(path, file, path.name)
    except (RefusedError, pa.ArrowException, zipfile.BadZipFile, UnicodeError) as error:
        raise SampleError(f"{path}: cannot be read: {_first_line(error)}") from None


def _sample(path: Path, file: BinaryIO, name: str) -> Sample:
    compression = Path(name.lower()).suffix
    magic = file.read(4)
    file.seek(0)
    for beginning, suffix in _COMPRESSED.items():
        if compression not in COMPRESSIONS and magic.startswith(beginning):
            raise SampleError(f"{path}: is compressed, but its name does not say so: rename it to {name}{suffix}")
    if compression not in COMPRESSIONS and magic == b"PK\x03\x04":
        return _of_zip(path, file, name)
    chunks = chunks_of(file, compression)
    first = next(chunks, b"")
    if first.startswith((b"PAR1", b"ORC", b"Obj\x01")):
        return _of_tables(path, io.BytesIO(b"".join([first, *chunks])), name)
    head, whole = _head_of([first], chunks)
    if not head.strip():
        raise SampleError(f"{path}: is empty: a sample needs at least one record")
    text, encoding = _decoded(head, whole)
    settings = {"encoding": encoding} if encoding else {}
    if text.lstrip(BLANK).startswith(("{", "[", RECORD_SEPARATOR)):
        return _of_json(path, name, text, settings)
    if text.lstrip(BLANK)[:1] == "<":
        raise SampleError(f"{path}: is HTML or XML, which no source reads: convert it to CSV or JSON lines")
    return _of_delimited(path, name, text, settings)


def _head_of(parts: list[bytes], chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """About _HEAD_BYTES that end with a line, and whether that is the whole file."""
    while sum(map(len, parts)) < _HEAD_BYTES:
        if (chunk := next(chunks, None)) is None:
            return b"".join(parts), True
        parts.append(chunk)
    head = b"".join(parts)[: 2 * _HEAD_BYTES]
    return head[: head.rfind(b"\n") + 1] or head, False


def _decoded(head: bytes, whole: bool) -> tuple[str, str]:
    """The text, and its encoding if it must be declared: neither UTF-8 nor marked as UTF-16."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="strict" if whole else "ignore").removeprefix("\ufeff"), ""
    try:
        return head.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        if not whole and error.start > len(head) - 4:
            return head[: error.start].decode("utf-8-sig"), ""
    matches = charset_normalizer.from_bytes(head, cp_isolation=_CODE_PAGES)
    if not (texts := [(str(match), match.encoding) for match in matches]):
        raise UnicodeError("it is neither UTF-8 nor of a code page of Europe: save it as UTF-8")
    # of code pages that fit alike, the one in which every character beyond ASCII is a letter
    return min(texts, key=lambda text: sum(not c.isascii() and not c.isalpha() for c in text[0]))


def _of_delimited(path: Path, name: str, text: str, settings: dict[str, Any]) -> Sample:
    # of two characters neither DuckDB's sniffer nor csv knows
    several = _doubled(text)
    text = text.replace(several, _STAND_IN) if several else text
    divided_by, quote, escape, skipped, header = _dialect(path, text, _STAND_IN if several else None)
    delimiter = several or divided_by
    form = "tsv" if delimiter == "\t" else "csv"
    settings |= {"format": form} if (format_of(name) or "csv") != form else {}
    settings |= {"delimiter": delimiter} if delimiter not in ("\t", ",") else {}
    if quote not in ('"', _EMPTY):
        settings["quote"] = quote
    elif quote == _EMPTY and '"' in text:
        settings["quote"] = ""
    settings |= {"escape": escape} if escape == "\\" else {}
    settings |= {"skip_lines": skipped} if skipped else {}
    lines = io.StringIO(text)
    for _ in range(skipped):
        lines.readline()
    quoting = {"quoting": csv.QUOTE_NONE} if quote == _EMPTY else {"quotechar": quote}
    escaping = {"escapechar": "\\", "doublequote": False} if escape == "\\" else {}
    reader = csv.reader(lines, delimiter=divided_by, **quoting, **escaping)
    rows = [row for row in itertools.islice(reader, RECORDS + 1) if row]
    names = rows[0] if header else [f"column{number}" for number in range(1, len(rows[0]) + 1)]
    notes = []
    if not header:
        settings |= {"header": False, "column_names": names}
        notes = ["the names of its columns: the first line is a record; write them into column_names"]
    records = [
        {(column,): value or None for column, value in zip(names, row, strict=False) if column}
        for row in (rows[1:] if header else rows)
    ]
    nothing: dict[Column, str | None] = {(column,): None for column in names}
    return Sample(path, settings, records or [nothing], notes=notes)


def _dialect(path: Path, text: str, delimiter: str | None) -> tuple[str, str, str, int, bool]:
    """Delimiter, quote, escape, lines to skip, and whether there is a header, as DuckDB's sniffer sees them.

    delimiter: where it is known.
    """
    with tempfile.TemporaryDirectory(prefix="umg-init-") as folder:
        copy = Path(folder, "head.csv")
        copy.write_text(text, encoding="utf-8", newline="")
        try:
            with duckdb.connect() as connection:
                options = "sample_size = -1" + (", delim = $delimiter" if delimiter else "")
                query = f"SELECT Delimiter, Quote, Escape, SkipRows, HasHeader FROM sniff_csv($file, {options})"
                values = {"file": str(copy)} | ({"delimiter": delimiter} if delimiter else {})
                (sniffed,) = connection.execute(query, values).fetchall()
        except duckdb.Error as error:
            raise SampleError(f"{path}: no delimiter fits its lines: {_first_line(error)}") from None
    return sniffed


def _doubled(text: str) -> str | None:
    """A delimiter of two characters that each line holds as often, and the first one never alone; else None."""
    lines = [line for line in re.split(r"\r\n?|\n", text)[:_LINES] if line.strip()]
    for delimiter in ("::", "||"):
        counts = {line.count(delimiter) for line in lines}
        if len(counts) == 1 and 0 < 2 * max(counts) == lines[0].count(delimiter[0]):
            return delimiter
    return None


def _of_json(path: Path, name: str, text: str, settings: dict[str, Any]) -> Sample:
    objects, key = json_records(text, RECORDS)
    if not objects:
        raise SampleError(f"{path}: its JSON holds no object in its first {len(text):,} characters")
    if format_of(name) != "json":
        settings["format"] = "json"
    if key:
        settings["records"] = key
    records = [dict(flat(record)) for record in objects]
    nested = any(len(column) > 1 for record in records for column in record)
    return Sample(path, settings, records, nested=nested)


def _of_tables(path: Path, file: BinaryIO, name: str) -> Sample:
    magic = file.read(4)
    file.seek(0)
    if magic == b"PAR1":
        parquet = pq.ParquetFile(file)
        batches: Iterable[pa.RecordBatch] = parquet_batches(file, parquet)
        form, schema = "parquet", parquet.schema_arrow
    elif magic.startswith(b"ORC"):
        form, schema = "orc", pa_orc.ORCFile(file).schema
        batches = orc_batches(file)
    else:
        reader, schema = open_avro(iter(lambda: file.read(_HEAD_BYTES), b""), None)
        batches, form = iter([first_rows(reader, schema, RECORDS)]), "avro"
    batch = next(iter(batches), None)
    rows = _as_staged(batch.slice(0, RECORDS)) if batch is not None else []
    typed = {column: kind for column, kind in _types(schema) if kind != "text"}
    empty: dict[Column, str | None] = {column: None for column, _ in _types(schema)}
    records = [empty | dict(flat(_plain(row))) for row in rows] or [empty]
    settings = {"format": form} if format_of(name) != form else {}
    return Sample(path, settings, records, typed)


def _as_staged(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as expressions will see them."""
    columns = [values_of(staged_column(column, readable_alike(column.type))) for column in batch.columns]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, dict) else _readable(value) for key, value in row.items()}


def _readable(value: Any) -> Any:
    return value if value is None or isinstance(value, list | bool) else str(value)


def _types(fields: Iterable[pa.Field], above: Column = ()) -> Iterator[tuple[Column, str]]:
    for part in fields:
        kind = part.type.value_type if pa.types.is_dictionary(part.type) else part.type
        column = (*above, part.name)
        if pa.types.is_struct(kind):
            yield from _types(kind, column)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            yield column, "text"
        elif pa.types.is_timestamp(kind):
            yield column, "instant"
        elif pa.types.is_date(kind):
            yield column, "date"
        else:
            number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
            yield column, "number" if number else "other"


def _of_workbook(path: Path, file: BinaryIO, name: str) -> Sample:
    rows = list(itertools.islice(rows_of(file), RECORDS + 1))
    if not rows:
        raise SampleError(f"{path}: its first sheet is empty: a sample needs at least one record")
    columns: list[Column] = [(column or "",) for column in rows[0]]
    records = [{column: value for column, value in zip(columns, row, strict=False) if column[0]} for row in rows[1:]]
    empty: dict[Column, str | None] = {column: None for column in columns if column[0]}
    settings = {"format": "xlsx"} if format_of(name) != "xlsx" else {}
    return Sample(path, settings, [empty | record for record in records] or [empty])


def _of_zip(path: Path, file: BinaryIO, name: str) -> Sample:
    with zipfile.ZipFile(file) as archive:
        if "xl/workbook.xml" in archive.namelist():
            return _of_workbook(path, file, name)
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if is_taken(name, None)]
        known = [name for name in names if format_of(name)]
        if not known:
            raise SampleError(f"{path}: no member has a suffix of a format that is read: {', '.join(names[:3])}")
        if is_encrypted(archive.getinfo(known[0])):
            raise SampleError(f"{path}: has a password: pack it anew without")
        suffix = "".join(Path(known[0]).suffixes[-2:]) if known[0].endswith(COMPRESSIONS) else Path(known[0]).suffix
        with archive.open(known[0]) as member:
            inside = _sample(path, io.BytesIO(member.read()), known[0])
    settings = {"members": f"*{suffix}"} | inside.settings
    settings.setdefault("format", format_of(known[0]))
    return Sample(path, settings, inside.records, inside.typed, inside.nested, inside.notes)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
