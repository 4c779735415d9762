"""Settings: umg.toml, the environment that overrides it, and one clear line for each mistake."""

import os
import re
from datetime import date
from pathlib import Path

import pytest

from umg_assets.settings.model import SettingsError, read_settings
from umg_assets.settings.template import write_template

THREE_SOURCES = """\
first_day = 2026-01-01

[[sources.plays]]
files = "a/*.csv"
[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(ts)"

[[sources.plays]]
files = "b/*.csv"
[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(ts)"

[[sources.plays]]
files = "c/*.csv"
[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(ts)"
"""
SECOND = '"b/*.csv"\n[sources.plays.columns]\nplay_id = "id"\nuser_id = "user"\ntrack_id = "track"\nstarted_at = '


@pytest.fixture(autouse=True)
def _only_the_tests_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("UMG_"):
            monkeypatch.delenv(name)


def refusal(home: Path, text: str) -> str:
    """The error for an umg.toml, `umg.toml:LINE: ...`, one line per mistake."""
    home.mkdir(exist_ok=True)
    (home / "umg.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_settings(home)
    return str(caught.value).replace(f"{home}/", "")


def test_without_an_umg_toml_the_defaults_hold(tmp_path: Path):
    settings = read_settings(tmp_path)
    assert (settings.time_zone, settings.charts.top_tracks, settings.correction_days) == ("Europe/Vienna", 50, 35)
    assert settings.markets == ("AT", "CH", "CZ", "DE", "HU", "LI", "PL", "SI", "SK")
    assert len(settings.sources.plays) == 3


def test_the_environment_overrides_the_file_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "umg.toml").write_text('time_zone = "UTC"\n[charts]\ntop_tracks = 20\ntop_artists = 7\n')
    monkeypatch.setenv("UMG_TIME_ZONE", "Europe/Prague")
    monkeypatch.setenv("UMG_CHARTS__TOP_TRACKS", "30")
    monkeypatch.setenv("UMG_MARKETS", '["CZ"]')
    settings = read_settings(tmp_path)
    assert (settings.time_zone, settings.charts.top_tracks, settings.charts.top_artists) == ("Europe/Prague", 30, 7)
    assert settings.markets == ("CZ",)


def test_the_template_of_init_can_be_read_and_its_comments_show_the_defaults(tmp_path: Path):
    file, _ = write_template(tmp_path, date(2026, 5, 1))
    written = read_settings(tmp_path)
    assert written.first_day == date(2026, 5, 1)
    settings, sources = file.read_text().split("# Sources:")
    file.write_text(re.sub(r"(?m)^# (\w+ =)", r"\1", settings))
    assert read_settings(tmp_path) == written.model_copy(update={"first_delivery": date(2026, 5, 1)})
    file.write_text(re.sub(r"(?m)^# (\w+ =|\[)", r"\1", sources.split("\n", 1)[1]))
    plays, _, in_zip = read_settings(tmp_path).sources.plays
    assert in_zip.dialect.column_names == ("user", "ts", "track")
    assert plays.delivery_date("plays/2026-05-02.csv.gz", date(2026, 6, 1)) == date(2026, 5, 2)
    assert plays.file_columns == ("id", "user", "track", "ts", "seconds", "event")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "first_day = 2026-01-01\ntimezone = 'UTC'\n",
            "umg.toml:2: timezone: no such setting; did you mean time_zone?",
            id="a wrong key at the top",
        ),
        pytest.param(
            "\n[charts]\n# comment\ntop_track = 3\n",
            "umg.toml:4: charts.top_track: no such setting; did you mean top_tracks?",
            id="a wrong key in a section",
        ),
        pytest.param(
            "[charts]\ntop_tracks = 3\nmarkets = ['AT']\n",
            "umg.toml:3: charts.markets: no such setting here; put it above the first [section]",
            id="a top-level key under a section",
        ),
        pytest.param(
            "[chart]\ntop_tracks = 3\n", "umg.toml:1: chart: no such setting; did you mean charts?", id="section"
        ),
        pytest.param(
            "[charts]\ntop_tracks = 'fifty'\n",
            "umg.toml:2: charts.top_tracks: expected a valid integer, "
            "unable to parse string as an integer, got 'fifty'",
            id="a wrong type",
        ),
        pytest.param(
            "charts = { top_tracks = 0 }\n", "umg.toml:1: charts.top_tracks: expected greater than 0, got 0", id="0"
        ),
        pytest.param(
            "charts = 5\n", "umg.toml:1: charts: expected a valid dictionary or instance of Charts, got 5", id="5"
        ),
        pytest.param(
            "time_zone = 'Europe/Wien'\n",
            "umg.toml:1: time_zone: expected an IANA time zone such as 'Europe/Vienna', got 'Europe/Wien'; "
            "did you mean 'Europe/Vienna'?",
            id="a wrong zone",
        ),
        pytest.param(
            "markets = [\n  'DE',\n  'Austria',\n]\n",
            "umg.toml:3: markets[1]: expected an ISO 3166-1 code such as 'AT', or a user-assigned one such as 'XK', "
            "got 'Austria'; did you mean 'AT'?",
            id="a market by its name",
        ),
        pytest.param(
            "markets = ['at']\n",
            "umg.toml:1: markets[0]: expected an ISO 3166-1 code such as 'AT', or a user-assigned one such as 'XK', "
            "got 'at'; did you mean 'AT'?",
            id="a market in small letters",
        ),
        pytest.param(
            "\nmarkets = ['AT', 'AT']\n", "umg.toml:2: markets: expected each market once, got ['AT', 'AT']", id="twice"
        ),
        pytest.param(
            "markets = []\n", "umg.toml:1: markets: expected at least one, such as 'AT', got []", id="no market"
        ),
        pytest.param(
            "\nage_groups = [18, 13]\n",
            "umg.toml:2: age_groups: expected ascending lower bounds, got [18, 13]",
            id="age groups out of order",
        ),
        pytest.param(
            "first_day = '2026-13-01'\n",
            "umg.toml:1: first_day: expected a date as YYYY-MM-DD, got '2026-13-01': there is no such day",
            id="a date that is none",
        ),
        pytest.param(
            "a = 1\nb 2\n", "umg.toml:2: not TOML: Expected '=' after a key in a key/value pair (column 3)", id="="
        ),
        pytest.param(
            "[[published]]\nfile = 'a.csv'\n[[published]]\nfile = 'b.csv'\ntrak = 'id'\n",
            "umg.toml:5: published[1].trak: no such setting; did you mean track?",
            id="a wrong key of a published list",
        ),
        pytest.param(
            "[[published]]\ntrack = 'id'\n",
            "umg.toml:1: published[0].file: expected, but is not there",
            id="a published list without a file",
        ),
        pytest.param("a = [1,\n", "umg.toml:1: not TOML: Invalid value (at the end)", id="an open bracket"),
        pytest.param("top = 1\ntopp = 2\n", "umg.toml:1: top: no such setting", id="two mistakes, the first"),
        pytest.param("top = 1\ntopp = 2\n", "umg.toml:2: topp: no such setting", id="two mistakes, the second"),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_a_hint(tmp_path: Path, text: str, message: str):
    error = refusal(tmp_path, text)
    assert any(line.startswith(message) for line in error.splitlines()), error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            f'{SECOND}"to_timestamp(ts)"',
            f'{SECOND}"to_timestamp(ts"',
            "umg.toml:17: sources.plays[1].columns.started_at: not a Spark SQL expression near 'ts': 'to_timestamp(ts'",
        ),
        (
            f'{SECOND}"to_timestamp(ts)"',
            f'{SECOND}"to_timestmp(ts)"',
            "umg.toml:17: sources.plays[1].columns.started_at: no function to_timestmp() that Sail and Spark "
            "give alike; "
            "did you mean to_timestamp()?: 'to_timestmp(ts)'",
        ),
        (
            f'{SECOND}"to_timestamp(ts)"',
            f'{SECOND}"ts * 1000"',
            "umg.toml:17: sources.plays[1].columns.started_at: ts is a text, cast it first, e.g. cast(ts as double): "
            "'ts * 1000'",
        ),
        (
            f'{SECOND}"to_timestamp(ts)"',
            f'{SECOND}"to_timestamp(Id)"',
            "umg.toml:11: sources.plays[1]: columns must differ, also without case, and none be _record: "
            "id, user, track, Id",
        ),
        (
            'files = "b/*.csv"',
            'files = "b/*.csv"\nwhere = "count(x) > 1"',
            "umg.toml:13: sources.plays[1].where: an expression sees one record at a time, count sees more: "
            "'count(x) > 1'",
        ),
        (
            'files = "b/*.csv"',
            'files = "b/*.csv"\nschema = "id strin"',
            "umg.toml:11: sources.plays[1]: a schema is for json and jsonl; csv files have columns of their own",
        ),
        (
            'files = "b/*.csv"',
            'file = "b/*.csv"',
            "umg.toml:12: sources.plays[1].file: no such setting; did you mean files?",
        ),
        ('files = "b/*.csv"', "", "umg.toml:11: sources.plays[1].files: expected, but is not there"),
        (
            'files = "b/*.csv"',
            'files = "b/*.csv"\nformat = "xml"',
            "umg.toml:13: sources.plays[1].format: expected 'csv', 'tsv', 'json', 'jsonl', 'parquet', "
            "'avro', 'orc', 'xlsx' or 'zip', got 'xml'",
        ),
        (
            'files = "b/*.csv"',
            "files = 'b/*.csv'\ndelivered_on = '\\d+'",
            "umg.toml:13: sources.plays[1].delivered_on: expected a regular expression with one group that holds the "
            "date, got 0: '\\\\d+'",
        ),
        (
            f'{SECOND}"to_timestamp(ts)"',
            f'{SECOND}"to_timestamp(ts)"\nplayed_msec = "ms"',
            "umg.toml:18: sources.plays[1].columns.played_msec: plays have no such column; did you mean played_ms? "
            "(known: play_id, user_id, session_id, track_id, started_at, played_ms, country, section)",
        ),
        (
            SECOND,
            SECOND.replace('track_id = "track"\n', ""),
            "umg.toml:13: sources.plays[1].columns: plays need an expression for track_id",
        ),
    ],
)
def test_a_mistake_in_the_second_of_three_sources_names_its_line(tmp_path: Path, old: str, new: str, message: str):
    assert THREE_SOURCES.count(old) == 1
    assert message in refusal(tmp_path, THREE_SOURCES.replace(old, new)).splitlines()


def test_a_mistake_in_a_source_with_inline_columns_names_its_line(tmp_path: Path):
    columns = '{ play_id = "a", user_id = "b",  track_id = "c(", started_at = "d" }'
    text = f'first_day = 2026-01-01\n\n[[sources.plays]]\nfiles = "x.csv"\ncolumns = {columns}\n'
    assert refusal(tmp_path, text).startswith(
        "umg.toml:5: sources.plays[0].columns.track_id: not a Spark SQL expression"
    )


def test_a_schema_that_is_no_ddl_or_leaves_a_column_out_is_refused(tmp_path: Path):
    text = THREE_SOURCES.replace(
        'files = "b/*.csv"', 'files = "b/*.jsonl"\nschema = "id STRING, user STRING, ts STRING"'
    )
    assert refusal(tmp_path, text) == (
        "umg.toml:11: sources.plays[1]: schema 'id STRING, user STRING, ts STRING': no type for track"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("UMG_TIME_ZONE", "Mars", "environment UMG_TIME_ZONE: time_zone: expected an IANA time zone such as"),
        (
            "UMG_CHARTS__TOP_TRACKS",
            "x",
            "environment UMG_CHARTS__TOP_TRACKS: charts.top_tracks: expected a valid integer",
        ),
        ("UMG_CHARTS__TOPP", "1", "environment UMG_CHARTS__TOPP: charts.topp: no such setting; known: top_tracks"),
        ("UMG_TIMEZONE", "UTC", "environment UMG_TIMEZONE: no such setting; did you mean UMG_TIME_ZONE?"),
        ("UMG_MARKETS", "AT,DE", "environment UMG_MARKETS: expected JSON such as '[\"AT\", \"DE\"]', got 'AT,DE'"),
        ("UMG_ENGINE", "flink", "environment UMG_ENGINE: engine: expected 'sail' or 'spark', got 'flink'"),
    ],
)
def test_a_wrong_environment_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
):
    monkeypatch.setenv(name, value)
    assert refusal(tmp_path, "time_zone = 'UTC'\n[charts]\ntop_tracks = 5\n").startswith(message)


def test_an_umg_toml_that_is_not_utf8_is_refused(tmp_path: Path):
    (tmp_path / "umg.toml").write_bytes(b"# fine\n# \xfcber\n")
    with pytest.raises(SettingsError, match=r"umg.toml:2: expected UTF-8, got byte 0xfc"):
        read_settings(tmp_path)


SOURCE = """
[[sources.plays]]
files = "plays/*.%s"
%s
[sources.plays.columns]
play_id = "id"
user_id = "user"
track_id = "track"
started_at = "to_timestamp(at)"
"""


@pytest.mark.parametrize(
    ("suffix", "setting", "message"),
    [
        ("parquet", "delimiter = ';'", "delimiter: only for csv and tsv, and the format is parquet"),
        ("csv", "encoding = 'cp1520'", "encoding: expected a name of Python's text codecs such as 'cp1250'"),
        ("csv", "delimiter = ''", "delimiter: expected 1 to 8 characters such as ';', '\\t' or '::', none a line end"),
        ("csv", "header = false", "header: false needs column_names"),
        ("csv", "column_names = ['id']", "column_names: expected only with header = false"),
        ("csv", "header = false\ncolumn_names = ['id', 'user']", "column_names: expected every column"),
        ("csv", "skip_lines = -1", "skip_lines: "),
        ("csv", "seperator = ';'", "seperator: no such setting"),
    ],
)
def test_a_wrong_setting_of_text_files_is_named_with_its_line(tmp_path: Path, suffix: str, setting: str, message: str):
    (tmp_path / "umg.toml").write_text(SOURCE % (suffix, setting))
    line = 5 if "\n" in setting else 4
    with pytest.raises(SettingsError, match=re.escape(f"umg.toml:{line}: sources.plays[0].{message}")):
        read_settings(tmp_path)


def test_a_market_is_any_iso_code_or_one_that_iso_leaves_to_its_users(tmp_path: Path):
    markets = ["AX", "SS", "XK", "AA", "QM", "QZ", "XA", "XZ", "ZZ"]
    (tmp_path / "umg.toml").write_text(f"markets = {markets}\n")
    assert list(read_settings(tmp_path).markets) == markets
    for code in ("QL", "ZX", "AB", "UK", "xk", "XKX", "X1", ""):
        (tmp_path / "umg.toml").write_text(f"markets = ['{code}']\n")
        with pytest.raises(SettingsError, match="expected an ISO 3166-1 code such as 'AT', or a user-assigned one"):
            read_settings(tmp_path)
