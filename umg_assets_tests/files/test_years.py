"""Dates and instants outside the years that Python, or microseconds, can hold: one bad record, never another time."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from umg_assets.files.layout import Layout
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.parse import parse_file, records_as_text
from umg_assets.files.sample import read_sample
from umg_assets.recount.second_reader import count_records

LAST = 2**63 - 1
FAR = 253_402_300_800_000_000
"""The first microsecond of the year 10000."""
PLACES = pa.array([0, 1, 2], pa.int32())


def stored(kind: pa.DataType, *numbers: int) -> pa.Array:
    """Values of a type as the numbers that are stored."""
    return pa.array(numbers, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


DAYS, MOMENTS = stored(pa.date32(), 20_260_302, 1), stored(pa.timestamp("us"), FAR, 1)
MOMENT = "1970-01-01T00:00:00.000001"
COLUMNS: dict[str, tuple[pa.Array, Any, Any]] = {
    "date": (DAYS, 20_260_302, "1970-01-02"),
    "date before the year 1": (stored(pa.date32(), -20_260_302, 1), -20_260_302, "1970-01-02"),
    "instant": (MOMENTS, FAR, MOMENT),
    "instant before the year 1": (stored(pa.timestamp("us"), -FAR, 1), -FAR, MOMENT),
    "instant of a zone": (stored(pa.timestamp("us", "Europe/Vienna"), FAR, 1), FAR, MOMENT + "Z"),
    "instant of an unknown zone": (stored(pa.timestamp("us", "Mars/Olympus"), FAR, 1), FAR, MOMENT + "Z"),
    "milliseconds that are microseconds": (
        stored(pa.timestamp("ms"), 1_772_445_600_001_000, 0),
        1_772_445_600_001_000_000,
        "1970-01-01T00:00:00",
    ),
    # times a thousand, in 64 bits, it would be an instant of 2026
    "milliseconds beyond all": (
        stored(pa.timestamp("ms"), 2**64 // 1_000 + 1_772_445_600_000, 0),
        LAST,
        "1970-01-01T00:00:00",
    ),
    "milliseconds before all": (stored(pa.timestamp("ms"), -(2**62), 0), -LAST, "1970-01-01T00:00:00"),
    "struct": (
        pa.StructArray.from_arrays([MOMENTS, DAYS], ["t", "d"]),
        {"t": FAR, "d": 20_260_302},
        {"t": MOMENT, "d": "1970-01-02"},
    ),
    "list": (pa.ListArray.from_arrays(PLACES, MOMENTS), [FAR], [MOMENT]),
    "large list": (pa.LargeListArray.from_arrays(PLACES.cast(pa.int64()), DAYS), [20_260_302], ["1970-01-02"]),
    "list of one size": (pa.FixedSizeListArray.from_arrays(MOMENTS, 1), [FAR], [MOMENT]),
    "list that is a view": (
        pa.ListViewArray.from_arrays(PLACES[:2], pa.array([1, 1], pa.int32()), MOMENTS),
        [FAR],
        [MOMENT],
    ),
    "list of milliseconds": (
        pa.ListArray.from_arrays(PLACES, stored(pa.timestamp("ms", "UTC"), 2**62, 0)),
        [LAST],
        ["1970-01-01T00:00:00Z"],
    ),
    "map": (pa.MapArray.from_arrays(PLACES, pa.array(["a", "b"]), DAYS), [["a", 20_260_302]], [["b", "1970-01-02"]]),
    "dictionary": (MOMENTS.dictionary_encode(), FAR, MOMENT),
    "list of structs": (
        pa.ListArray.from_arrays(PLACES, pa.StructArray.from_arrays([DAYS], ["d"])),
        [{"d": 20_260_302}],
        [{"d": "1970-01-02"}],
    ),
    "time of day": (stored(pa.time64("us"), 2 * 86_400_000_000, 1), "<value out of range: 172800000000>", MOMENT[11:]),
    "duration": (stored(pa.duration("ns"), LAST, 1), LAST, 1),
}


def written(form: str, column: pa.Array) -> bytes:
    rows, file = pa.table({"id": ["ann", "bob"], "c": column}), BytesIO()
    pq.write_table(rows, file) if form == "parquet" else pa_orc.write_table(rows, file)
    return file.getvalue()


def texts_of(folder: Path, form: str, content: bytes) -> list[str]:
    """The texts of a file's records."""
    path, staged = folder / f"x.{form}", folder / "staged"
    path.write_bytes(content)
    layout = Layout(form, ("id", "c"))  # type: ignore[arg-type]
    parsed = parse_file(path, layout, staged)
    assert (parsed.refused, parsed.rows, count_records(path, layout)) == (None, 2, 2)
    return records_as_text(staged, [1, 2]).column("text").to_pylist()


def json_of(*values: Any) -> list[str]:
    rows = [{"id": name, "c": value} for name, value in zip(("ann", "bob"), values, strict=True)]
    return [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_time_that_python_has_none_for_is_its_number_in_a_records_text(tmp_path: Path, column: str):
    array, far, near = COLUMNS[column]
    assert texts_of(tmp_path, "parquet", written("parquet", array)) == json_of(far, near)


def test_a_date_of_orc_that_python_has_none_for_is_its_number_in_a_records_text(tmp_path: Path):
    assert texts_of(tmp_path, "orc", written("orc", DAYS)) == json_of(20_260_302, "1970-01-02")


def test_a_sample_may_hold_times_that_python_has_none_for(tmp_path: Path):
    path = tmp_path / "x.parquet"
    path.write_bytes(written("parquet", stored(pa.timestamp("us", "Mars/Olympus"), FAR, 1)))
    assert [record[("c",)] for record in read_sample(path).records] == [str(FAR), "1970-01-01 00:00:00.000001+00:00"]


def test_a_record_with_such_a_time_and_a_text_that_is_no_text_is_a_bad_record(tmp_path: Path):
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xffb")]
    )
    file, path = BytesIO(), tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": texts, "c": DAYS}), file)
    path.write_bytes(file.getvalue())
    parsed = parse_file(path, Layout("parquet", ("id", "c")), tmp_path / "staged")
    assert parsed.rejects.to_pylist() == [{"record": 1, "reason": "bad_encoding", "text": r"\xff,20260302"}]


# --- Avro


def time_of(kind: str, logical: str) -> dict[str, str]:
    return {"type": kind, "logicalType": logical}


DATE, MILLIS, LOCAL = time_of("int", "date"), time_of("long", "timestamp-millis"), "local-timestamp-micros"
CLOCK, NEAR = time_of("int", "time-millis"), "2026-03-02T10:00:00"
RECURSIVE = {
    "type": "record",
    "name": "node",
    "fields": [{"name": "at", "type": MILLIS}, {"name": "next", "type": ["null", "node"]}],
}
TWICE = {
    "type": "record",
    "name": "pair",
    "fields": [
        {"name": "a", "type": {"type": "record", "name": "moment", "fields": [{"name": "day", "type": DATE}]}},
        {"name": "b", "type": "moment"},
    ],
}
AT = 1_772_445_600_000
"""2026-03-02T10:00:00Z in milliseconds."""
AVRO: dict[str, tuple[Any, Any, Any, Any, Any]] = {
    "date": (DATE, 20_260_302, 20_260_302, 20_514, "2026-03-02"),
    "date before the year 1": (DATE, -20_260_302, -20_260_302, 20_514, "2026-03-02"),
    "milliseconds that are microseconds": (MILLIS, AT * 1_000, AT * 1_000_000, AT, NEAR + "Z"),
    "milliseconds beyond all": (MILLIS, LAST, LAST, AT, NEAR + "Z"),
    "milliseconds that would wrap around": (MILLIS, 2**64 // 1_000 + AT, LAST, AT, NEAR + "Z"),
    "microseconds": (time_of("long", "timestamp-micros"), -LAST, -LAST, AT * 1_000, NEAR + "Z"),
    "local microseconds": (time_of("long", LOCAL), LAST, LAST, AT * 1_000, NEAR),
    "local milliseconds": (time_of("long", "local-timestamp-millis"), -LAST, -LAST, AT, NEAR),
    "time of day": (CLOCK, 90_000_000, "90000000", 36_305_005, "10:05:05.005000"),
    "time of day in microseconds": (time_of("long", "time-micros"), -5, "-5", 36_305_000_000, "10:05:05"),
    "NULL or a date": (["null", DATE], 20_260_302, 20_260_302, None, None),
    "several types": (["null", "string", MILLIS], LAST, str(LAST), AT, NEAR + "+00:00"),
    "several types in a list": (
        {"type": "array", "items": ["string", DATE]},
        [20_260_302],
        ["20260302"],
        [20_514, "x"],
        ["2026-03-02", "x"],
    ),
    "list": ({"type": "array", "items": MILLIS}, [LAST], [LAST], [AT], [NEAR + "Z"]),
    "map": ({"type": "map", "values": DATE}, {"k": 20_260_302}, [["k", 20_260_302]], {"k": 0}, [["k", "1970-01-01"]]),
    "a record within itself": (
        RECURSIVE,
        {"at": LAST, "next": {"at": LAST, "next": None}},
        {"at": LAST, "next": f'{{"at":"{LAST}","next":null}}'},
        {"at": AT, "next": {"at": AT, "next": None}},
        {"at": NEAR + "Z", "next": f'{{"at":"{NEAR}+00:00","next":null}}'},
    ),
    "a type used twice": (
        TWICE,
        {"a": {"day": 20_260_302}, "b": {"day": 0}},
        {"a": {"day": 20_260_302}, "b": {"day": "1970-01-01"}},
        {"a": {"day": 0}, "b": {"day": 20_514}},
        {"a": {"day": "1970-01-01"}, "b": {"day": "2026-03-02"}},
    ),
    # Avro ignores a logical type of another type than its own
    "milliseconds in an int": (time_of("int", "timestamp-millis"), 5, 5, 6, 6),
}


@pytest.mark.parametrize("limits", [USUAL, Limits(record_bytes=150)], ids=["short block", "long block"])
@pytest.mark.parametrize("column", AVRO)
def test_a_time_of_avro_that_python_has_none_for_is_one_value_of_its_file(tmp_path: Path, column: str, limits: Limits):
    kind, far, far_text, near, near_text = AVRO[column]
    fields = [{"name": "id", "type": "string"}, {"name": "c", "type": kind}]
    rows, file = [{"id": "ann", "c": far}, {"id": "bob", "c": near}], BytesIO()
    fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, [*rows, *[rows[1]] * 9])
    path, staged = tmp_path / "x.avro", tmp_path / "staged"
    path.write_bytes(file.getvalue())
    layout = Layout("avro", ("id", "c"))
    parsed = parse_file(path, layout, staged, limits=limits)
    assert (parsed.refused, parsed.rows, count_records(path, layout)) == (None, 11, 11)
    assert records_as_text(staged, [1, 2]).column("text").to_pylist() == json_of(far_text, near_text)
    assert read_sample(path).records[0][("id",)] == "ann"
