"""The second reader of binary formats: counts records with other libraries than the parser's, or by hand."""

import io
import zipfile
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pyorc
import python_calamine
from stream_unzip import UnzipError, stream_unzip

_SYNC_BYTES = 16


def _parquet(data: bytes) -> int:
    return pq.ParquetFile(io.BytesIO(data)).metadata.num_rows


def _orc(data: bytes) -> int:
    return len(pyorc.Reader(io.BytesIO(data)))


def _workbook(data: bytes) -> int:
    """The rows of the first sheet that are not blank, without the first, which names the columns."""
    try:
        rows = _rows_by_calamine(data)
    except python_calamine.CalamineError:  # it wants more of an archive than others do
        rows = _rows_by_hand(data)
    return max(0, sum(rows) - 1)


def _rows_by_calamine(data: bytes) -> Iterator[bool]:
    """Of each row, whether it has a value."""
    workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    sheets = [s.name for s in workbook.sheets_metadata if s.typ == python_calamine.SheetTypeEnum.WorkSheet]
    return (any(cell != "" for cell in row) for row in workbook.get_sheet_by_name(sheets[0]).to_python())


def _rows_by_hand(data: bytes) -> Iterator[bool]:
    """As _rows_by_calamine, by the texts of values in the XML of the first sheet."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        first = next(e for e in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter() if _is(e, "sheet"))
        number = next(value for key, value in first.items() if key.endswith("}id"))
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        target = next(link.attrib["Target"] for link in links if link.attrib["Id"] == number)
        sheet = archive.read(target.removeprefix("/") if target.startswith("/") else f"xl/{target}")
    rows = (row for row in ElementTree.fromstring(sheet).iter() if _is(row, "row"))
    return (any((_is(e, "v") or _is(e, "t")) and e.text for e in row.iter()) for row in rows)


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _avro(data: bytes) -> int:
    """The sum of the counts that the blocks' headers give (Avro specification 1.12, "Object Container Files")."""
    file, records = io.BytesIO(data), 0
    file.seek(len(b"Obj\x01"))
    while entries := _long(file):
        if entries < 0:  # then the size of the map's block follows
            _long(file)
        for _ in range(2 * abs(entries)):
            file.seek(_long(file), io.SEEK_CUR)
    file.seek(_SYNC_BYTES, io.SEEK_CUR)
    while file.tell() < len(data):
        records += _long(file)
        file.seek(_long(file) + _SYNC_BYTES, io.SEEK_CUR)
    return records


def _long(file: io.BytesIO) -> int:
    """A number of variable length: seven bits a byte, the lowest first, zigzag-coded."""
    number = shift = 0
    while True:
        byte = file.read(1)[0]
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1)


BINARY: dict[str, Callable[[bytes], int]] = {"parquet": _parquet, "orc": _orc, "xlsx": _workbook, "avro": _avro}
"""By format, what counts the records of a file."""


def members_of(archive: bytes, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The wanted files (name, content) in a zip archive, as its local headers give them from its beginning.

    An archive that can only be read by the directory at its end is read by that.
    """
    try:
        members = [(name.decode(), b"".join(content)) for name, _, content in stream_unzip([archive])]
    except (UnzipError, UnicodeDecodeError):
        with zipfile.ZipFile(io.BytesIO(archive)) as directory:
            members = [(name, directory.read(name)) for name in directory.namelist() if is_wanted(name)]
    yield from ((name, content) for name, content in members if is_wanted(name))
