"""Parquet: the wanted columns, in types that Spark and Sail read in the same way."""

from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from umg_assets.files.limits import USUAL
from umg_assets.files.rejects import (
    BAD_ENCODING,
    NOT_THE_FORMAT,
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
BATCH_ROWS = 8 << 10
"""Rows read at a time: few, since equal texts may be stored once and unpack to any size."""
_NEXT_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20),
}


def readable_alike(kind: pa.DataType) -> pa.DataType:
    """The type in which a Parquet column is staged, so that both engines read it in the same way.

    Timestamps are in microseconds, whole numbers signed, times of day text, texts plain strings.
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
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
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
    return _NEXT_SIGNED.get(kind, kind)


def _uuid_text(column: pa.Array) -> pa.Array:
    def dashed(raw: bytes) -> str:
        digits = raw.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    return pa.array([None if value is None else dashed(value) for value in column.storage.to_pylist()], pa.string())


def _staged(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _uuid_text(column) if kind == pa.string() else _staged(column.storage, kind)
    return column if column.type == kind else pc.cast(column, kind, safe=False)


def _undecodable(column: pa.Array) -> list[int]:
    """The positions of the strings in a column that are not UTF-8."""
    bad = []
    for i, raw in enumerate(column.cast(pa.binary()).to_pylist()):
        try:
            (raw or b"").decode()
        except UnicodeDecodeError:
            bad.append(i)
    return bad


def add_batch(batch: pa.RecordBatch, types: Sequence[pa.DataType], staging: Staging) -> None:
    """Stage the rows of a batch as `types`; a row with a text that is not UTF-8 is rejected."""
    columns = [_staged(column, kind) for column, kind in zip(batch.columns, types, strict=True)]
    records = np.arange(1, batch.num_rows + 1) + staging.records
    bad: set[int] = set()
    for column in columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            if not pa.types.is_string(column.type):
                raise
            bad.update(_undecodable(column))
    for i in sorted(bad):
        raw = [c[i].cast(pa.binary()).as_py() if pa.types.is_string(c.type) else str(c[i]).encode() for c in columns]
        staging.reject(int(records[i]), BAD_ENCODING, escape(b",".join(value or b"" for value in raw)))
    if bad:
        kept = np.array([i for i in range(batch.num_rows) if i not in bad], np.int64)
        columns, records = [column.take(pa.array(kept)) for column in columns], records[kept]
    staging.records += batch.num_rows
    staging.add(columns, records)


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


def stage_parquet(parquet: pq.ParquetFile, schema: pa.Schema, staging: Staging) -> None:
    """Copy the wanted columns into `staging`. Raises RefusedError if the file turns out to be corrupt."""
    rows, before = parquet.metadata.num_rows, staging.records
    try:
        if not schema.names:
            staging.add([], np.arange(1, rows + 1) + staging.records)
            staging.records += rows
            return
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=schema.names, use_threads=False):
            add_batch(batch.select(schema.names), schema.types, staging)
        check_rows(staging.records - before, rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(error, b"") from error
