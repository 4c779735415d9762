"""Rows of columnar files, so few at a time that they fit into memory: a text that is stored once may be that of many.

A Parquet file of some kilobytes unpacks to terabytes where a dictionary of one long text is named by a million rows.
What a batch of rows unpacks to is therefore bounded before it is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as _compute
import pyarrow.parquet as pq

from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.rejects import UNREADABLE_FILE, RefusedError

pc: Any = _compute  # its functions are made when it is imported, unknown to type checkers
BATCH_ROWS = 8 << 10
FEW_ROWS = 32
"""Read at a time where nothing says how long their texts are: of those within the limit they take half a gigabyte."""
_BATCH_BYTES = 32 << 20
_GROUP_BYTES = 256 << 20
"""A row group up to this size, all of it in one batch, fits into memory."""
_LONG = 64 << 10
"""From this length on, a text in lists counts as that of each of their values."""
_VALUE_BYTES = 8


def joined(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches of a schema, joined to some of BATCH_ROWS or _BATCH_BYTES."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    measured = _unpacked_bytes if any("dictionary<" in str(kind) for kind in schema.types) else _bytes
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + measured(batch)
        if rows >= BATCH_ROWS or size >= _BATCH_BYTES:
            yield pa.concat_batches(held)
            held, rows, size = [], 0, 0
    if rows:
        yield pa.concat_batches(held)


def _bytes(batch: pa.RecordBatch) -> int:
    return batch.get_total_buffer_size()  # nbytes takes longer than reading some rows


def _unpacked_bytes(batch: pa.RecordBatch) -> int:
    """The bytes of a batch once its texts stand in each row: in Arrow's dictionaries they stand once."""
    size = _bytes(batch)
    for leaf in (leaf for column in batch.columns for leaf in leaves_of(column)):
        if pa.types.is_dictionary(leaf.type) and is_text(leaf.type.value_type):
            size += pc.sum(pc.binary_length(leaf.dictionary).take(leaf.indices)).as_py() or 0
    return size


def is_text(kind: pa.DataType) -> bool:
    """Whether the values of a type have a length of their own."""
    types = pa.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)


def parquet_batches(
    file: BinaryIO, parquet: pq.ParquetFile, columns: Sequence[str] | None = None, groups: Iterable[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of an opened file, of these columns or all, of these row groups or all, in batches of bounded size.

    Raises what pyarrow does.
    """

    names = None if columns is None else list(columns)

    def read() -> Iterator[pa.RecordBatch]:
        for group in range(parquet.num_row_groups) if groups is None else groups:
            rows = _rows_at_once(file, parquet, group, columns)
            yield from parquet.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)

    return joined(parquet.schema_arrow, read())


def refuse_unpacked(file: BinaryIO, parquet: pq.ParquetFile, columns: Sequence[str], limits: Limits = USUAL) -> None:
    """Raises RefusedError if the columns unpack to more than a file of that size may: by its footer, and, of texts in
    lists, as if each were the longest."""
    unpacked, most = 0, limits.unpacked(file.seek(0, 2))
    for group in range(parquet.num_row_groups):
        for at, chunk in _chunks(parquet, group, columns):
            values = 0
            if parquet.schema.column(at).max_repetition_level:
                values = chunk.num_values * _VALUE_BYTES
                if values <= most and chunk.physical_type == "BYTE_ARRAY":
                    longest = _longest(file, parquet, group, chunk.path_in_schema)
                    values = max(values, chunk.num_values * longest if longest > _LONG else 0)
            unpacked += max(chunk.total_uncompressed_size, values)
    if unpacked > most:
        sentence = f"Expected a file that unpacks to at most {most:,} bytes, the limit for its size; this has up to"
        sentence = f"{sentence} {unpacked:,}: write it as several files, or raise the limit."
        raise RefusedError(UNREADABLE_FILE, sentence)


def _rows_at_once(file: BinaryIO, parquet: pq.ParquetFile, group: int, columns: Sequence[str] | None) -> int:
    """How many rows of a row group are within _BATCH_BYTES though the texts of each be the longest that it has."""
    size = longest = 0
    for at, chunk in _chunks(parquet, group, columns):
        size += chunk.total_uncompressed_size
        if chunk.physical_type == "FIXED_LEN_BYTE_ARRAY":
            longest += parquet.schema.column(at).length
        elif chunk.physical_type == "BYTE_ARRAY" and chunk.total_uncompressed_size > _BATCH_BYTES // BATCH_ROWS:
            if "DELTA_BYTE_ARRAY" in chunk.encodings:  # a text may be the one before it and a byte
                longest += chunk.total_uncompressed_size
            elif chunk.has_dictionary_page:
                longest += _longest(file, parquet, group, chunk.path_in_schema)
    usual = BATCH_ROWS if size <= _GROUP_BYTES else FEW_ROWS  # texts that are stored one by one
    return max(1, min(usual, _BATCH_BYTES // max(longest, 1)))


def _chunks(parquet: pq.ParquetFile, group: int, columns: Sequence[str] | None) -> Iterator[tuple[int, Any]]:
    """The chunks of these columns or all in a row group, with their positions."""
    metadata = parquet.metadata.row_group(group)
    for at in range(metadata.num_columns):
        chunk = metadata.column(at)
        if columns is None or any(f"{chunk.path_in_schema}.".startswith(f"{column}.") for column in columns):
            yield at, chunk


def _longest(file: BinaryIO, parquet: pq.ParquetFile, group: int, path: str) -> int:
    """Bytes of the longest text of a column's dictionary in a row group; the texts of its rows are not unpacked."""
    # not buffered before: threads that read ahead would still read while the rows are read
    whole = pq.ParquetFile(file, metadata=parquet.metadata, read_dictionary=[path], pre_buffer=False)
    for batch in whole.iter_batches(FEW_ROWS, row_groups=[group], columns=[path], use_threads=False):
        for leaf in (leaf for column in batch.columns for leaf in leaves_of(column)):
            if pa.types.is_dictionary(leaf.type) and len(leaf.dictionary):
                return pc.max(pc.binary_length(leaf.dictionary)).as_py()
    return 0


def leaves_of(array: Any) -> Iterator[Any]:
    """The arrays of a nested array that hold its values."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        yield from leaves_of(array.storage)
    elif pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            yield from leaves_of(array.field(at))
    elif pa.types.is_map(kind):
        yield from leaves_of(array.keys)
        yield from leaves_of(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from leaves_of(array.values)
    else:
        yield array


def bytes_of_rows(columns: Sequence[pa.Array]) -> np.ndarray:
    """Bytes of the texts that stand in each row, in no list or struct."""
    size = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        if is_text(column.type):
            size += pc.binary_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    return size
