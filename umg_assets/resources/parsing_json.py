"""JSON lines: one object a line, its top-level keys as text, or as values typed by a schema.

A block of plain lines (strings, whole numbers, booleans) goes through Arrow's JSON reader; Python's decoder reads every
other one line by line. DuckDB's reads none: it turns 1.10 into 1.1 and takes NaN and trailing commas for JSON.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from umg_assets.resources.parsing_files import BROKEN_JSON, NOT_THE_FORMAT, RefusedError, Staging, foreign_content
from umg_assets.resources.parsing_types import JsonNumber, Typed, json_text

_HEAD_BYTES = 64 << 10
_BLANK = b" \t\x0b\x0c\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# where Arrow's reader would differ from Python's: it takes NaN, drops the sign of -0, and halves of surrogate pairs
# have to be looked at one by one
_NOT_PLAIN = [re.compile(x) for x in (rb"NaN", rb"Inf", rb"-0(?![0-9])", rb"\\u[dD][89a-fA-F]")]
_PLAIN_TYPES = (pa.string(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.bool_())
# below it a line cannot be nested deep enough to exhaust Python's stack later
_DEEP_CHARACTERS = 500


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decode: Callable[[str], tuple[Any, int]] = json.JSONDecoder(
    parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_no_constant
).raw_decode


def _object_of(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line is, numbers as JsonNumber, the last of doubled keys; None where it is none."""
    text = line.decode().strip(" \t")
    try:
        value, end = _decode(text)
        if end != len(text) or type(value) is not dict:
            return None
        if len(text) > _DEEP_CHARACTERS or _SURROGATE.search(text):
            # half a surrogate pair is no text, and what nests too deep cannot be written as text again
            json_text(value).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _refuse_other_formats(block: bytes) -> None:
    """Raise RefusedError where the first lines are no JSON lines at all; a bad line among good ones is not that."""
    content = foreign_content(block)
    lines = [line for line in block[:_HEAD_BYTES].splitlines() if line.strip(_BLANK)]
    first = lines[0].strip(_BLANK) if lines else b"{}"
    candidates = lines
    if first.startswith(b"[") and len(lines) > 1:
        # the last element of an array over several lines stands without a comma, as if it were a record
        candidates = [line for line in lines if line.strip(_BLANK) != b"]"][:-1]
    if content is None and (not first.startswith(b"{") or first == b"{") and not any(map(_is_object, candidates)):
        content = "a JSON document that is no JSON lines" if first[:1] in (b"{", b"[") else "no JSON"
    if content is not None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected JSON lines, one object a line; this is {content}.", block)


def _is_object(line: bytes) -> bool:
    try:
        return _object_of(line) is not None
    except UnicodeDecodeError:
        return False


def _as_text(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    return all(_is_plain(field.type) for field in kind) if pa.types.is_struct(kind) else kind in _PLAIN_TYPES


def _read_as(kind: pa.DataType) -> pa.DataType:
    """Times are read as text: Arrow's notion of what a time is differs from that of the schema's types."""
    return pa.string() if pa.types.is_temporal(kind) else kind


def _kinds_of(line: bytes, columns: Sequence[str]) -> list[pa.DataType] | None:
    """The types to expect in a block that begins with `line`; None where one of them is not plain."""
    kinds = []
    for column in columns:
        value = (_object_of(line) or {}).get(column)
        if isinstance(value, bool):
            kinds.append(pa.bool_())
        elif isinstance(value, JsonNumber) and value.lstrip("-").isdigit():
            kinds.append(pa.int64())
        elif value is None or type(value) is str:
            kinds.append(pa.string())
        else:
            return None
    return kinds


def _read_plain(block: bytes, columns: Sequence[str], types: Sequence[Typed] | None) -> pa.Table | None:
    """The columns of a block of plain lines, one row a line; None where it has to be looked at line by line."""
    block = block.replace(b"\r\n", b"\n")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    # a line end between two brackets like these can only part two objects, so as many rows as lines are those lines
    framed = block.startswith(b"{") and block.endswith((b"}\n", b"}")) and block.count(b"}\n{") == lines - 1
    if not framed or not columns or b"\r" in block or any(pattern.search(block) for pattern in _NOT_PLAIN):
        return None
    try:
        block.decode()
        kinds = _kinds_of(block.split(b"\n", 1)[0], columns) if types is None else [_read_as(t.arrow) for t in types]
        if kinds is None or not all(map(_is_plain, kinds)):
            return None
        table = pa_json.read_json(
            pa.BufferReader(block),
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pa_json.ParseOptions(
                explicit_schema=pa.schema(list(zip(columns, kinds, strict=True))), unexpected_field_behavior="ignore"
            ),
        ).select(list(columns))
        if table.num_rows != lines:
            return None
        if types is None:
            return table.cast(pa.schema([(column, pa.string()) for column in columns]))
        return pa.table([_typed_column(c, t) for c, t in zip(table.columns, types, strict=True)], names=list(columns))
    except (ValueError, ArithmeticError, pa.ArrowException):
        return None


def _typed_column(column: pa.ChunkedArray, typed: Typed) -> pa.ChunkedArray | pa.Array:
    if column.type == typed.arrow:
        return column
    return pa.array([None if value is None else typed.convert(value) for value in column.to_pylist()], typed.arrow)


def _typed_row(found: dict[str, Any], columns: Sequence[str], types: Sequence[Typed]) -> list[Any] | None:
    """The columns' values, or None where one does not fit its type."""
    row = []
    try:
        for column, typed in zip(columns, types, strict=True):
            value = found.get(column)
            row.append(None if value is None else typed.convert(value))
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return row


def stage_json_lines(
    blocks: Iterator[tuple[bytes, bool]], columns: Sequence[str], types: Sequence[Typed] | None, staging: Staging
) -> None:
    """Parse the blocks of a JSON-lines text into `staging`; raises RefusedError for a text that is none."""
    held, first = b"", True
    for block, last in blocks:
        held += block
        if first and held.strip(_BLANK):
            _refuse_other_formats(held)
            first = False
        cut = len(held) if last else max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        _stage_lines(held[:cut], columns, types, staging)
        held = held[cut:]


def _stage_lines(block: bytes, columns: Sequence[str], types: Sequence[Typed] | None, staging: Staging) -> None:
    plain = _read_plain(block, columns, types)
    if plain is not None:
        staging.add(plain.columns, np.arange(1, plain.num_rows + 1) + staging.records)
        staging.records += plain.num_rows
        return
    rows: list[Any] = []
    numbers: list[int] = []
    record = staging.records
    for line in block.splitlines():
        if not line.strip(_BLANK):
            continue
        record += 1
        try:
            row: Any = _object_of(line)
        except UnicodeDecodeError:
            row = None
        if row is not None and types is not None:
            row = _typed_row(row, columns, types)
        if row is None:
            staging.reject_bytes(record, BROKEN_JSON, line)
        else:
            rows.append(row)
            numbers.append(record)
    staging.records = record
    if types is None:
        arrays = [_as_text([row.get(column) for row in rows]) for column in columns]
    else:
        arrays = [pa.array([row[i] for row in rows], typed.arrow) for i, typed in enumerate(types)]
    staging.add(arrays, np.array(numbers, np.int64))
