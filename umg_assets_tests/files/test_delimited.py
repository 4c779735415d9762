"""CSV and TSV files as exporters and broken uploads produce them."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import strategies as st

from umg_assets.files.blocks import BLOCK_BYTES
from umg_assets.files.layout import Layout
from umg_assets.files.parse import BAD_ENCODING, BROKEN_QUOTE, FIELD_COUNT
from umg_assets_tests.files.parsed_files import for_drawn, parse

AB = Layout("csv", ("a", "b"))
ABC = Layout("csv", ("a", "b", "c"))


@pytest.mark.parametrize("content", [b"", b"a,b", b"a,b\n", b"\xef\xbb\xbfa,b\r\n", b"\n \n\t\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_and_a_lone_header_are_staged_without_rows(tmp_path, content):
    outcome = parse(tmp_path, "x.csv", content, AB)
    assert (outcome.parsed.records, outcome.rows, outcome.refused) == (0, [], None)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks_change_nothing(tmp_path, end, mark, last):
    content = mark + end.join([b"a,b", b"1,\xc3\xa4", b'"x,y",2', *([b""] if last else [])])
    assert parse(tmp_path, "x.csv", content, AB).values == [("1", "ä", 1), ("x,y", "2", 2)]


def test_mixed_line_ends_are_read_and_blank_lines_are_no_records(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"\n\r\na,b\r1,2\n\n  \r\n3,4\r\r5,6\t\r\n \t \n7,8", AB)
    assert outcome.values == [("1", "2", 1), ("3", "4", 2), ("5", "6\t", 3), ("7", "8", 4)]


def test_quoted_newlines_delimiters_and_doubled_quotes_are_part_of_the_value(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n"1\n\r\n2\r3","x""y"\n"""","a,b"\n', AB)
    assert outcome.values == [("1\n\r\n2\r3", 'x"y', 1), ('"', "a,b", 2)]


def test_a_quote_inside_an_unquoted_value_is_an_ordinary_character(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n5" single,12"\n3, "z\n', AB)
    assert outcome.values == [('5" single', '12"', 1), ("3", ' "z', 2)]


def test_columns_are_read_by_name_in_any_order_and_others_are_ignored(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'"z","b",,a,z\n1,2,3,4,5\n', AB)
    assert outcome.rows == [{"a": "4", "b": "2", "_record": 1}]


def test_a_header_may_hold_a_quoted_line_end(tmp_path):
    assert parse(tmp_path, "x.csv", b'"a\nb",c\n1,2\n', Layout("csv", ("c",))).values == [("2", 1)]


def test_only_an_empty_field_is_null_quoted_or_not(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n,""\nNULL,\\N\n nan,0\n', AB)
    assert outcome.values == [(None, None, 1), ("NULL", "\\N", 2), (" nan", "0", 3)]


def test_values_stay_text_as_they_are_written(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"a,b\n007,1.10\n2026-07-01 00:00,true\n", AB)
    assert outcome.values == [("007", "1.10", 1), ("2026-07-01 00:00", "true", 2)]


def test_tabs_separate_the_fields_of_a_tsv_and_a_line_of_tabs_is_a_record(tmp_path):
    outcome = parse(tmp_path, "x.tsv", b'a\tb\n1,5\t"x\ty"\n\t\n   \n\t\t\n', Layout("tsv", ("a", "b")))
    assert outcome.values == [("1,5", "x\ty", 1), (None, None, 2)]
    assert outcome.rejects == [(3, FIELD_COUNT, "\t\t")]


def test_blank_lines_of_a_single_column_are_no_records_but_a_quoted_empty_value_is_one(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a\n1\n\n""\n \n2\n', Layout("csv", ("a",)))
    assert outcome.values == [("1", 1), (None, 2), ("2", 3)]


def test_the_records_of_a_file_are_counted_even_if_no_column_is_wanted(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"a,b\n1,2\n3\n4,5\n", Layout("csv", ()))
    assert (outcome.values, outcome.rejects) == ([(1,), (3,)], [(2, FIELD_COUNT, "3")])


def test_good_rows_keep_their_record_numbers_among_bad_ones(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"a,b\n1\n2,2\n3,3,3\n\n4,4\n", AB)
    assert outcome.values == [("2", "2", 2), ("4", "4", 4)]
    assert outcome.rejects == [(1, FIELD_COUNT, "1"), (3, FIELD_COUNT, "3,3,3")]


def test_bad_bytes_are_kept_in_a_reversible_form(tmp_path):
    raw = b"C:\\x\\xff,\xff\xfe\xc3"
    outcome = parse(tmp_path, "x.csv", b"a,b\n" + raw + b"\nC:\\x,\xc3\xa4\n", AB)
    assert outcome.values == [("C:\\x", "ä", 2)]
    [(record, reason, text)] = outcome.rejects
    assert (record, reason, text) == (1, BAD_ENCODING, r"C:\\x\\xff,\xff\xfe\xc3")
    assert text.encode().decode("unicode_escape").encode("latin-1") == raw


def test_bad_bytes_in_an_unwanted_column_make_the_record_bad_too(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"a,b,z\n1,2,\xff\n3,4,5\n", AB)
    assert (outcome.values, [reason for _, reason, _ in outcome.rejects]) == ([("3", "4", 2)], [BAD_ENCODING])


def test_a_record_with_two_faults_is_rejected_once(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n1,\xff,3,"4" 5\n', AB)
    assert [(record, reason) for record, reason, _ in outcome.rejects] == [(1, BAD_ENCODING)]


def test_a_record_of_several_lines_with_a_wrong_field_count_is_rejected_with_all_its_lines(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n1,"x\ny z"\n1,"x\r\ny z",3\r\n4,5\n', AB)
    assert outcome.values == [("1", "x\ny z", 1), ("4", "5", 3)]
    assert outcome.rejects == [(2, FIELD_COUNT, '1,"x\r\ny z",3')]


def test_text_after_a_closing_quote_rejects_that_record_alone(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n"1"x,2\n3,4\n"5" ,6\n7,8\n', AB)
    assert outcome.values == [("3", "4", 2), ("7", "8", 4)]
    assert outcome.rejects == [(1, BROKEN_QUOTE, '"1"x,2'), (3, BROKEN_QUOTE, '"5" ,6')]


def test_an_unterminated_quote_in_the_last_record_is_a_reject(tmp_path):
    outcome = parse(tmp_path, "x.csv", b'a,b\n1,2\n3,"4', AB)
    assert (outcome.values, outcome.rejects) == ([("1", "2", 1)], [(2, BROKEN_QUOTE, '3,"4')])


@pytest.mark.parametrize("stray", ['x,"y,z', '"x,y,z', 'x,y,"z'])
def test_three_stray_quotes_in_ten_thousand_records_lose_three_records(tmp_path, stray):
    lines = [f'{i},"{i}, ok",z' if i % 7 == 0 else f"{i},y,z" for i in range(10_000)]
    for at in (10, 4_000, 9_990):
        lines[at] = stray
    outcome = parse(tmp_path, "x.csv", "\n".join(["a,b,c", *lines]).encode(), ABC)
    assert outcome.rejects == [(at + 1, BROKEN_QUOTE, stray) for at in (10, 4_000, 9_990)]
    assert [row["_record"] for row in outcome.rows or []] == [i for i in range(1, 10_001) if lines[i - 1] != stray]


@pytest.mark.parametrize("closing", ['60,y",z', '60,y,z"'])
def test_a_stray_quote_does_not_swallow_its_neighbours_if_a_later_quote_closes_it(tmp_path, closing):
    lines = [f"{i},y,z" for i in range(100)]
    lines[10], lines[60] = '10,"y,z', closing
    outcome = parse(tmp_path, "x.csv", "\n".join(["a,b,c", *lines]).encode(), ABC)
    assert outcome.rejects == [(11, BROKEN_QUOTE, '10,"y,z')]
    assert outcome.parsed.rows == 99


def test_a_long_text_in_quotes_is_one_value(tmp_path):
    text = "Dear listener,\nthanks for the song, the album, and all.\n" * 2_000
    outcome = parse(tmp_path, "x.csv", f'a,b,c\n1,"{text}",3\n4,5,6\n'.encode(), ABC)
    assert outcome.values == [("1", text, "3", 1), ("4", "5", "6", 2)]


def test_an_unterminated_quote_before_several_blocks_loses_one_record(tmp_path):
    good = b"".join(b"%07d,%s\n" % (i, b"x" * 90) for i in range(100_000))
    outcome = parse(tmp_path, "x.csv", b'a,b\n0,"x\n' + good, AB)
    assert outcome.rejects == [(1, BROKEN_QUOTE, '0,"x')]
    assert outcome.parsed.rows == 100_000
    assert (outcome.rows or [])[-1]["_record"] == 100_001


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("count", "block_bytes"), [(3_000, 10_007), pytest.param(300_000, BLOCK_BYTES, marks=pytest.mark.exhaustive)]
)
def test_records_across_the_blocks_of_a_long_file_are_whole(tmp_path, monkeypatch, end, count, block_bytes):
    monkeypatch.setattr("umg_assets.files.blocks.BLOCK_BYTES", block_bytes)
    records = [b'%d,"%d%sx"' % (i, i, end * 8) for i in range(count)]
    outcome = parse(tmp_path, "x.csv", b"a,b" + end + end.join(records), AB)
    assert (outcome.parsed.records, outcome.rejects) == (count, [])
    assert outcome.values == [(str(i), f"{i}{end.decode() * 8}x", i + 1) for i in range(count)]


def test_a_record_longer_than_a_block_is_read(tmp_path):
    outcome = parse(tmp_path, "x.csv", b"a,b\n1," + b"x" * (9 << 20) + b"\n2,3\n", AB)
    assert [len(row["b"]) for row in outcome.rows or []] == [9 << 20, 1]


_plain = st.text(st.characters(exclude_characters='",\r\n', exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda text: text.isprintable() and not text.isspace()
)
_quoted = st.tuples(st.sampled_from("pqr"), st.text('ab",\r\n', max_size=6)).map("".join)
# a quoted text whose lines have two delimiters each looks like records: other tests cover that
_spoken = _quoted.filter(lambda text: text.count(",") < 2)
_field = st.one_of(
    st.just((b"", None)),
    _plain.map(lambda v: (v.encode(), v)),
    _spoken.map(lambda v: (b'"%s"' % v.replace('"', '""').encode(), v)),
)
_good = st.lists(_field, min_size=3, max_size=3).map(
    lambda fields: (b",".join(raw for raw, _ in fields), tuple(value for _, value in fields), None)
)
_bad = st.sampled_from(
    [
        (b"1,2", None, FIELD_COUNT),
        (b"1,2,3,4", None, FIELD_COUNT),
        (b'1,"2\n3",4,5', None, FIELD_COUNT),
        (b"\xff,2,3", None, BAD_ENCODING),
        (b'1,"\xc3",3', None, BAD_ENCODING),
        (b'1,"2"3,4', None, BROKEN_QUOTE),
        (b'1,"2,3', None, BROKEN_QUOTE),
    ]
)
_end = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\n \r\n"])


@for_drawn(st.lists(st.tuples(st.one_of(_good, _good, _bad), _end), max_size=8))
def test_every_good_and_bad_record_of_a_file_comes_out_as_written(pieces):
    content = b"a,b,c\n" + b"".join(raw + end for (raw, _, _), end in pieces)
    with TemporaryDirectory() as folder:
        outcome = parse(Path(folder), "x.csv", content, ABC)
    written = [(number, *piece) for number, (piece, _) in enumerate(pieces, 1)]
    assert outcome.values == [(*values, number) for number, _, values, _ in written if values is not None]
    assert [r[:2] for r in outcome.rejects] == [(number, reason) for number, _, _, reason in written if reason]
    assert [r[2] for r in outcome.rejects if r[1] != BAD_ENCODING] == [
        raw.decode() for _, raw, _, reason in written if reason not in (None, BAD_ENCODING)
    ]


@for_drawn(
    st.lists(st.sampled_from([b"a", b",", b" ", b"\n", b"\r", b"\xff", b"\xc3\xa4", b"\x00", b"\\"]), max_size=40)
)
def test_without_quotes_every_line_that_is_not_blank_is_one_record(pieces):
    body = b"".join(pieces)
    with TemporaryDirectory() as folder:
        outcome = parse(Path(folder), "x.csv", b"a,b\n" + body, AB)
    lines = [line for line in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n") if line.strip()]
    bad = Counter(
        BAD_ENCODING if b"\xff" in line else FIELD_COUNT for line in lines if b"\xff" in line or line.count(b",") != 1
    )
    assert outcome.parsed.records == len(lines)
    assert Counter(reason for _, reason, _ in outcome.rejects) == bad


@for_drawn(st.lists(st.sampled_from([b"a", b",", b'"', b'""', b"\n", b"\r", b"\xff", b",b\n"]), max_size=40))
def test_no_line_is_lost_whatever_quotes_there_are(pieces):
    body = b"".join(pieces)
    with TemporaryDirectory() as folder:
        outcome = parse(Path(folder), "x.csv", b"a,b\n" + body, AB)
    # `parse` checks the numbers of records; in addition, every letter is in a row or in a reject
    letters = sum((row[c] or "").count("a") for row in outcome.rows or [] for c in "ab")
    letters += sum(text.count("a") for _, _, text in outcome.rejects)
    assert letters == body.count(b"a")
