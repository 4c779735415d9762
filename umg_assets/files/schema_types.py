"""The types of a schema in Spark's DDL: how each is staged, and how JSON values are converted to it."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

import pyarrow as pa
from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}.*)?")
_DIGITS = 64


class JsonNumber(str):
    """A JSON number as it is written, so that 1.10 and 12345678901234567890 stay as they are."""

    __slots__ = ()


@dataclass(frozen=True)
class Typed:
    """A type in Arrow, and the conversion of a JSON value that is not null, which raises ValueError if it misfits."""

    arrow: pa.DataType
    convert: Callable[[Any], Any]


def json_text(value: Any) -> str:
    """A decoded JSON value as compact JSON, with numbers as they were written; a string or number as its text."""
    return value if isinstance(value, str) else _nested_text(value)


def _nested_text(value: Any) -> str:
    if isinstance(value, JsonNumber):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(k)}:{_nested_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_nested_text, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def _misfit(value: Any, kind: str) -> ValueError:
    return ValueError(f"expected {kind}, got {json_text(value)[:80]}")


def _exact(value: Any, kind: str) -> Decimal:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise _misfit(value, kind)
    number = Decimal(value)
    if number and abs(number.adjusted()) > _DIGITS:
        raise _misfit(value, kind)
    return number


def _integer(bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = _exact(value, "a whole number")
        if number % 1 or not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise _misfit(value, f"a whole number of {bits} bits")
        return int(number)

    return convert


def _floating(most: float) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise _misfit(value, "a number")
        number = float(value)
        if not isfinite(number) or abs(number) > most:
            raise _misfit(value, "a number within range")
        return number

    return convert


def _decimal(precision: int, scale: int) -> Callable[[Any], Decimal]:
    def convert(value: Any) -> Decimal:
        number = _exact(value, "a decimal number")
        scaled = number.scaleb(scale)
        if scaled % 1 or abs(scaled) >= 10**precision:
            raise _misfit(value, f"a decimal({precision},{scale})")
        return number

    return convert


def _boolean(value: Any) -> bool:
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise _misfit(value, "true or false")


def _date(value: Any) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise _misfit(value, "a date like 2026-07-01")
    return date.fromisoformat(value)


def _timestamp(value: Any) -> datetime:
    """An instant; without an offset it is in UTC."""
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise _misfit(value, "a time like 2026-07-01T12:00:00Z")
    instant = datetime.fromisoformat(value)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _wall_time(value: Any) -> datetime:
    if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value):
        raise _misfit(value, "a time like 2026-07-01T12:00:00")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is not None:
        raise _misfit(value, "a time without an offset")
    return instant


def _binary(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _misfit(value, "base64 text")
    return base64.b64decode(value, validate=True)


_FLOAT32_MOST = 3.4028234663852886e38
_SIMPLE = {
    exp.DataType.Type.TEXT: Typed(pa.string(), json_text),
    exp.DataType.Type.VARCHAR: Typed(pa.string(), json_text),
    exp.DataType.Type.CHAR: Typed(pa.string(), json_text),
    exp.DataType.Type.TINYINT: Typed(pa.int8(), _integer(8)),
    exp.DataType.Type.SMALLINT: Typed(pa.int16(), _integer(16)),
    exp.DataType.Type.INT: Typed(pa.int32(), _integer(32)),
    exp.DataType.Type.BIGINT: Typed(pa.int64(), _integer(64)),
    exp.DataType.Type.FLOAT: Typed(pa.float32(), _floating(_FLOAT32_MOST)),
    exp.DataType.Type.DOUBLE: Typed(pa.float64(), _floating(float("inf"))),
    exp.DataType.Type.BOOLEAN: Typed(pa.bool_(), _boolean),
    exp.DataType.Type.DATE: Typed(pa.date32(), _date),
    exp.DataType.Type.TIMESTAMP: Typed(pa.timestamp("us", "UTC"), _timestamp),
    exp.DataType.Type.TIMESTAMPTZ: Typed(pa.timestamp("us", "UTC"), _timestamp),
    exp.DataType.Type.TIMESTAMPLTZ: Typed(pa.timestamp("us", "UTC"), _timestamp),
    exp.DataType.Type.TIMESTAMPNTZ: Typed(pa.timestamp("us"), _wall_time),
    exp.DataType.Type.BINARY: Typed(pa.binary(), _binary),
    exp.DataType.Type.VARBINARY: Typed(pa.binary(), _binary),
}


def _struct(members: dict[str, Typed]) -> Typed:
    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _misfit(value, "an object")
        return {n: None if value.get(n) is None else typed.convert(value[n]) for n, typed in members.items()}

    return Typed(pa.struct([pa.field(n, typed.arrow) for n, typed in members.items()]), convert)


def _array(element: Typed) -> Typed:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _misfit(value, "an array")
        return [None if v is None else element.convert(v) for v in value]

    return Typed(pa.list_(element.arrow), convert)


def _map(key: Typed, element: Typed) -> Typed:
    def convert(value: Any) -> list[tuple[Any, Any]]:
        if not isinstance(value, dict):
            raise _misfit(value, "an object")
        return [(key.convert(k), None if v is None else element.convert(v)) for k, v in value.items()]

    return Typed(pa.map_(key.arrow, element.arrow), convert)


def _members(definitions: list[Any]) -> dict[str, Typed]:
    members = {}
    for definition in definitions:
        kind = definition.args.get("kind")
        if not isinstance(definition, exp.ColumnDef) or not isinstance(kind, exp.DataType):
            raise ValueError(f"expected a name and a type, got {definition.sql('spark')}")
        members[definition.name] = _typed(kind)
    return members


def _typed(kind: exp.DataType) -> Typed:
    match kind.this:
        case exp.DataType.Type.STRUCT if kind.expressions:
            return _struct(_members(kind.expressions))
        case exp.DataType.Type.ARRAY if len(kind.expressions) == 1:
            return _array(_typed(kind.expressions[0]))
        case exp.DataType.Type.MAP if len(kind.expressions) == 2:
            return _map(_typed(kind.expressions[0]), _typed(kind.expressions[1]))
        case exp.DataType.Type.DECIMAL:
            sizes = [int(size.name) for size in kind.expressions]
            precision, scale = (*sizes, *(10, 0)[len(sizes) :])
            if not 0 < precision <= 38 or not 0 <= scale <= precision:
                raise ValueError(f"no such type: {kind.sql('spark')}")
            return Typed(pa.decimal128(precision, scale), _decimal(precision, scale))
        case simple if simple in _SIMPLE:
            return _SIMPLE[simple]
    raise ValueError(f"a type that JSON cannot be read into: {kind.sql('spark')}")


def types_of(ddl: str) -> dict[str, Typed]:
    """The columns of a schema in Spark's DDL, by name. Raises ValueError with the position of a syntax error."""
    opening = "CREATE TABLE t ("
    try:
        statements = parse(f"{opening}{ddl})", read="spark")
    except SqlglotError as error:
        places = getattr(error, "errors", None) or [{}]
        line, column = places[0].get("line"), places[0].get("col")
        if line == 1 and column is not None:
            column -= len(opening)
        where = f"line {line}, column {column}" if line is not None else str(error).splitlines()[0]
        raise ValueError(f"schema {ddl!r}: not Spark DDL at {where}") from error
    table = statements[0].this if len(statements) == 1 and isinstance(statements[0], exp.Create) else None
    if not isinstance(table, exp.Schema) or table.this.name != "t":
        raise ValueError(f"schema {ddl!r}: expected one list of columns, like 'id STRING, ms BIGINT'")
    try:
        return _members(table.expressions)
    except ValueError as error:
        raise ValueError(f"schema {ddl!r}: {error}") from error
