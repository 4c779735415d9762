"""Parquet columns of every type that lands, at the top and in lists, maps and structs, are rewritten."""

from base64 import b64encode
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets.files.erasing import erase_records
from umg_assets.files.layout import Layout
from umg_assets.files.parse import parse_file
from umg_assets_tests.files.erased_files import HERS, HIS

WHO = [HIS, HERS, HIS, None, HERS]
OFFSETS = pa.array([0, 1, 2, 3, 4, 5], pa.int32())

TEXTS: dict[str, Any] = {
    "string": pa.array(WHO),
    "large string": pa.array(WHO, pa.large_string()),
    "string view": pa.array(WHO, pa.string_view()),
    "binary": pa.array(WHO).cast(pa.binary()),
    "large binary": pa.array(WHO).cast(pa.large_binary()),
    "binary view": pa.array([who and who.encode() for who in WHO], pa.binary_view()),
    "binary of a fixed size": pa.array([(who or HIS).encode() for who in WHO], pa.binary(len(HERS))),
    "dictionary": pa.array(WHO).dictionary_encode(),
    "JSON": pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(WHO)),
    "JSON view": pa.ExtensionArray.from_storage(pa.json_(pa.string_view()), pa.array(WHO, pa.string_view())),
}
NESTS: dict[str, Callable[[Any], Any]] = {
    "column": lambda texts: texts,
    "struct": lambda texts: pa.StructArray.from_arrays([texts, pa.array(range(5))], ["a", "b"]),
    "list": lambda texts: pa.ListArray.from_arrays(OFFSETS, texts),
    "large list": lambda texts: pa.LargeListArray.from_arrays(OFFSETS.cast(pa.int64()), texts),
    "list of a fixed size": lambda texts: pa.FixedSizeListArray.from_arrays(texts, 1),
    "list view": lambda texts: pa.ListViewArray.from_arrays(OFFSETS[:5], pa.array([1] * 5, pa.int32()), texts),
    "map": lambda texts: pa.MapArray.from_arrays(OFFSETS, pa.array(list("abcde")), texts),
    "keys": lambda texts: pa.MapArray.from_arrays(OFFSETS, texts, pa.array(range(5))),
    "list of structs": lambda texts: pa.ListArray.from_arrays(
        OFFSETS, pa.StructArray.from_arrays([texts, pa.array(range(5))], ["a", "b"])
    ),
    "struct of lists": lambda texts: pa.StructArray.from_arrays([pa.ListArray.from_arrays(OFFSETS, texts)], ["a"]),
}


def _write(table: pa.Table, path: Path) -> None:
    """Writes it also where pyarrow reads but does not write a type, as other writers do: views in lists of structs."""
    try:
        pq.write_table(table, path, compression="none")
    except pa.ArrowNotImplementedError:
        is_text = "string_view" in str(table.schema.types[1]) or "json" in str(table.schema.types[1])
        inner = pa.struct([("a", pa.string() if is_text else pa.binary()), ("b", pa.int64())])
        plain = table.set_column(1, "c", table["c"].cast(pa.list_(inner)))
        with pq.ParquetWriter(path, plain.schema, compression="none", store_schema=False) as writer:
            writer.write_table(plain)
            writer.add_key_value_metadata({"ARROW:schema": b64encode(table.schema.serialize().to_pybytes()).decode()})


def _rewritten(folder: Path, column: Any, name: str, who: bytes) -> tuple[list[int], pa.Table, pa.Table, bytes]:
    """The numbers of the records that name somebody, the table before, the table after, and the draft's bytes."""
    table = pa.table({"n": pa.array(range(len(column))), "c": column})
    path, draft, layout = folder / "x.parquet", folder / "draft.parquet", Layout("parquet", ("n", name))
    _write(table, path)
    assert parse_file(path, layout, folder / "staged").rows == len(column)
    erased = erase_records(path, layout, draft, (), lambda text: who in text, folder).removed
    return erased, pq.read_table(path), pq.read_table(draft), draft.read_bytes()


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_every_type_are_left_out_wherever_they_stand(tmp_path: Path, text: str, nest: str):
    texts = TEXTS[text]
    if nest == "keys":
        texts = pa.array([who or HIS for who in WHO])
        storage = getattr(TEXTS[text], "storage", TEXTS[text]).type
        texts = texts.dictionary_encode() if text == "dictionary" else texts.cast(pa.binary()).cast(storage)
    erased, before, after, left = _rewritten(tmp_path, NESTS[nest](texts), "c", HERS.encode())
    assert erased == [2, 5]
    assert after.schema == before.schema
    assert after.to_pylist() == [row for at, row in enumerate(before.to_pylist(), 1) if at not in erased]
    assert HERS.encode() not in left


NUMBERS: dict[str, Any] = {
    **{
        f"decimal{bits}": pa.array([Decimal("1.25"), Decimal("757.00"), None], kind(5, 2))
        for bits, kind in ((32, pa.decimal32), (64, pa.decimal64), (128, pa.decimal128), (256, pa.decimal256))
    },
    "half": pa.array(np.array([1, 757, 3], np.float16)),
    "float": pa.array([1.0, 757.0, None], pa.float32()),
    "unsigned": pa.array([2**63, 757, None], pa.uint64()),
    "short decimals in a list": pa.array([[Decimal("1.25")], [Decimal("757.00")], None], pa.list_(pa.decimal32(5, 2))),
    "a list view of numbers": pa.array([[1], [2, 757], None], pa.list_view(pa.int64())),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_type_are_left_out(tmp_path: Path, kind: str):
    erased, before, after, _ = _rewritten(tmp_path, NUMBERS[kind], "c", b"757")
    assert erased == [2]
    assert after.schema == before.schema
    assert after.to_pylist() == [row for at, row in enumerate(before.to_pylist(), 1) if at not in erased]


OTHERS: dict[str, Any] = {
    "null": pa.nulls(3),
    "boolean": pa.array([True, False, None]),
    "date": pa.array([1, 2, None], pa.int32()).cast(pa.date32()),
    "time": pa.array([1, 2, None], pa.int64()).cast(pa.time64("us")),
    "timestamp": pa.array([1, 2, None], pa.int64()).cast(pa.timestamp("ns", "UTC")),
    "duration": pa.array([1, 2, None], pa.int64()).cast(pa.duration("us")),
    "uuid": pa.array([UUID(int=1).bytes, UUID(int=2).bytes, None], pa.uuid()),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, 1], pa.int8())),
    "a list view of dates": pa.array([[date(2026, 3, 1)], [date(2026, 3, 2)], None], pa.list_view(pa.date32())),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int32(), (2,)), pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2))
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_column_of_another_type_stays_as_it_is_beside_hers(tmp_path: Path, kind: str):
    path, draft = tmp_path / "x.parquet", tmp_path / "draft.parquet"
    pq.write_table(pa.table({"id": [HERS, HIS, HIS], "c": OTHERS[kind]}), path)
    layout = Layout("parquet", ("id",))
    assert erase_records(path, layout, draft, (), lambda text: HERS.encode() in text, tmp_path).removed == [1]
    before, after = pq.read_table(path), pq.read_table(draft)
    assert after.schema == before.schema
    assert after.column("c").combine_chunks().equals(before.column("c").combine_chunks()[1:])


def test_a_dictionary_of_rows_that_are_read_before_hers_does_not_keep_her(tmp_path: Path):
    path, draft = tmp_path / "x.parquet", tmp_path / "draft.parquet"
    who = pa.array([*[HIS] * 20_000, HERS]).dictionary_encode()
    pq.write_table(pa.table({"id": who, "in": pa.StructArray.from_arrays([who], ["a"])}), path, compression="none")
    layout = Layout("parquet", ("id",))
    assert erase_records(path, layout, draft, (), lambda text: HERS.encode() in text, tmp_path).removed == [20_001]
    assert HERS.encode() not in draft.read_bytes()


def test_metadata_stays_where_the_writer_stored_no_arrow_schema(tmp_path: Path):
    path, draft = tmp_path / "x.parquet", tmp_path / "draft.parquet"
    table = pa.table({"id": [HERS, HIS]})
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"exporter": "x"})
    layout = Layout("parquet", ("id",))
    assert erase_records(path, layout, draft, (), lambda text: HERS.encode() in text, tmp_path).removed == [1]
    assert pq.read_metadata(draft).metadata == {b"exporter": b"x"}
