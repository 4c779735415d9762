"""JSON lines: one object on each line; its top-level keys become columns, as text or as typed by a schema.

Arrow's JSON reader reads blocks of plain lines (strings, whole numbers, booleans); Python's decoder reads all others
line by line. DuckDB's reader is not used: it turns 1.10 into 1.1 and accepts NaN and trailing commas.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from umg_assets.files.blocks import is_utf8, long_lines_apart
from umg_assets.files.json_scanner import is_deep, may_be_deep
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.rejects import BROKEN_JSON, NOT_THE_FORMAT, TOO_DEEP, TOO_LARGE, RefusedError, foreign_content
from umg_assets.files.schema_types import JsonNumber, Typed, json_text
from umg_assets.files.staged import Staging

HEAD_BYTES = 64 << 10
BLANK_BYTES = b" \t\x0b\x0c\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# values that Arrow's reader reads differently from Python's decoder: it accepts NaN and drops the sign of -0; half a
# surrogate pair can only be recognised line by line
_NOT_PLAIN = [re.compile(x) for x in (rb"NaN", rb"Inf", rb"-0(?![0-9])", rb"\\u[dD][89a-fA-F]")]
_SHAPED_LINES = 20
_STRING, _WHOLE = rb'"[^"\\\x00-\x1f]*+"', rb"(?:0|-?[1-9][0-9]{0,17}+)"
_TOKEN = re.compile(
    rb'(?P<key>"[^"]*+"\s*+:)|(?P<string>"[^"]*+"|null)|(?P<number>-?[0-9]++)|(?P<boolean>true|false)|(?P<mark>[{},\s])'
)
_PLAIN_LINE = re.compile(rb"\{(?:%s|%s(?![0-9.eE])|true|false|null|[{}:, \t])*+(?<=})" % (_STRING, _WHOLE))
_PATTERNS = {
    "string": b"(?:null|%s)" % _STRING,
    "number": rb"(?:null|%s)" % _WHOLE,
    "boolean": b"(?:null|true|false)",
}
_PLAIN_TYPES = (pa.string(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.bool_())


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decode: Callable[[str], tuple[Any, int]] = json.JSONDecoder(
    parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_no_constant
).raw_decode


def _object_of(line: bytes) -> dict[str, Any] | None:
    """The JSON object on a line, with numbers as JsonNumber and the last of repeated keys; None if it is no object.

    The line must not be nested too deeply.
    """
    text = line.decode().strip(" \t")
    try:
        value, end = _decode(text)
        if end != len(text) or type(value) is not dict:
            return None
        if _SURROGATE.search(text):
            json_text(value).encode()  # half a surrogate pair is no text
    except ValueError:
        return None
    return value


def _refuse_other_formats(block: bytes) -> None:
    """Raise RefusedError if no line at the beginning is a JSON object; a bad line among good ones is no reason."""
    content = foreign_content(block)
    lines = [line for line in block[:HEAD_BYTES].splitlines() if line.strip(BLANK_BYTES)]
    first = lines[0].strip(BLANK_BYTES) if lines else b"{}"
    candidates = lines
    if first.startswith(b"[") and len(lines) > 1:
        # the last element of an array over several lines has no comma and so looks like a record
        candidates = [line for line in lines if line.strip(BLANK_BYTES) != b"]"][:-1]
    if content is None and (not first.startswith(b"{") or first == b"{") and not any(map(is_object, candidates)):
        content = "a JSON document that is no JSON lines" if first[:1] in (b"{", b"[") else "no JSON"
    if content is not None:
        raise RefusedError(NOT_THE_FORMAT, f"Expected JSON lines, one object a line; this is {content}.", block)


def is_object(line: bytes) -> bool:
    try:
        return not is_deep(line.strip(BLANK_BYTES)) and _object_of(line) is not None
    except UnicodeDecodeError:
        return False


def _as_text(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.array([None if value is None else json_text(value) for value in values], pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    return all(_is_plain(field.type) for field in kind) if pa.types.is_struct(kind) else kind in _PLAIN_TYPES


def _kinds_of(line: bytes, columns: Sequence[str], types: Sequence[Typed] | None) -> list[pa.DataType] | None:
    """The types to expect in lines like `line`; None if one of them is not plain."""
    wanted = [pa.string()] * len(columns) if types is None else [typed.arrow for typed in types]
    values = _object_of(line) or {}
    kinds = [_kind_of(values.get(column), kind) for column, kind in zip(columns, wanted, strict=True)]
    plain = [kind for kind in kinds if kind is not None and _is_plain(kind)]
    return plain if len(plain) == len(columns) else None


def _kind_of(value: Any, wanted: pa.DataType) -> pa.DataType | None:
    """The type as which Arrow reads a column that is to be `wanted`: text may be written as a number or a boolean."""
    if pa.types.is_temporal(wanted):
        # read as text, because Arrow accepts other notations of times than the schema's types do
        return pa.string()
    if not _is_plain(wanted):
        return None
    if pa.types.is_struct(wanted):
        inner = value if isinstance(value, dict) else {}
        kinds = [(field.name, _kind_of(inner.get(field.name), field.type)) for field in wanted]
        return pa.struct(kinds) if all(kind is not None for _, kind in kinds) else None
    if wanted != pa.string() or value is None or type(value) is str:
        return wanted
    if isinstance(value, bool):
        return pa.bool_()
    return pa.int64() if isinstance(value, JsonNumber) and value.lstrip("-").isdigit() else None


def _read_plain(block: bytes, columns: Sequence[str], types: Sequence[Typed] | None) -> pa.Table | None:
    """The columns of a block of plain lines, one row for each line; None if it must be read line by line."""
    block = block.replace(b"\r\n", b"\n")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    # a line end between two such brackets can only separate two objects: if rows and lines are equal in number, each
    # row is a line
    framed = block.startswith(b"{") and block.endswith((b"}\n", b"}")) and block.count(b"}\n{") == lines - 1
    if not framed or not columns or b"\r" in block or any(pattern.search(block) for pattern in _NOT_PLAIN):
        return None
    if may_be_deep(block) and any(map(may_be_deep, block.split(b"\n"))):
        return None
    return _read_lines(block, lines, block.split(b"\n", 1)[0], columns, types)


def _read_lines(
    block: bytes, lines: int, sample: bytes, columns: Sequence[str], types: Sequence[Typed] | None
) -> pa.Table | None:
    """The columns of `lines` lines, read by Arrow with the types of `sample`; None if Arrow refuses them."""
    try:
        block.decode()
        kinds = _kinds_of(sample, columns, types)
        if kinds is None:
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


def _shape_of(lines: Sequence[bytes]) -> tuple[bytes, re.Pattern[bytes]] | None:
    """A sample among the first lines, and a pattern (for fullmatch) of lines that differ from it in plain values only.

    A plain value is null or, as in the sample, a string without escapes, a whole number or a boolean. None if none of
    the first lines is an object of plain values without repeated keys.
    """
    plain = [match for line in lines[:_SHAPED_LINES] if not is_deep(line) and (match := _PLAIN_LINE.fullmatch(line))]
    if not plain:
        return None
    sample = min((match[0] for match in plain), key=lambda line: line.count(b"null"))
    pairs: list[list[tuple[str, Any]]] = []
    try:
        json.loads(sample, object_pairs_hook=pairs.append)
    except ValueError:
        return None
    if any(len(dict(inner)) < len(inner) for inner in pairs):
        return None
    shape = [_PATTERNS.get(token.lastgroup or "") or re.escape(token[0]) for token in _TOKEN.finditer(sample)]
    return sample, re.compile(b"".join(shape))


def _typed_column(column: pa.ChunkedArray, typed: Typed) -> pa.ChunkedArray | pa.Array:
    if column.type == typed.arrow:
        return column
    if _is_plain(typed.arrow):
        return column.cast(typed.arrow)
    return pa.array([None if value is None else typed.convert(value) for value in column.to_pylist()], typed.arrow)


def _typed_row(record: dict[str, Any], columns: Sequence[str], types: Sequence[Typed]) -> list[Any] | None:
    """The values of the columns, or None if a value does not fit its type."""
    row = []
    try:
        for column, typed in zip(columns, types, strict=True):
            value = record.get(column)
            row.append(None if value is None else typed.convert(value))
    except (ValueError, ArithmeticError):
        return None
    return row


def stage_json_lines(
    blocks: Iterator[tuple[bytes, bool]],
    columns: Sequence[str],
    types: Sequence[Typed] | None,
    staging: Staging,
    limits: Limits = USUAL,
) -> None:
    """Parse the blocks of a JSON-lines file into `staging`. Raises RefusedError for content of another kind.

    types: of the columns, by their order; None: all are text.
    """
    for _, text, too_large in lines_of(blocks, limits.record_bytes):
        if too_large:
            staging.records += 1
            staging.reject_beginning(staging.records, TOO_LARGE, text)
        else:
            _stage_lines(text, columns, types, staging)


def lines_of(
    blocks: Iterator[tuple[bytes, bool]], at_most: int = USUAL.record_bytes
) -> Iterator[tuple[int, bytes, bool]]:
    """(position, whole lines, False) of each block, and (position, beginning, True) of lines longer than `at_most`.

    Such a line ends where the next lines begin, with its line end. Raises RefusedError for content of another kind.
    """
    held, first, beyond, place = b"", True, False, 0
    for block, last in blocks:
        if beyond:
            end = min((at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0), default=len(block))
            beyond, block, place = end == len(block), block[end:], place + end
        held += block
        if first and held.strip(BLANK_BYTES):
            _refuse_other_formats(held)
            first = False
        cut = len(held) if last else max(held.rfind(b"\n"), held.rfind(b"\r")) + 1
        for start, text, too_large in long_lines_apart(held[:cut], at_most, BLANK_BYTES):
            yield place + start, text, too_large
        held, place = held[cut:], place + cut
        if len(held) > at_most:
            if beyond := bool(held.strip(BLANK_BYTES)):
                yield place, held, True
            held, place = b"", place + len(held)


def _stage_lines(block: bytes, columns: Sequence[str], types: Sequence[Typed] | None, staging: Staging) -> None:
    plain = _read_plain(block, columns, types)
    if plain is not None:
        staging.add(plain.columns, np.arange(1, plain.num_rows + 1) + staging.records)
        staging.records += plain.num_rows
        return
    lines = [line for line in block.splitlines() if line.strip(BLANK_BYTES)]
    first = staging.records + 1
    staging.records += len(lines)
    alike, others, shape = [], list(enumerate(lines, first)), _shape_of(lines)
    if shape is not None:
        sample, pattern = shape
        readable = is_utf8(block)
        fits = [pattern.fullmatch(line) is not None and (readable or is_utf8(line)) for line in lines]
        alike = [numbered for numbered, fit in zip(others, fits, strict=True) if fit]
        plain = _read_lines(b"\n".join(line for _, line in alike), len(alike), sample, columns, types)
        if plain is not None:
            others = [numbered for numbered, fit in zip(others, fits, strict=True) if not fit]
    arrays, numbers = objects_one_by_one(others, columns, types, staging)
    if plain is not None:
        numbers = np.concatenate([np.array([record for record, _ in alike], np.int64), numbers])
        order = np.argsort(numbers)
        joined = [pa.chunked_array([*c.chunks, a], c.type) for c, a in zip(plain.columns, arrays, strict=True)]
        arrays, numbers = [column.take(order) for column in joined], numbers[order]
    staging.add(arrays, numbers)


def objects_one_by_one(
    lines: Sequence[tuple[int, bytes]], columns: Sequence[str], types: Sequence[Typed] | None, staging: Staging
) -> tuple[list[pa.Array | pa.ChunkedArray], np.ndarray]:
    """The columns of the numbered lines that are objects, and their numbers; all other lines are rejected."""
    rows: list[Any] = []
    numbers: list[int] = []
    for record, line in lines:
        if is_deep(line.strip(BLANK_BYTES)):
            staging.reject_bytes(record, TOO_DEEP, line)
            continue
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
    if types is None:
        arrays = [_as_text([row.get(column) for row in rows]) for column in columns]
    else:
        arrays = [pa.array([row[i] for row in rows], typed.arrow) for i, typed in enumerate(types)]
    return arrays, np.array(numbers, np.int64)
