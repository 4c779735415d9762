"""A date that no calendar of Python's or Spark's has: one record in quarantine, and the file's others land."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from umg_assets.cli.reconcile import reconcile
from umg_assets_tests.lake import Lake

SOURCES = """
[[sources.users]]
files = "users/*"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.users.columns]
user_id = "id"
birth_date = "EXPRESSION"

[[sources.plays]]
files = "plays/*"
delivered_on = '(\\d{4}-\\d{2}-\\d{2})'
[sources.plays.columns]
play_id = "id"
user_id = "id"
track_id = "'t1'"
started_at = "EXPRESSION"
"""
LAST_DAY, FAR_DAY, LAST = 2**31 - 1, 20_260_302, 2**63 - 1  # the first is DuckDB's 'infinity'


AVRO = {
    "date32[day]": ("int", "date"),
    "timestamp[us,": ("long", "timestamp-micros"),
    "timestamp[ms,": ("long", "timestamp-millis"),
}


def stored(kind: pa.DataType, *numbers: int) -> pa.Array:
    """Values of a type as the numbers that are stored."""
    return pa.array(numbers, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


DAYS = stored(pa.date32(), LAST_DAY, FAR_DAY, -FAR_DAY, 20_514)
MOMENTS = stored(pa.timestamp("us", "Mars/Olympus"), LAST, -LAST, 2**62, 20_514 * 86_400_000_000)
MILLISECONDS = stored(pa.timestamp("ms", "UTC"), LAST, 2**64 // 1_000 + 1_772_445_600_000, 2**50, 20_514 * 86_400_000)
COLUMNS: dict[str, tuple[str, pa.Array, str, tuple[Any, ...]]] = {
    "days": ("users", DAYS, "at", (LAST_DAY, FAR_DAY, -FAR_DAY)),
    "days of structs": (
        "users",
        pa.StructArray.from_arrays([DAYS], ["day"]),
        "at.day",
        tuple(f'{{"day":{day}}}' for day in (LAST_DAY, FAR_DAY, -FAR_DAY)),
    ),
    "instants": ("plays", MOMENTS, "at", (LAST, -LAST, 2**62)),
    # times a thousand, in 64 bits, the second would be an instant of 2026
    "milliseconds": ("plays", MILLISECONDS, "at", (LAST, LAST, 2**50 * 1_000)),
}


def written(form: str, values: pa.Array, ids: Sequence[str] = ("a", "b", "c", "ann")) -> bytes:
    """A file of a record for each value."""
    rows, file = pa.table({"id": list(ids), "at": values}), BytesIO()
    match form:
        case "parquet":
            pq.write_table(rows, file)
        case "orc":
            pa_orc.write_table(rows, file)
        case "avro":
            kind, logical = AVRO[str(values.type)[:13]]
            at = {"name": "at", "type": {"type": kind, "logicalType": logical}}
            schema = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "string"}, at]}
            numbers = values.view(pa.int32() if kind == "int" else pa.int64()).to_pylist()
            names = rows.column("id").to_pylist()
            fastavro.writer(file, schema, [{"id": i, "at": n} for i, n in zip(names, numbers, strict=True)])
    return file.getvalue()


@pytest.mark.both_engines
@pytest.mark.parametrize(
    ("column", "form"),
    [
        *((column, "parquet") for column in COLUMNS),
        ("days", "orc"),
        *((column, "avro") for column in ("days", "instants", "milliseconds")),
    ],
)
def test_a_time_beyond_all_years_is_one_bad_record_and_the_others_of_its_file_land(lake: Lake, column: str, form: str):
    kind, values, expression, texts = COLUMNS[column]
    lake.configure(sources=SOURCES.replace("EXPRESSION", expression))
    lake.drop(f"{kind}/2026-03-02.{form}", written(form, values))
    lake.run()
    target = {"users": "birth_date", "plays": "started_at"}[kind]
    bad = [(row["record"], row["reason"], row["text"]) for row in lake.rows("quarantine")]
    assert sorted(bad) == [
        (number, f"unparsable_{target}", f'{{"id":"{name}","at":{text}}}')
        for number, name, text in zip((1, 2, 3), "abc", texts, strict=True)
    ]
    (landed,) = lake.values(f"raw_{kind}", "user_id", target)
    assert (landed[0], str(landed[1])[:10]) == ("ann", "2026-03-02")
    assert reconcile(lake.settings)
