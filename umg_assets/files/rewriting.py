"""Parquet and ORC files and workbooks written anew from the rows that are left, so that nothing holds the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as _compute
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq

from umg_assets.files.few_rows import parquet_batches
from umg_assets.files.limits import Limits
from umg_assets.files.orc import open_orc, orc_batches
from umg_assets.files.parquet import open_parquet
from umg_assets.files.wanted import CannotEraseError, Erased, Wanted
from umg_assets.files.workbooks import numbered_rows, text_of

pc: Any = _compute  # its functions are made when it is imported, unknown to type checkers
_GROUP_BYTES = 256 << 20
"""A longer row group is divided, so that memory is bounded."""
_WHOLE = 2**63
_ARROW_SCHEMA = b"ARROW:schema"
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
)


def _texts(value: Any) -> list[bytes]:
    """A value as texts that an id may be written as: a whole number also without its fraction; of a list each."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in _texts(inner)]
    if value is None or isinstance(value, bool | date | time | timedelta):
        return []
    if isinstance(value, bytes):
        return [value]
    texts = [str(value).encode()]
    if isinstance(value, float) and abs(value) < _WHOLE and value.is_integer():
        texts.append(str(int(value)).encode())
    return texts


def _named(column: pa.Array, names: Callable[[bytes], bool]) -> np.ndarray:
    """For each row, whether a text or a number in it holds an id, also within lists, maps and structs."""
    kind, types = column.type, pa.types
    rows = np.zeros(len(column), bool)
    if isinstance(column, pa.ExtensionArray):
        if kind.extension_name == "arrow.uuid":
            rows |= np.array([any(map(names, _texts(value))) for value in column.to_pylist()], bool)
        return rows | _named(column.storage, names)
    if types.is_dictionary(kind):
        return _named(column.dictionary_decode(), names)
    if types.is_map(kind):
        parents = pc.list_parent_indices(pa.ListArray.from_arrays(column.offsets, column.keys))
        for inner in (column.keys, column.items):
            rows[parents.to_numpy()[_named(inner, names)]] = True
    elif types.is_struct(kind):
        for inner in column.flatten():
            rows |= _named(inner, names)
    elif any(is_kind(kind) for is_kind in _LISTS):
        rows[pc.list_parent_indices(column).to_numpy()[_named(pc.list_flatten(column), names)]] = True
    elif not (types.is_null(kind) or types.is_boolean(kind) or types.is_temporal(kind)):
        if types.is_string(kind) or types.is_large_string(kind):
            column = column.cast(pa.large_binary())
        try:
            values = column.unique()
            hits = [any(map(names, _texts(value))) for value in values.to_pylist()]
            if any(hits):
                rows = pc.is_in(column, values.filter(pa.array(hits))).to_numpy(zero_copy_only=False)
        except pa.ArrowNotImplementedError:  # of a type that these functions do not take: short decimals, list views
            rows = np.array([any(map(names, _texts(value))) for value in column.to_pylist()], bool)
    return rows


def _left(batches: Iterable[pa.RecordBatch], wanted: Wanted, erased: Erased) -> Iterator[pa.RecordBatch]:
    """The batches without the wanted rows, which are noted in `erased` with the number of rows read."""
    for batch in batches:
        numbers = np.arange(1, batch.num_rows + 1) + erased.records
        out = np.isin(numbers, list(wanted.numbers))
        unknown = ~np.isin(numbers, list(wanted.landed))
        for column in batch.columns:
            out |= _named(column, wanted.names)
            if wanted.common:
                out |= _named(column, wanted.common) & unknown
        erased.removed.extend((np.flatnonzero(out) + 1 + erased.records).tolist())
        erased.records += batch.num_rows
        left = batch.filter(pa.array(~out)) if out.any() else batch
        yield pa.record_batch([_compact(column) for column in left.columns], left.schema)


def _compact(column: Any) -> Any:
    """The column with dictionaries of the values that it has, also in lists, maps and structs."""
    kind, types = column.type, pa.types
    if "dictionary<" not in str(kind):
        return column
    if types.is_dictionary(kind):
        return column.dictionary_decode().dictionary_encode().cast(kind)
    missing = column.is_null()
    if isinstance(column, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _compact(column.storage))
    if types.is_struct(kind):
        fields = [_compact(column.field(at)) for at in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=missing)
    if types.is_map(kind):
        keys, items = _compact(column.keys), _compact(column.items)
        return pa.MapArray.from_arrays(column.offsets, keys, items, type=kind, mask=missing)
    if types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(_compact(column.values), type=kind, mask=missing)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        sizes = pc.list_value_length(column).fill_null(0)
        starts = pc.subtract(pc.cumulative_sum(sizes), sizes)
        return type(column).from_arrays(starts, sizes, _compact(pc.list_flatten(column)), type=kind, mask=missing)
    return type(column).from_arrays(column.offsets, _compact(column.values), type=kind, mask=missing)


def _refuse_named(texts: Iterable[bytes], wanted: Wanted, where: str) -> None:
    if any(map(wanted.names, texts)):
        raise CannotEraseError(f"an id stands in its {where}, in no record: remove it by hand.")


def _compressions(metadata: pq.FileMetaData) -> str | dict[str, str]:
    """The compression of all columns, or of each where they differ."""
    if not metadata.num_row_groups or not metadata.num_columns:
        return "snappy"
    columns = [metadata.row_group(0).column(i) for i in range(metadata.num_columns)]
    names = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4", "LZO": "snappy"}
    kinds = {c.path_in_schema: names.get(str(c.compression), str(c.compression).lower()) for c in columns}
    return kinds if len(set(kinds.values())) > 1 else next(iter(kinds.values()))


def _written(kind: Any) -> pa.DataType:
    """The type in which a column is filtered and written: views of texts are texts, which pyarrow's functions take."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return kind if _written(kind.storage_type) == kind.storage_type else _written(kind.storage_type)
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind):
        return pa.binary()
    if types.is_struct(kind):
        return pa.struct([_written_field(field) for field in kind])
    if types.is_map(kind):
        return pa.map_(_written_field(kind.key_field), _written_field(kind.item_field), kind.keys_sorted)
    if not any(is_kind(kind) for is_kind in _LISTS) or (inner := _written_field(kind.value_field)) == kind.value_field:
        return kind
    if types.is_fixed_size_list(kind):
        return pa.list_(inner, kind.list_size)
    return pa.large_list(inner) if types.is_large_list(kind) else pa.list_(inner)


def _written_field(field: pa.Field) -> pa.Field:
    return field.with_type(_written(field.type))


def _parquet_writer(draft: Path, parquet: pq.ParquetFile, schema: pa.Schema, stores: bool) -> pq.ParquetWriter:
    """stores: whether it stores the Arrow schema, and the metadata, which else are to be added."""
    metadata = parquet.metadata
    group = metadata.row_group(0) if metadata.num_row_groups else None
    physical = set() if group is None else {group.column(i).physical_type for i in range(metadata.num_columns)}
    return pq.ParquetWriter(
        draft,
        schema,
        compression=cast(str, _compressions(metadata)),
        use_deprecated_int96_timestamps="INT96" in physical,
        store_schema=stores,
    )


def rewrite_parquet(path: Path, draft: Path, wanted: Wanted, limits: Limits) -> Erased:
    """Write a Parquet file without the wanted rows: same schema, metadata, compression and order of row groups."""
    erased = Erased(0, [])
    with path.open("rb") as file:
        parquet, _ = open_parquet(file, (), limits.columns)
        metadata = parquet.metadata.metadata or {}
        known = {key: value for key, value in metadata.items() if key != _ARROW_SCHEMA}
        _refuse_named([*known.keys(), *known.values()], wanted, "metadata")
        schema = parquet.schema_arrow.with_metadata(known or None)
        plain = pa.schema([_written_field(field) for field in schema], schema.metadata)
        stores = _ARROW_SCHEMA in metadata and plain == schema
        with _parquet_writer(draft, parquet, plain, stores) as writer:
            for group in range(parquet.num_row_groups):
                batches = parquet_batches(file, parquet, groups=[group])
                held: list[pa.RecordBatch] = []
                for batch in _left((_cast(batch, plain) for batch in batches), wanted, erased):
                    held.append(batch)
                    if sum(one.nbytes for one in held) > _GROUP_BYTES:
                        _write_group(writer, held, plain)
                        held = []
                _write_group(writer, held, plain)
            if metadata and not stores:
                writer.add_key_value_metadata(metadata)  # type: ignore[arg-type]
    return erased


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in the types of a schema."""
    columns = [
        column if column.type == kind else column.cast(kind)
        for column, kind in zip(batch.columns, schema.types, strict=True)
    ]
    return pa.record_batch(columns, schema)


def _write_group(writer: pq.ParquetWriter, batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> None:
    rows = pa.Table.from_batches([batch.replace_schema_metadata(schema.metadata) for batch in batches], schema)
    if rows.num_rows:
        writer.write_table(rows, row_group_size=rows.num_rows)


def rewrite_orc(path: Path, draft: Path, wanted: Wanted, limits: Limits) -> Erased:
    """Write an ORC file without the wanted rows: same schema and compression, without the exporter's own metadata."""
    erased = Erased(0, [])
    with path.open("rb") as file:
        orc = open_orc(file, (), limits.columns)[0].footer
        writer = pa_orc.ORCWriter(
            draft, compression=orc.compression.lower(), compression_block_size=orc.compression_size or 64 << 10
        )
        with writer:
            writer.write(pa.Table.from_batches([], orc.schema))
            for rows in _left(orc_batches(file), wanted, erased):
                if rows.num_rows:
                    writer.write(pa.Table.from_batches([rows]))
    return erased


def rewrite_workbook(path: Path, draft: Path, wanted: Wanted, limits: Limits, macros: bool) -> Erased:
    """Write a workbook without the wanted rows of its first sheet. Formulas become what Excel last calculated.

    macros: whether they are kept; the workbook is an .xlsm.
    """
    erased = Erased(0, [])
    rows: list[int] = []
    with path.open("rb") as file:
        for number, (row, values) in enumerate(numbered_rows(file, limits)):
            texts = [value.encode() for value in values if value is not None]
            if number == 0:
                _refuse_named(texts, wanted, "column names")
            elif wanted.takes(number, texts):
                rows.append(row)
                erased.removed.append(number)
            erased.records = number
        file.seek(0)
        import openpyxl  # where it is needed: every process loads this module

        workbook = openpyxl.load_workbook(file, data_only=True, keep_vba=macros)
    for sheet in workbook.worksheets[1:]:
        texts = (text_of(cell) for cells in sheet.iter_rows() for cell in cells)
        _refuse_named((text.encode() for text in texts if text), wanted, f"sheet {sheet.title}")
    if rows:
        _delete_rows(workbook.worksheets[0], rows)
        workbook.save(draft)
    return erased


def _delete_rows(sheet: Any, rows: Sequence[int]) -> None:
    """Delete rows, given by their numbers in ascending order."""
    if any(merged.max_row >= rows[0] for merged in sheet.merged_cells.ranges):
        raise CannotEraseError("cells below its first row to be left out are merged: unmerge them.")
    end = len(rows)
    while end:
        start = end - 1
        while start and rows[start - 1] == rows[start] - 1:
            start -= 1
        sheet.delete_rows(rows[start], end - start)
        end = start
