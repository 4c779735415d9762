"""Ledger entries as rows of its table, and rows as entries."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, repeat
from typing import Any

import pyarrow as pa

from umg_assets.planning.entry import Entry

SCHEMA = pa.schema(
    [
        pa.field("sequence", pa.int64()),
        pa.field("state", pa.string()),
        pa.field("source", pa.string()),
        pa.field("path", pa.string()),
        pa.field("signature", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("definition_hash", pa.string()),
        pa.field("delivery_date", pa.date32()),
        pa.field("records", pa.int64()),
        pa.field("landed", pa.int64()),
        pa.field("filtered", pa.int64()),
        pa.field("quarantined", pa.map_(pa.string(), pa.int64())),
        pa.field("rows_by_play_date", pa.map_(pa.string(), pa.int64())),
        pa.field("repeats", pa.list_(pa.string())),
        pa.field("play_dates", pa.list_(pa.date32())),
        pa.field("chart_months", pa.list_(pa.date32())),
        pa.field("window_dates", pa.list_(pa.date32())),
        pa.field("chart_dates", pa.list_(pa.date32())),
        pa.field("recorded_at", pa.timestamp("us", tz="UTC")),
        pa.field("generation", pa.int64()),
        pa.field("suppressed", pa.int64()),
    ]
)
_FIRST_DAY, _FIRST_INSTANT = date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = [field.name for field in fields(Entry)]
_PLAIN = Entry("", "", _FIRST_DAY)
_NO_MEMBERS: list[Any] = []


def rows_of(entries: Iterable[Entry]) -> pa.Table:
    """A row for each entry."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for entry in entries:
        for name, values in columns.items():
            value = getattr(entry, name)
            values.append([*value.items()] if isinstance(value, dict) else value)
    return pa.table(columns, schema=SCHEMA)


def entries_of(rows: pa.Table) -> list[Entry]:
    """An entry for each row, in the order of their sequence. Columns that an older table lacks have their defaults.

    Equal dates, instants and texts are one object, and columns become lists at once: a dict a row takes ten times the
    memory.
    """
    with _nothing_collected():
        columns = [
            _values(rows.column(name).combine_chunks()) if name in rows.column_names else repeat(getattr(_PLAIN, name))
            for name in _NAMES
        ]
        entries = map(Entry, *columns)
        return sorted(entries, key=lambda entry: entry.sequence)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """While many objects are made and none goes: looking through them for garbage takes 0.4 of 1.1 s a 100,000."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _values(column: pa.Array) -> list[Any]:
    type_ = column.type
    if pa.types.is_map(type_):
        keys, items = _values(column.keys), _values(column.items)
        return [dict(zip(keys[first:last], items[first:last], strict=True)) for first, last in _bounds(column)]
    if pa.types.is_list(type_):
        members = _values(column.values)
        return [members[first:last] if first < last else _NO_MEMBERS for first, last in _bounds(column)]
    if pa.types.is_date32(type_):
        return _each_once(column.cast(pa.int32()), lambda days: _FIRST_DAY + timedelta(days=days))
    if pa.types.is_timestamp(type_):  # not as timestamps: a Python datetime of one takes pandas
        of = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return _each_once(of, lambda micros: _FIRST_INSTANT + timedelta(microseconds=micros))
    if pa.types.is_integer(type_):
        return [value or 0 for value in column.to_pylist()]  # fill_null() imports pandas
    return _each_once(column.cast(pa.string()), lambda text: text, missing="")


def _bounds(column: pa.Array) -> Iterable[tuple[int, int]]:
    """The first and the last position of each row's members; none of a NULL."""
    offsets = column.offsets.to_pylist()
    return pairwise(offsets)


def _each_once(column: pa.Array, make: Callable[[Any], Any], missing: Any = None) -> list[Any]:
    """The column's values, equal ones as one object, `missing` for NULL."""
    encoded = column.dictionary_encode()
    made = [make(value) for value in encoded.dictionary.to_pylist()]
    return [missing if place is None else made[place] for place in encoded.indices.to_pylist()]
