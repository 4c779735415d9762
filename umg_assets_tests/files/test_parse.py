"""Files of every format: what is refused, what is counted, and what the messages say."""

import bz2
import gzip
import json
import os
import random
import threading
from collections import Counter
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import strategies as st

from umg_assets.files.layout import Format, Layout, format_of
from umg_assets.files.parse import (
    BAD_ENCODING,
    BROKEN_JSON,
    BROKEN_QUOTE,
    FIELD_COUNT,
    MISSING_COLUMN,
    NOT_THE_FORMAT,
    UNREADABLE_FILE,
    parse_file,
    records_as_text,
)
from umg_assets_tests.files.parsed_files import for_drawn, parse

PACK = {
    "": lambda raw: raw,
    ".gz": lambda raw: gzip.compress(raw, mtime=0),
    ".bz2": bz2.compress,
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
}
CSV = Layout("csv", ("id", "ms"))
PLAYS = b"id,ms\n" + b"".join(b"p%d,%d\n" % (i, i * 7919) for i in range(2_000))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.csv", "csv"),
        ("a/B.CSV.GZ", "csv"),
        ("b.tsv.zst", "tsv"),
        ("b.json", "json"),
        ("b.ndjson.bz2", "json"),
        ("b.jsonl", "json"),
        ("b.XLSX", "xlsx"),
        ("b.avro", "avro"),
        ("b.orc.zst", "orc"),
        ("b.zip", "zip"),
        ("b.parquet", "parquet"),
        ("b.txt", None),
        ("b.gz", None),
        ("csv", None),
        ("a.csv/b", None),
        ("b.csv.gz.gz", None),
    ],
)
def test_the_format_follows_from_the_suffix_before_that_of_the_compression(path, expected):
    assert format_of(path) == expected


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_files_of_one_or_several_members_are_read_like_plain_ones(tmp_path, suffix):
    pack = PACK[suffix]
    outcome = parse(tmp_path, f"x.csv{suffix}", pack(PLAYS[:1_001]) + pack(PLAYS[1_001:]), CSV)
    assert outcome.values == [(f"p{i}", str(i * 7919), i + 1) for i in range(2_000)]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_cut_off_file_is_refused_as_a_whole_wherever_it_is_cut(tmp_path, suffix):
    packed = PACK[suffix](PLAYS)
    for kept in (0, 1, 5, len(packed) // 3, len(packed) // 2, len(packed) - 1):
        outcome = parse(tmp_path, f"x.csv{suffix}", packed[:kept], CSV)
        assert outcome.refused == UNREADABLE_FILE, kept


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_plain_text_and_damaged_bytes_under_a_compressed_name_are_unreadable(tmp_path, suffix):
    packed = bytearray(
        zstandard.ZstdCompressor(write_checksum=True).compress(PLAYS) if suffix == ".zst" else PACK[suffix](PLAYS)
    )
    packed[len(packed) // 2] ^= 0x5A
    assert parse(tmp_path, f"x.csv{suffix}", bytes(packed), CSV).refused == UNREADABLE_FILE
    assert parse(tmp_path, f"x.csv{suffix}", PLAYS, CSV).refused == UNREADABLE_FILE


def test_zeros_after_a_gzip_member_are_padding(tmp_path):
    assert parse(tmp_path, "x.csv.gz", gzip.compress(PLAYS) + bytes(512), CSV).parsed.rows == 2_000


def test_a_compressed_parquet_file_is_read(tmp_path):
    buffer = BytesIO()
    pq.write_table(pa.table({"id": ["a"]}), buffer)
    outcome = parse(tmp_path, "x.parquet.gz", gzip.compress(buffer.getvalue()), Layout("parquet", ("id",)))
    assert outcome.values == [("a", 1)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "HTML"),
        (b'{"id":"p1","ms":1}\n', "JSON"),
        (b'[{"id":"p1"}]', "JSON"),
        (PLAYS.decode().encode("utf-16-le"), "UTF-16 text without a byte order mark"),
        (bytes(range(256)) * 8, "binary"),
        (gzip.compress(PLAYS, mtime=0), "name it .gz"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (b'id,"ms\n1,2\n', "broken quotes"),
        (b"id,ms,id\n1,2,3\n", "names id twice"),
        (b"p1,7919\np2,15838\n", "row of data"),
    ],
)
def test_a_file_that_is_not_csv_is_refused_as_a_whole_and_the_message_names_its_kind(tmp_path, content, kind):
    outcome = parse(tmp_path, "x.csv", content, CSV)
    [(record, reason, text)] = outcome.rejects
    assert (record, reason, outcome.refused, outcome.parsed.records) == (0, NOT_THE_FORMAT, NOT_THE_FORMAT, 1)
    assert kind in text
    assert len(text) <= 2_000


def test_a_missing_column_is_named_with_the_most_similar_column_of_the_file(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"play_id,Country,ms\n1,2,3\n", Layout("csv", ("playid", "country", "ms")))
    [(record, reason, text)] = outcome.rejects
    assert (record, reason, outcome.refused) == (0, MISSING_COLUMN, MISSING_COLUMN)
    assert text.startswith("Missing columns: playid (nearest: play_id), country (nearest: Country).")
    assert "Found: play_id, Country, ms." in text
    assert text.endswith(r"The file begins: play_id,Country,ms\x0a1,2,3\x0a")


def test_a_refused_file_removes_an_older_staged_file(tmp_path):
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "staged.parquet").write_bytes(b"older")
    assert parse(tmp_path, "x.csv", b"<html>", CSV).rows is None


def test_a_file_that_cannot_be_opened_is_an_error_and_no_reject(tmp_path):
    with pytest.raises(FileNotFoundError):
        parse_file(tmp_path / "none.csv", CSV, tmp_path / "staged.parquet")
    with pytest.raises(IsADirectoryError):
        parse_file(tmp_path, CSV, tmp_path / "staged.parquet")


def test_a_file_that_may_not_be_read_is_an_error_and_no_reject(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(PLAYS)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError):
        parse_file(path, CSV, tmp_path / "staged.parquet")


@pytest.mark.parametrize(
    "layout",
    [("csv", ("a", "A"), None), ("csv", ("_record",), None), ("csv", ("a",), "a INT"), ("jsonl", ("b",), "a INT")],
)
def test_an_impossible_layout_is_an_error(layout):
    with pytest.raises(ValueError, match=r"column|schema"):
        Layout(*layout)


def test_staged_records_are_given_as_compact_json_by_their_number(tmp_path):
    path, staged = tmp_path / "x.jsonl", tmp_path / "staged.parquet"
    path.write_bytes(b'oops\n{"at":"2026-07-01T00:00:00+02:00","n":{"d":1.10}}\n{"at":null}\n{"n":null}\n')
    parse_file(path, Layout("jsonl", ("n", "at"), "at TIMESTAMP, n STRUCT<d: DECIMAL(3,2)>"), staged)
    texts = records_as_text(staged, [3, 2, 1, 3])
    assert texts.to_pylist() == [
        {"record": 2, "text": '{"n":{"d":"1.10"},"at":"2026-06-30T22:00:00Z"}'},
        {"record": 3, "text": '{"n":null,"at":null}'},
    ]
    assert records_as_text(staged, []).num_rows == 0


def test_files_are_parsed_in_several_threads_at_once(tmp_path):
    counts: dict[int, int] = {}

    def work(n: int) -> None:
        (tmp_path / f"{n}.csv").write_bytes(PLAYS[: 6 + 7 * n].rsplit(b"\n", 1)[0])
        for _ in range(5):
            counts[n] = parse_file(tmp_path / f"{n}.csv", CSV, tmp_path / f"{n}.parquet").records

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == {n: PLAYS[: 6 + 7 * n].rsplit(b"\n", 1)[0].count(b"\n") for n in range(1, 9)}


@for_drawn(
    st.one_of(st.binary(max_size=60), st.text('id,ms\n\r"{}[]:1\t é', max_size=60).map(str.encode)),
    st.sampled_from(["csv", "tsv", "jsonl", "json", "parquet", "avro", "orc", "xlsx", "zip"]),
    st.sampled_from(["", "", ".gz", ".bz2", ".zst"]),
    st.booleans(),
)
def test_no_content_raises_or_loses_a_record(raw: bytes, kind: Format, suffix: str, packed: bool):
    content = PACK[suffix](raw) if packed else raw
    for columns in ((), ("id",)):
        with TemporaryDirectory() as folder:
            parse(Path(folder), f"x.{kind}{suffix}", content, Layout(kind, columns))


def _broken_csv(pick: random.Random, delimiter: str) -> tuple[bytes, int, Counter[str]]:
    lines, reasons, d = [], Counter(), delimiter
    for i in range(pick.randrange(1, 120)):
        kind = pick.choice(["good"] * 6 + ["quoted", "few", "many", "bytes", "after", "stray", "blank"])
        records = {
            "good": (f"p{i}{d}{i}", None),
            "quoted": (f'"p{i}\n{i}"{d}"{i}{d}"', None),
            "few": (f"p{i}", FIELD_COUNT),
            "many": (f"p{i}{d}1{d}2", FIELD_COUNT),
            "bytes": (f"p{i}\udcff{d}1", BAD_ENCODING),
            "after": (f'"p{i}"x{d}1', BROKEN_QUOTE),
            "stray": (f'p{i}{d}"1', BROKEN_QUOTE),
            "blank": (" ", "blank"),
        }
        text, reason = records[kind]
        lines.append(text)
        reasons[reason or "good"] += 1
    end = pick.choice(["\n", "\r\n", "\r"])
    text = pick.choice(["", "\ufeff"]) + f"id{d}ms{end}" + end.join(lines) + pick.choice(["", end])
    del reasons["blank"]
    rows = reasons.pop("good", 0)
    return text.encode(errors="surrogateescape"), rows, reasons


def _broken_json(pick: random.Random) -> tuple[bytes, int, Counter[str]]:
    lines, reasons = ['{"id":"first"}'], Counter({"good": 1})
    for i in range(pick.randrange(1, 120)):
        good = json.dumps({"id": f"p{i}", "ms": i})
        text, reason = pick.choice(
            [(good, "good")] * 6
            + [(good[:-2], BROKEN_JSON), (f"[{i}]", BROKEN_JSON), (good * 2, BROKEN_JSON), ("", "blank")]
            + [('{"id":"\udcff"}', BAD_ENCODING), (f'{{"ms":{i}.10}}', "good")]
        )
        lines.append(text)
        reasons[reason] += 1
    del reasons["blank"]
    rows = reasons.pop("good")
    return pick.choice(["\n", "\r\n"]).join(lines).encode(errors="surrogateescape"), rows, reasons


def _refusable(pick: random.Random, kind: str) -> tuple[bytes, str]:
    junk = b"\x00" + pick.randbytes(200)
    return pick.choice(
        [
            (b"<html><body>Sign in</body></html>\n" * 5, NOT_THE_FORMAT),
            (junk, NOT_THE_FORMAT),
            *([(b"who,when\n1,2\n", MISSING_COLUMN), (b'{"id":1}\n', NOT_THE_FORMAT)] if kind != "jsonl" else []),
        ]
    )


KINDS: list[Format] = ["csv", "tsv", "jsonl"]


def test_two_hundred_broken_files_of_every_kind_account_for_every_record(tmp_path):
    pick = random.Random(20260701)
    wrong, reasons_seen = [], Counter()
    for n in range(200):
        kind, suffix = pick.choice(KINDS), pick.choice(list(PACK))
        fate = pick.choice(["records", "records", "refused", "cut"])
        content, rows, reasons = (
            _broken_json(pick) if kind == "jsonl" else _broken_csv(pick, "\t" if kind == "tsv" else ",")
        )
        refused = None
        if fate == "refused":
            content, refused = _refusable(pick, kind)
        packed = PACK[suffix](content)
        if fate == "cut" and suffix:
            packed, refused = packed[: pick.randrange(len(packed))], UNREADABLE_FILE
        if refused:
            rows, reasons = 0, Counter({refused: 1})
        outcome = parse(tmp_path, f"{n}.{kind}{suffix}", packed, Layout(kind, ("id", "ms")))
        got = (outcome.parsed.records, outcome.parsed.rows, Counter(r for _, r, _ in outcome.rejects), outcome.refused)
        if got != (rows + reasons.total(), rows, reasons, refused):
            wrong.append((n, kind, suffix, fate, got, rows, reasons, refused))
        reasons_seen += reasons
    assert not wrong
    assert set(reasons_seen) == {
        FIELD_COUNT, BROKEN_JSON, BAD_ENCODING, BROKEN_QUOTE, UNREADABLE_FILE, NOT_THE_FORMAT, MISSING_COLUMN
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
def test_of_a_long_file_no_more_than_is_wanted_is_read(tmp_path: Path, name: str):
    header, line = (b"id,ms\n", b"p%07d,%064d\n") if ".csv" in name else (b"", b'{"id":"p%07d","ms":"%064d"}\n')
    whole = gzip.compress(header + b"".join(line % (n, n) for n in range(120_000)), 1, mtime=0)
    file = tmp_path / name
    file.write_bytes(whole[:-100])
    layout = Layout(format_of(name) or "csv", ("id", "ms"))
    beginning = parse_file(file, layout, tmp_path / "staged", 1_000)
    assert beginning.refused is None
    assert 1_000 <= beginning.records == beginning.rows == pq.read_table(tmp_path / "staged").num_rows < 100_000
    assert parse_file(file, layout, tmp_path / "all").refused == UNREADABLE_FILE
