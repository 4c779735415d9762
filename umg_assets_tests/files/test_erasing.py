"""A landing file without a person's records: all others stay, as they are written, in every format."""

import bz2
import codecs
import gzip
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
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
from hypothesis import strategies as st

from umg_assets.files import cutting, json_lines, json_stream
from umg_assets.files.dialect import Dialect
from umg_assets.files.erasing import CannotEraseError, erase_records
from umg_assets.files.layout import Layout
from umg_assets_tests.files.parsed_files import Outcome, for_drawn, parse

HERS, HIS = "ewa-77-q", "jan-31-q"
WHO = [HERS, "p1", "p2", "p3", HERS, HERS, "p4", HIS, "p5", "p6"] * 3 + [HERS]
"""Whose records the samples hold: hers are first, last, twice in a row, and the eighth record is his."""
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda plain: gzip.compress(plain[:50], mtime=0) + gzip.compress(plain[50:], mtime=0),
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def plain_bytes(content: bytes, suffix: str) -> bytes:
    """What a file holds, decompressed; of an archive or a workbook, all members."""
    if suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    content = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(suffix, bytes)(content)
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(Path(member.filename).suffix, archive.read(member)) for member in archive.infolist()]
    return b"".join(plain_bytes(inner, suffix) for suffix, inner in members)


def shifted(number: int, removed: Collection[int]) -> int:
    return number - sum(out < number for out in removed)


def erase(
    folder: Path, name: str, content: bytes, layout: Layout, numbers: Collection[int] = (), who: str = HERS
) -> tuple[list[int], bytes]:
    """Erases, and checks that the draft has all other rows and rejects; the numbers left out, and the draft, plain."""
    before = parse(folder, name, content, layout)
    held = {row["_record"] for row in before.rows or [] if who in str(row)}
    held |= {record for record, _, text in before.rejects if who in text}
    draft, suffix = folder / "new" / "draft", Path(name).suffix
    draft.parent.mkdir(exist_ok=True)
    removed = erase_records(folder / name, layout, draft, numbers, lambda text: who.encode() in text, folder)
    assert removed == sorted(held | set(numbers))
    if not removed:
        assert not draft.exists()
        return removed, plain_bytes(content, suffix)
    written = draft.read_bytes()
    after = parse(draft.parent, name, written, layout)
    assert repr(without(before, removed)) == repr((after.rows, after.rejects))  # NaN differs from itself
    draft.unlink()
    assert {path.name for path in folder.iterdir()} == {name, "new", "staging"}
    return removed, plain_bytes(written, suffix)


def without(outcome: Outcome, removed: Collection[int]) -> tuple[list[dict[str, Any]], list[tuple[int, str, str]]]:
    rows = [row for row in outcome.rows or [] if row["_record"] not in removed]
    rejects = [reject for reject in outcome.rejects if reject[0] not in removed]
    return (
        [{**row, "_record": shifted(row["_record"], removed)} for row in rows],
        [(shifted(record, removed), reason, text) for record, reason, text in rejects],
    )


def delimited(dialect: Dialect, delimiter: str, end: str) -> tuple[str, list[str], str]:
    """(what stands above, the records with what belongs to them, what stands below)."""
    quote, d = dialect.quote, delimiter
    records = []
    for i, who in enumerate(WHO):
        text = "zażółć" if dialect.encoding != "latin-1" else "caf\xe9"
        if i % 5 == 0 and quote:
            text = f"{quote}a {d} {text}{end}in {quote * 2}two{quote * 2} lines{quote}"
        elif i % 5 == 1 and dialect.escape:
            text = f"a{dialect.escape}{d}b"
        records.append(f"{who}{d}{text}{d}{i}{end}")
    records[3] = f"{HIS}{d}too few{end}"
    if quote:
        records[11] = f"x{d}{quote}broken{quote}quote{d}1{end}"
    above = "".join(f"# exported{end}" for _ in range(dialect.skip_lines))
    above += f"id{d}text{d}n{end}{end}" if dialect.header else ""
    return above, records, f"{end} {end}"


DELIMITED = {
    "csv": ("csv", Dialect(), ",", "\n"),
    "csv with CRLF": ("csv", Dialect(), ",", "\r\n"),
    "csv with CR": ("csv", Dialect(), ",", "\r"),
    "tsv": ("tsv", Dialect(), "\t", "\n"),
    "no quotes": ("tsv", Dialect(quote=""), "\t", "\n"),
    "escapes": ("csv", Dialect(escape="\\", quote="'"), ",", "\n"),
    "several": ("csv", Dialect(delimiter="::"), "::", "\r\n"),
    "skipped lines": ("csv", Dialect(skip_lines=2, delimiter=";"), ";", "\n"),
    "no header": ("csv", Dialect(header=False, column_names=("id", "text", "n")), ",", "\n"),
}
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": codecs.BOM_UTF8,
    "cp1250": b"",
    "utf-16": codecs.BOM_UTF16_BE,
    "utf-16-le": b"",
    "utf-32": codecs.BOM_UTF32_LE,
    "gb18030": "\ufeff".encode("gb18030"),
}


def encoded(text: str, encoding: str) -> bytes:
    return text.encode({"utf-8-sig": "utf-8", "utf-16": "utf-16-be", "utf-32": "utf-32-le"}.get(encoding, encoding))


@pytest.mark.parametrize("kind", DELIMITED)
@pytest.mark.parametrize(
    ("encoding", "suffix"),
    [*((encoding, "") for encoding in ENCODINGS), *(("utf-8", suffix) for suffix in COMPRESSIONS if suffix)],
)
def test_delimited_text_keeps_every_other_byte(tmp_path: Path, kind: str, encoding: str, suffix: str):
    form, dialect, delimiter, end = DELIMITED[kind]
    names = Dialect(**{**vars(dialect), "encoding": encoding})
    above, records, below = delimited(names, delimiter, end)
    content = ENCODINGS[encoding] + encoded(above + "".join(records) + below, encoding)
    layout = Layout(form, ("id", "n"), dialect=names)
    removed, left = erase(tmp_path, f"x.{form}{suffix}", COMPRESSIONS[suffix](content), layout, {2, 4, 12})
    assert removed == [1, 2, 4, 5, 6, 11, 12, 15, 16, 21, 25, 26, 31]
    kept = "".join(record for number, record in enumerate(records, 1) if number not in removed)
    assert left == ENCODINGS[encoding] + encoded(above + kept + below, encoding)


def test_bytes_that_an_encoding_does_not_have_stay_as_they_were(tmp_path: Path):
    layout = Layout("csv", ("id",), dialect=Dialect(encoding="cp1250"))
    content = b"id,x\na\x81\x83,1\newa-77-q,\x98\nb,\x9c\xff\n\x88,2"
    removed, left = erase(tmp_path, "x.csv", content, layout)
    assert (removed, left) == ([2], b"id,x\na\x81\x83,1\nb,\x9c\xff\n\x88,2")


def test_a_separator_line_stays_above(tmp_path: Path):
    content = b"sep=;\r\nid;n\r\newa-77-q;1\r\nb;2"
    assert erase(tmp_path, "x.csv", content, Layout("csv", ("id",)), {2}) == ([1, 2], b"sep=;\r\nid;n\r\n")


def test_records_are_cut_out_wherever_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    above, records, _ = delimited(Dialect(), ",", "\r\n")
    content = (above + "".join(records)).encode()
    kept = "".join(record for record in records if HERS not in record)
    for size in range(300, 420, 7):
        monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", size)
        monkeypatch.setattr(cutting, "BLOCK_BYTES", size // 3)
        _, left = erase(tmp_path, "x.csv", content, Layout("csv", ("id", "n")))
        assert left == (above + kept).encode()


JSON_OBJECTS = [{"id": who, "text": f'zażółć "{i}" [{{', "in": [{"n": i}]} for i, who in enumerate(WHO)]
OBJECTS = [json.dumps(record, ensure_ascii=i % 2 == 0) for i, record in enumerate(JSON_OBJECTS)]
PRETTY = [json.dumps(record, indent=2) for record in JSON_OBJECTS]


def pretty_array(records: list[str], indent: str = "  ") -> str:
    inner = ",\n".join(records).replace("\n", "\n" + indent)
    return f"[\n{indent}{inner}\n]\n"


BAD_LINES = [*OBJECTS[:3], '{"id": "broken', "", *OBJECTS[3:], "17"]
BAD_PRETTY = [*PRETTY[:2], '{\n  "id": "broken\n}', *PRETTY[2:], '"text"', "12"]
FRAMINGS: dict[str, tuple[str, str | None]] = {
    "lines": ("\n".join(OBJECTS) + "\n", None),
    "lines with CRLF and bad ones": ("\r\n".join(BAD_LINES), None),
    "array on a line": (f"[{', '.join(OBJECTS)}]", None),
    "array of lines": ("[\n" + ",\n".join(OBJECTS) + "\n]", None),
    "commas first": ("[" + "\n,".join(OBJECTS) + "]", None),
    "pretty array": (pretty_array(PRETTY), None),
    "pretty array with bad elements": (pretty_array(BAD_PRETTY), None),
    "pretty objects": ("\n".join(PRETTY) + "\n", None),
    "RS": ("".join(f"\x1e{record}\n" for record in PRETTY), None),
    "objects on a line": (" ".join(OBJECTS), None),
    "two arrays": (f"[{','.join(OBJECTS[:9])}]\n[{','.join(OBJECTS[9:])}]", None),
    "envelope": (f'{{"page": 1, "data": {{"items": {pretty_array(PRETTY)}, "next": null}}}}', "data.items"),
    "pages": (
        f'[{{"i": [{",".join(OBJECTS[:5])}]}}, {{"no": "{HERS}"}}, {{"i": [{",".join(OBJECTS[5:])}]}}, {{"no": 1}}]',
        "i",
    ),
    "pages without any": (f'[{{"no": "{HERS}"}}, {{"no": 1}}, {{"i": []}}, {{"no": "{HERS}"}}]', "i"),
}
STRICT = {name for name, (text, _) in FRAMINGS.items() if text[0] in "[{" and name not in ("lines", "two arrays")}
STRICT -= {"lines with CRLF and bad ones", "pretty array with bad elements", "pretty objects", "objects on a line"}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("encoding", "suffix"), [("utf-8", ""), ("utf-8", ".gz"), ("utf-8-sig", ".zst"), ("utf-16", ""), ("cp1250", ".bz2")]
)
def test_json_keeps_its_other_records_and_stays_json(tmp_path: Path, framing: str, encoding: str, suffix: str):
    text, records = FRAMINGS[framing]
    layout = Layout("json", ("id", "text"), records=records, dialect=Dialect(encoding=encoding))
    content = ENCODINGS[encoding] + encoded(text, encoding)
    total = parse(tmp_path, "x.json", content, layout).parsed.records
    (tmp_path / "x.json").unlink()
    for numbers in ({2, 3, 4}, set(), {total}, set(range(1, total + 1))):
        numbers = {number for number in numbers if number <= total}
        _, left = erase(tmp_path, "x.json" + suffix, COMPRESSIONS[suffix](content), layout, numbers)
        assert left.startswith(ENCODINGS[encoding])
        plain = left.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        assert HERS not in plain
        if framing in STRICT:
            json.loads(plain)


def test_a_comma_goes_with_each_element_and_all_else_stays(tmp_path: Path):
    a, b, c = '{"id": "a"}', '{"id": "b"}', f'{{"id": "{HERS}"}}'
    layout = Layout("json", ("id",))
    for before, after in [
        (f"[{c}, {a}, {b}]", f"[{a}, {b}]"),
        (f"[{a},\n {c},\n {c},\n {b}\n]", f"[{a},\n {b}\n]"),
        (f"[{a} ,{b} , {c}\n]", f"[{a} ,{b}\n]"),
        (f"[ {c}, {c} ]", "[  ]"),
        (f"[{a}, {c}, {c}]\n", f"[{a}]\n"),
    ]:
        _, left = erase(tmp_path, "x.json", before.encode(), layout)
        assert left.decode() == after


def test_records_of_json_are_cut_out_wherever_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for framing in ("pretty array", "RS", "lines with CRLF and bad ones", "pages"):
        text, records = FRAMINGS[framing]
        layout = Layout("json", ("id",), records=records)
        whole = erase(tmp_path, "x.json", text.encode(), layout)
        for size in (91, 500, 1001):
            monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", size)
            monkeypatch.setattr(cutting, "BLOCK_BYTES", size // 2)
            assert erase(tmp_path, "x.json", text.encode(), layout) == whole
        monkeypatch.undo()


@pytest.mark.parametrize(
    "text", ['[\n{"id": "a"},\n{"id": "b", "x": "%s"}\n]', '{"id": "a"}\n{"id": "b", "x": "%s"}\n']
)
def test_a_record_too_large_to_be_kept_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str):
    for module in (json_lines, json_stream):
        monkeypatch.setattr(module, "RECORD_BYTES", 4096)
    for module in (cutting, "umg_assets.files.blocks"):
        target = (
            "umg_assets.files.blocks.BLOCK_BYTES" if isinstance(module, str) else "umg_assets.files.cutting.BLOCK_BYTES"
        )
        monkeypatch.setattr(target, 1024)
    path, draft = tmp_path / "x.json", tmp_path / "draft"
    path.write_text(text % ("-" * 9000 + HERS + "-" * 9000))
    layout = Layout("json", ("id",))
    assert erase_records(path, layout, draft, (), lambda text: HERS.encode() in text, tmp_path) == [2]
    assert HERS not in draft.read_text()
    assert '{"id": "a"}' in draft.read_text()


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


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("kind", BINARY)
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
    for compression in ({"id": "zstd", "n": "snappy"}, "gzip"):
        name, content = "x.parquet", parquet(compression=compression)
        _, left = erase(tmp_path, name, content, Layout("parquet", ("id",)), set(range(8, 15)))
        before, after = pq.ParquetFile(io.BytesIO(content)), pq.ParquetFile(io.BytesIO(left))
        assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
        assert [after.metadata.row_group(i).num_rows for i in range(3)] == [4, 4, 5]
        kinds = [[f.metadata.row_group(0).column(i).compression for i in range(11)] for f in (before, after)]
        assert kinds[0] == kinds[1]


def test_avro_keeps_its_header_and_the_bytes_of_other_records(tmp_path: Path):
    content = avro("null")
    _, left = erase(tmp_path, "x.avro", content, Layout("avro", ("id",)), {2, 3})
    before, after = (fastavro.block_reader(io.BytesIO(file)) for file in (content, left))
    assert (after.metadata, after.codec) == (before.metadata, "null")
    rows = [row for block in before for row in block]
    assert [row for block in after for row in block] == [
        row for number, row in enumerate(rows, 1) if number not in (2, 3) and row["id"] != HERS
    ]


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
    message = refused(tmp_path, "x.json", b'[{"id": "a"},', json_layout, {2})
    assert message == "the draft has 2 records; expected 2 without 1."
    (tmp_path / "x.json").unlink()
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


FIELD = st.one_of(
    st.sampled_from(
        [HERS, f'"{HERS}"', f'"a\n{HERS}"', "", '""', '"a,b"', '"\r\n"', '"x""y"', '"open', 'mid"dle', " "]
    ),
    st.text('ab",\r\n é', max_size=5),
)


@for_drawn(
    st.lists(st.tuples(st.lists(FIELD, min_size=1, max_size=3), st.sampled_from(["\n", "\r\n", "\n\n"])), max_size=12),
    st.sets(st.integers(1, 12)),
    st.sampled_from([16, 64, 4 << 20]),
)
def test_drawn_delimited_text_loses_exactly_the_wanted_records(
    drawn: list[tuple[list[str], str]], numbers: set[int], size: int
):
    content = ("id,x\n" + "".join(",".join(fields) + end for fields, end in drawn)).encode()
    check_drawn(content, numbers, size, Layout("csv", ("id", "x")))


def check_drawn(content: bytes, numbers: set[int], size: int, layout: Layout) -> None:
    """Erases; a draft that reads otherwise, because a broken quote now ends elsewhere, may only be refused."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("umg_assets.files.blocks.BLOCK_BYTES", size)
        folder = Path(name)
        suffix = f"x.{layout.format}"
        total = parse(folder, suffix, content, layout).parsed.records
        (folder / suffix).unlink()
        try:
            _, left = erase(folder, suffix, content, layout, {number for number in numbers if number <= total})
        except CannotEraseError as error:
            assert b'"' in content and re.search("the draft|records were found", str(error))
        else:
            assert HERS.encode() not in left


OBJECT = st.sampled_from([f'{{"id":"{HERS}"}}', '{"id":"a"}', '{"id":{"x":[1]}}', f'["{HERS}"]', "7", '"]"', "null"])
BETWEEN = st.sampled_from([",", ", ", ",\n", "\n,", " ,\r\n  "])


@for_drawn(st.lists(st.tuples(OBJECT, BETWEEN), max_size=9), st.sets(st.integers(1, 9)), st.sampled_from([5, 40, 4096]))
def test_a_drawn_array_without_any_of_its_elements_stays_json(
    drawn: list[tuple[str, str]], numbers: set[int], size: int
):
    text = "".join(element + between for element, between in drawn[:-1]) + "".join(one for one, _ in drawn[-1:])
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("umg_assets.files.blocks.BLOCK_BYTES", size)
        numbers = {number for number in numbers if number <= len(drawn)}
        content = f'[\n {{"id":"p"}}, {text}]' if drawn else "[ ]"
        removed, left = erase(Path(name), "x.json", content.encode(), Layout("json", ("id",)), numbers)
    elements = json.loads(content)
    assert json.loads(left) == [one for number, one in enumerate(elements, 1) if number not in removed]
