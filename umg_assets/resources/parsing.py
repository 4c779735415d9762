"""Text is parsed once, outside the engines: any landing file becomes one staged Parquet file and its bad records.

Records read are rows staged plus rejects, always. The engines read the staged Parquet only, so both see the same rows.
"""

import base64
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset

from umg_assets.resources.parsing_csv import stage_delimited
from umg_assets.resources.parsing_files import (
    BAD_ENCODING,
    BROKEN_JSON,
    BROKEN_QUOTE,
    COMPRESSIONS,
    FIELD_COUNT,
    FILE_REASONS,
    MISSING_COLUMN,
    NOT_THE_FORMAT,
    RECORD,
    RECORD_REASONS,
    UNREADABLE_FILE,
    RefusedError,
    Staging,
    blocks_of,
    chunks_of,
    refusal_text,
    rejects_table,
)
from umg_assets.resources.parsing_json import stage_json_lines
from umg_assets.resources.parsing_parquet import open_parquet, stage_parquet
from umg_assets.resources.parsing_types import types_of

__all__ = [
    "BAD_ENCODING",
    "BROKEN_JSON",
    "BROKEN_QUOTE",
    "FIELD_COUNT",
    "FILE_REASONS",
    "MISSING_COLUMN",
    "NOT_THE_FORMAT",
    "RECORD",
    "RECORD_REASONS",
    "UNREADABLE_FILE",
    "Format",
    "Layout",
    "Parsed",
    "format_of",
    "parse_file",
    "records_as_text",
]

Format = Literal["csv", "tsv", "jsonl", "parquet"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


@dataclass(frozen=True)
class Layout:
    """How a source's files are read: format, the columns wanted, and a Spark DDL schema for nested JSON lines."""

    format: Format
    columns: tuple[str, ...]
    schema: str | None = None

    def __post_init__(self) -> None:
        names = [column.casefold() for column in self.columns]
        if len(set(names)) < len(names) or RECORD in names:
            raise ValueError(f"columns must differ, also without case, and none be {RECORD}: {', '.join(self.columns)}")
        if self.schema is not None and self.format != "jsonl":
            raise ValueError(f"a schema is for jsonl; {self.format} files have columns of their own")
        if self.schema is not None and (unknown := [c for c in self.columns if c not in types_of(self.schema)]):
            raise ValueError(f"schema {self.schema!r}: no type for {', '.join(unknown)}")


@dataclass(frozen=True)
class Parsed:
    """What came of a file.

    records: records read, rows and rejects together; a file refused whole counts as one.
    rows: rows in the staged Parquet file.
    rejects: record BIGINT (1-based, without the header; 0 for a file refused whole), reason STRING, text STRING.
    refused: why the file was refused whole, of FILE_REASONS (then there is no staged file), else None.
    """

    records: int
    rows: int
    rejects: pa.Table
    refused: str | None


def format_of(path: str) -> Format | None:
    """The format by a path's suffix, looking through .gz, .zst and .bz2; None when unknown."""
    name = Path(path.lower())
    return _SUFFIXES.get((Path(name.stem) if name.suffix in COMPRESSIONS else name).suffix)


def parse_file(path: Path, layout: Layout, staged: Path) -> Parsed:
    """Parse a landing file into the Parquet file `staged`: layout.columns in their order, and _record BIGINT.

    CSV and TSV columns are strings, an empty field is NULL; JSON values without a schema are strings too, as they
    are written, nested ones as compact JSON; with one they are typed by it; Parquet keeps its types as far as both
    engines read them alike (timestamps in microseconds). _record is the record's 1-based number in the file, bad
    records counted. Blank lines are no records. Bad content never raises; an OSError such as permission denied does.
    """
    head = b""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(0)
            staging = _stage(file, path.suffix.lower(), layout, staged)
    except RefusedError as refused:
        staged.unlink(missing_ok=True)
        text = refusal_text(refused.sentence, refused.head or head)
        return Parsed(1, 0, rejects_table([(0, refused.reason, text)]), refused.reason)
    rejects = staging.rejects()
    if staging.records != staging.rows + rejects.num_rows:
        raise RuntimeError(
            f"{path}: {staging.records} records read, {staging.rows} rows and {rejects.num_rows} rejects came of them"
        )
    return Parsed(staging.records, staging.rows, rejects, None)


def _stage(file: BinaryIO, compression: str, layout: Layout, staged: Path) -> Staging:
    if layout.format == "parquet":
        return _stage_parquet(file, compression, layout, staged)
    blocks = blocks_of(chunks_of(file, compression))
    if layout.format == "jsonl":
        known = None if layout.schema is None else types_of(layout.schema)
        types = None if known is None else [known[column] for column in layout.columns]
        kinds = [pa.string()] * len(layout.columns) if types is None else [typed.arrow for typed in types]
        with Staging(staged, pa.schema(list(zip(layout.columns, kinds, strict=True)))) as staging:
            stage_json_lines(blocks, layout.columns, types, staging)
        return staging
    delimiter = b"\t" if layout.format == "tsv" else b","
    with Staging(staged, pa.schema([(column, pa.string()) for column in layout.columns])) as staging:
        stage_delimited(blocks, layout.columns, delimiter, staging)
    return staging


def _stage_parquet(file: BinaryIO, compression: str, layout: Layout, staged: Path) -> Staging:
    if compression in COMPRESSIONS:
        # Parquet is read from its end, so it has to lie somewhere whole
        with tempfile.TemporaryFile(dir=staged.parent) as whole:
            for chunk in chunks_of(file, compression):
                whole.write(chunk)
            whole.seek(0)
            return _stage_parquet(cast(BinaryIO, whole), "", layout, staged)
    parquet, schema = open_parquet(file, layout.columns)
    with Staging(staged, schema) as staging:
        stage_parquet(parquet, schema, staging)
    return staging


def _plain_value(value: Any) -> Any:
    """A staged value that JSON has no notation for, as text: UTC instants in ISO 8601, bytes in base64."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    """A staged column's values; an instant outside the years that Python knows as its number of units since 1970."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return column.cast(pa.int64()).to_pylist()


def records_as_text(staged: Path, records: Sequence[int]) -> pa.Table:
    """The staged rows with those record numbers: record BIGINT, text STRING (a compact JSON object), by number."""
    wanted = pa.array(sorted(set(records)), pa.int64())
    rows = pa_dataset.dataset(staged, format="parquet").to_table(filter=pc.field(RECORD).isin(wanted)).sort_by(RECORD)
    numbers = rows.column(RECORD).combine_chunks()
    values = rows.drop_columns([RECORD])
    shown = {name: _python_values(column) for name, column in zip(values.column_names, values.columns, strict=True)}
    texts = [
        json.dumps(
            {name: shown[name][at] for name in shown}, ensure_ascii=False, separators=(",", ":"), default=_plain_value
        )
        for at in range(rows.num_rows)
    ]
    return pa.table({"record": numbers, "text": pa.array(texts, pa.string())})
