"""What is a line and what is blank: both readers agree, for every white space and line separator of Unicode."""

from pathlib import Path

import pytest

from umg_assets.files.dialect import Dialect
from umg_assets.files.layout import Layout
from umg_assets.files.parse import BROKEN_JSON, FIELD_COUNT
from umg_assets.recount.second_reader import count_records
from umg_assets_tests.bad_files import SPACES
from umg_assets_tests.files.parsed_files import Outcome, parse

LINES, JSON = Layout("jsonl", ("a",)), Layout("json", ("a",))
WIDE = Layout("jsonl", ("a",), dialect=Dialect(encoding="utf-16-le"))
TEXT, ONE = Layout("csv", ("a", "b")), Layout("csv", ("a",))
FRAMES = {
    "a JSON line": (LINES, '{"a":1}\n', "\n", '{"a":2}\n{"a":3}\n'),
    "the first JSON line": (LINES, "", "\n", '{"a":2}\n{"a":3}\n'),
    "the last JSON line": (LINES, '{"a":2}\n{"a":3}\n', "", ""),
    "before an object": (LINES, '{"a":1}\n', "", '{"a":2}\n'),
    "all of a file": (LINES, "", "", ""),
    "a line of JSON of any framing": (JSON, '{"a":1}\n', "\n", '{"a":2}\n{"a":3}\n'),
    "the first line of JSON": (JSON, "", "\n", '{"a":2}\n{"a":3}\n'),
    "between the elements of an array": (JSON, '[\n{"a":1},\n', "\n", '{"a":2}]'),
    "between objects": (JSON, '{\n"a":1\n}\n', "\n", '{\n"a":2\n}\n'),
    "a line of text": (TEXT, "a,b\n1,2\n", "\n", "3,4\n"),
    "a line of text beside quotes": (TEXT, 'a,b\n1,"2"\n', "\n", '"3",4\n'),
    "a line of one column": (ONE, "a\n1\n", "\n", "3\n"),
    "a quoted field": (TEXT, 'a,b\n1,"', '"\n', "3,4\n"),
    "a line of tabs": (Layout("tsv", ("a", "b")), "a\tb\n1\t2\n", "\n", "3\t4\n"),
    "a line in UTF-16": (
        Layout("jsonl", ("a",), dialect=Dialect(encoding="utf-16-le")),
        '{"a":1}\n',
        "\n",
        '{"a":2}\n',
    ),
}
"""Where white space stands: the layout, what is before it, and what is behind it on its line and on the next ones."""


def parsed(folder: Path, space: str, frame: str) -> Outcome:
    """The file parsed; the second reader counts the same records."""
    layout, before, behind, rest = FRAMES[frame]
    content = (before + space + behind + rest).encode(layout.dialect.encoding)
    outcome = parse(folder, f"x.{layout.format}", content, layout)
    counted = count_records(folder / f"x.{layout.format}", layout)
    assert outcome.refused or counted == outcome.parsed.records, f"U+{ord(space[0]):04X} as {frame}"
    return outcome


@pytest.mark.parametrize("frame", FRAMES)
def test_both_readers_agree_on_every_white_space_and_line_separator_of_unicode(tmp_path: Path, frame: str):
    for space in SPACES:
        parsed(tmp_path, space, frame)
        parsed(tmp_path, space * 2, frame)


@pytest.mark.parametrize("space", ["\x1c", "\x85", "\xa0", "\u2028", "\u3000"])
def test_a_line_of_white_space_that_is_not_ascii_is_one_bad_record(tmp_path: Path, space: str):
    for frame, reason in {"a JSON line": BROKEN_JSON, "a line of text": FIELD_COUNT}.items():
        assert [reject[:2] for reject in parsed(tmp_path, space, frame).rejects] == [(2, reason)], frame


@pytest.mark.parametrize("space", [" ", "\t", "\x0b", "\x0c", "\r"])
def test_a_line_of_ascii_white_space_is_blank_and_no_record(tmp_path: Path, space: str):
    for frame in ("a JSON line", "a line of JSON of any framing", "a line of text"):
        outcome = parsed(tmp_path, space, frame)
        assert not outcome.rejects, frame
        assert outcome.parsed.records == len(outcome.rows or []), frame


def test_a_blank_line_is_none_however_long_it_is(tmp_path: Path):
    parsed(tmp_path, " " * (20 << 20), "a JSON line")
    assert parsed(tmp_path, " " * (20 << 20), "before an object").parsed.records == 2
