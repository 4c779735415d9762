"""Parquet: the wanted columns, in types that Spark and Sail read in the same way."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from umg_assets.files.arrow_values import cast, is_list, value_of
from umg_assets.files.blocks import Unpacked
from umg_assets.files.few_rows import bytes_of_rows, is_text, parquet_batches, refuse_unpacked
from umg_assets.files.limits import ROW_BYTES, USUAL, Limits
from umg_assets.files.rejects import (
    BAD_ENCODING,
    NOT_THE_FORMAT,
    REFUSAL_CHARACTERS,
    TOO_LARGE,
    UNREADABLE_FILE,
    RefusedError,
    escape,
    foreign_content,
    is_of_content,
    refuse_many_columns,
    refuse_missing,
)
from umg_assets.files.staged import FILE_PATH, Staging

_MAGIC = b"PAR1"
_NEXT_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
}


def readable_alike(kind: pa.DataType) -> pa.DataType:
    """The type in which a Parquet column is staged, so that both engines read it in the same way.

    Timestamps are in microseconds, whole numbers signed, times of day text, texts plain strings, and decimals of more
    than 38 digits text.
    """
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind.extension_name == "arrow.uuid" else readable_alike(kind.storage_type)
    if types.is_dictionary(kind):
        return readable_alike(kind.value_type)
    if types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if types.is_struct(kind):
        return pa.struct([pa.field(f.name, readable_alike(f.type)) for f in kind])
    if types.is_map(kind):
        return pa.map_(readable_alike(kind.key_type), readable_alike(kind.item_type))
    if is_list(kind):
        return pa.list_(readable_alike(kind.value_type))
    if types.is_large_string(kind) or types.is_time(kind) or types.is_null(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_fixed_size_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_date64(kind):
        return pa.date32()
    if types.is_float16(kind):
        return pa.float32()
    if types.is_duration(kind):
        return pa.int64()
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= 38 else pa.string()
    return _NEXT_SIGNED.get(kind, kind)


def staged_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column as it is staged; kind: what `readable_alike` says of its type."""
    if isinstance(column, pa.ExtensionArray) and column.type.extension_name != "arrow.uuid":
        return staged_column(column.storage, kind)
    return column if column.type == kind else cast(column, kind)


def _undecodable(column: pa.Array) -> list[int]:
    """The positions of the strings in a column that are not UTF-8."""
    bad = []
    for i, raw in enumerate(column.cast(pa.binary()).to_pylist()):
        try:
            (raw or b"").decode()
        except UnicodeDecodeError:
            bad.append(i)
    return bad


def stage_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, staging: Staging, limits: Limits, unpacked: Unpacked
) -> None:
    """Stage the rows as `schema` says. Rejects are a row with a text that is not UTF-8, and one that is too large.

    Raises RefusedError if rows, beyond a kilobyte each, unpack to more than the file may.
    """
    for batch in batches:
        columns = [staged_column(batch.column(field.name), field.type) for field in schema]
        unpacked.add(max(0, sum(column.nbytes for column in columns) - batch.num_rows * ROW_BYTES))
        _add(columns, staging, limits)


def _add(columns: list[pa.Array], staging: Staging, limits: Limits) -> None:
    rows = len(columns[0])
    records = np.arange(1, rows + 1) + staging.records
    bad: dict[int, str] = {}
    for column in columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            if not pa.types.is_string(column.type):
                raise
            bad.update(dict.fromkeys(_undecodable(column), BAD_ENCODING))
    if sum(column.nbytes for column in columns) > limits.record_bytes:
        too_large = np.flatnonzero(bytes_of_rows(columns) > limits.record_bytes)
        bad.update(dict.fromkeys(too_large.tolist(), TOO_LARGE))
    for i, reason in sorted(bad.items()):
        shown = REFUSAL_CHARACTERS if reason == TOO_LARGE else None
        text = escape(b",".join(_bytes_of(column[i], shown) for column in columns))
        staging.reject(int(records[i]), reason, text[:shown])
    if bad:
        kept = np.array([i for i in range(rows) if i not in bad], np.int64)
        columns, records = [column.take(pa.array(kept)) for column in columns], records[kept]
    staging.records += rows
    staging.add(columns, records)


def _bytes_of(value: pa.Scalar, most: int | None) -> bytes:
    """A value as text: all of it, or its beginning."""
    if not value.is_valid:
        return b""
    if is_text(value.type):
        return bytes(memoryview(value.as_buffer())[:most])
    return str(value_of(value)).encode()[:most]


def open_parquet(
    file: BinaryIO, columns: Sequence[str], at_most: int = USUAL.columns
) -> tuple[pq.ParquetFile, pa.Schema]:
    """The opened file, and the schema in which its wanted columns are staged.

    Raises RefusedError for other content, a corrupt or cut-off file, and a column that is missing or occurs twice.
    """
    head = file.read(64 << 10)
    file.seek(0)
    if head and not head.startswith(_MAGIC):
        content = foreign_content(head) or "something else"
        raise RefusedError(NOT_THE_FORMAT, f"Expected a Parquet file; this is {content}.", head)
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        schema = parquet.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, head) from error
    columns = columns_in(schema.names, columns, head, at_most)
    return parquet, pa.schema([(column, readable_alike(schema.field(column).type)) for column in columns])


def columns_in(names: Sequence[str], columns: Sequence[str], head: bytes, at_most: int = USUAL.columns) -> list[str]:
    """Those of `columns` that the file's columns `names` have: all but FILE_PATH have to be there.

    Raises RefusedError if the file lacks one of them, has it twice, or has more columns than `at_most`.
    """
    refuse_many_columns(len(names), at_most, head)
    columns = [column for column in columns if column in names or column != FILE_PATH]
    refuse_missing([column for column in columns if column not in names], names, head)
    if doubled := [name for name, count in Counter(names).items() if count > 1 and name in columns]:
        raise RefusedError(NOT_THE_FORMAT, f"Expected each column once; the file has {', '.join(doubled)} twice.", head)
    return columns


def _unreadable(error: Exception, head: bytes) -> RefusedError:
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole Parquet file; it is corrupt or cut off ({str(error).splitlines()[0][:300]})."
    return RefusedError(UNREADABLE_FILE, sentence, head)


def check_rows(read: int, rows: int) -> None:
    """Raises ValueError if so many rows were read of a file that says it has `rows`."""
    if read != rows:
        raise ValueError(f"it says it has {rows:,} rows and gives {read:,}")


def stage_parquet(
    file: BinaryIO,
    parquet: pq.ParquetFile,
    schema: pa.Schema,
    staging: Staging,
    limits: Limits,
    unpacked: Unpacked,
) -> None:
    """Copy the wanted columns into `staging`. Raises RefusedError if the file is corrupt, or unpacks to too much."""
    rows, before = parquet.metadata.num_rows, staging.records
    try:
        if not schema.names:
            staging.add([], np.arange(1, rows + 1) + staging.records)
            staging.records += rows
            return
        refuse_unpacked(file, parquet, schema.names, limits)
        stage_batches(parquet_batches(file, parquet, schema.names), schema, staging, limits, unpacked)
        check_rows(staging.records - before, rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, b"") from error
