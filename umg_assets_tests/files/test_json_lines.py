"""JSON lines: exact text without a schema, typed values with a schema, and each bad line rejected alone."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from umg_assets.files.layout import Layout
from umg_assets.files.parse import BAD_ENCODING, BROKEN_JSON, NOT_THE_FORMAT, parse_file
from umg_assets.files.rejects import TOO_DEEP
from umg_assets.files.sample import read_sample
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.files.parsed_files import for_drawn, parse

A = Layout("jsonl", ("a",))
# a line that makes the parser read its block line by line
SLOW = b'{"a":NaN}\n'


@pytest.mark.parametrize("slow", [b"", SLOW])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"12345678901234567890", "12345678901234567890"),
        (b"1.10", "1.10"),
        (b"-0", "-0"),
        (b"1e5", "1e5"),
        (b"7", "7"),
        (b"true", "true"),
        (b"false", "false"),
        (b"null", None),
        (b'""', ""),
        (b'"2026-07-01T00:00:00Z"', "2026-07-01T00:00:00Z"),
        (b'"\\u00e9 \\ud83d\\ude00 \\n\\/"', "é 😀 \n/"),
        (b'{"x": 1.10, "y": [1, "\\u00e9", null, true]}', '{"x":1.10,"y":[1,"é",null,true]}'),
        (b"[ ]", "[]"),
    ],
)
def test_values_without_a_schema_are_text_as_they_are_written(tmp_path, slow, written, read):
    outcome = parse(tmp_path, "x.jsonl", b'{"a":' + written + b"}\n" + slow, A)
    assert outcome.values == [(read, 1)]


@pytest.mark.parametrize("slow", [b"", SLOW])
def test_a_missing_key_is_null_and_an_unknown_key_is_ignored(tmp_path, slow):
    outcome = parse(tmp_path, "x.jsonl", b'{"b":1}\n{}\n{"a":"x","c":{"a":1}}\n' + slow, A)
    assert outcome.values == [(None, 1), (None, 2), ("x", 3)]


def test_the_type_of_a_column_may_change_from_line_to_line(tmp_path):
    lines = b'{"a":1}\n{"a":"x"}\n{"a":1.50}\n{"a":true}\n{"a":[1]}\n'
    assert [v for v, _ in parse(tmp_path, "x.jsonl", lines, A).values] == ["1", "x", "1.50", "true", "[1]"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n \r\n"])
def test_line_ends_blank_lines_and_a_byte_order_mark_change_nothing(tmp_path, end):
    content = b"\xef\xbb\xbf" + end + end.join([b'{"a":"1"}', b' {"a":"2"}\t', b'{"a":"3"}'])
    assert parse(tmp_path, "x.ndjson", content, A).values == [("1", 1), ("2", 2), ("3", 3)]


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\xef\xbb\xbf"[:3], b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_staged_without_rows(tmp_path, content):
    assert parse(tmp_path, "x.jsonl", content, A).rows == []


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":1',
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"b":NaN}',
        b'{"b":-Infinity}',
        b'{"a":01}',
        b'{"a":1}{"a":2}',
        b'{"a":1}x',
        b"[1,2]",
        b"42",
        b'"text"',
        b"null",
        b"oops",
        b"{'a':1}",
        b'{"a":"\t"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x00"}',
    ],
)
def test_a_line_that_is_no_json_object_is_rejected_alone(tmp_path, line):
    outcome = parse(tmp_path, "x.jsonl", b'{"a":"1"}\n' + line + b'\n{"a":"3"}\n', A)
    assert outcome.values == [("1", 1), ("3", 3)]
    assert outcome.rejects == [(2, BROKEN_JSON, line.decode())]


@pytest.mark.parametrize("schema", [None, "a string, b struct<c: bigint>"])
@pytest.mark.parametrize("levels", [250, 990, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"c":', b'[{"a":'])
@pytest.mark.parametrize("place", [b'{"a":%s}', b'{"a":"2","b":%s}', b'{"a":"2","z":%s}', b"%s"])
def test_a_deeply_nested_record_is_quarantined_and_its_neighbours_land_in_any_framing(
    tmp_path, schema, levels, opening, place
):
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}"), b'"ac:')
    deep = place % (opening * levels + b"1" + closing * levels)
    for framing in (b"%s\n%s\n%s\n", b"[%s,\n%s,\n%s]", b'{"items":[%s,%s,%s]}'):
        layout = Layout("json", ("a", "b"), schema=schema, records="items" if framing.startswith(b"{") else None)
        content = framing % (b'{"a":"1"}', deep, b'{"a":"3"}')
        outcome = parse(tmp_path, "x.json", content, layout)
        assert [(row["a"], row["_record"]) for row in outcome.rows or ()] == [("1", 1), ("3", 3)]
        assert outcome.rejects == [(2, TOO_DEEP, deep.decode())]
        assert count_records(tmp_path / "x.json", layout) == 3
        assert read_sample(tmp_path / "x.json").records


def test_two_objects_on_a_line_and_an_object_on_two_lines_are_all_broken(tmp_path):
    outcome = parse(tmp_path, "x.jsonl", b'{"a":"1"}{"a":"2"}\n{"a":\n"3"}\n{"a":"4"}\n', A)
    assert outcome.values == [("4", 4)]
    assert [(n, reason) for n, reason, _ in outcome.rejects] == [(1, BROKEN_JSON), (2, BROKEN_JSON), (3, BROKEN_JSON)]


def test_an_object_with_a_line_end_inside_is_two_broken_lines(tmp_path):
    outcome = parse(tmp_path, "x.jsonl", b'{"a":"1"}\n{"a":\r"2"}\n{"a":"3"}\n', A)
    assert outcome.values == [("1", 1), ("3", 4)]
    assert outcome.rejects == [(2, BROKEN_JSON, '{"a":'), (3, BROKEN_JSON, '"2"}')]


def test_bad_bytes_are_reported_before_broken_json_and_kept(tmp_path):
    outcome = parse(tmp_path, "x.jsonl", b'{"a":"\xff\\n"}\n{"b":\xff\n{"a":"x"}\n', A)
    assert outcome.values == [("x", 3)]
    assert outcome.rejects == [(1, BAD_ENCODING, r'{"a":"\xff\\n"}'), (2, BAD_ENCODING, r'{"b":\xff')]


def test_one_bad_line_in_a_long_file_loses_one_record(tmp_path):
    lines = [b'{"a":%d,"b":"%s"}' % (i, b"x" * 80) for i in range(100_000)]
    lines[70_000] = lines[70_000][:-1]
    outcome = parse(tmp_path, "x.jsonl", b"\n".join(lines), A)
    assert [(n, reason) for n, reason, _ in outcome.rejects] == [(70_001, BROKEN_JSON)]
    assert [row["a"] for row in outcome.rows or []] == [str(i) for i in range(100_000) if i != 70_000]


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html>\n<html>",
        b'[{"a":1},\n {"a":2}]',
        b'[\n{"a":1},\n{"a":2}\n]\n',
        b'[{"a":1}]',
        b'{\n  "a": 1\n}\n',
        b"a,b\n1,2\n",
        b"\x00\x01\x02\xff" * 100,
    ],
)
def test_a_file_that_is_not_json_lines_is_refused_as_a_whole(tmp_path, content):
    assert parse(tmp_path, "x.json", content, A).refused == NOT_THE_FORMAT


def test_a_broken_first_line_does_not_refuse_the_file(tmp_path):
    for first in (b"{", b"[1", b"oops"):
        outcome = parse(tmp_path, "x.jsonl", first + b'\n{"a":"2"}\n{"a":"3"}\n', A)
        assert (outcome.values, outcome.rejects) == ([("2", 2), ("3", 3)], [(1, BROKEN_JSON, first.decode())])


SCHEMA = (
    "i BIGINT, t TINYINT, x DOUBLE, d DECIMAL(5,2), b BOOLEAN, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, "
    "s STRING, raw BINARY, l ARRAY<INT>, m MAP<STRING, INT>, user STRUCT<id: STRING, geo: STRUCT<country: STRING>>"
)


@pytest.mark.parametrize("slow", [b"", b"oops\n"])
@pytest.mark.parametrize(
    ("column", "written", "read"),
    [
        ("i", "9223372036854775807", 2**63 - 1),
        ("i", '"5"', 5),
        ("i", "5.0", 5),
        ("t", "-128", -128),
        ("x", "5", 5.0),
        ("x", "0.1", 0.1),
        ("d", "1.10", Decimal("1.10")),
        ("b", "true", True),
        ("day", '"2026-07-01"', date(2026, 7, 1)),
        ("at", '"2026-07-01T12:00:00.123456Z"', datetime(2026, 7, 1, 12, 0, 0, 123456, UTC)),
        ("at", '"2026-07-01T12:00:00+02:00"', datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("at", '"2026-07-01 12:00:00"', datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("wall", '"2026-07-01T12:00:00"', datetime(2026, 7, 1, 12)),
        ("s", "1.10", "1.10"),
        ("s", '{"k": 1}', '{"k":1}'),
        ("raw", '"AP8="', b"\x00\xff"),
        ("l", "[1, null]", [1, None]),
        ("m", '{"k": 1}', [("k", 1)]),
        ("user", '{"geo": {"country": "AT"}, "extra": 1}', {"id": None, "geo": {"country": "AT"}}),
        ("user", "null", None),
    ],
)
def test_a_schema_types_the_values(tmp_path, slow, column, written, read):
    layout = Layout("jsonl", (column,), SCHEMA)
    outcome = parse(tmp_path, "x.jsonl", f'{{"{column}":{written}}}\n'.encode() + slow, layout)
    assert outcome.values == [(read, 1)]


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("i", "1.5"),
        ("i", "9223372036854775808"),
        ("i", '"abc"'),
        ("i", '""'),
        ("i", "true"),
        ("i", "1e999999999"),
        ("t", "128"),
        ("x", "1e400"),
        ("x", '"NaN"'),
        ("d", "1.234"),
        ("d", "1000"),
        ("b", "1"),
        ("day", '"2026-02-30"'),
        ("day", '"20260701"'),
        ("at", '"yesterday"'),
        ("at", "1751371200"),
        ("wall", '"2026-07-01T12:00:00Z"'),
        ("raw", '"!"'),
        ("l", '[1, "x"]'),
        ("m", "[1]"),
        ("user", '"u1"'),
        ("user", '{"geo": {"country": "AT"}, "id": "1", "geo": 5}'),
    ],
)
def test_a_value_that_does_not_fit_its_type_rejects_the_record_and_is_never_null(tmp_path, column, written):
    line = f'{{"{column}":{written}}}'
    outcome = parse(tmp_path, "x.jsonl", f"{line}\n{{}}\n".encode(), Layout("jsonl", (column,), SCHEMA))
    assert (outcome.values, outcome.rejects) == ([(None, 2)], [(1, BROKEN_JSON, line)])


def test_the_staged_types_are_those_of_the_schema_even_without_rows(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"")
    parse_file(tmp_path / "x.jsonl", Layout("jsonl", ("at", "i", "wall"), SCHEMA), tmp_path / "staged.parquet")
    types = [str(kind) for kind in pq.read_schema(tmp_path / "staged.parquet").types]
    assert types == ["timestamp[us, tz=UTC]", "int64", "timestamp[us]", "int64"]


@pytest.mark.parametrize("ddl", ["a STRIN", "a", "a INT) ; DROP TABLE t", "a INT,\nb BIGNIT(3", "a VARIANT", ""])
def test_a_schema_that_is_no_ddl_is_an_error_that_quotes_it(ddl):
    with pytest.raises(ValueError, match="schema") as error:
        Layout("jsonl", ("a",), ddl)
    assert repr(ddl) in str(error.value)


def test_the_error_of_a_schema_gives_its_position():
    with pytest.raises(ValueError, match="line 2, column"):
        Layout("jsonl", ("a",), "a INT,\nb BIGNIT(3")


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=4,
)
_line = st.one_of(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), _json).map(lambda value: (json.dumps(value), value)),
    st.sampled_from(["oops", '{"a":', "[1]"]).map(lambda text: (text, None)),
)


def _text(value):
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@for_drawn(st.lists(_line, max_size=6), st.booleans())
def test_every_line_is_a_row_of_its_values_or_a_reject(lines, ascii_only):
    texts = [text if ascii_only or value is None else json.dumps(value, ensure_ascii=False) for text, value in lines]
    # a good line first, because a file of bad lines only would be refused
    content = "\n".join(['{"a":"first"}', *texts]).encode()
    with TemporaryDirectory() as folder:
        outcome = parse(Path(folder), "x.jsonl", content, Layout("jsonl", ("a", "b")))
    numbered = [(number, value) for number, (_, value) in enumerate(lines, 2)]
    expected = [
        (_text(value.get("a")), _text(value.get("b")), number) for number, value in numbered if value is not None
    ]
    assert outcome.values == [("first", None, 1), *expected]
    assert [number for number, _, _ in outcome.rejects] == [number for number, value in numbered if value is None]
