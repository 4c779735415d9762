"""Text files without a person's records: each other byte stays, in every dialect, framing and encoding."""

import json
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st

from umg_assets.files import cutting
from umg_assets.files.dialect import Dialect
from umg_assets.files.erasing import CannotEraseError, erase_records
from umg_assets.files.layout import Format, Layout
from umg_assets_tests.files.erased_files import (
    COMPRESSIONS,
    ENCODINGS,
    HERS,
    JSON_OBJECTS,
    OBJECTS,
    delimited,
    encoded,
    erase,
)
from umg_assets_tests.files.parsed_files import for_drawn, parse

DELIMITED: dict[str, tuple[Format, Dialect, str, str]] = {
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


@pytest.mark.parametrize(
    ("kind", "encoding", "suffix"),
    [
        *((kind, "utf-8", "") for kind in DELIMITED),
        *((kind, encoding, "") for kind in ("csv with CRLF", "several") for encoding in ENCODINGS),
        *(("csv", "utf-8", suffix) for suffix in COMPRESSIONS),
    ],
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


@pytest.mark.parametrize(
    ("framing", "encoding", "suffix"),
    [
        *((framing, "utf-8", "") for framing in FRAMINGS),
        *((framing, "utf-16", ".gz") for framing in FRAMINGS),
        *(("pretty array", encoding, ".zst") for encoding in ENCODINGS),
        ("lines", "cp1250", ".bz2"),
    ],
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
        plain = left.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")
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
def test_a_record_too_large_to_be_kept_is_looked_through(tmp_path: Path, text: str):
    path, draft = tmp_path / "x.json", tmp_path / "draft"
    path.write_text(text % ("-" * (20 << 20) + HERS + "-" * (2 << 20)))
    layout = Layout("json", ("id",))
    assert erase_records(path, layout, draft, (), lambda text: HERS.encode() in text, tmp_path).removed == [2]
    assert HERS not in draft.read_text()
    assert '{"id": "a"}' in draft.read_text()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_the_unreadable_rest_of_a_json_file_goes_and_the_file_is_ended(tmp_path: Path, encoding: str):
    for content, records, after in [
        ('[{"id": "a"}, {"id": "ewa-77-q', None, '[{"id": "a"}]'),
        ('[{"id": "a"},\n', None, '[{"id": "a"}]'),
        ('{"n": {"i": [{"id": "a"}, {"id": "b"}, {"id"', "n.i", '{"n": {"i": [{"id": "a"}, {"id": "b"}]}}'),
        ('[{"i": []}, {"i": [{"id": "ewa-77-q"', "i", '[{"i": []}, {"i": []}]'),
        ('{"id": "a"} {"id": "b"} {"id": ', None, '{"id": "a"} {"id": "b"}'),
    ]:
        layout = Layout("json", ("id",), records=records, dialect=Dialect(encoding=encoding))
        content = ENCODINGS[encoding] + encoded(content, encoding)
        total = parse(tmp_path, "x.json", content, layout).parsed.records
        _, left = erase(tmp_path, "x.json", content, layout, {total})
        assert left == ENCODINGS[encoding] + encoded(after, encoding)


FIELD = st.one_of(
    st.sampled_from(
        [HERS, f'"{HERS}"', f'"a\n{HERS}"', "", '""', '"a,b"', '"\r\n"', '"x""y"', '"open', 'mid"dle', " "]
    ),
    st.text("ab,\r\n é", max_size=5),
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
        drawn_anew = suppress(CannotEraseError) if b'"open' in content or b'mid"' in content else nullcontext()
        with drawn_anew:
            _, left = erase(folder, suffix, content, layout, {number for number in numbers if number <= total})
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
