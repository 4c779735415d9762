"""What lands within the limits of umg.toml is also rewritten within them."""

import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import Any, cast

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from umg_assets.files.erasing import erase_records
from umg_assets.files.layout import Format, Layout
from umg_assets.files.limits import USUAL, Limits
from umg_assets.files.parse import parse_file
from umg_assets_tests.files.erased_files import HERS, HIS

MIB = 1 << 20
COLUMNS = [f"c{number}" for number in range(USUAL.columns + 1)]


def _delimited() -> bytes:
    return "\n".join(",".join([first, *COLUMNS[1:]]) for first in ("c0", HERS, HIS)).encode()


def _wide(form: str) -> bytes:
    """A file of more columns than usual: in the first, hers and his."""
    file = io.BytesIO()
    table = pa.table({name: [HERS, HIS] if name == "c0" else [name, name] for name in COLUMNS})
    match form:
        case "csv":
            return _delimited()
        case "parquet":
            pq.write_table(table, file)
        case "orc":
            pa_orc.write_table(table, file)
        case "avro":
            fields = [{"name": name, "type": "string"} for name in COLUMNS]
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, table.to_pylist())
        case "xlsx":
            book = openpyxl.Workbook(write_only=True)
            sheet: Any = book.create_sheet()
            for first in ("c0", HERS, HIS):
                sheet.append([first, *COLUMNS[1:]])
            book.save(file)
        case "zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("x.csv", _delimited())
    return file.getvalue()


def _left(folder: Path, name: str, content: bytes, layout: Layout, limits: Limits) -> tuple[list[int], int]:
    """The numbers of her records, and how many rows the draft without them has."""
    (folder / name).write_bytes(content)
    draft = folder / f"draft-{name}"
    erased = erase_records(folder / name, layout, draft, (), lambda text: HERS.encode() in text, folder, limits=limits)
    raised = Limits(limits.record_bytes, limits.columns)
    return erased.removed, parse_file(draft, layout, folder / "staged", limits=raised).rows


@pytest.mark.parametrize("form", ["csv", "parquet", "orc", "avro", "xlsx", "zip"])
def test_a_file_of_as_many_columns_as_may_land_is_rewritten(tmp_path: Path, form: Format):
    layout = Layout(form, ("c0",), members="*.csv") if form == "zip" else Layout(form, ("c0",))
    limits = Limits(columns=2 * USUAL.columns)
    assert _left(tmp_path, f"x.{form}", _wide(form), layout, limits) == ([1], 1)


LONG = b"x" * (USUAL.record_bytes + 12 * MIB)
RECORDS = {
    "lines": ("x.csv", b"id,b\n%s,1\nb,%s\nc,3\n" % (HERS.encode(), LONG)),
    "hers": ("x.csv", b"id,b\na,1\nb,%s %s\nc,3\n" % (LONG, HERS.encode())),
    "JSON lines": ("x.jsonl", b'{"id":"%s"}\n{"id":"%s"}\n{"id":"c"}\n' % (HERS.encode(), LONG)),
    "array": ("x.json", b'[{"id":"%s"},\n{"id":"%s"},\n{"id":"c"}]' % (HERS.encode(), LONG)),
    "hers in an array": ("x.json", b'[{"id":"a"},\n{"id":"%s %s"},\n{"id":"c"}]' % (LONG, HERS.encode())),
}


@pytest.mark.parametrize("framing", RECORDS)
def test_a_record_as_long_as_may_land_is_rewritten_or_left_out(tmp_path: Path, framing: str):
    name, content = RECORDS[framing]
    layout = Layout(cast(Format, name.partition(".")[2]), ("id",))
    erased = [2] if framing.startswith("hers") else [1]
    assert _left(tmp_path, name, content, layout, Limits(record_bytes=64 * MIB)) == (erased, 2)


def test_a_workbook_with_a_row_as_long_as_may_land_is_rewritten(tmp_path: Path):
    book, file, content = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    sheet: Any = book.active
    for row in (["id"], [HERS], [HIS]):
        sheet.append(row)
    book.save(file)
    long = "".join(f"<c t='inlineStr'><is><t>{'x' * 30_000}</t></is></c>" for _ in range(700))
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            text = source.read(member)
            if member.filename.endswith("sheet1.xml"):
                text = text.replace(b"</sheetData>", f"<row>{long}</row></sheetData>".encode())
            target.writestr(member.filename, text)
    limits = Limits(record_bytes=64 * MIB)
    erased, rows = _left(tmp_path, "x.xlsx", content.getvalue(), Layout("xlsx", ("id",)), limits)
    assert (erased, rows) == ([1], 1)  # the long row has more values than there are columns


def test_what_is_left_may_unpack_to_as_much_as_the_file_though_it_is_packed_better(tmp_path: Path):
    content = b"id,b\n%s,%s\nb,%s\n" % (HERS.encode(), os.urandom(150_000).hex().encode(), b"x" * 2 * MIB)
    limits = Limits(unpacked_bytes=MIB, unpacked_times=20)
    assert _left(tmp_path, "x.csv.gz", gzip.compress(content), Layout("csv", ("id", "b")), limits) == ([1], 1)
