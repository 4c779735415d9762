"""Excel workbooks (.xlsx): the rows of the first sheet below its row of column names, as text, read row by row."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import IO, Any, BinaryIO
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

import numpy as np
import pyarrow as pa

from umg_assets.files.archives import ZIP_ERRORS, open_bounded
from umg_assets.files.blocks import Unpacked
from umg_assets.files.limits import ROW_BYTES, USUAL, Limits
from umg_assets.files.parquet import columns_in
from umg_assets.files.rejects import (
    FIELD_COUNT,
    REFUSAL_CHARACTERS,
    TOO_LARGE,
    UNREADABLE_FILE,
    RefusedError,
    is_of_content,
)
from umg_assets.files.staged import Staging

_BATCH_ROWS = 10_000
_WHOLE = 10**15
_ERRORS = (*ZIP_ERRORS, ParseError, expat.ExpatError, LookupError, TypeError, AttributeError, RuntimeError)
_PIECE_BYTES = 1 << 20
_SHARED_BYTES, _SETTINGS_BYTES = 128 << 20, 16 << 20
"""The most that a part may have that openpyxl reads as a whole: shared texts; styles, and the list of parts."""
_DEPTH = 64


def text_of(cell: Any) -> str | None:
    """A cell as text: dates in ISO 8601, without a time where their format shows none; whole numbers without .0."""
    value = cell.value
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        shows_time = value.time() != time() or any(mark in (cell.number_format or "").lower() for mark in "hs")
        return value.isoformat() if shows_time else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return str(value)


def rows_of(file: BinaryIO, limits: Limits = USUAL) -> Iterator[list[str | None]]:
    """The rows of the first sheet that are not blank, the column names first. Raises RefusedError if it is corrupt."""
    return (row for _, row in numbered_rows(file, limits))


def numbered_rows(file: BinaryIO, limits: Limits = USUAL) -> Iterator[tuple[int, list[str | None]]]:
    """As `rows_of`, each row with its number in the sheet, from 1."""
    import openpyxl  # where it is needed: every process loads this module
    from openpyxl.utils.exceptions import InvalidFileException

    with open_bounded(file, "an .xlsx workbook", limits) as archive:
        try:
            _refuse_unbounded(archive, limits)
            if corrupt := archive.testzip():
                raise ValueError(f"{corrupt} in it is corrupt")
        except _ERRORS as error:
            raise _unreadable(error) from error
    file.seek(0)
    try:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheet: Any = workbook.worksheets[0]
        sheet.reset_dimensions()  # some writers understate them
        for number, cells in enumerate(sheet.iter_rows(), 1):
            row = [text_of(cell) for cell in cells]
            if any(value is not None for value in row):
                yield number, row
    except (*_ERRORS, InvalidFileException) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> RefusedError:
    if not is_of_content(error):
        raise error
    sentence = f"Expected a whole .xlsx workbook; it is corrupt or of another kind ({str(error)[:300]})."
    return RefusedError(UNREADABLE_FILE, sentence)


def _refuse_unbounded(archive: zipfile.ZipFile, limits: Limits) -> None:
    """Raise RefusedError for what openpyxl would hold in memory: big parts beside sheets, a long row, deep nesting."""
    for member in archive.infolist():
        if not member.filename.endswith((".xml", ".rels")):
            continue
        if member.filename.startswith("xl/worksheets/"):
            if member.file_size > limits.record_bytes:
                with archive.open(member) as sheet:
                    _refuse_long_rows(sheet, member.filename, limits)
            continue
        is_small = member.filename.endswith((".rels", "/styles.xml", "/workbook.xml", "[Content_Types].xml"))
        at_most = _SETTINGS_BYTES if is_small else _SHARED_BYTES
        if member.file_size > at_most:
            sentence = f"Expected at most {at_most:,} bytes of {member.filename}; this has {member.file_size:,}"
            raise RefusedError(UNREADABLE_FILE, f"{sentence}: save it as CSV, or as several workbooks.")


def _refuse_long_rows(sheet: IO[bytes], name: str, limits: Limits) -> None:
    depth = row_ended = fed = 0

    def begin(_: str, __: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise RefusedError(UNREADABLE_FILE, f"Expected elements at most {_DEPTH} deep; {name} has deeper ones.")

    def end(element: str) -> None:
        nonlocal depth, row_ended
        depth -= 1
        if element.endswith("row"):
            row_ended = parser.CurrentByteIndex

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    while piece := sheet.read(_PIECE_BYTES):
        parser.Parse(piece)
        fed += len(piece)
        if fed - row_ended > limits.record_bytes:
            sentence = f"Expected rows of at most {limits.record_bytes:,} bytes; one has more"
            raise RefusedError(UNREADABLE_FILE, f"{sentence}: {name}.")


def stage_workbook(
    file: BinaryIO, columns: Sequence[str], staging: Staging, limits: Limits, unpacked: Unpacked
) -> None:
    """Copy the wanted columns into `staging`; a row that is too large, or has values beyond the header, is a reject.

    Formulas are what Excel last calculated. Raises RefusedError.
    """
    rows = rows_of(file, limits)
    names = next(rows, None)
    if names is None:
        return
    columns_in([name or "" for name in names], columns, b"", limits.columns)
    positions = [names.index(column) if column in names else len(names) for column in columns]
    for batch in _batches(rows, limits, unpacked):
        good: list[list[str | None]] = []
        numbers: list[int] = []
        for row in batch:
            staging.records += 1
            if _size(row) > limits.record_bytes:
                beginning = "\t".join((value or "")[:REFUSAL_CHARACTERS] for value in row[:REFUSAL_CHARACTERS])
                staging.reject_beginning(staging.records, TOO_LARGE, beginning.encode())
            elif any(value is not None for value in row[len(names) :]):
                staging.reject(staging.records, FIELD_COUNT, "\t".join(value or "" for value in row))
            else:
                good.append([row[at] if at < len(row) else None for at in positions])
                numbers.append(staging.records)
        arrays = [pa.array([row[i] for row in good], pa.string()) for i in range(len(columns))]
        staging.add(arrays, np.array(numbers, np.int64))


def _batches(rows: Iterable[list[str | None]], limits: Limits, unpacked: Unpacked) -> Iterator[list[list[str | None]]]:
    """The rows, some at a time: a text that is stored once may be that of all of them.

    Raises RefusedError if rows, beyond a kilobyte each, unpack to more than the file may.
    """
    batch, size = [], 0
    for row in rows:
        batch.append(row)
        of_row = _size(row)
        unpacked.add(max(0, of_row - ROW_BYTES))
        size += min(of_row, limits.record_bytes)
        if len(batch) == _BATCH_ROWS or size > limits.record_bytes:
            yield batch
            batch, size = [], 0
    yield batch


def _size(row: Iterable[str | None]) -> int:
    return sum(len(value) for value in row if value)
