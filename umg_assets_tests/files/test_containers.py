"""Zip archives, Avro, ORC and Excel: every record lands with its values, and both readers count alike."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest
import zstandard

from umg_assets.files.layout import Layout
from umg_assets.files.parse import FIELD_COUNT, MISSING_COLUMN, NOT_THE_FORMAT, UNREADABLE_FILE
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.files.parsed_files import Outcome, parse


def read(folder: Path, name: str, content: bytes, layout: Layout) -> Outcome:
    """Parses a file, and checks that the second reader counts as many records."""
    outcome = parse(folder, name, content, layout)
    assert outcome.refused or count_records(folder / name, layout) == outcome.parsed.records
    return outcome


def packed(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def sentence(outcome: Outcome, reason: str) -> str:
    [(record, refused, text)] = outcome.rejects
    assert (record, refused, outcome.refused) == (0, reason, reason)
    return text


ZIP = Layout("zip", ("id",))


def test_the_members_of_a_zip_archive_are_one_file_each_by_its_suffix(tmp_path: Path):
    archive = packed(
        {
            "a/one.csv": b"id,x\np1,\nbad\n",
            "a/": b"",
            "two.tsv.gz": gzip.compress(b"id\tx\np3\t\n", mtime=0),
            "__MACOSX/a/._one.csv": b"\0\5\x16\7",
            ".DS_Store": b"\0\0",
            "three.json": b'[{"id":"p4"},{"id":"p5"}]',
        }
    )
    for content, name in [(archive, "x.zip"), (gzip.compress(archive), "x.ZIP.gz")]:
        outcome = read(tmp_path, name, content, ZIP)
        assert outcome.values == [("p1", 1), ("p3", 3), ("p4", 4), ("p5", 5)]
        assert outcome.rejects == [(2, FIELD_COUNT, "bad")]


def test_a_glob_takes_members_and_a_declared_format_decides_for_all_of_them(tmp_path: Path):
    archive = packed(
        {"data/plays.txt": b"id\tx\np1\t\n", "data/readme.pdf": b"%PDF", "old/plays.txt": b"id\tx\np2\t\n"}
    )
    for members, expected in [("*.txt", [("p1", 1), ("p2", 2)]), ("data/*.txt", [("p1", 1)])]:
        assert read(tmp_path, "x.zip", archive, Layout("tsv", ("id",), members=members)).values == expected
    text = sentence(read(tmp_path, "x.zip", archive, Layout("csv", ("id",), members="*.csv")), NOT_THE_FORMAT)
    assert "Expected members that *.csv takes; there is data/plays.txt, data/readme.pdf" in text


def test_parquet_members_keep_their_types_and_must_agree(tmp_path: Path):
    def table(values: list[Any]) -> bytes:
        file = io.BytesIO()
        pq.write_table(pa.table({"id": values}), file)
        return file.getvalue()

    outcome = read(tmp_path, "x.zip", packed({"a.parquet": table([1, 2]), "b.parquet": table([3])}), ZIP)
    assert outcome.values == [(1, 1), (2, 2), (3, 3)]
    outcome = read(tmp_path, "x.zip", packed({"a.parquet": table([1]), "b.parquet": table(["x"])}), ZIP)
    assert "b.parquet in the archive: Expected columns of the same types" in sentence(outcome, NOT_THE_FORMAT)


def test_an_archive_that_is_cut_off_corrupt_locked_or_a_bomb_is_refused_whole(tmp_path: Path):
    lines = b"id,x\n" + b"".join(b"p%d,%d\n" % (at, at * 7919) for at in range(2_000))
    good = packed({"a.csv": lines})
    for kept in (0, 10, len(good) // 2, len(good) - 3):
        assert read(tmp_path, "x.zip", good[:kept], ZIP).refused == UNREADABLE_FILE
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 0x5A
    assert "a.csv in the archive" in sentence(read(tmp_path, "x.zip", bytes(damaged), ZIP), UNREADABLE_FILE)
    locked = good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    assert locked != good
    assert "a.csv has one: pack it anew without" in sentence(read(tmp_path, "x.zip", locked, ZIP), UNREADABLE_FILE)
    size = len(lines).to_bytes(4, "little")
    bomb = good.replace(size, (1 << 31).to_bytes(4, "little"))
    assert "pack it as several files" in sentence(read(tmp_path, "x.zip", bomb, ZIP), UNREADABLE_FILE)
    assert "Expected a zip archive; this is HTML" in sentence(read(tmp_path, "x.zip", b"<html>", ZIP), NOT_THE_FORMAT)
    assert "within one" in sentence(read(tmp_path, "x.zip", packed({"b.zip": good}), ZIP), NOT_THE_FORMAT)


AVRO = {
    "type": "record",
    "name": "play",
    "fields": [
        {"name": "id", "type": ["null", "string"]},
        {"name": "ms", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["FREE", "PAID"]}},
        {"name": "user", "type": {"type": "record", "name": "u", "fields": [{"name": "country", "type": "string"}]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "extra", "type": {"type": "map", "values": "int"}},
        {"name": "either", "type": ["null", "int", "string", {"type": "array", "items": "double"}]},
    ],
}


def avro(rows: list[dict[str, Any]], codec: str = "null") -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, AVRO, rows, codec=codec, sync_interval=200)
    return file.getvalue()


def coded(content: bytes, codec: bytes, pack: Callable[[bytes], bytes]) -> bytes:
    """An Avro file of codec null with its blocks packed by another, as Spark and others write it."""

    def long(number: int) -> bytes:
        number, out = number << 1, b""
        while number > 0x7F:
            number, out = number >> 7, out + bytes([number & 0x7F | 0x80])
        return out + bytes([number])

    def read_long(at: int) -> tuple[int, int]:
        number = shift = 0
        while content[at] & 0x80:
            number, shift, at = number | (content[at] & 0x7F) << shift, shift + 7, at + 1
        return (number | content[at] << shift) >> 1, at + 1

    sync = content[-16:]
    at = content.index(sync) + 16
    parts = [content[:at].replace(b"\x08null", long(len(codec)) + codec)]
    while at < len(content):
        count, at = read_long(at)
        size, at = read_long(at)
        block = pack(content[at : at + size])
        parts.append(long(count) + long(len(block)) + block + sync)
        at += size + 16
    return b"".join(parts)


def snappy(block: bytes) -> bytes:
    return pa.Codec("snappy").compress(block, asbytes=True) + zlib.crc32(block).to_bytes(4, "big")


def test_avro_of_sparks_default_codec_and_of_zstandard_is_read_and_of_a_strange_one_says_what_to_do(tmp_path: Path):
    row = {"at": datetime(2026, 3, 2, tzinfo=UTC), "day": date(2026, 3, 2), "price": Decimal(1), "kind": "PAID"}
    row |= {"tags": [], "user": {"country": "AT"}, "extra": {}, "either": None}
    plain = avro([{**row, "id": f"p{n}", "ms": n} for n in range(100)])
    layout = Layout("avro", ("id", "ms"))
    values = read(tmp_path, "x.avro", plain, layout).values
    assert len(values) == 100
    for codec, pack in ((b"snappy", snappy), (b"zstandard", zstandard.ZstdCompressor().compress)):
        assert read(tmp_path, "x.avro", coded(plain, codec, pack), layout).values == values
    broken = coded(plain, b"snappy", lambda block: snappy(block)[:-1] + b"x")
    assert "does not fit its checksum" in sentence(read(tmp_path, "x.avro", broken, layout), UNREADABLE_FILE)
    bomb = coded(plain, b"snappy", lambda block: b"\xff\xff\xff\xff\x0f" + snappy(block)[2:])
    assert "says that it unpacks to" in sentence(read(tmp_path, "x.avro", bomb, layout), UNREADABLE_FILE)
    strange = coded(plain, b"lz4", bytes)
    assert "this has lz4: write it with deflate" in sentence(read(tmp_path, "x.avro", strange, layout), NOT_THE_FORMAT)


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2"])
def test_avro_is_read_in_blocks_with_its_types(tmp_path: Path, codec: str):
    at = datetime(2026, 3, 2, 10, 0, 0, 5000, UTC)
    row = {"ms": 1, "at": at, "day": date(2026, 3, 2), "price": Decimal("1.10"), "kind": "PAID", "tags": ["a"]}
    row |= {"user": {"country": "AT"}, "extra": {"n": 1}, "either": [1.5]}
    content = avro([{**row, "id": None if n == 7 else f"p{n}", "ms": n} for n in range(100)], codec)
    layout = Layout("avro", tuple(field["name"] for field in AVRO["fields"]))
    outcome = read(tmp_path, "x.avro", content, layout)
    assert [values[:2] for values in outcome.values] == [(None if n == 7 else f"p{n}", n) for n in range(100)]
    expected = (at, date(2026, 3, 2), Decimal("1.10"), "PAID", {"country": "AT"}, ["a"], [("n", 1)], "[1.5]", 1)
    assert outcome.values[0][2:] == expected
    outcome = read(tmp_path, "x.avro.gz", gzip.compress(content), Layout("avro", ("ms",)))
    assert outcome.parsed.rows == 100


def test_avro_that_is_cut_off_lacks_a_column_or_is_something_else_is_refused(tmp_path: Path):
    row = {"ms": 1, "at": datetime(2026, 3, 2, tzinfo=UTC), "day": date(2026, 3, 2), "price": Decimal(1)}
    row |= {"id": "p", "kind": "PAID", "tags": [], "user": {"country": "AT"}, "extra": {}, "either": None}
    content, layout = avro([row] * 50), Layout("avro", ("id",))
    for kept in (0, 3, 100, len(content) // 2, len(content) - 1):
        assert read(tmp_path, "x.avro", content[:kept], layout).refused, kept
    assert "nearest: id" in sentence(read(tmp_path, "x.avro", content, Layout("avro", ("idd",))), MISSING_COLUMN)
    assert "name it .avro" in sentence(read(tmp_path, "x.csv", content, Layout("csv", ("id",))), NOT_THE_FORMAT)
    assert "this is HTML" in sentence(read(tmp_path, "x.avro", b"<html>", layout), NOT_THE_FORMAT)


def test_orc_is_read_stripe_by_stripe_and_a_cut_one_is_refused(tmp_path: Path):
    at = datetime(2026, 3, 2, 10, 0, 0, 5)
    table = pa.table({"id": [f"p{n}" for n in range(50_000)], "at": pa.array([at] * 50_000, pa.timestamp("ns"))})
    file = io.BytesIO()
    pa_orc.write_table(table, file, stripe_size=64 << 10, compression="zstd")
    layout, content = Layout("orc", ("at", "id")), file.getvalue()
    outcome = read(tmp_path, "x.orc", content, layout)
    assert pa_orc.ORCFile(io.BytesIO(content)).nstripes > 1
    assert outcome.values == [(at, f"p{n}", n + 1) for n in range(50_000)]
    assert read(tmp_path, "x.orc", content[: len(content) // 2], layout).refused == UNREADABLE_FILE
    assert "nearest: id" in sentence(read(tmp_path, "x.orc", content, Layout("orc", ("idd",))), MISSING_COLUMN)


def workbook(rows: list[list[Any]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    book.create_sheet("other").append(["id"])
    book.save(file)
    return file.getvalue()


def test_the_cells_of_a_workbooks_first_sheet_are_text_as_one_reads_them(tmp_path: Path):
    values = [
        (5, "5"),
        (5.0, "5"),
        (1.1, "1.1"),
        (0.1 + 0.2, "0.3"),
        ("007", "007"),
        (True, "true"),
        (datetime(2026, 3, 2, 10, 5, 7), "2026-03-02T10:05:07"),
        (datetime(2026, 3, 2), "2026-03-02T00:00:00"),
        (date(2026, 3, 2), "2026-03-02"),
        (time(10, 5), "10:05:00"),
        (None, None),
        ("é\n", "é\n"),
    ]
    rows = [[], ["id", "v"], *([n, value] for n, (value, _) in enumerate(values)), [None, ""], [99]]
    outcome = read(tmp_path, "x.xlsx", workbook([*rows, [1, 2, "more"]]), Layout("xlsx", ("v", "id")))
    expected = [(text, str(n), n + 1) for n, (_, text) in enumerate(values)]
    assert outcome.values == [*expected, (None, "99", len(values) + 1)]
    assert [(record, reason) for record, reason, _ in outcome.rejects] == [(len(values) + 2, FIELD_COUNT)]


def test_a_workbook_of_another_kind_or_cut_off_is_refused_with_what_to_do(tmp_path: Path):
    good, layout = workbook([["id"], [1]]), Layout("xlsx", ("id",))
    assert read(tmp_path, "x.xlsx", good[: len(good) // 2], layout).refused == UNREADABLE_FILE
    assert read(tmp_path, "x.xlsx", packed({"a.csv": b"id\n1\n"}), layout).refused == UNREADABLE_FILE
    assert "nearest: id" in sentence(read(tmp_path, "x.xlsx", good, Layout("xlsx", ("idd",))), MISSING_COLUMN)
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    assert "save it as .xlsx" in sentence(read(tmp_path, "x.xlsx", old, layout), NOT_THE_FORMAT)


@pytest.mark.parametrize(
    ("name", "head", "advice"),
    [
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx"),
        (
            "x.ods",
            packed({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}),
            "save .ods and .xlsb as .xlsx",
        ),
        ("x.7z", b"7z\xbc\xaf\x27\x1c\0\4", "pack it as .zip"),
        ("x.rar", b"Rar!\x1a\x07\x01\x00", "pack it as .zip"),
        ("x.tar", b"plays.csv".ljust(257, b"\0") + b"ustar\x0000", "pack it as .zip"),
        ("x.tar.gz", gzip.compress(b"plays.csv".ljust(257, b"\0") + b"ustar\x0000", mtime=0), "pack it as .zip"),
        ("x.csv.xz", b"\xfd7zXZ\x00\x00\x04", "pack it with gzip"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_to_convert_it(tmp_path: Path, name: str, head: bytes, advice: str):
    assert advice in sentence(read(tmp_path, name, head, Layout("csv", ("id",))), NOT_THE_FORMAT)
