"""Every recipe for umg.toml in README, docs/ and the template works as printed, and none is without a case here.

A recipe is a TOML block, the template's commented example, and an expression in a text between backticks. Each
expression is evaluated over records that fit it: a new one needs a line in VALUES, or the test names it.
"""

import hashlib
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from umg_assets import tables
from umg_assets.files.layout import format_of
from umg_assets.files.schema_types import types_of
from umg_assets.settings.expressions import FUNCTIONS, columns_of, parse_expression
from umg_assets.settings.model import read_settings
from umg_assets.settings.sources import Source
from umg_assets.settings.template import TEMPLATE
from umg_assets.tables import Kind
from umg_assets.transforms.records import type_records

ROOT = Path(__file__).parent.parent
BAD = object()
"""The record is bad: it goes to the quarantine."""

VALUES: dict[str, list[tuple[dict[str, Any], Any]]] = {
    # expression: [(columns of a record, the value as text, None for not known, BAD; of a `where`, whether it is taken)]
    "event = 'play'": [({"event": "play"}, True), ({"event": "pause"}, False)],
    "concat(label, ':', isrc)": [({"label": "EMI", "isrc": "X1"}, "EMI:X1")],
    "timestamp_seconds(cast(unix_time as bigint))": [
        ({"unix_time": "1772445600"}, "2026-03-02 10:00:00"),
        ({"unix_time": "yesterday"}, BAD),
    ],
    "cast(seconds as bigint) * 1000": [({"seconds": "200"}, "200000"), ({"seconds": "12.5"}, BAD)],
    "upper(market)": [({"market": "at"}, "AT")],
    "to_timestamp(ts)": [({"ts": "2026-03-02T10:00:00Z"}, "2026-03-02 10:00:00"), ({"ts": "10:00"}, BAD)],
    "if(country = '--', '', country)": [({"country": "--"}, None), ({"country": "AT"}, "AT")],
    "nullif(country, '--')": [({"country": "--"}, None), ({"country": "AT"}, "AT")],
    "nullif(column, '\\\\N')": [({"column": "\\N"}, None), ({"column": "N"}, "N")],
    "coalesce(cast(ms as bigint), '')": [({"ms": "long"}, None), ({"ms": "200"}, "200")],
    "coalesce(device, '')": [({"device": None}, None), ({"device": "phone"}, "phone")],
    "upper(regexp_extract(file_path, '^([a-z]{2})/', 1))": [
        ({"file_path": "sk/2026-03-02.csv"}, "SK"),
        ({"file_path": "plays.csv"}, None),
    ],
    "round(cast(replace(seconds, ',', '.') as double) * 1000)": [
        ({"seconds": "200,5"}, "200500"),
        ({"seconds": "1.234,5"}, BAD),
    ],
    "round(cast(replace(replace(seconds, '.', ''), ',', '.') as double) * 1000)": [({"seconds": "1.234,5"}, "1234500")],
    "sha2(concat_ws('|', user, ts, track), 256)": [
        (
            {"user": "u1", "ts": "2026-03-02 10:00", "track": "t1"},
            hashlib.sha256(b"u1|2026-03-02 10:00|t1").hexdigest(),
        )
    ],
    "timestamp_millis(unix_millis(to_timestamp(ts)) - cast(ms_played as bigint))": [
        ({"ts": "2026-03-02T10:05:00Z", "ms_played": "300000"}, "2026-03-02 10:00:00"),
        ({"ts": "2026-03-02T10:05:00Z", "ms_played": "long"}, BAD),
    ],
}
PATHS: dict[str, tuple[str, date]] = {
    # delivered_on: a path, and the date in it
    r"export/(\d{8})": ("export/20260302.tsv.bz2", date(2026, 3, 2)),
    r"(\d{4}-\d{2}-\d{2})": ("plays/2026-03-02.csv.gz", date(2026, 3, 2)),
}


def documents() -> dict[str, str]:
    """README, and every page of docs/, by path."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages}


def recipes() -> dict[str, str]:
    """Every TOML of README, docs/ and the template, by the place where it stands."""
    shown = {
        f"{name}, line {text.count(chr(10), 0, block.start()) + 1}": block[1]
        for name, text in documents().items()
        for block in re.finditer(r"^ *```toml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    }
    example = re.sub(r"(?m)^# (\[|\w+ =)", r"\1", TEMPLATE.format(first_day="2026-01-01").split("# Sources:", 1)[1])
    return shown | {"settings/template.py, its sources": example.split("\n", 1)[1]}


def sources_of(text: str, home: Path) -> list[tuple[Kind, Source]]:
    """The sources of a recipe: of a whole umg.toml, or of settings and columns that a source of plays may have."""
    lines = tomllib.loads(text)
    columns = {name: lines.pop(name) for name in list(lines) if name in tables.SOURCE_COLUMNS["plays"]}
    if isinstance(lines.get("sources", {}).get("plays"), dict):
        columns |= lines.pop("sources")["plays"]["columns"]
    if set(lines) <= {"schema", *Source.model_fields}:
        needed = {"play_id": "'x'", "user_id": "'x'", "track_id": "'x'", "started_at": "to_timestamp('2026-03-02')"}
        return [("plays", Source.model_validate({"files": "x.csv", **lines, "columns": needed | columns}))]
    (home / "umg.toml").write_text(text, encoding="utf-8")
    settings = read_settings(home)
    return [(kind, source) for kind in tables.KINDS for source in settings.sources.of(kind)]


def shown_expressions(home: Path) -> dict[str, tuple[str, str]]:
    """Every expression of every recipe: by its text, the place and the column of the contract (or `where`)."""
    shown = {text: (place, "country") for text, place in expressions_in_texts().items()}
    for place, text in recipes().items():
        for _, source in sources_of(text, home):
            shown |= {each: (place, key.removeprefix("columns.")) for key, each in source.expressions.items()}
    return shown


def needs_case(text: str) -> bool:
    """Whether an expression is more than a column or a constant."""
    return bool(columns_of(text)) and not re.fullmatch(r"[\w.]+|`[^`]+`", text)


def expressions_in_texts() -> dict[str, str]:
    """The expressions between backticks in README, docs/ and the template's comments, by expression, with the place."""
    shown: dict[str, str] = {}
    for name, text in {**documents(), "settings/template.py": TEMPLATE.format(first_day="2026-01-01")}.items():
        prose = re.sub(r"(?s)```.*?```", "", text)
        assigned = r'(?m)^[^\[\n]*\b\w+ = "(\w+\([^"\n]*\))"\.$' if name == "settings/template.py" else r"`([^`\n]+)`"
        for match in re.finditer(assigned, prose):
            if _is_recipe(match[1]):
                shown[match[1]] = name
    return shown


def _is_recipe(text: str) -> bool:
    """Whether a text is an expression over columns: a call of a function that umg.toml may call."""
    call = re.match(r"(\w+)\(.+\)$", text)
    if not call or call[1].lower() not in FUNCTIONS:
        return False
    try:
        parse_expression(text)
    except ValueError:
        return False
    return bool(columns_of(text)) and "..." not in text


def outcome_of(spark: SparkSession, expression: str, name: str, record: dict[str, Any]) -> Any:
    """What `type_records` makes of a record for a contract column: the value as text, None, or BAD; of `where`, whether
    it takes the record."""
    kinds: list[Kind] = [kind for kind in tables.KINDS if name in tables.SOURCE_COLUMNS[kind]]
    kind = kinds[0] if kinds else tables.KINDS[0]
    schema = ", ".join(f"`{column}` {_type_of(value)}" for column, value in record.items())
    schema += ", _record bigint, _file int, _delivery_date date"
    staged = spark.createDataFrame([(*record.values(), 1, 1, date(2030, 1, 1))], schema)
    types = tables.SOURCE_COLUMNS[kind]
    columns = {
        needed: "to_timestamp('2026-03-02T10:00:00Z')" if types[needed] == "timestamp" else "'x'"
        for needed in tables.REQUIRED[kind]
    }
    columns |= {} if name == "where" else {name: expression}
    where = expression if name == "where" else None
    (typed,) = type_records(staged, kind, columns, where, "UTC", date(1990, 1, 1)).collect()
    if where:
        return typed["reason"] != "filtered"
    if typed["reason"]:
        return BAD
    return None if typed[name] is None else str(typed[name])


def _type_of(value: Any) -> str:
    return "string" if isinstance(value, str) or value is None else "bigint"


@pytest.mark.parametrize("place", recipes())
def test_a_recipe_is_read_as_settings(place: str, tmp_path: Path):
    assert sources_of(recipes()[place], tmp_path)


def test_every_expression_has_a_case_and_gives_what_the_case_expects(spark: SparkSession, tmp_path: Path):
    shown = shown_expressions(tmp_path)
    lacking = {text: place for text, (place, _) in shown.items() if needs_case(text) and text not in VALUES}
    assert not lacking, f"add a case to VALUES for each: {lacking}"
    assert not set(VALUES) - set(shown), "cases that no page shows any more"
    wrong = [
        (text, record, outcome)
        for text, cases in VALUES.items()
        for record, expected in cases
        if (outcome := outcome_of(spark, text, shown[text][1], record)) != expected
    ]
    assert not wrong


def test_every_pattern_of_a_delivery_date_finds_the_date_in_a_path_that_its_glob_takes(tmp_path: Path):
    patterns: dict[str, Source] = {}
    for text in recipes().values():
        patterns |= {source.delivered_on: source for _, source in sources_of(text, tmp_path) if source.delivered_on}
    assert set(patterns) == set(PATHS)
    for pattern, (path, day) in PATHS.items():
        assert patterns[pattern].delivery_date(path, date(2000, 1, 1)) == day


def test_every_column_of_a_recipe_with_a_schema_is_in_it_and_files_have_a_known_suffix(tmp_path: Path):
    for text in recipes().values():
        for _, source in sources_of(text, tmp_path):
            if source.schema_:
                assert set(source.file_columns) <= set(types_of(source.schema_))
            assert source.format or format_of(source.files) or source.schema_


def test_the_template_has_every_setting_of_a_source_as_a_line_to_uncomment(tmp_path: Path):
    (template,) = [text for place, text in recipes().items() if place.startswith("settings/template.py")]
    shown = {name for _, source in sources_of(template, tmp_path) for name in source.model_fields_set}
    assert shown == {*Source.model_fields}


def test_a_recipe_that_no_case_covers_is_noticed():
    shown = expressions_in_texts()
    assert shown["nullif(country, '--')"] == "README.md"
    assert _is_recipe("concat(user, '-', id)")
    assert not _is_recipe("bucket(salt, user_id)")
    assert all(tomllib.loads(text) for text in recipes().values())
