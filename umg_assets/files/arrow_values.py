"""Values of Arrow arrays as Python's and in other types, those too that Python, or Arrow's own cast, cannot hold."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as _compute

from umg_assets.files.few_rows import leaves_of

pc: Any = _compute  # its functions are made when it is imported, unknown to type checkers
_MICROSECONDS = {"s": 1_000_000, "ms": 1_000}
_LAST = 2**63 - 1
_NOT_IN_PYTHON = (OverflowError, ValueError, LookupError)  # the last: an unknown time zone


def values_of(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column, as `to_pylist` gives them; those that Python cannot hold as `value_of` does."""
    try:
        return column.to_pylist()
    except _NOT_IN_PYTHON:
        return [value_of(value) for value in column]


def value_of(value: Any) -> Any:
    """A scalar's value. A date or instant that Python has none for is a number since 1970: of days, or of its units."""
    return _converted(value, _in_python)


def _in_python(value: Any) -> Any:
    try:
        return value.as_py()
    except _NOT_IN_PYTHON:
        return value.value


def cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in another type, as Arrow's cast makes it, but no value becomes another one.

    An instant too large for microseconds becomes the first or last of them, which is no instant of the years 1 to 9999.
    UUIDs become text where `kind` has text.
    """
    if _is_uuid(column.type) and pa.types.is_string(kind):
        return _dashed(column)
    if not _is_miscast(column):
        return pc.cast(column, kind, safe=False)
    return pa.array([_converted(value, _staged) for value in column], kind)


def _dashed(column: Any) -> pa.Array:
    """UUIDs as text, without a `UUID` of each, which takes four times as long."""
    digits = [None if value is None else value.hex() for value in column.storage.to_pylist()]
    texts = [t and f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in digits]
    return pa.array(texts, pa.string())


def _is_miscast(column: pa.Array) -> bool:
    if any(_is_uuid(kind) or _is_list_view(kind) for kind in _within(column.type)):
        return True
    if not any(pa.types.is_timestamp(kind) and kind.unit in _MICROSECONDS for kind in _within(column.type)):
        return False
    for leaf in leaves_of(column):
        values = leaf.dictionary if pa.types.is_dictionary(leaf.type) else leaf
        if pa.types.is_timestamp(values.type) and (times := _MICROSECONDS.get(values.type.unit)):
            ends = pc.min_max(values.view(pa.int64())).as_py()
            if ends["max"] is not None and not -_LAST // times < ends["min"] <= ends["max"] <= _LAST // times:
                return True
    return False


def _staged(value: Any) -> Any:
    kind = value.type
    if pa.types.is_timestamp(kind):
        number = value.value
        number = number * _MICROSECONDS[kind.unit] if kind.unit in _MICROSECONDS else number
        number = (abs(number) // 1_000) * (1 if number > 0 else -1) if kind.unit == "ns" else number
        return min(max(number, -_LAST), _LAST)
    if pa.types.is_time(kind) or pa.types.is_decimal256(kind):
        return value.cast(pa.string()).as_py()
    return value.value if pa.types.is_date(kind) or pa.types.is_duration(kind) else value.as_py()


def _converted(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """A scalar as nested lists, pairs and dicts of what `leaf` makes of those within it."""
    if not value.is_valid:
        return None
    kind = value.type
    if _is_uuid(kind):
        return str(value.as_py())
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_dictionary(kind):
        return _converted(value.value, leaf)
    if pa.types.is_struct(kind):
        return {field.name: _converted(value[at], leaf) for at, field in enumerate(kind)}
    if pa.types.is_map(kind):
        return [(_converted(pair[0], leaf), _converted(pair[1], leaf)) for pair in value.values]
    if is_list(kind):
        return [_converted(inner, leaf) for inner in value.values]
    return leaf(value)


def is_list(kind: pa.DataType) -> bool:
    """Whether the values of a type are lists, of any layout."""
    types = pa.types
    usual = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return usual or _is_list_view(kind)


def _is_list_view(kind: pa.DataType) -> bool:
    return pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def _within(kind: Any) -> Iterator[pa.DataType]:
    """A type and those within it."""
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from _within(kind.storage_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _within(field.type)
    elif pa.types.is_map(kind):
        yield from _within(kind.key_type)
        yield from _within(kind.item_type)
    elif is_list(kind) or pa.types.is_dictionary(kind):
        yield from _within(kind.value_type)
