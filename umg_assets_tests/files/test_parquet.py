"""Parquet files: only the wanted columns, in types that both engines read in the same way."""

import uuid
from datetime import UTC, datetime, time
from decimal import Decimal
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from umg_assets.files.layout import Layout
from umg_assets.files.parse import BAD_ENCODING, MISSING_COLUMN, NOT_THE_FORMAT, UNREADABLE_FILE
from umg_assets_tests.files.parsed_files import parse


def parquet(**columns: pa.Array) -> bytes:
    buffer = BytesIO()
    pq.write_table(pa.table(columns), buffer, store_schema=True)
    return buffer.getvalue()


PLAYS = parquet(id=pa.array([f"p{i}" for i in range(1000)]), ms=pa.array(range(1000)), extra=pa.array([None] * 1000))


def test_the_wanted_columns_are_staged_in_their_order_with_record_numbers(tmp_path):
    outcome = parse(tmp_path, "x.parquet", PLAYS, Layout("parquet", ("ms", "id")))
    assert outcome.values == [(i, f"p{i}", i + 1) for i in range(1000)]


def test_a_file_may_have_no_rows_or_no_wanted_columns(tmp_path):
    assert parse(tmp_path, "x.parquet", parquet(id=pa.array([], pa.string())), Layout("parquet", ("id",))).rows == []
    assert parse(tmp_path, "y.parquet", PLAYS, Layout("parquet", ())).parsed.rows == 1000


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        (pa.array([2**64 - 1], pa.uint64()), pa.decimal128(20), Decimal(2**64 - 1)),
        (pa.array([2**32 - 1], pa.uint32()), pa.int64(), 2**32 - 1),
        (pa.array([1_000_001], pa.timestamp("ns", "Europe/Vienna")), pa.timestamp("us", "UTC"), None),
        (pa.array([datetime(2026, 7, 1)], pa.timestamp("ms")), pa.timestamp("us"), datetime(2026, 7, 1)),
        (pa.array([time(12, 30)], pa.time64("us")), pa.string(), "12:30:00.000000"),
        (pa.array(["x"]).dictionary_encode(), pa.string(), "x"),
        (pa.array(["x"], pa.large_string()), pa.string(), "x"),
        (pa.array([None], pa.null()), pa.string(), None),
        (pa.array([b"ab"], pa.binary(2)), pa.binary(), b"ab"),
        (pa.array([[1]], pa.list_(pa.uint8())), pa.list_(pa.int16()), [1]),
        (pa.array([{"n": 1}], pa.struct([("n", pa.uint16())])), pa.struct([("n", pa.int32())]), {"n": 1}),
    ],
)
def test_types_that_the_engines_read_differently_become_types_they_share(tmp_path, column, kind, value):
    layout = Layout("parquet", ("c",))
    outcome = parse(tmp_path, "x.parquet", parquet(c=column), layout)
    expected = datetime(1970, 1, 1, 0, 0, 0, 1000, UTC) if value is None and pa.types.is_timestamp(kind) else value
    assert outcome.values == [(expected, 1)]
    assert outcome.schema is not None
    assert outcome.schema.field("c").type == kind


def test_old_style_timestamps_keep_years_beyond_nanoseconds(tmp_path):
    buffer, instant = BytesIO(), datetime(3000, 1, 1)
    pq.write_table(pa.table({"c": pa.array([instant])}), buffer, use_deprecated_int96_timestamps=True)
    assert parse(tmp_path, "x.parquet", buffer.getvalue(), Layout("parquet", ("c",))).values == [(instant, 1)]


def test_a_uuid_becomes_its_text(tmp_path):
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([key.bytes, None], pa.binary(16)))
    assert parse(tmp_path, "x.parquet", parquet(c=column), Layout("parquet", ("c",))).values == [
        (str(key), 1),
        (None, 2),
    ]


def test_a_string_that_is_not_utf8_rejects_only_its_record(tmp_path):
    raw = pa.array([b"good", b"bad\xff", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    outcome = parse(tmp_path, "x.parquet", parquet(c=text, n=pa.array([1, 2, 3])), Layout("parquet", ("c", "n")))
    assert outcome.values == [("good", 1, 1), ("fine", 3, 3)]
    assert outcome.rejects == [(2, BAD_ENCODING, "bad\\xff,2")]


@pytest.mark.parametrize("kept", [0, 3, 4, 100, len(PLAYS) // 2, len(PLAYS) - 1])
def test_a_cut_off_file_is_unreadable(tmp_path, kept):
    refused = parse(tmp_path, "x.parquet", PLAYS[:kept], Layout("parquet", ("id",))).refused
    assert refused == (NOT_THE_FORMAT if kept == 3 else UNREADABLE_FILE)


def test_a_file_corrupt_in_the_middle_is_unreadable_as_a_whole(tmp_path):
    content = PLAYS[:50] + bytes(200) + PLAYS[250:]
    assert parse(tmp_path, "x.parquet", content, Layout("parquet", ("id",))).refused == UNREADABLE_FILE


def test_other_content_under_the_suffix_is_not_the_format(tmp_path):
    outcome = parse(tmp_path, "x.parquet", b"id,ms\n1,2\n", Layout("parquet", ("id",)))
    assert outcome.refused == NOT_THE_FORMAT


def test_a_missing_column_is_named_with_the_most_similar_column(tmp_path):
    outcome = parse(tmp_path, "x.parquet", PLAYS, Layout("parquet", ("idd", "ms")))
    [(record, reason, text)] = outcome.rejects
    assert (record, reason) == (0, MISSING_COLUMN)
    assert "idd (nearest: id). Found: id, ms, extra." in text
