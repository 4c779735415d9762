"""Dates and instants outside the years that Python, or microseconds, can hold: one bad record, never another time."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from umg_assets.files.layout import Layout
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
    return [json.dumps(row, separators=(",", ":")) for row in rows]


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
