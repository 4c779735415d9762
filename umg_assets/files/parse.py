"""Parses a landing file of any format into one staged Parquet file and its bad records.

Files are parsed once, outside the engines, which read only the staged Parquet: so both see the same rows. The number of
records read always equals that of rows staged plus rejects.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from umg_assets.files.archives import members_of, refused_with_member, whole_file
from umg_assets.files.arrow_values import values_of
from umg_assets.files.avro import open_avro, stage_avro
from umg_assets.files.blocks import Unpacked, blocks_of, chunks_of
from umg_assets.files.delimited import stage_delimited
from umg_assets.files.json_documents import stage_json
from umg_assets.files.json_lines import stage_json_lines
from umg_assets.files.layout import Layout, is_zip
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.orc import open_orc, stage_orc
from umg_assets.files.parquet import open_parquet, readable_alike, stage_parquet
from umg_assets.files.recoding import as_utf8
from umg_assets.files.rejects import (
    BAD_ENCODING,
    BROKEN_JSON,
    BROKEN_QUOTE,
    FIELD_COUNT,
    FILE_REASONS,
    MISSING_COLUMN,
    NOT_THE_FORMAT,
    RECORD_REASONS,
    UNREADABLE_FILE,
    RefusedError,
    refusal_text,
    rejects_table,
)
from umg_assets.files.schema_types import types_of
from umg_assets.files.staged import FILE_PATH, RECORD, EnoughError, Staging
from umg_assets.files.workbooks import stage_workbook

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
    "Parsed",
    "parse_file",
    "records_as_text",
]


@dataclass(frozen=True)
class Parsed:
    """The result of parsing a file.

    records: number of records read, rows and rejects together; 1 for a file refused as a whole.
    rows: number of rows in the staged Parquet file.
    rejects: record BIGINT (1-based, without the header; 0 for a file refused as a whole), reason STRING, text STRING.
    Only the first REJECTS_KEPT of them; reasons: the number of all, by reason.
    refused: the reason (of FILE_REASONS) if the file was refused as a whole and there is no staged file; else None.
    """

    records: int
    rows: int
    rejects: pa.Table
    refused: str | None
    reasons: Mapping[str, int] = field(default_factory=dict)


def parse_file(
    path: Path,
    layout: Layout,
    staged: Path,
    at_most: int | None = None,
    name: str | None = None,
    limits: Limits = USUAL,
) -> Parsed:
    """Parse a landing file into the Parquet file `staged`: layout.columns in their order, and _record BIGINT.

    CSV and TSV columns are strings; an empty field is NULL. JSON values are strings as they are written (nested ones as
    compact JSON), or typed by the schema if there is one. A workbook's cells are strings, dates in ISO 8601. Parquet,
    ORC and Avro columns keep their types as far as both engines read them in the same way (timestamps in microseconds).
    The members of a zip archive are read as one file, in the archive's order. _record is the record's number in the
    file, from 1, with bad records counted. Blank lines are no records. Bad content never raises; an OSError such as
    permission denied does.

    at_most: stops after the block in which so many records have been read; the result is of these. name: the file's,
    by whose suffix it is decompressed; default: that of `path`. Memory and time do not grow beyond `limits`.
    """
    head = b""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            file.seek(0)
            reading = _Reading(layout, staged.parent, limits, Unpacked(limits.unpacked(path.stat().st_size)))
            staging = reading.stage(file, name or path.name, staged, at_most)
    except RefusedError as refused:
        staged.unlink(missing_ok=True)
        text = refusal_text(refused.sentence, refused.head or head)
        return refused_whole(refused.reason, text)
    rejects, reasons = staging.rejects.table(), staging.rejects.counts
    if at_most is not None:
        return Parsed(staging.rows + reasons.total(), staging.rows, rejects, None, reasons)
    if staging.records != staging.rows + reasons.total():
        raise RuntimeError(
            f"{path}: {staging.records} records read, {staging.rows} rows and {reasons.total()} rejects came of them"
        )
    return Parsed(staging.records, staging.rows, rejects, None, reasons)


def refused_whole(reason: str, text: str) -> Parsed:
    """A file that is refused as a whole."""
    return Parsed(1, 0, rejects_table([(0, reason, text)]), reason, {reason: 1})


@dataclass
class _Reading:
    """A file while it is read. folder: for temporary files. unpacked: what has been unpacked of it so far."""

    layout: Layout
    folder: Path
    limits: Limits
    unpacked: Unpacked

    def stage(self, file: BinaryIO, name: str, staged: Path, at_most: int | None) -> Staging:
        """Stages the file, or the members of an archive. Raises RefusedError."""
        with ExitStack() as resources:
            if is_zip(name, self.layout):
                whole = resources.enter_context(whole_file(file, name, self.folder, self.unpacked))
                return self._stage_members(whole, staged, at_most)
            schema, stage = self._opened(file, name, self.layout, resources)
            with Staging(staged, schema, at_most) as staging, suppress(EnoughError):
                stage(staging)
        return staging

    def _stage_members(self, archive: BinaryIO, staged: Path, at_most: int | None) -> Staging:
        """The members of a zip archive, one after the other, as one file. Raises RefusedError if one is refused."""
        staging, schema = None, None
        with ExitStack() as writing, suppress(EnoughError):
            for name, member in members_of(archive, self.layout.members, self.limits):
                with ExitStack() as resources, refused_with_member(name):
                    kind, stage = self._opened(member, name, self.layout.of_member(name), resources)
                    if staging is None:
                        staging, schema = writing.enter_context(Staging(staged, kind, at_most)), kind
                    if kind != schema:
                        raise RefusedError(NOT_THE_FORMAT, "Expected columns of the same types as in the first member.")
                    stage(staging)
        assert staging is not None
        return staging

    def _opened(
        self, file: BinaryIO, name: str, layout: Layout, resources: ExitStack
    ) -> tuple[pa.Schema, Callable[[Staging], None]]:
        """The schema in which a file is staged, and what stages it. Raises RefusedError."""
        columns, suffix = layout.columns, Path(name).suffix.lower()
        texts = pa.schema([(column, pa.string()) for column in columns])
        bounds: dict[str, Any] = {"limits": self.limits, "unpacked": self.unpacked}
        match layout.format:
            case "parquet" | "orc" | "xlsx":
                whole = resources.enter_context(whole_file(file, name, self.folder, self.unpacked))
                if layout.format == "xlsx":
                    return texts, partial(stage_workbook, whole, columns, **bounds)
                if layout.format == "orc":
                    orc, schema = open_orc(whole, columns, self.limits.columns)
                    return schema, partial(stage_orc, orc, schema, **bounds)
                parquet, schema = open_parquet(whole, columns, self.limits.columns)
                return schema, partial(stage_parquet, whole, parquet, schema, **bounds)
            case "avro":
                reader, schema = open_avro(chunks_of(file, suffix, self.unpacked), columns, self.limits.columns)
                staged = pa.schema([(field.name, readable_alike(field.type)) for field in schema])
                return staged, partial(stage_avro, reader, schema, **bounds)
            case "zip":
                raise RefusedError(NOT_THE_FORMAT, "Expected data; this is a zip archive within one: unpack it.")
        text, recoded = as_utf8(chunks_of(file, suffix, self.unpacked), layout.dialect.encoding)
        blocks = blocks_of(text)
        if layout.format in ("json", "jsonl"):
            known = None if layout.schema is None else types_of(layout.schema)
            columns = tuple(column for column in columns if known is None or column in known)
            types = None if known is None else [known[column] for column in columns]
            kinds = [pa.string()] * len(columns) if types is None else [typed.arrow for typed in types]
            schema = pa.schema(list(zip(columns, kinds, strict=True)))
            stage: Callable[[Staging], None] = partial(stage_json_lines, blocks, columns, types, limits=self.limits)
            if layout.format == "json":
                stage = partial(stage_json, blocks, columns, types, layout.records, limits=self.limits)
            return schema, partial(_stage_text, recoded, stage)
        stage = partial(stage_delimited, blocks, columns, layout.dialect, layout.delimiter, limits=self.limits)
        return texts, partial(_stage_text, recoded, stage)


def _stage_text(recoded: bool, stage: Callable[[Staging], None], staging: Staging) -> None:
    staging.recoded = recoded
    stage(staging)


def _plain_value(value: Any) -> Any:
    """Text for a staged value that JSON cannot represent: UTC instants in ISO 8601, bytes in base64."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")


def records_as_text(staged: Path, records: Sequence[int], path: str | None = None) -> pa.Table:
    """The staged rows with these record numbers, by number: record BIGINT, text STRING (a compact JSON object).

    A date or instant outside the years 1 to 9999 is a number of days or microseconds since 1970. path: the value of
    FILE_PATH where it is wanted and the record has none of its own.
    """
    import pyarrow.dataset as pa_dataset  # brings pandas, which takes longer than all the rest of a command

    wanted = pa.array(sorted(set(records)), pa.int64())
    rows = pa_dataset.dataset(staged, format="parquet").to_table(filter=pc.field(RECORD).isin(wanted)).sort_by(RECORD)
    numbers = rows.column(RECORD).combine_chunks()
    values = rows.drop_columns([RECORD])
    columns = {name: values_of(column) for name, column in zip(values.column_names, values.columns, strict=True)}
    if FILE_PATH in columns:
        columns[FILE_PATH] = [path if value is None else value for value in columns[FILE_PATH]]
    texts = [
        json.dumps(
            {name: columns[name][at] for name in columns},
            ensure_ascii=False,
            separators=(",", ":"),
            default=_plain_value,
        )
        for at in range(rows.num_rows)
    ]
    return pa.table({"record": numbers, "text": pa.array(texts, pa.string())})
