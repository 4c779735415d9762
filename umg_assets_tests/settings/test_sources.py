"""Sources: which date a file's path gives, and which paths give none."""

from datetime import date

import pytest

from umg_assets.files.dialect import Dialect
from umg_assets.settings.sources import Source

MODIFIED = date(2020, 1, 1)


def source(delivered_on: str) -> Source:
    """A source of plays whose delivery dates come from the path."""
    columns = {"play_id": "id", "user_id": "user", "track_id": "track", "started_at": "to_timestamp(at)"}
    return Source(files="plays/**/*.csv", delivered_on=delivered_on, columns=columns)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (r"plays_(\d+_\d+_\d+)", "plays_2026_1_15.csv"),
        (r"plays_(\d+-\d+-\d+)", "plays_2026-01-15.csv"),
        (r"(\d{8})", "plays/20260115.csv"),
        (r"(\d{14})", "plays/20260115093000.csv"),
        (r"plays/(.*)\.csv", "plays/2026-1-15T09.30.csv"),
        (r"(year=\d+/month=\d+/day=\d+)", "plays/year=2026/month=1/day=15/part-0.csv"),
        (r"plays/(\d+/\d+/\d+)", "plays/2026/01/15/part-0.csv"),
        (r"plays/(\d{6}/\d{2})", "plays/202601/15.csv"),
        (r"plays/(\d{4}/\d{4})", "plays/2026/0115.csv"),
        (r"(?P<day>\d+)\.(?P<month>\d+)\.(?P<year>\d+)", "plays/15.1.2026.csv"),
        (r"dt=(.*)/", "plays/dt=2026%2F1%2F15/x.csv"),
        (r"plays/(.*)\.csv", "plays/2026-01-15/part-00003.csv"),
        (r"plays/(.*)\.csv", "plays/2026-01-15/20260115.csv"),
        (r"(\d{4}-\d{2}-\d{2})", "plays/2026-01-15093000.csv"),
        (r"y=(?P<year>\d+)/m=(?P<month>\d+)/d=(?P<day>\d+)", "plays/y=2026/m=1/d=15/h=23/x.csv"),
    ],
)
def test_a_path_gives_its_date_with_separators_without_zeros_or_by_named_groups(pattern: str, path: str):
    assert source(pattern).delivery_date(path, MODIFIED) == date(2026, 1, 15)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (r"plays_(\d+)", "plays_2026115.csv"),
        (r"plays_(\d+)", "plays_260115.csv"),
        (r"plays_(\d+)", "plays_15012026.csv"),
        (r"plays_(.*)\.csv", "plays_15.1.2026.csv"),
        (r"plays_(.*)\.csv", "plays_26-1-15.csv"),
        (r"plays_(.*)\.csv", "plays_2026-1.csv"),
        (r"plays_(.*)\.csv", "plays_2026-115.csv"),
        (r"plays_(.*)\.csv", "plays_2026-13-01.csv"),
        (r"plays_(.*)\.csv", "plays_2026_02_30.csv"),
        (r"plays_(.*)\.csv", "plays_.csv"),
        (r"(?P<day>\d+)\.(?P<month>\d+)\.(?P<year>\d+)", "plays/15.1.26.csv"),
        (r"(\d{4}-\d{1,2}-\d)", "plays/2026-1-15.csv"),
        (r"(\d{4}_\d{1,2}_\d{1,2})", "plays_2026_1_155.csv"),
        (r"(\d{4}-\d+-\d+)", "plays_12026-1-15.csv"),
        (r"(?P<year>\d{4})(?P<month>\d{1,2})(?P<day>\d{1,2})", "plays_2026115.csv"),
        (r"plays_(.*)\.csv", "plays_2026-01-15_to_2026-01-16.csv"),
        (r"plays_(.*)\.csv", "plays_20260115-20260116.csv"),
        (r"plays_(\d{10})", "plays_1711121200.csv"),
    ],
)
def test_what_cannot_be_read_as_one_date_is_an_error_that_names_path_and_pattern(pattern: str, path: str):
    with pytest.raises(ValueError, match=r"expected year, month and day: 20260305, 2026-03-05, 2026_3_5") as error:
        source(pattern).delivery_date(path, MODIFIED)
    assert str(error.value).startswith(f"{path}: delivered_on = {pattern!r} gives ")


@pytest.mark.parametrize("pattern", [r"(?P<year>\d+)-(?P<month>\d+)", r"(?P<date>\d+)", r"(\d+)-(\d+)-(\d+)"])
def test_a_pattern_without_one_date_is_refused_with_the_settings(pattern: str):
    with pytest.raises(
        ValueError, match=r"expected (the named groups year, month and day|a regular expression with one)"
    ):
        source(pattern)


COLUMNS = {"play_id": "id", "user_id": "user", "track_id": "track", "started_at": "to_timestamp(at)"}


def test_a_source_of_json_that_sets_neither_records_nor_members_keeps_its_hash_of_before_they_existed():
    assert Source(files="a.json", columns=COLUMNS).definition_hash == "f2ea3fca90d1d6a6"
    with_records = Source(files="a.json", columns=COLUMNS, records="items")
    assert with_records.definition_hash != Source(files="a.json", columns=COLUMNS).definition_hash


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": "*.csv", "records": "items"}, 'records is for format = "json"; the format is csv'),
        ({"files": "*.json", "format": "jsonl", "records": "items"}, 'records is for format = "json"'),
        ({"files": "*.json", "records": "items..x"}, "expected keys separated by dots, like items or data.items"),
        ({"files": "*.csv.gz", "members": "*.csv"}, r"members is for \.zip archives; files = '\*\.csv\.gz' takes none"),
        ({"files": "*.avro", "schema": "id STRING"}, "a schema is for json and jsonl; avro files have"),
    ],
)
def test_a_setting_that_does_not_fit_the_format_is_refused_with_the_settings(settings: dict[str, str], message: str):
    with pytest.raises(ValueError, match=message):
        Source(columns=COLUMNS, **settings)  # type: ignore[arg-type]


def test_each_file_of_a_source_gets_the_settings_that_fit_it():
    source = Source(files="export/*", columns=COLUMNS, records="items", members="*.json")
    layouts = [source.layout(path) for path in ("a.json", "a.csv", "a.zip")]
    assert [(layout.format, layout.records) for layout in layouts] == [
        ("json", "items"),
        ("csv", None),
        ("zip", "items"),
    ]
    assert Source(files="*.zip", format="csv", members="a*", columns=COLUMNS).layout("x.zip").format == "csv"
    assert layouts[2].of_member("b.json").records == "items"


def test_a_source_without_the_settings_of_text_files_keeps_the_hash_that_it_had_before_they_existed():
    columns = {"play_id": "id", "user_id": "user", "track_id": "track", "started_at": "to_timestamp(at)"}
    plain = Source(files="plays/*.csv", columns=columns)
    assert plain.definition_hash == "f2ea3fca90d1d6a6"
    more = {"format": "tsv", "delivered_on": r"(\d{8})", "where": "id <> ''"}
    base = {"files": "plays/*.csv", "columns": columns}
    assert Source.model_validate({**base, **more}).definition_hash == "0d6cde28ab34edfc"
    others = [{"delimiter": ";"}, {"quote": ""}, {"escape": "\\"}, {"encoding": "cp1250"}, {"skip_lines": 1}]
    others.append({"header": False, "column_names": ("id", "user", "track", "at")})
    hashes = {Source.model_validate({**base, **other}).definition_hash for other in others}
    assert len(hashes - {plain.definition_hash}) == len(others)


def test_the_layout_of_a_text_file_has_the_sources_dialect_and_other_files_of_a_wide_glob_have_none():
    columns = {"play_id": "id", "user_id": "user", "track_id": "file_path", "started_at": "to_timestamp(at)"}
    given = Source(files="plays/*", delimiter=";", encoding="cp1250", columns=columns)
    assert given.layout("plays/a.txt").dialect == Dialect(delimiter=";", encoding="cp1250")
    assert given.layout("plays/a.tsv.gz").delimiter == ";"
    assert given.layout("plays/a.parquet").dialect == Dialect()
