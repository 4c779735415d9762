"""Rows of plays as files of every format, framing and compression that umg reads."""

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import zstandard
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from umg_assets_tests.lake import PLAY_COLUMNS

COLUMNS = PLAY_COLUMNS
PACKED = (".gz", ".bz2", ".zst")
Rows = Sequence[Mapping[str, Any]]


def csv_text(rows: Rows, columns: Sequence[str] = COLUMNS, delimiter: str = ",") -> str:
    """With a header; a value with anything but letters is quoted."""
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(_field(row[column]) for column in columns) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _field(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if text.isalnum() else '"' + text.replace('"', '""') + '"'


def json_objects(rows: Rows) -> list[str]:
    """One line each."""
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def _table(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows])


def _parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(_table(rows), buffer)
    return buffer.getvalue()


def _orc(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    texts = pa.schema([(name, pa.string()) for name in COLUMNS])
    pa_orc.write_table(pa.Table.from_pylist([_plain(row) for row in rows], texts), buffer)
    return buffer.getvalue()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if value is None else str(value) for name, value in row.items()}


def _avro(codec: str) -> Callable[[Rows], bytes]:
    fields = [{"name": name, "type": ["null", "string"]} for name in COLUMNS]

    def write(rows: Rows) -> bytes:
        buffer = io.BytesIO()
        fastavro.writer(buffer, {"type": "record", "name": "play", "fields": fields}, map(_plain, rows), codec=codec)
        return buffer.getvalue()

    return write


def _workbook(rows: Rows) -> bytes:
    workbook, buffer = openpyxl.Workbook(), io.BytesIO()
    sheet: Any = workbook.active
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", str(row[name]))[:30_000] for name in COLUMNS])
    workbook.save(buffer)
    return buffer.getvalue()


def _zip(rows: Rows) -> bytes:
    buffer, half = io.BytesIO(), len(rows) // 2
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.csv", csv_text(rows[:half]))
        archive.writestr("second.csv", csv_text(rows[half:]))
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "any/.csv": lambda rows: csv_text(rows).encode(),
    "any/.tsv": lambda rows: csv_text(rows, delimiter="\t").encode(),
    "any/.json": lambda rows: "\n".join(json_objects(rows)).encode(),
    "any/-array.json": lambda rows: json.dumps(rows).encode(),
    "any/-pretty.json": lambda rows: json.dumps(rows, indent=2).encode(),
    "any/-sequence.json": lambda rows: "".join(f"\x1e{line}\n" for line in json_objects(rows)).encode(),
    "any/-objects.json": lambda rows: "".join(json.dumps(row, indent=1) for row in rows).encode(),
    "lines/.jsonl": lambda rows: "\r\n".join(json_objects(rows)).encode(),
    "schema/.json": lambda rows: "\n".join(json_objects(rows)).encode(),
    "items/.json": lambda rows: json.dumps({"page": 1, "items": rows}).encode(),
    "any/.parquet": _parquet,
    "any/.orc": _orc,
    "any/.avro": _avro("null"),
    "any/-deflated.avro": _avro("deflate"),
    "any/.xlsx": _workbook,
    "any/.zip": _zip,
}
"""By the end of a file's name, below the folder of its source, what writes one."""


def packed(content: bytes, suffix: str) -> bytes:
    """Compressed as files of that suffix are."""
    if suffix == ".gz":
        return gzip.compress(content, mtime=0)
    return bz2.compress(content) if suffix == ".bz2" else zstandard.compress(content)
