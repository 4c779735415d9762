"""Avro: the wanted columns, block by block, in types that Spark and Sail read in the same way."""

import bz2
import io
import itertools
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import zstandard
from fastavro.read import BLOCK_READERS
from fastavro.schema import SchemaParseException

from umg_assets.files.blocks import Zstandard, decompressed
from umg_assets.files.limits import USUAL
from umg_assets.files.parquet import columns_in
from umg_assets.files.rejects import NOT_THE_FORMAT, UNREADABLE_FILE, RefusedError, foreign_content, is_of_content
from umg_assets.files.schema_types import JsonNumber, json_text
from umg_assets.files.staged import Staging

_MAGIC = b"Obj\x01"
_CODECS = ("null", "deflate", "bzip2", "xz", "snappy", "zstandard")
_SNAPPY_TIMES = 64  # more than the format can pack
_BATCH_ROWS = 64 << 10
_BLOCK_BYTES = 256 << 20
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
_LOGICAL = {
    "date": pa.date32(),
    "timestamp-millis": pa.timestamp("us", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("us"),
    "local-timestamp-micros": pa.timestamp("us"),
    "time-millis": pa.string(),
    "time-micros": pa.string(),
    "uuid": pa.string(),
}


def _snappy(decoder: Any) -> io.BytesIO:
    """A block as Spark writes it: snappy's raw format, then the CRC of what it holds."""
    packed = decoder.read(_long(decoder))
    packed, crc = packed[:-4], int.from_bytes(packed[-4:], "big")
    size = _unsigned(io.BytesIO(packed))
    if size > min(_BLOCK_BYTES, _SNAPPY_TIMES * len(packed)):
        raise ValueError(f"a block of {len(packed):,} bytes says that it unpacks to {size:,}")
    block = pa.Codec("snappy").decompress(packed, size, asbytes=True)
    if zlib.crc32(block) != crc:
        raise ValueError("a block does not fit its checksum")
    return io.BytesIO(block)


def _bounded(decompressor: Callable[[], Any]) -> Callable[[Any], io.BytesIO]:
    """What reads a block by a decompressor, and raises ValueError if it unpacks to too much."""

    def read(decoder: Any) -> io.BytesIO:
        block = io.BytesIO()
        for piece in decompressed(decompressor(), decoder.read(_long(decoder))):
            block.write(piece)
            if block.tell() > _BLOCK_BYTES:
                raise ValueError(f"expected blocks of at most {_BLOCK_BYTES:,} bytes, one unpacks to more")
        block.seek(0)
        return block

    return read


def _long(stream: Any) -> int:
    number = _unsigned(stream)
    return (number >> 1) ^ -(number & 1)


def _unsigned(stream: Any) -> int:
    number = shift = 0
    while (byte := stream.read(1)[0]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
    return number | byte << shift


# for snappy and zstandard fastavro needs further packages, and it unpacks blocks of any size
_READERS: dict[str, Any] = {
    "deflate": _bounded(partial(zlib.decompressobj, wbits=-15)),
    "bzip2": _bounded(bz2.BZ2Decompressor),
    "xz": _bounded(lzma.LZMADecompressor),
    "zstandard": _bounded(Zstandard),
    "snappy": _snappy,
}
BLOCK_READERS.update(_READERS)


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
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    if kind in ("record", "error"):
        inside = within | {schema["name"]}
        return pa.struct([pa.field(f["name"], _type_of(f["type"], known, inside)) for f in schema["fields"]])
    if kind == "array":
        return pa.list_(_type_of(schema["items"], known, within))
    if kind == "map":
        return pa.map_(pa.string(), _type_of(schema["values"], known, within))
    return _type_of(kind, known, within)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """A value as Arrow takes it for a type: times of day and unions become text, maps pairs."""
    if value is None:
        return None
    if pa.types.is_string(kind):
        return value if isinstance(value, str) else _text_of(value)
    if pa.types.is_struct(kind):
        return {field.name: _fitting(value[field.name], field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(key, _fitting(inner, kind.item_type)) for key, inner in value.items()]
    if pa.types.is_list(kind):
        return [_fitting(inner, kind.value_type) for inner in value]
    return value


def _text_of(value: Any) -> str:
    if isinstance(value, dict | list | bool):
        return json_text(_plain(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | str) else _number_or_text(value)


def _number_or_text(value: Any) -> str:
    return JsonNumber(value) if isinstance(value, int | float) else _text_of(value)


def open_avro(
    chunks: Iterator[bytes], columns: Sequence[str] | None, at_most: int = USUAL.columns
) -> tuple[Any, pa.Schema]:
    """A reader of the file's blocks, and the schema in which its wanted columns (None: all) are staged.

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
        kinds = {field["name"]: field["type"] for field in schema["fields"]}
        columns = list(kinds) if columns is None else columns_in(list(kinds), columns, head, at_most)
        return reader, pa.schema([(column, _type_of(kinds[column], known)) for column in columns])
    except (*_ERRORS, SchemaParseException) as error:
        raise unreadable(error, head) from error


def unreadable(error: Exception, head: bytes) -> RefusedError:
    """The refusal of a corrupt file; raises the error itself if it is the system's."""
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole Avro file; it is corrupt or cut off ({type(error).__name__}: {str(error)[:300]})."
    return RefusedError(UNREADABLE_FILE, sentence, head)


def stage_avro(reader: Any, schema: pa.Schema, staging: Staging) -> None:
    """Copy the wanted columns into `staging`. Raises RefusedError if the file turns out to be corrupt."""
    try:
        for block in reader:
            if block.num_records > max(_BATCH_ROWS, block.bytes_.getbuffer().nbytes):
                raise ValueError(f"a block says that it holds {block.num_records:,} records, more than it has bytes")
            rows = iter(block)
            while part := list(itertools.islice(rows, _BATCH_ROWS)):
                staging.add(_arrays(part, schema), np.arange(1, len(part) + 1) + staging.records)
                staging.records += len(part)
    except _ERRORS as error:
        raise unreadable(error, b"") from error


def first_rows(reader: Any, schema: pa.Schema, most: int) -> pa.RecordBatch:
    """The first rows as they would be staged. Raises RefusedError if the file is corrupt there."""
    try:
        rows = list(itertools.islice(itertools.chain.from_iterable(reader), most))
        return pa.record_batch(_arrays(rows, schema), schema)
    except _ERRORS as error:
        raise unreadable(error, b"") from error


def _arrays(rows: Sequence[Any], schema: pa.Schema) -> list[pa.Array]:
    return [pa.array([_fitting(row[f.name], f.type) for row in rows], f.type) for f in schema]
