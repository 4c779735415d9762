"""A landing file without a person's records: binary formats, archives, and what cannot be rewritten."""

import gzip
import io
import zipfile
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from umg_assets.files.dialect import Dialect
from umg_assets.files.erasing import CannotEraseError, erase_records
from umg_assets.files.layout import Layout
from umg_assets_tests.files.erased_files import COMPRESSIONS, HERS, OBJECTS, WHO, delimited, erase, plain_bytes
from umg_assets_tests.files.parsed_files import parse


def table() -> pa.Table:
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return pa.table(
        {
            "id": WHO,
            "n": pa.array(range(len(WHO)), pa.int32()),
            "at": pa.array([start + timedelta(hours=i) for i in range(len(WHO))], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal(i) / 4 for i in range(len(WHO))], pa.decimal128(9, 2)),
            "score": pa.array([float("nan") if i % 3 else i / 2 for i in range(len(WHO))]),
            "inner": [{"with": ["p9", None], "n": i} for i in range(len(WHO))],
        }
    )


def parquet(**options: Any) -> bytes:
    file = io.BytesIO()
    rows = table().append_column("kind", pa.array(WHO).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())))
    rows = rows.append_column("tags", pa.array([[("by", who)] for who in WHO], pa.map_(pa.string(), pa.string())))
    pq.write_table(rows.replace_schema_metadata({"exporter": "x"}), file, row_group_size=7, **options)
    return file.getvalue()


def orc(compression: str) -> bytes:
    file = io.BytesIO()
    with pa_orc.ORCWriter(file, compression=compression, stripe_size=1, batch_size=8) as writer:
        for start in range(0, len(WHO), 8):
            writer.write(table().slice(start, 8))
    return file.getvalue()


AVRO = {
    "type": "record",
    "name": "play",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "n", "type": ["null", "int", "double"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "with", "type": {"type": "map", "values": "string"}},
    ],
}


def avro(codec: str) -> bytes:
    file = io.BytesIO()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [{"id": who, "n": [None, i, i / 2][i % 3], "at": start, "with": {"x": who}} for i, who in enumerate(WHO)]
    fastavro.writer(file, AVRO, rows, codec, sync_interval=150, metadata={"exporter": "x"})
    return file.getvalue()


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append([])
    sheet.append(["id", "n", "at"])
    for i, who in enumerate(WHO):
        sheet.append([who, i, datetime(2026, 3, 1, i % 24)] + (["beyond"] if i % 9 == 2 else []))
        if i % 4 == 0:
            sheet.append([None, ""])
    sheet["A3"].hyperlink = f"https://example.org/{HERS}"
    sheet["A5"].hyperlink = "https://example.org/p1"
    book.create_sheet("Notes").append(["nothing"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    _, records, _ = delimited(Dialect(), ",", "\n")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.comment = b"monthly"
        packed.writestr("data/", b"")
        packed.writestr("data/one.csv", "id,text,n\n" + "".join(records[:12]))
        packed.writestr("readme.txt", b"\xff\x00 left as it is", zipfile.ZIP_STORED)
        packed.writestr("data/none.csv", "id,text,n\np0,,\n")
        packed.writestr("data/two.tsv.gz", gzip.compress(f"id\tn\nq\t1\n{HERS}\t2\n".encode()))
        packed.writestr("data/three.json", f"[{','.join(OBJECTS)}]")
    return file.getvalue()


BINARY: dict[str, tuple[str, bytes, Layout]] = {
    "snappy Parquet": ("x.parquet", parquet(), Layout("parquet", ("id", "n", "at", "price", "score", "inner"))),
    "zstd Parquet": ("x.parquet", parquet(compression="zstd"), Layout("parquet", ("id", "tags", "kind"))),
    "Parquet without compression": ("x.parquet", parquet(compression="none"), Layout("parquet", ("id",))),
    "Parquet as older Spark": (
        "x.parquet",
        parquet(use_deprecated_int96_timestamps=True),
        Layout("parquet", ("id", "at")),
    ),
    "workbook": ("x.xlsx", workbook(), Layout("xlsx", ("id", "n", "at"))),
    "archive": ("x.zip", archive(), Layout("zip", ("id",), members="data/*")),
    **{
        f"{codec} Avro": ("x.avro", avro(codec), Layout("avro", ("id", "n", "at")))
        for codec in ("null", "deflate", "bzip2", "xz")
    },
    **{
        f"{name} ORC": ("x.orc", orc(name), Layout("orc", ("id", "n", "at")))
        for name in ("uncompressed", "zlib", "zstd")
    },
}


def values_in(content: bytes) -> str:
    """All that a file holds, its header and statistics too, whatever it is packed with inside."""
    file = io.BytesIO(content)
    if content.startswith(b"PAR1"):
        opened = pq.ParquetFile(file)
        dictionaries = [chunk.dictionary for chunk in opened.read().column("kind").chunks]
        return f"{opened.metadata.metadata} {opened.read().to_pydict()} {opened.metadata.to_dict()} {dictionaries}"
    if content.startswith(b"ORC"):
        return str(pa_orc.read_table(file).to_pydict())
    if content.startswith(b"Obj"):
        return str(list(fastavro.reader(file)))
    return str(plain_bytes(content, ""))


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *((kind, "") for kind in BINARY),
        *((kind, suffix) for kind in ("workbook", "archive", "null Avro") for suffix in COMPRESSIONS if suffix),
        *((kind, ".gz") for kind in ("zstd Parquet", "zlib ORC")),
    ],
)
def test_binary_formats_keep_their_other_rows(tmp_path: Path, kind: str, suffix: str):
    name, content, layout = BINARY[kind]
    removed, left = erase(tmp_path, name + suffix, COMPRESSIONS[suffix](content), layout, {2, 8})
    assert {1, 2, 5, 6, 8} <= set(removed)
    assert HERS in values_in(content)
    assert HERS not in values_in(left)
    assert HERS.encode() not in left
    total = parse(tmp_path, name + suffix, COMPRESSIONS[suffix](content), layout).parsed.records
    everything, _ = erase(tmp_path, name + suffix, COMPRESSIONS[suffix](content), layout, set(range(1, total + 1)))
    assert len(everything) == total
    assert erase(tmp_path, name + suffix, COMPRESSIONS[suffix](content), layout, who="nobody")[0] == []


def test_parquet_keeps_schema_metadata_compression_and_row_groups(tmp_path: Path):
    for compression in ({"id": "zstd", "n": "snappy", "tags.key_value.key": "gzip"}, "gzip"):
        name, content = "x.parquet", parquet(compression=compression)
        _, left = erase(tmp_path, name, content, Layout("parquet", ("id",)), set(range(8, 15)))
        before, after = pq.ParquetFile(io.BytesIO(content)), pq.ParquetFile(io.BytesIO(left))
        assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
        assert [after.metadata.row_group(i).num_rows for i in range(3)] == [4, 4, 5]
        kinds = [
            [f.metadata.row_group(0).column(i).compression for i in range(f.metadata.num_columns)]
            for f in (before, after)
        ]
        assert kinds[0] == kinds[1]


def test_avro_keeps_its_header_and_the_bytes_of_other_records(tmp_path: Path):
    content = avro("null")
    _, left = erase(tmp_path, "x.avro", content, Layout("avro", ("id",)), {2, 3})
    before, after = (fastavro.block_reader(io.BytesIO(file)) for file in (content, left))
    assert (after.metadata, after.codec) == (before.metadata, "null")
    rows: list[Any] = [row for block in before for row in block]
    assert [row for block in after for row in block] == [
        row for number, row in enumerate(rows, 1) if number not in (2, 3) and row["id"] != HERS
    ]


@pytest.mark.parametrize("union", [False, True])
def test_a_date_or_time_in_avro_is_nobodys_id(tmp_path: Path, union: bool):
    times = [
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "timestamp-micros"},
    ]
    fields = [{"name": f"c{i}", "type": ["null", time, "string"] if union else time} for i, time in enumerate(times)]
    fields.append({"name": "id", "type": "long"})
    rows = [(date(2026, 3, 2), time(12), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), who) for who in (7, 20514, 8)]
    with (path := tmp_path / "x.avro").open("wb") as file:
        schema = {"type": "record", "name": "r", "fields": fields}
        fastavro.writer(file, schema, [dict(zip(("c0", "c1", "c2", "id"), row, strict=True)) for row in rows])
    hers = {b"20514", b"43200000", b"1000000"}
    layout = Layout("avro", ("id",))
    erased = erase_records(path, layout, tmp_path / "draft", (), hers.__contains__, tmp_path, hers.__contains__)
    assert erased.removed == [2]


def test_other_members_of_an_archive_stay(tmp_path: Path):
    _, content, layout = BINARY["archive"]
    erase(tmp_path, "x.zip", content, layout)
    erase_records(tmp_path / "x.zip", layout, tmp_path / "draft", (), lambda text: HERS.encode() in text, tmp_path)
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(tmp_path / "draft") as after:
        assert after.comment == b"monthly"
        kept = [(m.filename, m.date_time, m.compress_type, m.external_attr) for m in before.infolist()]
        assert [(m.filename, m.date_time, m.compress_type, m.external_attr) for m in after.infolist()] == kept
        for name in ("readme.txt", "data/none.csv"):
            assert after.read(name) == before.read(name)


def test_a_workbook_with_macros_keeps_them(tmp_path: Path):
    _, content, layout = BINARY["workbook"]
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macros")
    erase(tmp_path, "x.xlsm", file.getvalue(), layout)
    erase_records(tmp_path / "x.xlsm", layout, tmp_path / "draft", {1}, lambda _: False, tmp_path)
    with zipfile.ZipFile(tmp_path / "draft") as book:
        assert book.read("xl/vbaProject.bin") == b"macros"


def refused(folder: Path, name: str, content: bytes, layout: Layout, numbers: Collection[int] = ()) -> str:
    """The message of the error; no draft and no other file is left."""
    path, draft = folder / name, folder / "draft"
    path.write_bytes(content)
    with pytest.raises(CannotEraseError) as error:
        erase_records(path, layout, draft, numbers, lambda text: HERS.encode() in text, folder)
    assert {other.name for other in folder.iterdir()} == {name}
    assert path.read_bytes() == content
    return str(error.value).removeprefix(f"{path}: ")


def test_what_cannot_be_rewritten_says_why_and_leaves_no_draft(tmp_path: Path):
    csv, json_layout = Layout("csv", ("id",)), Layout("json", ("id",))
    message = refused(tmp_path, "x.csv", b"\x1f\x8b", csv)
    assert "this is gzip data" in message
    message = refused(tmp_path, "x.csv", b"id\na\nb\n", csv, {1, 3})
    assert message == "expected numbers of its 2 records, got 3."
    for numbers in (set(), {1}):
        message = refused(tmp_path, "x.csv", f"id,{HERS}\na,\n".encode(), csv, numbers)
        assert message.startswith("an id stands between or above its records")
    (tmp_path / "x.csv").unlink()
    message = refused(tmp_path, "x.json", b'{"id": "a"}\nbad\n', json_layout, {1})
    assert message.startswith("the draft cannot be read.")
    (tmp_path / "x.json").unlink()
    # with three lines between two quotes the first is a stray one; with two it begins a field
    message = refused(tmp_path, "x.csv", b'id,n\na,"stray\nb,1\nc,2\nd,3\ne,"\n', Layout("csv", ("id", "n")), {2})
    assert message == "the draft has 1 records; expected 5 without 1."
    (tmp_path / "x.csv").unlink()
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["a"]}).replace_schema_metadata({"owner": HERS}), file)
    assert "in its metadata" in refused(tmp_path, "x.parquet", file.getvalue(), Layout("parquet", ("id",)), {1})


def test_an_archive_or_a_workbook_that_names_her_elsewhere_is_refused(tmp_path: Path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one.csv", f"id\n{HERS}\n")
        archive.writestr("readme.txt", f"from {HERS}")
    message = refused(tmp_path, "x.zip", file.getvalue(), Layout("zip", ("id",), members="*.csv"))
    assert message == "an id stands in readme.txt, which is not read: remove it by hand."
    (tmp_path / "x.zip").unlink()
    book = openpyxl.load_workbook(io.BytesIO(BINARY["workbook"][1]))
    book["Notes"].append([None, HERS])
    file = io.BytesIO()
    book.save(file)
    assert "in its sheet Notes" in refused(tmp_path, "x.xlsx", file.getvalue(), Layout("xlsx", ("id",)))


def test_formulas_of_other_rows_become_their_last_values(tmp_path: Path):
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in (["id", "n"], [HERS, 1], ["a", "=B2+41"]):
        sheet.append(row)
    file, calculated = io.BytesIO(), io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(calculated, "w") as target:
        for member in source.infolist():
            target.writestr(
                member, source.read(member).replace(b"<v></v>", b"<v>42</v>").replace(b"<v />", b"<v>42</v>")
            )
    layout = Layout("xlsx", ("id", "n"))
    assert parse(tmp_path, "x.xlsx", calculated.getvalue(), layout).values == [(HERS, "1", 1), ("a", "42", 2)]
    erase(tmp_path, "x.xlsx", calculated.getvalue(), layout)
