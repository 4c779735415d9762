"""The second reader: the records of a landing file, by Python's own readers, sharing no code with the parser."""

import bz2
import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import zstandard


def count_records(path: Path, form: str | None = None) -> int:
    """The records of a landing file, by Python's own readers, without a header and blank lines.

    form: csv, tsv, jsonl or parquet; default: by the name. A quoted newline belongs to its record. Where a quote is
    never closed, is closed within a field, or took whole records along, its line is one record and the lines after
    it are records again.
    """
    name = path.name.lower()
    form = form or next((form for form in ("parquet", "tsv", "csv") if f".{form}" in name), "jsonl")
    if form == "parquet":
        data = _plain(path)
        return pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
    text = _plain(path).decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if form == "jsonl":
        return sum(1 for line in lines if line.strip())
    return max(0, sum(1 for _ in _records(lines, "\t" if form == "tsv" else ",")) - 1)


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".bz2":
        return bz2.decompress(data)
    if path.suffix == ".zst":
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
            return reader.read()
    return data


def _records(lines: list[str], delimiter: str) -> Iterator[int]:
    """The first line of each record, the header's included."""
    blank = " \t\x0b\x0c".replace(delimiter, "")
    at, width = 0, 0
    while at < len(lines):
        if not lines[at].strip(blank):
            at += 1
            continue
        fields, taken = _parsed(lines, at, delimiter)
        width = width or fields
        if taken > 1 and _took_records_along(lines[at : at + taken], fields, width, delimiter):
            taken = 1
        yield at
        at += taken


def _parsed(lines: list[str], at: int, delimiter: str) -> tuple[int, int]:
    """Fields and lines of the record that begins there; no field and one line where its quotes are broken."""
    if '"' not in lines[at]:
        return lines[at].count(delimiter) + 1, 1
    csv.field_size_limit(1 << 20)
    reader = csv.reader((f"{lines[line]}\n" for line in range(at, len(lines))), delimiter=delimiter, strict=True)
    try:
        return len(next(reader)), reader.line_num
    except csv.Error:
        return 0, 1


def _took_records_along(lines: list[str], fields: int, width: int, delimiter: str) -> bool:
    """Whether the lines of one quoted record look like records themselves, so that its quote is a stray one."""
    if width == 1:
        return False
    inner = lines[1:] if fields != width else lines[1:-1]
    whole = sum(_is_whole(line, width, delimiter) for line in inner)
    if fields != width:
        return whole > 0
    return whole * (width - 1) >= 3 and whole * 10 >= len(inner) * 9


def _is_whole(line: str, width: int, delimiter: str) -> bool:
    """Whether a line alone is a record of that many fields, with no quote but around and doubled inside a field."""
    if _parsed([line], 0, delimiter) != (width, 1):
        return False
    inside = sum(field.count('"') for field in next(csv.reader([line], delimiter=delimiter)))
    around = line.count('"') - 2 * inside
    return around >= 0 and around % 2 == 0
