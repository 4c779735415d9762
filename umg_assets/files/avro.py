"""Avro: the wanted columns, block by block, in types that Spark and Sail read in the same way."""

import itertools
import lzma
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import fastavro
import numpy as np
import pyarrow as pa
import zstandard
from fastavro.schema import SchemaParseException

from umg_assets.files.avro_codecs import READERS
from umg_assets.files.avro_times import number_of, read_as_numbers, text_of_time, type_of_time
from umg_assets.files.blocks import Unpacked
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.parquet import columns_in, readable_alike, staged_column
from umg_assets.files.rejects import (
    NOT_THE_FORMAT,
    REFUSAL_CHARACTERS,
    TOO_LARGE,
    UNREADABLE_FILE,
    RefusedError,
    foreign_content,
    is_of_content,
)
from umg_assets.files.schema_types import JsonNumber, json_text
from umg_assets.files.staged import Staging

_MAGIC = b"Obj\x01"
_CODECS = ("null", *READERS)
_BATCH_ROWS = 64 << 10
_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RecursionError,
    OSError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    pa.ArrowException,
)
_PRIMITIVE = {
    "null": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}


class _Stream:
    """The decompressed bytes of a file as fastavro reads them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._held, self._read = chunks, b"", 0

    def read(self, size: int) -> bytes:
        pieces = [self._held]
        left = size - len(self._held)
        while left > 0 and (chunk := next(self._chunks, b"")):
            pieces.append(chunk)
            left -= len(chunk)
        whole = b"".join(pieces)
        self._held = whole[size:]
        self._read += min(size, len(whole))
        return whole[:size]

    def tell(self) -> int:
        return self._read

    def peek(self) -> bytes:
        if not self._held:
            self._held = next(self._chunks, b"")
        return self._held


def _type_of(schema: Any, known: dict[str, Any], within: frozenset[str] = frozenset()) -> pa.DataType:
    """The Arrow type of an Avro schema; of unions of several types and of recursive ones: JSON as text."""
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        return _type_of(branches[0], known, within) if len(branches) == 1 else pa.string()
    if isinstance(schema, str) and schema not in _PRIMITIVE:
        return pa.string() if schema in within else _type_of(known[schema], known, within)
    if isinstance(schema, str):
        return _PRIMITIVE[schema]
    kind, logical = schema["type"], schema.get("logicalType")
    if logical == "decimal" and schema["precision"] <= 38:
        return pa.decimal128(schema["precision"], schema.get("scale", 0))
    if (time := type_of_time(schema)) is not None:
        return time
    if logical == "uuid":
        return pa.string()
    if kind in ("record", "error"):
        inside = within | {schema["name"]}
        return pa.struct([pa.field(f["name"], _type_of(f["type"], known, inside)) for f in schema["fields"]])
    if kind == "array":
        return pa.list_(_type_of(schema["items"], known, within))
    if kind == "map":
        return pa.map_(pa.string(), _type_of(schema["values"], known, within))
    return _type_of(kind, known, within)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """A value as Arrow takes it for a type: times of day and unions become text, maps pairs, dates numbers."""
    if value is None:
        return None
    if pa.types.is_string(kind):
        return value if isinstance(value, str) else _text_of(value)
    if pa.types.is_temporal(kind):
        return number_of(value)
    if pa.types.is_struct(kind):
        return {field.name: _fitting(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(key, _fitting(inner, kind.item_type)) for key, inner in value.items()]
    if pa.types.is_list(kind):
        return [_fitting(inner, kind.value_type) for inner in value]
    return value


def _text_of(value: Any) -> str:
    if (time := text_of_time(value)) is not None:
        return time
    if isinstance(value, dict | list | bool):
        return json_text(_plain(value))
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return text_of_time(value) or {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | str) else _number_or_text(value)


def _number_or_text(value: Any) -> str:
    return JsonNumber(value) if isinstance(value, int | float) else _text_of(value)


def _has_arrays_of_nothing(schema: Any, known: dict[str, Any], within: frozenset[str]) -> bool:
    """Whether a schema has arrays whose items take no byte, so that their number says nothing about their size."""
    if isinstance(schema, list):
        return any(_has_arrays_of_nothing(branch, known, within) for branch in schema)
    if isinstance(schema, str):
        named = known.get(schema)
        return bool(named) and schema not in within and _has_arrays_of_nothing(named, known, within | {schema})
    inside = within | {schema["name"]} if "name" in schema else within
    if schema["type"] == "array" and _is_nothing(schema["items"], known, inside):
        return True
    parts = [field["type"] for field in schema.get("fields", ())]
    parts += [schema[part] for part in ("items", "values") if part in schema]
    return any(_has_arrays_of_nothing(part, known, inside) for part in parts)


def _is_nothing(schema: Any, known: dict[str, Any], within: frozenset[str]) -> bool:
    """Whether each value of a schema takes no byte."""
    if isinstance(schema, str) and schema in known and schema not in within:
        return _is_nothing(known[schema], known, within | {schema})
    if not isinstance(schema, dict):
        return schema == "null"
    if schema["type"] in ("record", "error"):
        return all(_is_nothing(field["type"], known, within | {schema["name"]}) for field in schema["fields"])
    return schema.get("size") == 0 or _is_nothing(schema["type"], known, within)


def open_avro(
    chunks: Iterator[bytes], columns: Sequence[str] | None, at_most: int = USUAL.columns, marked: bool = False
) -> tuple[Any, pa.Schema]:
    """A reader of the file's blocks, its times as numbers, and the schema of its wanted columns (None: all).

    marked: whether each time is read as what text_of_time knows.
    Raises RefusedError for other content, a corrupt file, and a column that is missing.
    """
    stream = _Stream(chunks)
    head = stream.peek()[: 4 << 10]
    if head and not head.startswith(_MAGIC):
        content = foreign_content(head) or "something else"
        raise RefusedError(NOT_THE_FORMAT, f"Expected an Avro file; this is {content}.", head)
    try:
        reader = fastavro.block_reader(stream)  # type: ignore[arg-type]
        if (codec := str(reader.codec)) not in _CODECS:
            sentence = f"Expected an Avro file of codec {', '.join(_CODECS)}; this has {codec}: write it with deflate."
            raise RefusedError(NOT_THE_FORMAT, sentence, head)
        known: dict[str, Any] = {}
        schema: Any = fastavro.parse_schema(reader.writer_schema, named_schemas=known)  # type: ignore[arg-type]
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise RefusedError(NOT_THE_FORMAT, "Expected an Avro file of records; its schema is another type.", head)
        if _has_arrays_of_nothing(schema, known, frozenset()):
            sentence = "Expected arrays of items that take a byte at least; without, they may be of any length."
            raise RefusedError(NOT_THE_FORMAT, sentence, head)
        kinds = {field["name"]: field["type"] for field in schema["fields"]}
        columns = list(kinds) if columns is None else columns_in(list(kinds), columns, head, at_most)
        types = pa.schema([(column, _type_of(kinds[column], known)) for column in columns])
        read_as_numbers(reader.writer_schema, marked)
        return reader, types
    except (*_ERRORS, SchemaParseException) as error:
        raise unreadable(error, head) from error


def unreadable(error: Exception, head: bytes) -> RefusedError:
    """The refusal of a corrupt file; raises the error itself if it is the system's."""
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole Avro file; it is corrupt or cut off ({type(error).__name__}: {str(error)[:300]})."
    return RefusedError(UNREADABLE_FILE, sentence, head)


def stage_avro(reader: Any, schema: pa.Schema, staging: Staging, limits: Limits, unpacked: Unpacked) -> None:
    """Copy the wanted columns into `staging`, as `readable_alike`; a record that is too large is a reject.

    Raises RefusedError if the file turns out to be corrupt, or its blocks unpack to more than the file may.
    """
    try:
        for block in reader:
            size = block.bytes_.getbuffer().nbytes
            if reader.codec != "null":
                unpacked.add(size)
            if block.num_records > max(_BATCH_ROWS, size):
                raise ValueError(f"a block says that it holds {block.num_records:,} records, more than it has bytes")
            for part in _parts(block, reader.writer_schema, limits.record_bytes):
                records = np.arange(1, len(part) + 1) + staging.records
                kept = [i for i, row in enumerate(part) if not isinstance(row, _TooLarge)]
                for record, row in zip(records.tolist(), part, strict=True):
                    if isinstance(row, _TooLarge):
                        staging.reject_beginning(record, TOO_LARGE, row.beginning)
                arrays = _arrays([part[i] for i in kept], schema)
                staged = [staged_column(array, readable_alike(array.type)) for array in arrays]
                staging.add(staged, records[np.array(kept, np.int64)])
                staging.records += len(part)
    except _ERRORS as error:
        raise unreadable(error, b"") from error


class _TooLarge(NamedTuple):
    """A record that is longer than it may be: its first bytes."""

    beginning: bytes


def _parts(block: Any, schema: Any, at_most: int) -> Iterator[list[Any]]:
    """The records of a block, some at a time, in place of one longer than `at_most` bytes its beginning.

    A long block's records are measured before they are read: a byte may become an object of fifty.
    """
    data = block.bytes_
    if data.getbuffer().nbytes <= at_most:
        rows = iter(block)
        yield from iter(lambda: list(itertools.islice(rows, _BATCH_ROWS)), [])
        return
    no_column = {"type": "record", "name": schema["name"], "fields": []}
    part, size = [], 0
    for _ in range(block.num_records):
        start = data.tell()
        fastavro.schemaless_reader(data, schema, no_column)
        length = data.tell() - start
        data.seek(start)
        if length > at_most:
            part.append(_TooLarge(data.read(REFUSAL_CHARACTERS)))
            data.seek(start + length)
        else:
            part.append(fastavro.schemaless_reader(data, schema, None))
            size += length
        if size > at_most or len(part) == _BATCH_ROWS:
            yield part
            part, size = [], 0
    yield part


def first_rows(reader: Any, schema: pa.Schema, most: int) -> pa.RecordBatch:
    """The first rows. Raises RefusedError if the file is corrupt there."""
    try:
        parts = (part for block in reader for part in _parts(block, reader.writer_schema, USUAL.record_bytes))
        rows = (row for part in parts for row in part if not isinstance(row, _TooLarge))
        return pa.record_batch(_arrays(list(itertools.islice(rows, most)), schema), schema)
    except _ERRORS as error:
        raise unreadable(error, b"") from error


def _arrays(rows: Sequence[Any], schema: pa.Schema) -> list[pa.Array]:
    return [pa.array([_fitting(row[f.name], f.type) for row in rows], f.type) for f in schema]
