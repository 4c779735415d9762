"""The values of columns, searched: of Parquet with its whole dictionaries, of ORC, Avro and SQLite."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq

from umg_assets.files import avro  # noqa: F401  (gives fastavro its snappy and zstandard)
from umg_assets.files.avro_times import read_as_numbers, text_of_time
from umg_assets.files.few_rows import leaves_of
from umg_assets.files.orc import orc_batches
from umg_assets.forgetting.forms import SEPARATOR
from umg_assets.forgetting.matching import Hit, LongerWords, Matcher

Report = Callable[[str, Iterable[Hit]], None]
"""Called with what is searched inside a file (`column user_id`) and who stands there."""

VALUES = 1 << 16
"""Values that are searched at once."""
ROWS = 1000

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_TEXTS += (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)

_INFLATED_BYTES = 64 << 20

UNREADABLE_VALUES = (pa.ArrowException, sqlite3.Error, OSError, ValueError, EOFError, LookupError, TypeError)


def search_parquet(file: BinaryIO, matcher: Matcher, report: Report) -> None:
    """Every value of every column of text, bytes or (where an id is a number) numbers, by row group.

    Dictionaries are searched whole: an entry that no row names is reported as `column user_id (dictionary)`.
    """
    plain = pq.ParquetFile(file)
    texts = [column.path for column in plain.schema if _is_text(column)]
    others = [column.path for column in plain.schema if not _is_text(column) and _may_hold(column, matcher)]
    if not texts + others:
        return
    whole = pq.ParquetFile(file, metadata=plain.metadata, read_dictionary=texts)
    for group in range(plain.metadata.num_row_groups):
        rows = whole.read_row_group(group, columns=texts + others, use_threads=False)
        for name, column in zip(rows.column_names, rows.columns, strict=True):
            for chunk in column.chunks:
                _search_column(chunk, name, matcher, report)


def _is_text(column: Any) -> bool:
    return column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL"


def _may_hold(column: Any, matcher: Matcher) -> bool:
    kind = column.logical_type.type
    if column.physical_type == "FIXED_LEN_BYTE_ARRAY" and kind != "DECIMAL":
        return True
    numbers = column.physical_type in ("INT32", "INT64", "FLOAT", "DOUBLE") and kind in ("NONE", "INT")
    return bool(matcher.numbers) and (numbers or kind == "DECIMAL")


def search_orc(file: BinaryIO, matcher: Matcher, report: Report) -> None:
    """Every value of every column, some rows at a time; the file's own notes."""
    reader = orc.ORCFile(file)
    for name, value in (reader.metadata or {}).items():
        report("metadata", matcher.hits(SEPARATOR.join((name, value))))
    for rows in orc_batches(file):
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            _search_column(column, name, matcher, report)


def _search_column(array: Any, name: str, matcher: Matcher, report: Report) -> None:
    place = f"column {matcher.masked(name, 'a column')}"
    for leaf in leaves_of(array):
        if not pa.types.is_dictionary(leaf.type):
            report(place, _hits_of(leaf, matcher))
        elif hits := _hits_of(leaf.dictionary, matcher):
            named = _hits_of(leaf.dictionary.take(leaf.indices.unique().drop_null()), matcher)
            report(place, hits & named)
            report(f"{place} (dictionary)", hits - named)


def _hits_of(array: Any, matcher: Matcher) -> set[Hit]:
    """Who stands in an array's values: text and bytes as such, numbers by value."""
    kind = array.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers_of(array.unique().drop_null(), matcher)
    if not any(is_kind(kind) for is_kind in _TEXTS):
        return set()
    hits: set[Hit] = set()
    for start in range(0, len(array), VALUES):
        values = array.slice(start, VALUES).drop_null().cast(pa.binary())
        whole = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
        hits |= matcher.hits(pc.call_function("binary_join", [whole, pa.scalar(SEPARATOR, pa.binary())])[0].as_py())
    return hits


def _numbers_of(values: Any, matcher: Matcher) -> set[Hit]:
    if not matcher.numbers:
        return set()
    return {
        ("number", person)
        for value in values.to_pylist()
        if value == value and value in matcher.numbers  # NaN is no number
        for person in matcher.numbers[int(value)]
    }


def search_avro(file: BinaryIO, matcher: Matcher, report: Report) -> None:
    """Every value of every record, by the file's fields; no dates and times."""
    reader = fastavro.reader(file)
    read_as_numbers(reader.writer_schema, marked=True)  # Python's dates end with the year 9999
    records: Iterator[Any] = iter(reader)
    while rows := list(islice(records, ROWS)):
        names = dict.fromkeys(name for row in rows for name in (row if isinstance(row, dict) else ()))
        for name in names:
            place = f"column {matcher.masked(name, 'a column')}"
            report(place, _hits_in_cells([row.get(name) for row in rows], matcher))
        if not names:
            report("values", _hits_in_cells(rows, matcher))


def _hits_in_cells(cells: Iterable[Any], matcher: Matcher, longer: LongerWords | None = None) -> set[Hit]:
    """Who stands in values as Python has them, nested ones too."""
    texts: list[bytes] = []
    numbers: set[Any] = set()
    left = list(cells)
    while left:
        match left.pop():
            case bytes() as value:
                texts.append(value)
            case str() as value:
                texts.append(value.encode(errors="replace"))
            case dict() as value if text_of_time(value) is None:  # a time is no id
                left.extend(value)
                left.extend(value.values())
            case list() | tuple() as value:
                left.extend(value)
            case int() | float() | Decimal() as value if not isinstance(value, bool):
                numbers.add(value)
    hits = matcher.hits(SEPARATOR.join(texts), longer=longer)
    return hits | {("number", person) for number in numbers for person in matcher.numbers.get(number, ())}


def search_sqlite(
    database: Path | bytes, matcher: Matcher, report: Report, blob: Callable[[str, bytes], None]
) -> LongerWords:
    """Every live cell of a database, opened so that nothing is written; a database's path or its bytes.

    blob: called with the place and the value of each cell, which may be packed content. Gives the longer words that
    hold a form, for a search of the raw pages.
    """
    longer = LongerWords()
    name = f"file:{quote(str(database))}?mode=ro&immutable=1" if isinstance(database, Path) else ":memory:"
    connection = sqlite3.connect(name, uri=True)
    try:
        if isinstance(database, bytes):
            connection.deserialize(database)
        connection.text_factory = bytes
        tables = connection.execute("select name, sql from sqlite_master").fetchall()
        report("schema", _hits_in_cells(tables, matcher, longer))
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            _search_table(connection, table.decode(), matcher, report, blob, longer)
    finally:
        connection.close()
    return longer


def _search_table(
    connection: sqlite3.Connection,
    table: str,
    matcher: Matcher,
    report: Report,
    blob: Callable[[str, bytes], None],
    longer: LongerWords,
) -> None:
    quoted = table.replace('"', '""')
    cursor = connection.execute(f'select * from "{quoted}"')
    names = [matcher.masked(column[0], "a column") for column in cursor.description]
    places = [f"table {matcher.masked(table, 'a table')} column {name}" for name in names]
    while rows := cursor.fetchmany(ROWS):
        for place, cells in zip(places, zip(*rows, strict=True), strict=True):
            report(place, _hits_in_cells([_inflated(cell) for cell in cells], matcher, longer))
            for cell in cells:
                if isinstance(cell, bytes):
                    blob(place, cell)


def _inflated(cell: Any) -> Any:
    """What a cell holds that zlib has packed, as Dagster's snapshots of jobs are; any other cell as it is."""
    if not (isinstance(cell, bytes) and cell.startswith(b"x")):
        return cell
    try:
        return zlib.decompressobj().decompress(cell, _INFLATED_BYTES)
    except zlib.error:
        return cell
