"""No file costs unbounded memory or time: what is too long, too wide, or unpacks to too much."""

import bz2
import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest
import zstandard

from umg_assets.files import rejects
from umg_assets.files.layout import Layout
from umg_assets.files.limits import Limits
from umg_assets.files.parse import MISSING_COLUMN, NOT_THE_FORMAT, UNREADABLE_FILE, Parsed, parse_file
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.processes import printed_by

MIB = 1 << 20
SMALL = Limits(record_bytes=MIB, columns=50, unpacked_bytes=4 * MIB, unpacked_times=20)
PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.ZstdCompressor().compress}


def read(folder: Path, name: str, content: bytes, layout: Layout, limits: Limits = SMALL) -> Parsed:
    path = folder / name
    path.write_bytes(content)
    parsed = parse_file(path, layout, folder / "staged", limits=limits)
    assert parsed.refused or count_records(path, layout) == parsed.records
    assert parsed.records == parsed.rows + sum(parsed.reasons.values())
    return parsed


def long_records() -> dict[str, tuple[Layout, bytes]]:
    """By framing, three records of which the second is far longer than a block and a record may be."""
    long, layout = b"x" * (12 * MIB), Layout("csv", ("id", "b"))
    array = Layout("json", ("id",))
    return {
        "line": (layout, b"id,b\n1,a\n2,%s\n3,c\n" % long),
        "line with CRLF": (layout, b"id,b\r\n1,a\r\n2,%s\r\n3,c\r\n" % long),
        "last line": (layout, b"id,b\n1,a\n3,c\n2,%s" % long),
        "commas": (layout, b"id,b\n1,a\n%s\n3,c\n" % (b"," * len(long))),
        "JSON line": (array, b'{"id":"1"}\n{"id":"%s"}\n{"id":"3"}\n' % long),
        "element": (array, b'[{"id":"1"},\n{"id":"%s"},\n{"id":"3"}]' % long),
    }


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("framing", long_records())
def test_a_record_that_is_too_long_is_set_aside_and_its_neighbours_land(tmp_path: Path, framing: str, packed: str):
    layout, content = long_records()[framing]
    generous = Limits(record_bytes=MIB, unpacked_bytes=32 * MIB)
    parsed = read(tmp_path, f"x.{layout.format}{packed}", PACK[packed](content), layout, generous)
    assert (parsed.records, parsed.rows, dict(parsed.reasons)) == (3, 2, {"too_large": 1})
    assert len(parsed.rejects["text"][0].as_py()) <= 2_000


def records_within_a_block() -> dict[str, tuple[Layout, bytes, bytes]]:
    """By framing, a layout, and what stands before and behind a text of 1 MiB in the second of three records."""
    layout, jsonl = Layout("csv", ("id", "b")), Layout("json", ("id",))
    return {
        "line": (layout, b"id,b\n1,a\n2,", b"\n3,c\n"),
        "line with CRLF": (layout, b"id,b\r\n1,a\r\n2,", b"\r\n3,c\r\n"),
        "line with CR": (layout, b"id,b\r1,a\r2,", b"\r3,c\r"),
        "line without its end": (layout, b"id,b\n1,a\n3,c\n2,", b""),
        "quoted": (layout, b'id,b\n1,a\n2,"', b'"\n3,c\n'),
        "line among quoted ones": (layout, b'id,b\n1,"a,a"\n2,', b'\n3,"c ""c"""\n'),
        "too many fields": (layout, b"id,b\n1,a\n2,2,", b"\n3,c\n"),
        "TSV": (Layout("tsv", ("id", "b")), b"id\tb\n1\ta\n2\t", b"\n3\tc\n"),
        "JSON line": (jsonl, b'{"id":"1"}\n{"id":"', b'"}\n{"id":"3"}\n'),
        "JSON line with CRLF": (jsonl, b'{"id":"1"}\r\n{"id":"', b'"}\r\n{"id":"3"}\r\n'),
        "JSON line with CR": (jsonl, b'{"id":"1"}\r{"id":"', b'"}\r{"id":"3"}\r'),
        "JSON line without its end": (jsonl, b'{"id":"1"}\n{"id":"3"}\n{"id":"', b'"}'),
        "JSON line that is none": (jsonl, b'{"id":"1"}\n{"id":', b'\n{"id":"3"}\n'),
        "element": (jsonl, b'[{"id":"1"},\n{"id":"', b'"},\n{"id":"3"}]'),
    }


SHORT = {"too many fields": "field_count", "JSON line that is none": "broken_json"}
"""By framing, why the second record is bad when it is short."""


@pytest.mark.parametrize("packed", ["", ".gz", ".zip"])
@pytest.mark.parametrize("framing", records_within_a_block())
def test_a_record_is_too_long_by_its_length_wherever_blocks_end(tmp_path: Path, framing: str, packed: str):
    layout, before, behind = records_within_a_block()[framing]
    tiny, name = Limits(record_bytes=MIB), f"x.{layout.format}"
    for length in (MIB - 60, MIB + 1, 3 * MIB, 5 * MIB):
        content = before + b"x" * length + behind
        if packed == ".zip":
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr(name, content)
            parsed = read(tmp_path, "x.zip", archive.getvalue(), replace(layout, format="zip"), tiny)
        else:
            parsed = read(tmp_path, name + packed, PACK[packed](content), layout, tiny)
        reason = "too_large" if length > MIB else SHORT.get(framing)
        reasons = {reason: 1} if reason else {}
        assert (parsed.records, dict(parsed.reasons)) == (3, reasons), length
        assert parsed.rejects["record"].to_pylist() == ([3 if "without" in framing else 2] if reasons else [])


def test_a_line_of_column_names_that_is_too_long_is_refused_wherever_blocks_end(tmp_path: Path):
    for length in (MIB + 1, 3 * MIB, 5 * MIB):
        parsed = read(tmp_path, "x.csv", b"id," + b"x" * length + b"\n1,2\n", Layout("csv", ("id",)))
        assert parsed.refused == NOT_THE_FORMAT
        assert "a line of column names of at most 1,048,576 bytes" in parsed.rejects["text"][0].as_py()


@pytest.mark.parametrize("content", [b"id,b\n1,", b'id,b\n1,"', b'{"id":"1"}\n{"id":"', b'[{"id":"1"},\n{"id":"'])
@pytest.mark.parametrize("packed", [name for name in PACK if name])
def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path, content: bytes, packed: str):
    form = "json" if content[:1] in (b"{", b"[") else "csv"
    bomb = PACK[packed](content + b"a" * (5 * MIB))
    parsed = read(tmp_path, f"x.{form}{packed}", bomb, Layout(form, ("id",)))
    assert parsed.refused == UNREADABLE_FILE
    within = read(tmp_path, f"x.{form}{packed}", PACK[packed](b"id\n" * 1_000), Layout("csv", ("id",)))
    assert (within.refused, within.rows) == (None, 999)


def test_members_of_an_archive_unpack_to_no_more_than_the_archive_may(tmp_path: Path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for number in range(3):
            file.writestr(f"{number}.csv.gz", gzip.compress(b"id\n" + b"1\n" * (2 * MIB)))
    parsed = read(tmp_path, "x.zip", archive.getvalue(), Layout("csv", ("id",)))
    assert parsed.refused == UNREADABLE_FILE
    assert "unpacks to at most" in parsed.rejects["text"][0].as_py()


def wide(form: str, columns: int) -> bytes:
    """A file of that format with so many columns and a record."""
    names = ["id", *(f"c{number}" for number in range(1, columns))]
    rows, file = pa.table({name: ["1"] for name in names}), io.BytesIO()
    match form:
        case "csv":
            file.write(",".join(names).encode() + b"\n" + b",".join([b"1"] * columns) + b"\n")
        case "parquet":
            pq.write_table(rows, file)
        case "orc":
            pa_orc.write_table(rows, file)
        case "avro":
            fields = [{"name": name, "type": "string"} for name in names]
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, rows.to_pylist())
        case "xlsx":
            book = openpyxl.Workbook()
            book.active.append(names)  # pyright: ignore[reportOptionalMemberAccess]
            book.active.append(["1"] * columns)  # pyright: ignore[reportOptionalMemberAccess]
            book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("form", ["csv", "parquet", "orc", "avro", "xlsx"])
def test_a_file_of_too_many_columns_is_refused(tmp_path: Path, form: str):
    layout = Layout(form, ("id",))  # type: ignore[arg-type]
    assert read(tmp_path, f"x.{form}", wide(form, 50), layout).rows == 1
    refused = read(tmp_path, f"x.{form}", wide(form, 51), layout)
    assert refused.refused == NOT_THE_FORMAT
    assert "Expected at most 50 columns; this has 51" in refused.rejects["text"][0].as_py()


def test_columns_with_very_long_names_are_not_compared_for_hours(tmp_path: Path):
    content = b",".join(b"x" * MIB for _ in range(8)) + b"\n"
    parsed = read(tmp_path, "x.csv", content, Layout("csv", ("id", "b")), Limits())
    assert parsed.refused == MISSING_COLUMN


def test_an_avro_block_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    schema = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "string"}]}
    for codec in ("deflate", "bzip2", "xz"):
        file, layout = io.BytesIO(), Layout("avro", ("id",))
        fastavro.writer(file, schema, [{"id": "a" * (2 * MIB)}], codec=codec)
        assert read(tmp_path, "x.avro", file.getvalue(), layout, Limits()).rows == 1
        with monkeypatch.context() as patch:
            patch.setattr("umg_assets.files.avro_codecs._BLOCK_BYTES", MIB)
            refused = read(tmp_path, "x.avro", file.getvalue(), layout)
        assert "one unpacks to more" in refused.rejects["text"][0].as_py()


def test_an_avro_block_of_more_records_than_bytes_is_refused(tmp_path: Path):
    file = io.BytesIO()
    fastavro.writer(file, {"type": "record", "name": "r", "fields": [{"name": "id", "type": "null"}]}, [{"id": None}])
    end = file.getvalue()[-16:]
    block = b"\x80\x80\x80\x80\x80\x80\x20" + b"\x00" + end  # 2**46 records in no byte
    content = file.getvalue()[: -16 - 2] + block
    parsed = read(tmp_path, "x.avro", content, Layout("avro", ("id",)))
    assert "more than it has bytes" in parsed.rejects["text"][0].as_py()


def workbook(row: bytes, **parts: bytes) -> bytes:
    """A workbook whose sheet has rows `row`. parts: others by name, under xl/."""
    book, file, packed = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    book.active.append(["id"])  # pyright: ignore[reportOptionalMemberAccess]
    book.save(file)
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = parts.pop(name.removeprefix("xl/").removesuffix(".xml"), None) or old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = content.replace(b"</sheetData>", row + b"</sheetData>")
            if name == "[Content_Types].xml":
                kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
                texts = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
                content = content.replace(b"</Types>", texts.encode() if "sharedStrings" in parts else b"</Types>")
            new.writestr(name, content)
        for name, content in parts.items():
            new.writestr(f"xl/{name}.xml", content)
    return packed.getvalue()


def test_a_workbook_with_a_row_or_texts_that_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cell, layout = b"<c><v>1</v></c>", Layout("xlsx", ("id",))
    assert read(tmp_path, "x.xlsx", workbook(b"<row>" + cell + b"</row>"), layout).rows == 1
    long = workbook(b"<row>" + cell * (2 * MIB // len(cell)) + b"</row>")
    assert "Expected rows of at most" in read(tmp_path, "x.xlsx", long, layout).rejects["text"][0].as_py()
    deep = workbook(b"<row>" * (2 * MIB // 5))
    assert "elements at most 64 deep" in read(tmp_path, "x.xlsx", deep, layout).rejects["text"][0].as_py()
    monkeypatch.setattr("umg_assets.files.workbooks._SHARED_BYTES", 100_000)
    monkeypatch.setattr("umg_assets.files.workbooks._SETTINGS_BYTES", 50_000)
    for part, size in (("sharedStrings", 100_001), ("called otherwise", 100_001), ("styles", 50_001)):
        said = read(tmp_path, "x.xlsx", workbook(b"", **{part: b" " * size}), layout).rejects["text"][0].as_py()
        assert f"bytes of xl/{part}.xml; this has {size:,}" in said


def test_bad_records_beyond_those_kept_are_counted_and_nothing_of_them_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rejects, "REJECTS_KEPT", 10)
    parsed = read(tmp_path, "x.csv", b"id,b\n" + b"1,2\n3\n" * 100, Layout("csv", ("id", "b")))
    assert (parsed.records, parsed.rows, dict(parsed.reasons)) == (200, 100, {"field_count": 100})
    assert parsed.rejects["record"].to_pylist() == list(range(2, 21, 2))
    monkeypatch.setattr(rejects, "REJECTS_BYTES", 500)
    parsed = read(tmp_path, "x.csv", b"id,b\n" + (b"y" * 300 + b"\n") * 9, Layout("csv", ("id", "b")))
    assert [len(text) for text in parsed.rejects["text"].to_pylist()] == [300, 300, *[100] * 7]


@pytest.mark.parametrize("form", ["parquet", "orc"])
def test_a_text_that_is_stored_once_for_many_rows_is_not_unpacked_for_all_of_them_at_once(tmp_path: Path, form: str):
    """A few kB of file that hold 600 MB of texts, in one row group or stripe."""
    file = tmp_path / f"x.{form}"
    if form == "parquet":
        pq.write_table(pa.table({"id": ["x" * 30_000] * 20_000}), file, row_group_size=20_000)
    else:
        with pa_orc.ORCWriter(file, dictionary_key_size_threshold=1, stripe_size=4 << 30) as writer:
            for _ in range(6):
                writer.write(pa.table({"id": ["x" * 1_000] * 100_000}))
    rows, megabytes, _ = parsed_apart(file)
    assert rows == (20_000 if form == "parquet" else 600_000)
    # how much of ORC is decoded at once differs: 731 to 1,108 in five readings
    assert megabytes < (1_500 if form == "texts.orc" else 1_000)


def parsed_apart(file: Path) -> tuple[int, int, str]:
    """Rows of a file of column `id`, the peak of memory that parsing it takes in MB, and why it is refused."""
    code = """
import sys
from pathlib import Path
from umg_assets.files.layout import Layout
from umg_assets.files.parse import parse_file

file = Path(sys.argv[1])
parsed = parse_file(file, Layout(file.suffix[1:], ("id",)), file.parent / "staged")
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(parsed.rows, int(peak) >> 10, parsed.rejects["text"][0].as_py() if parsed.refused else "")
"""
    rows, megabytes, *refused = printed_by(code, file).split(" ")
    return int(rows), int(megabytes), " ".join(refused)


def once(rows: int, text: str) -> pa.Array:
    """A text in so many rows, in memory once."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [text])


def huge(form: str) -> bytes:
    """Some kB of a file whose rows unpack to gigabytes."""
    file, long = io.BytesIO(), "x" * MIB
    match form:
        case "texts.parquet":
            pq.write_table(pa.table({"id": once(8_000, long)}), file, store_schema=False)
        case "categories.parquet":
            pq.write_table(pa.table({"id": once(8_000, long)}), file)
        case "lists.parquet":
            texts = pa.ListArray.from_arrays([0, 8_000], once(8_000, long))
            pq.write_table(pa.table({"id": texts}), file, store_schema=False)
        case "differences.parquet":
            encoding: Any = {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}
            pq.write_table(pa.table({"id": [f"{long}{number}" for number in range(1_100)]}), file, **encoding)
        case "packed.parquet":
            plain: Any = {"use_dictionary": False, "compression": "zstd"}
            pq.write_table(pa.table({"id": [f"{number}{long}" for number in range(1_100)]}), file, **plain)
        case "texts.orc":
            stored: Any = {"dictionary_key_size_threshold": 1, "stripe_size": 4 << 30, "compression": "zlib"}
            with pa_orc.ORCWriter(file, **stored) as writer:
                for _ in range(110):
                    writer.write(pa.table({"id": [long] * 10}))
        case "blocks.avro":
            fastavro.writer(file, avro_schema("string"), ({"id": long} for _ in range(1_100)), codec="deflate")
        case "nothings.avro":
            items = {"type": "array", "items": "null"}
            fastavro.writer(file, avro_schema(items), [{"id": [None]}])
        case "texts.xlsx":
            return workbook(b'<row><c t="s"><v>1</v></c></row>' * 8_000, sharedStrings=shared_texts("id", long))
    return file.getvalue()


def shared_texts(*texts: str) -> bytes:
    """The part of a workbook that holds texts, to which cells refer by number."""
    parts = "".join(f"<si><t>{text}</t></si>" for text in texts)
    return f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{parts}</sst>'.encode()


def avro_schema(kind: Any) -> dict[str, Any]:
    """Of records of a column `id`."""
    return {"type": "record", "name": "r", "fields": [{"name": "id", "type": kind}]}


@pytest.mark.parametrize(
    "form",
    [
        "texts.parquet",
        "categories.parquet",
        "lists.parquet",
        pytest.param("differences.parquet", marks=pytest.mark.exhaustive),
        pytest.param("packed.parquet", marks=pytest.mark.exhaustive),
        "texts.orc",
        pytest.param("blocks.avro", marks=pytest.mark.exhaustive),
        "nothings.avro",
        "texts.xlsx",
    ],
)
def test_a_small_file_whose_rows_unpack_to_gigabytes_is_refused_and_never_held(tmp_path: Path, form: str):
    file = tmp_path / form
    file.write_bytes(huge(form))
    assert file.stat().st_size < 2 * MIB
    _, megabytes, refused = parsed_apart(file)
    assert "unpacks to at most 1,073,741,824 bytes" in refused or "items that take a byte" in refused
    assert megabytes < 1_000


@pytest.mark.parametrize("form", ["parquet", "orc", "avro", "xlsx"])
def test_a_row_that_is_too_large_is_set_aside_and_its_neighbours_land(tmp_path: Path, form: str):
    """Of columns and cells as of lines."""
    texts, file = ["a", "x" * (2 * MIB), "b"], io.BytesIO()
    match form:
        case "parquet":
            pq.write_table(pa.table({"id": texts}), file)
        case "orc":
            pa_orc.write_table(pa.table({"id": texts}), file)
        case "avro":
            fastavro.writer(file, avro_schema("string"), [{"id": text} for text in texts], sync_interval=1 << 30)
        case "xlsx":
            rows = b"".join(b'<row><c t="s"><v>%d</v></c></row>' % number for number in (1, 2, 3))
            file.write(workbook(rows, sharedStrings=shared_texts("id", *texts)))
    parsed = read(tmp_path, f"x.{form}", file.getvalue(), Layout(form, ("id",)))  # type: ignore[arg-type]
    assert (parsed.records, parsed.rows, dict(parsed.reasons)) == (3, 2, {"too_large": 1})
    assert pq.read_table(tmp_path / "staged")["id"].to_pylist() == ["a", "b"]
    assert parsed.rejects["record"].to_pylist() == [2]
    assert len(parsed.rejects["text"][0].as_py()) < 3_000


def test_columns_of_few_values_unpack_to_any_size_where_rows_are_short(tmp_path: Path):
    """Equal values of columns are stored once, as they should be: that is no bomb."""
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["x" * 900] * 20_000}), file)
    assert len(file.getvalue()) < 20_000
    assert read(tmp_path, "x.parquet", file.getvalue(), Layout("parquet", ("id",))).rows == 20_000
