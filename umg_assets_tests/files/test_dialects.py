"""Text files of other dialects: delimiters, quotes, escapes, encodings, and what stands before the records."""

import random
from pathlib import Path

import pytest

from umg_assets.files.dialect import Dialect
from umg_assets.files.layout import Layout
from umg_assets.files.misfits import misfits
from umg_assets.files.parse import BAD_ENCODING, BROKEN_QUOTE, FIELD_COUNT, MISSING_COLUMN, NOT_THE_FORMAT, parse_file
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.files.parsed_files import Outcome, parse


def parse_as(folder: Path, content: bytes, columns: tuple[str, ...] = ("a", "b"), **settings) -> Outcome:
    """The content parsed as a CSV of a dialect; the second reader must count the same records."""
    layout = Layout("csv", columns, dialect=Dialect(**settings))
    outcome = parse(folder, "x.csv", content, layout)
    assert outcome.refused or count_records(folder / "x.csv", layout) == outcome.parsed.records
    return outcome


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "\x01", " ", "^", "~", "-", "]", "\\", "§", "\x14"])
def test_any_character_separates_fields(tmp_path, delimiter):
    lines = [["a", "b"], ["1,5", "ž"], ['"x"', f'"{delimiter}y"'], ["only one"]]
    content = "\n".join(delimiter.join(line) for line in lines).replace("only one", "one").encode()
    outcome = parse_as(tmp_path, content, delimiter=delimiter)
    assert outcome.values == [("1,5", "ž", 1), ("x", f"{delimiter}y", 2)]
    assert outcome.rejects == [(3, FIELD_COUNT, "one")]


def test_without_a_quote_character_quotes_are_ordinary_and_every_line_is_a_record(tmp_path):
    content = b'a,b\n"Heroes",1\nx,12" single\n"open,2\n3\n"q" and "r",4\n'
    outcome = parse_as(tmp_path, content, quote="")
    assert outcome.values == [('"Heroes"', "1", 1), ("x", '12" single', 2), ('"open', "2", 3), ('"q" and "r"', "4", 5)]
    assert outcome.rejects == [(4, FIELD_COUNT, "3")]


def test_another_quote_character_holds_delimiters_and_line_ends_and_doubles_inside(tmp_path):
    outcome = parse_as(tmp_path, b"a,b\n'x,\ny','it''s \"1\"'\n", quote="'")
    assert outcome.values == [("x,\ny", 'it\'s "1"', 1)]


def test_an_escape_takes_the_meaning_from_what_follows_and_is_itself_elsewhere(tmp_path):
    content = rb'''a,b
1,"say \"hi\", \\ ""you"""
2,x\,y
C:\new,\N
3,over\
two lines
"4
5","6\",7"
'''
    outcome = parse_as(tmp_path, content, escape="\\")
    assert outcome.values == [
        ("1", 'say "hi", \\ "you"', 1),
        ("2", "x,y", 2),
        ("C:\\new", "\\N", 3),
        ("3", "over\ntwo lines", 4),
        ("4\n5", '6",7', 5),
    ]


def test_an_escape_without_quotes_still_escapes_delimiters_beside_literal_quotes(tmp_path):
    outcome = parse_as(tmp_path, b'a,b\n"x\\,y",1\n"z,2\n3\n', quote="", escape="\\")
    assert outcome.values == [('"x,y"', "1", 1), ('"z', "2", 2)]
    assert outcome.rejects == [(3, FIELD_COUNT, "3")]


def test_an_escape_at_the_end_of_a_line_does_not_swallow_whole_records(tmp_path):
    outcome = parse_as(tmp_path, b"a,b\n1,C:\\\n2,x\n3,y\n4,z\\", escape="\\")
    assert outcome.values == [("2", "x", 2), ("3", "y", 3)]
    assert [reject[:2] for reject in outcome.rejects] == [(1, BROKEN_QUOTE), (4, BROKEN_QUOTE)]


def test_records_with_escaped_line_ends_are_whole_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", 997)
    records = b"".join(b'%d,"q\\"%d\\\\",x\\\r\ny\r\n' % (i, i) for i in range(3_000))
    outcome = parse_as(tmp_path, b"a,b,c\r\n" + records, ("a", "b", "c"), escape="\\")
    assert outcome.values == [(str(i), f'q"{i}\\', "x\r\ny", i + 1) for i in range(3_000)]


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2", "cp1252", "utf-16-le", "shift_jis", "cp037"])
def test_texts_of_other_encodings_are_read_across_blocks(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", 101)
    value = "ソ表" if encoding == "shift_jis" else "é" if encoding in ("cp1252", "cp037") else "Příliš žluťoučký"
    if encoding == "cp1252":
        value = "é–€"
    content = ("a;b\n" + "".join(f"{i};{value}\n" for i in range(300))).encode(encoding)
    outcome = parse_as(tmp_path, content, delimiter=";", encoding=encoding)
    assert outcome.values == [(str(i), value, i + 1) for i in range(300)]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1250"])
@pytest.mark.parametrize("marked", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_goes_over_the_encoding_of_the_settings(tmp_path, marked, encoding):
    outcome = parse_as(tmp_path, "a,b\r\n1,ž\r\n".encode(marked), encoding=encoding)
    assert outcome.values == [("1", "ž", 1)]
    big_endian = b"\xfe\xff" + "a,b\n1,ž\n".encode("utf-16-be")
    assert parse_as(tmp_path, big_endian, encoding=encoding).values == [("1", "ž", 1)]


@pytest.mark.parametrize(
    ("encoding", "bad", "shown"),
    [
        ("cp1250", b"\x81", r"\x81"),
        ("ascii", "ä".encode(), r"\xc3\xa4"),
        ("iso8859-3", b"\xc3\xa5", r"\xc3\xa5"),
        ("shift_jis", b"\xff\\", r"\xff\\"),
    ],
)
def test_bytes_that_an_encoding_does_not_have_make_a_record_bad_and_are_shown(tmp_path, encoding, bad, shown):
    outcome = parse_as(tmp_path, b"a,b\n1,2\n3," + bad + b"\n4,5\n", encoding=encoding)
    assert outcome.values == [("1", "2", 1), ("4", "5", 3)]
    assert outcome.rejects == [(2, BAD_ENCODING, f"3,{shown}")]


def test_a_cut_off_utf_16_file_loses_only_its_last_record(tmp_path):
    outcome = parse_as(tmp_path, "a,b\n1,ž\n3,4".encode("utf-16") + b"x")
    assert outcome.values == [("1", "ž", 1)]
    assert outcome.rejects == [(2, BAD_ENCODING, r"3,4\x78")]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_excels_first_line_names_the_delimiter_and_is_no_record(tmp_path, first, end):
    content = end.join([first, "a;b", "1,5;2", ""])
    assert parse_as(tmp_path, content.encode()).values == [("1,5", "2", 1)]
    assert parse_as(tmp_path, b"\xef\xbb\xbf" + content.encode(), skip_lines=1).values == [("1,5", "2", 1)]
    assert parse_as(tmp_path, content.encode("utf-16")).values == [("1,5", "2", 1)]
    headless = parse_as(tmp_path, end.join([first, "1,5;2"]).encode(), header=False, column_names=("a", "b"))
    assert headless.values == [("1,5", "2", 1)]


def test_a_delimiter_of_the_settings_goes_over_excels_line(tmp_path):
    assert parse_as(tmp_path, b"sep=;\na,b\n1,2;\n", delimiter=",").values == [("1", "2;", 1)]


def test_a_preamble_is_skipped_line_by_line_whatever_quotes_it_has(tmp_path):
    content = b'Report "March\n\nfrom; to\na,b\n1,2\n'
    assert parse_as(tmp_path, content, skip_lines=3).values == [("1", "2", 1)]
    assert parse_as(tmp_path, b"only\ntwo lines", skip_lines=5).parsed.records == 0
    assert parse_as(tmp_path, content, skip_lines=4, header=False, column_names=("a", "b")).values == [("1", "2", 1)]


def test_without_a_header_names_come_from_the_settings_and_the_first_line_is_a_record(tmp_path):
    content = b"\n1,x,2\n3,4\n\xff,5,6\n"
    outcome = parse_as(tmp_path, content, ("b", "a"), header=False, column_names=("a", "_", "b"))
    assert outcome.values == [("2", "1", 1)]
    assert [reject[:2] for reject in outcome.rejects] == [(2, FIELD_COUNT), (3, BAD_ENCODING)]
    assert parse_as(tmp_path, b"", header=False, column_names=("a", "b")).parsed.records == 0
    assert parse_as(tmp_path, b"\x00\x01\n", header=False, column_names=("a", "b")).refused == NOT_THE_FORMAT


def test_file_path_is_no_missing_column_and_a_column_of_the_file_keeps_its_values(tmp_path):
    assert parse_as(tmp_path, b"a\n1\n", ("a", "file_path")).values == [("1", None, 1)]
    assert parse_as(tmp_path, b"file_path,a\n/x,1\n", ("a", "file_path")).values == [("1", "/x", 1)]


@pytest.mark.parametrize(
    ("content", "settings", "hint"),
    [
        (b"a;b\n1;2\n", {}, "The header is not divided by ',' but by ';': set delimiter = \";\"."),
        (b'"a"\t"b"\n1\t2\n', {}, 'set delimiter = "\\t".'),
        (b"x;y\n", {}, 'set delimiter = ";".'),
        (b"a,b\n", {"delimiter": ";"}, 'set delimiter = ",".'),
        (b"x;y;z,a\n", {}, "Missing columns: b. Found: x;y;z, a."),
    ],
)
def test_a_header_that_the_delimiter_does_not_divide_names_the_one_that_does(tmp_path, content, settings, hint):
    outcome = parse_as(tmp_path, content, **settings)
    assert outcome.refused in (MISSING_COLUMN, NOT_THE_FORMAT)
    assert hint in outcome.rejects[0][2]


@pytest.mark.parametrize(
    ("content", "settings", "hint"),
    [
        (b"1;2\n3;4\n", {"header": False, "column_names": ("a", "b")}, "';' gives as many fields: set delimiter"),
        (b"1,2,3\n", {"header": False, "column_names": ("a", "b")}, "2 names, and a record 3 fields, divided by ','"),
        (b'a,b\n"x" y,1\n"z" w,2\n', {}, 'set quote = ""'),
        (b"a,b\n\x9e,1\n\x9a,2\n", {}, "the text is not utf-8: set encoding"),
        (b"a,b\n1,2,5\n3,4,5\n", {}, "another number of fields than the header, divided by ','"),
        (b"a,b\n1,2\n3\n", {}, None),
    ],
)
def test_records_that_speak_against_a_setting_name_it(tmp_path, content, settings, hint):
    outcome = parse_as(tmp_path, content, **settings)
    rejects = [(reason, text) for _, reason, text in outcome.rejects]
    sentences = misfits(Layout("csv", ("a", "b"), dialect=Dialect(**settings)), outcome.parsed.records, rejects)
    assert [hint in sentence for sentence in sentences] == [True] if hint else sentences == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delimiter": "|\n"}, "delimiter: expected 1 to 8 characters"),
        ({"delimiter": "123456789"}, "delimiter: expected 1 to 8 characters"),
        ({"delimiter": ""}, "delimiter: expected 1 to 8 characters"),
        ({"delimiter": '|"|'}, "quote: expected another character than delimiter"),
        ({"quote": "''"}, "quote: expected one ASCII character"),
        ({"escape": '"'}, "escape: expected another character than quote.*doubled quotes are read without it"),
        ({"delimiter": "'", "quote": "'"}, "quote: expected another character than delimiter"),
        ({"quote": ","}, "delimiter: csv files have ',', which is also quote or escape"),
        ({"encoding": "latin2000"}, "encoding: expected a name of Python's text codecs.*got 'latin2000'"),
        ({"encoding": "rot13"}, "encoding: expected"),
        ({"encoding": "utf-7"}, "encoding: expected"),
        ({"header": False}, "header: false needs column_names"),
        ({"column_names": ("a", "b")}, "column_names: expected only with header = false"),
        ({"header": False, "column_names": ("a", "b", "a")}, "column_names: expected each name once"),
        ({"header": False, "column_names": ("a", "c")}, "column_names: expected every column .* got none b"),
        ({"skip_lines": -1}, "skip_lines: expected a number of lines"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused_by_the_name_of_its_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        Layout("csv", ("a", "b"), dialect=Dialect(**settings))


@pytest.mark.parametrize(
    ("form", "settings", "message"),
    [
        ("jsonl", {"delimiter": ";"}, "delimiter: only for csv and tsv, and the format is jsonl"),
        ("json", {"encoding": "cp1250", "skip_lines": 1}, "skip_lines: only for csv and tsv, and the format is json"),
        ("parquet", {"encoding": "cp1250"}, "encoding: only for csv, tsv and JSON, and the format is parquet"),
    ],
)
def test_a_dialect_of_a_format_that_has_no_use_for_it_is_refused(form, settings, message):
    with pytest.raises(ValueError, match=message):
        Layout(form, ("a",), dialect=Dialect(**settings))


@pytest.mark.parametrize("delimiter", ["||", "::", "|~|", "\t|\t", "\t\t", "##"])
def test_several_characters_separate_fields_and_their_beginning_alone_does_not(tmp_path, monkeypatch, delimiter):
    lines = [["a", "b"], [f"1{delimiter[0]}5", "ž"], ["x", '"y"'], ["p\x1fq", f'"r{delimiter}\ns"'], ["", ""], ["one"]]
    content = "\n".join(delimiter.join(line) for line in lines).encode()
    for block in (1, 7, 4 << 20):
        monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", block)
        outcome = parse_as(tmp_path, content, delimiter=delimiter)
        assert outcome.values == [
            (f"1{delimiter[0]}5", "ž", 1),
            ("x", "y", 2),
            ("p\x1fq", f"r{delimiter}\ns", 3),
            (None, None, 4),
        ]
        assert outcome.rejects == [(5, FIELD_COUNT, "one")]


def test_movielens_ratings_are_read_by_two_colons_and_an_escape_takes_the_whole_delimiter(tmp_path):
    settings = {"delimiter": "::", "header": False, "column_names": ("a", "x", "b")}
    ratings = b"1::1193::978300760\n1::Alien: 3::978302109\n1::a:::b\n"
    values = [("1", "978300760", 1), ("1", "978302109", 2), ("1", ":b", 3)]
    assert parse_as(tmp_path, ratings, **settings).values == values
    escaped = rb"a||b" + b"\n" + rb"x\||y||z" + b"\n" + rb"C:\|new||\\" + b"\n"
    assert parse_as(tmp_path, escaped, delimiter="||", escape="\\").values == [("x||y", "z", 1), ("C:\\|new", "\\", 2)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(("name", "text"), [("x.csv", "a,b\n1,ž\n"), ("x.json", '{"a":"1","b":"ž"}\n')])
def test_utf_16_without_a_mark_is_refused_with_the_setting_that_reads_it(tmp_path, encoding, name, text):
    form = "csv" if name.endswith("csv") else "json"
    refused = parse(tmp_path, name, text.encode(encoding), Layout(form, ("a", "b")))
    assert f'set encoding = "{encoding}"' in refused.rejects[0][2]
    assert parse(
        tmp_path, name, text.encode(encoding), Layout(form, ("a", "b"), dialect=Dialect(encoding=encoding))
    ).values


def test_a_header_divided_by_several_characters_names_them(tmp_path):
    outcome = parse_as(tmp_path, b"a||b\n1||2\n", delimiter="|")
    assert outcome.values == [("1", "2", 1)]  # of which nothing is wrong but an empty column between
    assert 'set delimiter = "||"' in parse_as(tmp_path, b"a||b\n1||2\n").rejects[0][2]
    assert 'set delimiter = " | "' in parse_as(tmp_path, b"a | b\n1 | 2\n", delimiter="|").rejects[0][2]


CELLS = ("a", "b 1", "", '"q"', '"a""b"', '"x\ny"', '"x,y"', ' "s"', '5" disk', '"open', 'end"', '"a"b', "  ")
BEGUN = ("|", "a|", "|b", ",", "\t", " \t", "|||", '"||"', '"a|"', "x;")
ESCAPED = ("\\\\", "\\,", "x\\\ny", 'a\\"b', '"a\\"b"', '"c\\', "\\", '"\\\\"', "\\n", '"x\\\ny"', "\\;")
ESCAPED += ("\\||", "\\|", "\\|||")


def test_both_readers_count_alike_in_every_dialect(tmp_path):
    for seed in range(800):
        chance = random.Random(seed)
        width = chance.choice([1, 2, 3, 5])
        escape = chance.choice([None, "\\", "\\"])
        dialect = Dialect(
            delimiter=chance.choice([None, ";", "|", "||", ",;", "\t\t"]),
            quote=chance.choice(['"', '"', "", "'"]),
            escape=escape,
            encoding=chance.choice(["utf-8", "cp1250", "utf-16"]),
            header=False,
            column_names=tuple(f"c{position}" for position in range(width)),
            skip_lines=chance.choice([0, 2]),
        )
        cells = CELLS + BEGUN + ESCAPED if escape else CELLS + BEGUN
        lines = ["skipped"] * dialect.skip_lines
        for _ in range(chance.randint(0, 14)):
            fields = width if chance.random() < 0.9 else chance.randint(1, width + 2)
            row = [chance.choice(cells) if chance.random() < 0.3 else f"v{seed}" for _ in range(fields)]
            lines += [(dialect.delimiter or ",").join(row), *([""] if chance.random() < 0.1 else [])]
        file = tmp_path / f"{seed}.csv"
        file.write_bytes(chance.choice(["\n", "\r\n", "\r"]).join(lines).encode(dialect.encoding))
        layout = Layout("csv", ("c0",), dialect=dialect)
        parsed = parse_file(file, layout, tmp_path / "staged")
        assert parsed.refused is None
        assert count_records(file, layout) == parsed.records, (dialect, file.read_bytes())
