"""JSON in any framing: every record is a row or a reject, read in pieces, and both readers count alike."""

import itertools
import json
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from umg_assets.files.dialect import Dialect
from umg_assets.files.json_documents import stage_json
from umg_assets.files.layout import Layout
from umg_assets.files.parse import BAD_ENCODING, BROKEN_JSON, NOT_THE_FORMAT, parse_file
from umg_assets.files.rejects import TOO_DEEP, TOO_LARGE, UNREADABLE_REST
from umg_assets.files.staged import Staging
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.files.parsed_files import Outcome, parse


def read(folder: Path, content: bytes, records: str | None = None) -> Outcome:
    """Parses a .json file of column a, and checks that the second reader counts as many records."""
    layout = Layout("json", ("a",), records=records)
    outcome = parse(folder, "x.json", content, layout)
    assert outcome.refused or count_records(folder / "x.json", layout) == outcome.parsed.records, content[:2_000]
    return outcome


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1250", "utf-8-sig"])
@pytest.mark.parametrize(
    "text",
    [
        '[{"a":"Dvořák"},{"a":"Łódź"}]',
        '{"a":"Dvořák"}\r\n{"a":"Łódź"}\r\n',
        '{"a":"Dvořák"}{"a":"Łódź"}',
        '{"items":[{"a":"Dvořák"},\n{"a":"Łódź"}]}',
        '[\n {\n  "a": "Dvořák"\n },\n {\n  "a": "Łódź"\n }\n]\n',
    ],
)
def test_json_of_another_encoding_is_read_like_utf_8_and_a_mark_needs_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, text: str
):
    marked = encoding in ("utf-16", "utf-32", "utf-8-sig")
    dialect = Dialect() if marked else Dialect(encoding=encoding)
    records = "items" if "items" in text else None
    for form in ("json", "jsonl") if "\r\n" in text else ("json",):
        layout = Layout(form, ("a",), records=records, dialect=dialect)
        for block in (63, 4 << 20):
            monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", block)
            outcome = parse(tmp_path, "x.json", text.encode(encoding), layout)
            assert (outcome.values, outcome.rejects) == ([("Dvořák", 1), ("Łódź", 2)], [])
            assert count_records(tmp_path / "x.json", layout) == 2


def test_a_byte_that_the_encoding_of_json_does_not_have_makes_one_record_bad_and_is_shown(tmp_path: Path):
    for content, shown in (
        (b'{"a":"x"}\n{"a":"\x81"}\n{"a":"\xf8"}\n', '{"a":"\\x81"}'),
        (b'[{"a":"x"},{"a":"\x81"},{"a":"\xf8"}]', '{"a":"\\x81"}'),
    ):
        layout = Layout("json", ("a",), dialect=Dialect(encoding="cp1250"))
        outcome = parse(tmp_path, "x.json", content, layout)
        assert outcome.values == [("x", 1), ("ř", 3)]
        assert outcome.rejects == [(2, BAD_ENCODING, shown)]
        assert count_records(tmp_path / "x.json", layout) == 3


def rejects(outcome: Outcome) -> list[tuple[int, str]]:
    return [(record, reason) for record, reason, _ in outcome.rejects]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a":1.10},{"a":"x"},{"b":{}}]',
        b'\xef\xbb\xbf [\r\n  {\r\n    "a": 1.10\r\n  },\r\n  {\r\n    "a": "x"\r\n  },\r\n  {}\r\n]\r\n',
        b'[{"a":1.10}]\n[{"a":"x"},{}]',
        b'{"a":1.10}{"a":"x"}{}',
        b'{"a":1.10} {"a":"x"}\n{}',
        b'\x1e{"a":1.10}\n\x1e{"a":"x"}\n\x1e{}\n',
        b'{\n  "a": 1.10,\n  "b": [\n    {\n      "a": 7\n    }\n  ]\n}\n{\n  "a": "x"\n}\n{\n}\n',
        b'{"a":1.10}\n{"a":"x"}\n\n{}',
    ],
)
def test_every_framing_gives_the_same_records_with_values_as_they_are_written(tmp_path: Path, content: bytes):
    outcome = read(tmp_path, content)
    assert (outcome.values, outcome.rejects) == ([("1.10", 1), ("x", 2), (None, 3)], [])


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b'{"next":null,"items":[{"a":1},{"a":"]}"}],"total":2}', "items"),
        (b'{\n "x": {"items": [{"a": 9}]},\n "data": {"n": [1], "items": [{"a":1},\n{"a":"]}"}]}\n}', "data.items"),
        (b'{"items":[{"a":1}]}\n{"items":[]}\n{"items":null}\n{"items":[{"a":"]}"}]}', "items"),
        (b'[{"page":1,"items":[{"a":1}]},\n {"page":2,"items":[]},{"items":[{"a":"]}"}]}]', "items"),
        (b'[{"data":{"items":[{"a":1}]}}]\n[{"data":{"items":[{"a":"]}"}]}}]', "data.items"),
    ],
)
def test_records_names_the_array_inside_an_object(tmp_path: Path, content: bytes, records: str):
    assert read(tmp_path, content, records).values == [("1", 1), ("]}", 2)]


def test_an_object_without_the_array_is_a_reject_among_others_and_refuses_the_file_alone(tmp_path: Path):
    outcome = read(tmp_path, b'{"items":[{"a":1}]}{"error":"busy"}{"items":[{"a":2}]}', "items")
    assert (outcome.values, outcome.rejects) == ([("1", 1), ("2", 3)], [(2, BROKEN_JSON, '{"error":"busy"}')])
    for content, what in [
        (b'{"error":"busy"}', "an object without it"),
        (b'{"items":{"a":1}}', "an object at 'items'"),
        (b'[{"a":1},{"a":2}]', "an array of objects without it"),
    ]:
        outcome = read(tmp_path, content, "items")
        assert outcome.refused == NOT_THE_FORMAT
        assert f"Expected an array of objects at records = 'items'; this is {what}" in outcome.rejects[0][2]


def test_pages_in_an_array_that_is_cut_off_or_holds_something_else_give_all_their_whole_records(tmp_path: Path):
    whole = b'[{"items":[{"a":"1"},{"a":"2"}]},\n{"items":[{"a":"3"}]}]'
    for end in range(2, len(whole)):
        content = whole[:end]
        outcome = read(tmp_path, content, "items")
        landed = [str(at) for at in (1, 2, 3) if b'"%d"}' % at in content]
        if not outcome.refused:
            assert [value for value, _ in outcome.values] == landed, content
            assert [reason for _, reason in rejects(outcome)] == [UNREADABLE_REST], content
    strange = read(tmp_path, b'[7,{"items":[{"a":1}]},"x",[{"items":[{"a":2}]}],{"error":1}]', "items")
    assert [value for value, _ in strange.values] == ["1", "2"]
    assert {reason for _, reason in rejects(strange)} == {BROKEN_JSON}


@pytest.mark.parametrize(
    "bad", [b'{"a":NaN}', b"{'a':1}", b'{"a":1,}', b'{"a" 1}', b"7", b'"text, ]"', b"[1]", b"oops", b'{"a":"\n"}']
)
def test_a_bad_element_of_an_array_is_one_reject(tmp_path: Path, bad: bytes):
    outcome = read(tmp_path, b'[{"a":1},' + bad + b',{"a":3}]')
    assert (outcome.values, outcome.rejects) == ([("1", 1), ("3", 3)], [(2, BROKEN_JSON, bad.decode())])


def test_bytes_that_are_not_utf_8_reject_their_record(tmp_path: Path):
    outcome = read(tmp_path, b'[{"a":1},{"a":"\xff"},{"a":3}]')
    assert outcome.values == [("1", 1), ("3", 3)]
    assert outcome.rejects == [(2, BAD_ENCODING, r'{"a":"\xff"}')]


@pytest.mark.parametrize("broken", ['{"a": 2', '{"a": [2}', '{"a": "2}', '{"a": 2]'])
def test_where_brackets_or_quotes_do_not_close_reading_goes_on_at_the_next_line_like_the_last(
    tmp_path: Path, broken: str
):
    for content in (f'[\n  {{"a": 1}},\n  {broken},\n  {{"a": 3}}\n]', f'{{"a":1}}{{"a":0}}\n{broken}\n{{"a": 3}}'):
        outcome = read(tmp_path, content.encode())
        assert rejects(outcome) == [(len(outcome.values), BROKEN_JSON)]
        assert outcome.values[-1][0] == "3"
    outcome = read(tmp_path, f'\x1e{{"a":1}}\n\x1e{broken}\n\x1e{{"a":3}}\n'.encode())
    assert (outcome.values, rejects(outcome)) == ([("1", 1), ("3", 3)], [(2, BROKEN_JSON)])


def test_without_such_a_line_the_rest_of_the_file_is_one_reject_that_says_so(tmp_path: Path):
    outcome = read(tmp_path, b'[{"a":1},{"a":[2},{"a":3},{"a":4}]')
    assert outcome.values == [("1", 1)]
    assert outcome.rejects == [(2, UNREADABLE_REST, '{"a":[2},{"a":3},{"a":4}]')]


@pytest.mark.parametrize("records", [None, "items"])
def test_of_a_file_that_is_cut_off_anywhere_the_whole_records_land_and_the_cut_is_a_reject(
    tmp_path: Path, records: str | None
):
    whole = b'[{"a":"1"},{"a":"2"},\n{"a":"3"}]'
    before = b'{"n":0,"items":' if records else b""
    for end in range(len(before) + 1, len(before + whole)):
        content = (before + whole)[:end]
        outcome = read(tmp_path, content, records)
        landed = [str(at) for at in (1, 2, 3) if b'"%d"}' % at in content]
        assert [value for value, _ in outcome.values] == landed, content
        assert rejects(outcome) == [(len(landed) + 1, UNREADABLE_REST)], content


def test_a_record_too_large_or_too_deep_is_a_reject_and_is_not_held_in_memory(tmp_path: Path):
    deep = b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"
    outcome = read(tmp_path, b'[{"a":1},' + deep + b',{"a":3}]')
    assert (outcome.values, rejects(outcome)) == ([("1", 1), ("3", 3)], [(2, TOO_DEEP)])

    large = b'{"a":"' + b"x" * (60 << 20) + b'"}'
    for number, (before, between, after) in enumerate([(b"[", b",", b"]"), (b"", b"\n", b"\n")]):
        file = tmp_path / f"{number}.json"
        content = before + b'{"a":1}' + between + large + between + b'{"a":3}' + after
        file.write_bytes(content)
        tracemalloc.start()
        parsed = parse_file(file, Layout("json", ("a",)), tmp_path / "staged")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [(r["record"], r["reason"]) for r in parsed.rejects.to_pylist()] == [(2, TOO_LARGE)]
        assert (parsed.records, parsed.rows, count_records(file)) == (3, 2, 3)
        assert peak < len(large)
    assert len(large) > 40 << 20


def test_a_long_array_is_read_in_blocks_and_every_record_lands_once(tmp_path: Path):
    rows = [{"a": f"{at}", "b": "é{[" * 20} for at in range(60_000)]
    outcome = read(tmp_path, json.dumps(rows, indent=1, ensure_ascii=False).encode())
    assert [value for value, _ in outcome.values] == [row["a"] for row in rows]


def test_wherever_a_block_ends_the_records_are_the_same(tmp_path: Path):
    content = b'{"k\\"":{"x":["]"]},"i":[ {"a":"\\\\"},\n{"a":"\\""} , 7,\n{"a":[1.10]} ]}\n\x1e{"i":null}'
    expected = [("\\", 1), ('"', 2), ("[1.10]", 4)]
    for at in range(1, len(content)):
        with Staging(tmp_path / "staged", pa.schema([("a", pa.string())])) as staging:
            stage_json(iter([(content[:at], False), (content[at:], True)]), ("a",), None, "i", staging)
        outcome = read(tmp_path, content, "i")
        assert (staging.records, staging.rows, staging.rejects.counts.total()) == (4, 3, 1), at
    assert outcome.values == expected


@pytest.mark.parametrize("bad", [b'{"a":1}{"a":2}', b'{"a":', b"[1]", b"[", b"{", b"\x1e", b'"a": 1}', b'{"a":1},'])
def test_in_json_lines_a_bad_line_stays_one_reject_whatever_it_looks_like(tmp_path: Path, bad: bytes):
    for lines in itertools.permutations([bad, b'{"a":"x"}', b'{"a":"y"}']):
        content = b"\n".join(lines)
        outcome = read(tmp_path, content)
        assert outcome.rejects == [(lines.index(bad) + 1, BROKEN_JSON, bad.decode())]
        assert outcome.values == parse(tmp_path, "x.jsonl", content, Layout("jsonl", ("a",))).values


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"<html>\n", b"\x00\x01" * 50, b"", b"\n \n"])
def test_what_is_no_json_is_refused_and_an_empty_file_has_no_rows(tmp_path: Path, content: bytes):
    assert read(tmp_path, content).refused == (NOT_THE_FORMAT if content.strip() else None)


def test_a_schema_types_the_values_in_every_framing(tmp_path: Path):
    layout = Layout("json", ("a",), "a STRUCT<n: BIGINT>")
    outcome = parse(tmp_path, "x.json", b'[{"a":{"n":1}},{"a":{"n":"x"}}]', layout)
    assert (outcome.values, rejects(outcome)) == ([({"n": 1}, 1)], [(2, BROKEN_JSON)])


def test_both_readers_count_alike_whatever_is_broken(tmp_path: Path):
    for seed in range(150):
        chance = random.Random(seed)
        records = chance.choice([None, None, "i", "d.i"])
        values = [chance.choice(['{"a":1}', '{"a":"x{"}', '{"a":[{}],"b":"\\""}', "{\n}"]) for _ in range(6)]
        between = chance.choice([",", ",\n", ",\n  ", "\n", "", "\x1e", " "])
        text = between.join(values)
        if records or chance.random() < 0.5:
            text = f"[{between.strip(',') if chance.random() < 0.5 else ''}{text}]"
        for key in reversed(records.split(".") if records else []):
            text = chance.choice(['{"%s":%s}', '{"z":[{}],"%s":%s,"y":{}}', '{\n "%s": %s\n}']) % (key, text)
        for _ in range(chance.choice([0, 0, 1, 2, 3])):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(['"', "{", "}", "[", "]", ",", "", "7", "\\", "\n", "é"]) + text[at + 1 :]
        read(tmp_path, text.encode(), records)
