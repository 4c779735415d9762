"""The search for what still names forgotten people, over a tree in which they are hidden in every way we know."""

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import resource
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
import zstandard

from umg_assets.forgetting.byte_search import Finding, Searched, search_bytes
from umg_assets.forgetting.matching import BLOCK_BYTES, Matcher


def person(user_id: str) -> list[bytes]:
    """What identifies a person: the id, its key as text and as bytes, the sealed id."""
    key = hashlib.sha256(user_id.encode()).digest()
    return [user_id.encode(), key.hex().encode(), key, b"sealed1:" + base64.b64encode(key[::-1] + key)]


ANN, ZOE, NUMBER, SHORT, UUID = (
    "ann-4711a",
    "żoë o'neil&co@x/7",
    "4711000042",
    "q7z",
    "0b0e7cd2-7c5d-4b7e-9f53-1d2f6a11c0de",
)
PEOPLE = [person(user_id) for user_id in (ANN, ZOE, NUMBER, SHORT, UUID)]
A, Z = ANN.encode(), ZOE.encode()
_, KEY, RAW_KEY, SEALED = PEOPLE[0]
ALL = [*PEOPLE, person("żaneta-7"), person("q7z9")]


class Leak(NamedTuple):
    """What is written to a file (bytes, or by a function of its path), where and how it is to be found."""

    content: bytes | Callable[[Path], object]
    how: str = "plain"
    inside: str = ""
    person: int = 0
    path: str = ""


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def ghost() -> bytes:
    """A Parquet file with a dictionary entry that no row names; nothing in it says that the column is a dictionary."""
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), pa.array(["bob", ANN]))
    return parquet(pa.table({"user_id": column}), compression="zstd", store_schema=False)


def orc_file(table: pa.Table) -> bytes:
    file = io.BytesIO()
    orc.write_table(table, file, compression="zlib")
    return file.getvalue()


def avro_file(value: Any, kind: Any) -> bytes:
    file = io.BytesIO()
    fields = [{"name": "user_id", "type": kind}, {"name": "n", "type": "string"}]
    fastavro.writer(
        file, {"type": "record", "name": "r", "fields": fields}, [{"user_id": value, "n": "x" * 90}] * 3, "deflate"
    )
    return file.getvalue()


def zipped(content: bytes, name: str = "users.csv", comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.comment = comment
    return file.getvalue()


def encrypted(content: bytes) -> bytes:
    """An archive whose member says that it has a password."""
    data = bytearray(zipped(content))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def tarred(content: bytes, name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active
    book.active.append(["user_id", ZOE])
    book.save(path)


def database(*statements: str | tuple[str, tuple]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            text, given = (statement, ()) if isinstance(statement, str) else statement
            connection.execute(text, given)
        connection.close()

    return write


def deleted(value: bytes | str) -> Callable[[Path], None]:
    """A database from which a row was deleted; its neighbours are written against it on both sides."""
    insert = "insert into t values (?, ?, ?)"
    return database(
        "pragma secure_delete = off",
        "create table t (a, b, c)",
        (insert, ("left", value, "right")),
        (insert, ("x", "y", "z")),
        "delete from t where a = 'left'",
    )


def with_wal(path: Path) -> None:
    """Only the log of a database's writes, of which some are not in the database yet."""
    written = path.with_name("written")
    connection = sqlite3.connect(written, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table t (a, b)")
    connection.execute("insert into t values (?, 'x')", (ANN,))
    path.write_bytes(path.with_name("written-wal").read_bytes())
    connection.close()
    written.unlink()


def with_checksums(path: Path) -> None:
    """A log of writes in whose checksums, of the log and of each page, a short id stands by chance."""
    with_wal(path)
    log = bytearray(path.read_bytes())
    page_bytes = int.from_bytes(log[8:12], "big")
    for at in (24, *range(32 + 16, len(log), 24 + page_bytes)):
        log[at : at + 5] = b".q7z."
    path.write_bytes(log)


def with_journal(path: Path) -> None:
    """Only the journal of a database that was written to, with the pages as they were."""
    written = path.with_name("written")
    connection = sqlite3.connect(written, isolation_level=None)
    connection.execute("pragma journal_mode = persist")
    connection.execute("create table t (a, b)")
    connection.execute("insert into t values (?, 'x')", (ANN,))
    connection.execute("update t set a = 'nobody'")
    path.write_bytes(path.with_name("written-journal").read_bytes())
    connection.close()
    for name in ("written", "written-journal"):
        path.with_name(name).unlink(missing_ok=True)


def json_escapes(text: str) -> bytes:
    return "".join(f"\\u{ord(character):04x}" for character in text).encode()


def values(column: Any, kind: pa.DataType | None = None, **options: Any) -> bytes:
    return parquet(pa.table({"user_id": pa.array(column, kind)}), compression="zstd", **options)


LINE = b"x," + A + b",y\n"
MANY = [f"someone-{at}" for at in range(3000)]
COLUMN = "!column user_id"
LEAKS = {
    "a line of text": Leak(LINE),
    "the very first and last bytes": Leak(A),
    "between typographic quotes": Leak("“".encode() + A + "”".encode()),
    "between quotes of Windows-1252": Leak(b"\xab" + A + b"\xbb"),
    "a hidden file": Leak(LINE, path=".tables/.part.crc"),
    "a delta log": Leak(json.dumps({"add": {"path": f"user_id={ANN}/p.parquet"}}).encode(), path="_delta_log/0.json"),
    "a name of a file": Leak(b"", "name", path=f"b0/{ANN}.csv"),
    "a name of a folder": Leak(b"", "name", path=f"b1/user_id={ANN}/part.csv"),
    "a percent-encoded name": Leak(b"", "name", path="b2/user_id=%61nn-4711a"),
    "a link's target": Leak(lambda path: path.symlink_to(f"/nowhere/{ANN}/x"), "link"),
    "a folder that landing links to": Leak(LINE, path="landing/users/a.csv"),
    "after a line's end in JSON": Leak(b'{"message": "user:\\n' + A + b'\\tgone"}', "escaped"),
    "UTF-16 LE": Leak(("é," + ANN + ",y").encode("utf-16"), "utf-16"),
    "UTF-16 BE": Leak(("," + ANN + "\n").encode("utf-16-be"), "utf-16"),
    "a page of Windows-1250": Leak("ż,żaneta-7".encode("cp1250"), "cp1250", person=5),
    "hex": Leak(b"X'00" + A.hex().encode() + b"ff'", "hex"),
    "HEX": Leak(A.hex().upper().encode(), "hex"),
    "base64": Leak(base64.b64encode(A), "base64"),
    "base64, one byte on": Leak(base64.b64encode(b"?" + A + b"??"), "base64"),
    "base64, two bytes on": Leak(base64.b64encode(b"??" + A + b"?"), "base64"),
    "URL-safe base64": Leak(base64.urlsafe_b64encode(Z), "base64", person=1),
    "base64 of a short id": Leak(b'"' + base64.b64encode(b"q7z9").rstrip(b"=") + b'"', "base64", person=6),
    "percent-encoded": Leak(b"/?u=%C5%BCo%C3%AB%20o%27neil%26co%40x%2F7&y", "percent-encoded", person=1),
    "percent-encoded by halves": Leak(b"/?u=%c5%BCo%c3%AB%20o'neil%26co@x/7&y", "escaped", person=1),
    "after a percent-encoded sign": Leak(b"/?next=%2Fu%3D" + A + b"%26", "escaped"),
    "JSON escapes": Leak(b'{"u": "' + json_escapes(ANN) + b'"}', "escaped"),
    "JSON escapes of a name beyond ASCII": Leak(json.dumps({"u": ZOE}).encode(), "escaped", person=1),
    "JSON in JSON": Leak(json.dumps({"line": json.dumps({"u": ZOE})}).encode(), "escaped", person=1),
    "XML entities": Leak(b"<u>&#380;o&#xEB; o&apos;neil&amp;co@x/7</u>", "escaped", person=1),
    "a doubled quote": Leak(Z.replace(b"'", b"''"), "quoted", person=1),
    "the key": Leak(b"aa" + KEY + b"bb", "user_key"),
    "THE KEY": Leak(KEY.upper(), "user_key as bytes hex"),
    "the key's bytes": Leak(b"abc" + RAW_KEY + b"def", "user_key as bytes"),
    "the key's bytes in base64": Leak(base64.b64encode(b"a" + RAW_KEY), "user_key as bytes base64"),
    "the sealed id": Leak(b"x" + SEALED + b"y", "sealed"),
    "a UUID's bytes": Leak(b"ab" + bytes.fromhex(UUID.replace("-", "")) + b"cd", "uuid as bytes", person=4),
    "after its length as a varint": Leak(b"\0abc\x09" + A + b"zz"),
    "after its length as a zigzag": Leak(b"\0abc\x12" + A + b"zz"),
    "after its length in four bytes": Leak(b"abc\x09\0\0\0" + A + b"zz"),
    "across two blocks": Leak(b"." * (BLOCK_BYTES - 4) + A + b"."),
    "at a block's end": Leak(b"." * (BLOCK_BYTES - len(A)) + A + b"." * 30),
    "XML entities, across two blocks": Leak(
        b"." * (BLOCK_BYTES - 900) + b"".join(b"&#x%06x;" % byte for byte in SEALED) + b"." * 900, "sealed, escaped"
    ),
    "escaped, across two blocks": Leak(b"." * (BLOCK_BYTES - 20) + json_escapes(ANN) + b"." * 50, "escaped"),
    "gzip": Leak(gzip.compress(LINE), inside="!"),
    "gzip of two members": Leak(gzip.compress(b"x") + gzip.compress(LINE), inside="!"),
    "gzip without a suffix that says so": Leak(gzip.compress(LINE), inside="!", path="blob.csv"),
    "a name in gzip's header": Leak(b"\x1f\x8b\x08\x08" + bytes(6) + b"q7z\0" + gzip.compress(b"")[10:], person=3),
    "bzip2": Leak(bz2.compress(LINE), inside="!"),
    "zstd": Leak(zstandard.compress(LINE), inside="!"),
    "zstd of two frames": Leak(zstandard.compress(b"x" * 999) + zstandard.compress(LINE), inside="!"),
    "LZ4": Leak(pa.compress(LINE * 9, "lz4", asbytes=True), inside="!"),
    "xz": Leak(lzma.compress(LINE), inside="!"),
    "zip": Leak(zipped(LINE), inside="!users.csv"),
    "zip's comment": Leak(zipped(b"", comment=A), inside="!comment"),
    "a zip member's name": Leak(zipped(b"", name=f"{ANN}.csv"), "name", "!<member 0>"),
    "gzip in zip": Leak(zipped(gzip.compress(LINE), "a.gz"), inside="!a.gz!"),
    "zip in zip in gzip": Leak(gzip.compress(zipped(zipped(LINE))), inside="!!users.csv!users.csv"),
    "Parquet in zip": Leak(zipped(values([ANN]), "p"), inside="!p!column user_id"),
    "gzip in tar": Leak(tarred(gzip.compress(LINE), "a.gz"), inside="!a.gz!"),
    "tar in gzip": Leak(gzip.compress(tarred(LINE, "users.csv")), inside="!!users.csv"),
    "a workbook": Leak(workbook, "escaped", "!xl/worksheets/sheet1.xml", 1),
    "Parquet": Leak(values([*MANY, ANN]), inside=COLUMN),
    "Parquet without dictionary": Leak(values([*MANY, ANN], use_dictionary=False), inside=COLUMN),
    "a dictionary entry that no row names": Leak(ghost(), inside=f"{COLUMN} (dictionary)"),
    "a list in Parquet": Leak(values([["bob", ANN]]), inside=COLUMN),
    "a struct in Parquet": Leak(values([{"a": {"b": ANN}}]), inside=COLUMN),
    "a map in Parquet": Leak(values([[(ANN, 1)]], pa.map_(pa.string(), pa.int8())), inside=COLUMN),
    "bytes in Parquet": Leak(values([RAW_KEY], pa.binary()), "user_key as bytes", COLUMN),
    "bytes of fixed length in Parquet": Leak(values([RAW_KEY], pa.binary(32)), "user_key as bytes", COLUMN),
    "JSON in Parquet": Leak(values([json.dumps({"u": ZOE})]), "escaped", COLUMN, 1),
    "a number in Parquet": Leak(values([1, int(NUMBER), None]), "number", COLUMN, 2),
    "a fraction in Parquet": Leak(values([None, float(NUMBER), 0.5]), "number", COLUMN, 2),
    "the second row group": Leak(values([*MANY, ANN], row_group_size=3000), inside=COLUMN),
    "a short id in Parquet": Leak(values(["q7z"]), inside=COLUMN, person=3),
    "Parquet's footer": Leak(parquet(pa.table({"n": [1]}, metadata={"source": f"{ANN}.csv"})), inside="!footer"),
    "a column's name": Leak(parquet(pa.table({ANN: [1]})), inside="!footer"),
    "ORC": Leak(orc_file(pa.table({"user_id": [*MANY, ANN]})), inside=COLUMN),
    "a number in ORC": Leak(orc_file(pa.table({"user_id": [int(NUMBER)]})), "number", COLUMN, 2),
    "Avro": Leak(avro_file(ANN, "string"), inside=COLUMN),
    "a list in Avro": Leak(avro_file(["b", ANN], {"type": "array", "items": "string"}), inside=COLUMN),
    "a number in Avro": Leak(avro_file(int(NUMBER), "long"), "number", COLUMN, 2),
    "a cell of SQLite": Leak(
        database("create table t (a, b)", ("insert into t values (1, ?)", (ANN,))), inside="!table t column b"
    ),
    "a number in SQLite": Leak(
        database("create table t (a)", f"insert into t values ({NUMBER})"), "number", "!table t column a", 2
    ),
    "a short id in SQLite": Leak(
        database("create table t (a)", "insert into t values ('q7z')"), "plain", "!table t column a", 3
    ),
    "zlib in a cell of SQLite": Leak(
        database("create table t (a)", ("insert into t values (?)", (zlib.compress(LINE * 9),))),
        inside="!table t column a",
    ),
    "gzip in a cell of SQLite": Leak(
        database("create table t (a)", ("insert into t values (?)", (gzip.compress(LINE * 9),))),
        inside="!table t column a!",
    ),
    "a table's name in SQLite": Leak(database(f'create table "{ANN}" (a)'), inside="!schema"),
    "a deleted row of SQLite": Leak(deleted(ANN)),
    "a deleted key of SQLite": Leak(deleted(RAW_KEY), "user_key as bytes"),
    "SQLite's log of writes": Leak(with_wal, path="wal/a.db-wal"),
    "SQLite's journal": Leak(with_journal, path="journal/a.db-journal"),
}
OTHERS = {
    "a longer id": b"x," + A + b"2,ann-4711ab,xann-4711a,_ann-4711a\n",
    "a longer id beyond ASCII": ("é" + ANN + "," + ANN + "ż").encode(),
    "a longer id in UTF-16": f"x{ANN},{ANN}2".encode("utf-16"),
    "a longer id after an escape": b'{"u": "\\u0061ann-4711a"}',
    "a longer id in Parquet": values([f"{ANN}2", f"2{ANN}"]),
    "a longer id in Avro": avro_file(f"{ANN}2", "string"),
    "a number of milliseconds in Avro": avro_file(
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(NUMBER)),
        {"type": "long", "logicalType": "timestamp-millis"},
    ),
    "a longer id at a block's end": b"." * (BLOCK_BYTES - len(A)) + A + b"2",
    "a longer id where the next block begins": b"." * (BLOCK_BYTES - Matcher(ALL).overlap - 9) + b"x" + A + b"." * 9999,
    "a longer number": b"147110000421 1.4711000042e5x",
    "another number in Parquet": values([47110000421]),
    "another hash": hashlib.sha256(b"bob").hexdigest().encode() + hashlib.sha256(b"eve").digest(),
    "another id": b"ann-4711b,q7y",
    "a longer id in text after a line feed": b"x\nann-4711a2",
    "a short id by chance, in a packed file": gzip.compress(b"", mtime=int.from_bytes(b".q7z", "little")),
}


def path_of(kind: str, leak: Leak) -> str:
    return leak.path or f"leaks/{sorted(LEAKS).index(kind)}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Searched]:
    """A tree with every leak and every other thing in a place of its own, and what a search of it finds."""
    root = tmp_path_factory.mktemp("home")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "landing").symlink_to(elsewhere)
    for kind, leak in LEAKS.items():
        path = root / path_of(kind, leak)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(leak.content, bytes):
            path.write_bytes(leak.content)
        else:
            leak.content(path)
    (root / "others").mkdir()
    for at, content in enumerate(OTHERS.values()):
        (root / "others" / str(at)).write_bytes(content)
    database("create table t (a, b)", ("insert into t values (?, ?)", (f"{ANN}2", f"1{NUMBER}")))(root / "others/db")
    deleted(f"1{NUMBER}2")(root / "others/db with a deleted row")
    with_checksums(root / "others/checksums.db-wal")
    return root, search_bytes(root, ALL)


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_is_found(planted: tuple[Path, Searched], kind: str):
    leak = LEAKS[kind]
    path = path_of(kind, leak)
    if leak.how == "name" and not leak.inside:
        path = f"{path.split('/')[0]}/<entry 0>"
    findings = [finding for finding in planted[1].findings if finding.path.split("!")[0] == path.split("!")[0]]
    assert Finding(path + leak.inside, leak.how, leak.person) in findings
    assert {finding.person for finding in findings} == {leak.person}


@pytest.mark.parametrize("at", range(len(OTHERS)), ids=list(OTHERS))
def test_what_names_someone_else_is_no_leak(planted: tuple[Path, Searched], at: int):
    assert [finding for finding in planted[1].findings if finding.path.split("!")[0] == f"others/{at}"] == []


def test_a_longer_id_in_a_live_cell_and_a_longer_deleted_number_are_no_leak_in_raw_pages(
    planted: tuple[Path, Searched],
):
    assert [finding for finding in planted[1].findings if finding.path.startswith("others/db")] == []


def test_ids_of_two_letters_stand_by_chance_in_packed_values_and_numbers_and_in_text_they_are_found(tmp_path: Path):
    short = [f"{letter}{digit}" for letter in "abcdefghijklmnopqrstuvwxyz" for digit in range(10)]
    packed = zlib.compress(random.Random(7).randbytes(1 << 14))  # as Dagster stores a job's snapshot
    database(
        "pragma secure_delete = off",
        "create table t (a, b)",
        ("insert into t values (?, ?)", (packed, '{"user": "u1"}')),
        "delete from t",
    )(tmp_path / "deleted.db")
    one_word = zlib.compress(random.Random(7).randbytes(1 << 14).hex().encode())
    database("create table t (a)", ("insert into t values (?)", (one_word,)))(tmp_path / "live.db")
    (tmp_path / "numbers.json").write_text(
        '{"hours": 7531, "run": "0b5c9a51-7531-4c1e-9d43-0123456789ab"}'
    )  # u1 in hex
    found = search_bytes(tmp_path, [person(user_id) for user_id in short]).findings
    assert found == [Finding("deleted.db", "plain", short.index("u1"))]


def test_a_short_id_in_the_checksums_of_a_log_of_writes_is_no_leak(planted: tuple[Path, Searched]):
    found = [finding for finding in planted[1].findings if finding.path.startswith("others/checksums")]
    assert {finding.person for finding in found} == {0}, "Ann stands in the log's pages"


def test_every_file_is_read_and_none_is_unreadable(planted: tuple[Path, Searched]):
    root, searched = planted
    folders = [root, (root / "landing").resolve()]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert searched.unreadable == []
    assert (searched.files, searched.bytes) == (len(files), sum(path.stat().st_size for path in files))


def test_a_finding_never_holds_the_id_nor_anything_made_from_it(planted: tuple[Path, Searched]):
    texts = [str(finding) for finding in planted[1].findings]
    derived = [text for identities in ALL for text in (*identities, *(one.hex().encode() for one in identities))]
    named = [one.decode() for one in derived if one.isascii()] + [ZOE, "żaneta-7"]
    assert [text for text in texts if any(name in text for name in named)] == []


def test_1000_people_are_found_as_one_by_one(planted: tuple[Path, Searched]):
    others = [person(f"nobody-{at}") for at in range(1000 - len(ALL))]
    together = search_bytes(planted[0], [*others[:500], *ALL, *others[500:]]).findings
    for at in (0, 1, 2):
        alone = search_bytes(planted[0], [ALL[at]]).findings
        assert {(one.path, one.how) for one in together if one.person == 500 + at} >= {
            (one.path, one.how) for one in alone if "<" not in one.path
        }
    assert {one.person - 500 for one in together} == {one.person for one in planted[1].findings}


def test_skipped_files_and_folders_are_left_out(tmp_path: Path):
    for name in ("a/one", "a/two", "b/three"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(A)
    searched = search_bytes(tmp_path, PEOPLE, skip=[tmp_path / "a" / "one", tmp_path / "b"])
    assert (searched.files, searched.findings) == (1, [Finding("a/two", "plain", 0)])


def test_links_but_landing_are_not_followed(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(A)
    (tmp_path / "home" / "sub").mkdir(parents=True)
    (tmp_path / "home" / "sub" / "landing").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "home" / "tables").symlink_to(tmp_path / "elsewhere")
    assert search_bytes(tmp_path / "home", PEOPLE).findings == []


CORRUPT = {
    "a gzip file cut off": (gzip.compress(LINE * 9999)[:-20], "ended before", True),
    "a gzip file with a wrong checksum": (gzip.compress(LINE)[:-8] + bytes(8), "CRC", False),
    "a zstd file cut off": (zstandard.compress(bytes(range(256)) * 99)[:-30], "", False),
    "a zip archive cut off": (zipped(b"x" * 999)[:-30], "zip", False),
    "an encrypted zip member": (encrypted(b"x"), "!users.csv: encrypted", False),
    "a Parquet file cut off": (b"PAR1 " + A + b" PAR1", "", True),
    "an ORC file that is none": (b"ORC " + A, "", True),
    "an Avro file cut off": (avro_file(ANN, "string")[:-9], "", False),
    "a database that is none": (b"SQLite format 3\0 " + A, "", True),
    "a 7z archive": (b"7z\xbc\xaf\x27\x1c " + A, "7z", True),
    "archives in archives without end": (b"", "packed more than", False),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_what_cannot_be_unpacked_is_reported_and_its_bytes_are_searched(tmp_path: Path, kind: str):
    content, why, found = CORRUPT[kind]
    if not content:
        content = LINE
        for _ in range(9):
            content = gzip.compress(content)
    (tmp_path / "file").write_bytes(content)
    searched = search_bytes(tmp_path, PEOPLE)
    assert len(searched.unreadable) == 1
    assert searched.unreadable[0].startswith("file")
    assert why in searched.unreadable[0]
    assert bool(searched.findings) == found


def test_a_reason_never_holds_an_id(tmp_path: Path):
    data = bytearray(zipped(b"x" * 99, name=f"{ANN}.csv"))
    data[data.index(A) + len(A) + 6] ^= 0xFF
    data[6] ^= 0
    (tmp_path / "a.zip").write_bytes(bytes(data))
    (unreadable,) = search_bytes(tmp_path, PEOPLE).unreadable
    assert unreadable.startswith("a.zip!<member 0>: ")
    assert ANN not in unreadable


def test_memory_is_bounded_however_much_a_file_unpacks_to(tmp_path: Path):
    zeros = gzip.compress(bytes(BLOCK_BYTES), 6)
    with (tmp_path / "a.gz").open("wb") as file:
        for _ in range(150):
            file.write(zeros)
        file.write(gzip.compress(bytes(BLOCK_BYTES - 4) + A + bytes(BLOCK_BYTES)))
        for _ in range(150):
            file.write(zeros)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    searched = search_bytes(tmp_path, PEOPLE)
    assert searched.findings == [Finding("a.gz!", "plain", 0)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_folder_that_is_not_there_is_an_error_and_not_a_proof(tmp_path: Path):
    with pytest.raises(NotADirectoryError):
        search_bytes(tmp_path / "typo", PEOPLE)
