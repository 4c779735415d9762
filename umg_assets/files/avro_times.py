"""Avro's dates, instants and times of day as the numbers that are stored: fastavro makes Python's, whose years end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

_EPOCH = datetime(1970, 1, 1)
_DAY = timedelta(days=1)
_PRIMITIVE = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_UNITS = {
    ("int", "date"): _DAY,
    ("int", "time-millis"): timedelta(milliseconds=1),
    ("long", "time-micros"): timedelta(microseconds=1),
    ("long", "timestamp-millis"): timedelta(milliseconds=1),
    ("long", "timestamp-micros"): timedelta(microseconds=1),
    ("long", "local-timestamp-millis"): timedelta(milliseconds=1),
    ("long", "local-timestamp-micros"): timedelta(microseconds=1),
}
_TYPES = {
    "date": pa.date32(),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
}
_BY_FIELD = {f"umg_{logical.replace('-', '_')}": (logical, unit) for (_, logical), unit in _UNITS.items()}


def type_of_time(schema: dict[str, Any]) -> pa.DataType | None:
    """The Arrow type of a date or instant, in its own units; text of a time of day; None for other schemas."""
    return _TYPES.get(schema["logicalType"], pa.string()) if _is_time(schema) else None


def _is_time(schema: Any) -> bool:
    return isinstance(schema, dict) and (schema["type"], schema.get("logicalType")) in _UNITS


def read_as_numbers(schema: Any, marked: bool = False) -> None:
    """Changes a reader's schema, in place, so that its times are read as numbers.

    Where a value's type does not follow from its place, and of times of day, a number is read as a record of one field,
    which says what it is: in Avro's bytes the two are the same. marked: of all times.
    """
    marked = marked or any(
        _is_union(part) or (isinstance(part, str) and part not in _PRIMITIVE) for part in _parts(schema)
    )
    for number, time in enumerate([part for part in _parts(schema) if _is_time(part)]):
        kind, logical = time["type"], time.pop("logicalType")
        if marked or logical not in _TYPES:
            field = {"name": f"umg_{logical.replace('-', '_')}", "type": kind}
            time |= {"type": "record", "name": f"umg_time_{number}", "fields": [field]}


def _is_union(schema: Any) -> bool:
    return isinstance(schema, list) and sum(branch != "null" for branch in schema) > 1


def _parts(schema: Any) -> Iterator[Any]:
    """A schema and those within it."""
    yield schema
    if isinstance(schema, list):
        inner = schema
    elif isinstance(schema, dict):
        inner = [field["type"] for field in schema.get("fields", ())]
        inner += [schema[part] for part in ("items", "values") if part in schema]
        inner += [schema["type"]] if isinstance(schema["type"], dict | list) else []
    else:
        return
    for part in inner:
        yield from _parts(part)


def number_of(value: Any) -> int:
    """The number that was read of a date or instant."""
    return value if isinstance(value, int) else next(iter(value.values()))


def text_of_time(value: Any) -> str | None:
    """A time as text, in ISO 8601; its number if no calendar or clock of Python's has it; None of other values."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((name, number),) = value.items()
    if name not in _BY_FIELD:
        return None
    logical, unit = _BY_FIELD[name]
    try:
        moment = _EPOCH + number * unit
    except OverflowError:
        return str(number)
    if logical.startswith("time-"):
        return moment.time().isoformat() if timedelta(0) <= number * unit < _DAY else str(number)
    if logical == "date":
        return moment.date().isoformat()
    return (moment if logical.startswith("local-") else moment.replace(tzinfo=UTC)).isoformat()
