"""Sources guessed from sample files: what a file's head, its columns and its path say, as TOML for umg.toml."""

import bz2
import gzip
import io
import json
import tomllib
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc as pa_orc
import pytest

from umg_assets.landing.source_guess import Guesses, guess_sources

PARTITION = "(?:^|/)(?:country|country_code|market|market_code|territory|cc)=([A-Za-z]{2})/"
IN_NAME = "(?:^|[/_-])([A-Za-z]{2})[_.-][^/]*$"
PLAYS = "id,user,track,at\n1,a,t1,2026-03-02T10:00:00Z\n2,b,t1,2026-03-02T11:00:00Z\n"


def guessed(tmp_path: Path, files: Mapping[str, str | bytes]) -> Guesses:
    """The guesses over files that lie in landing/."""
    landing = tmp_path / "landing"
    for name, content in files.items():
        file = landing / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return guess_sources([landing / name for name in files], landing)


def sources(tmp_path: Path, files: Mapping[str, str | bytes], kind: str = "plays") -> list[dict[str, Any]]:
    """The sources of a kind that are guessed from the files."""
    return tomllib.loads(guessed(tmp_path, files).text)["sources"].get(kind, [])


def columns(tmp_path: Path, content: str, kind: str = "plays", name: str = "a.csv") -> dict[str, str]:
    """The columns of the source that is guessed from a file."""
    (source,) = sources(tmp_path, {name: content}, kind)
    return source["columns"]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.csv", PLAYS, {}),
        ("a.csv.gz", gzip.compress(PLAYS.encode(), mtime=0), {}),
        ("a.tsv.bz2", bz2.compress(PLAYS.replace(",", "\t").encode()), {}),
        ("a.txt", PLAYS.replace(",", "\t"), {"format": "tsv"}),
        ("a.csv", PLAYS.replace(",", ";"), {"delimiter": ";"}),
        ("a.csv", PLAYS.replace(",", "|"), {"delimiter": "|"}),
        ("a.csv", PLAYS.replace(",", "||"), {"delimiter": "||"}),
        ("a.csv", PLAYS.replace(",", "::"), {"delimiter": "::"}),
        ("a.csv", "sep=;\n" + PLAYS.replace(",", ";"), {"delimiter": ";", "skip_lines": 1}),
        ("a.csv", "Report of plays\nof March 2026\n" + PLAYS, {"skip_lines": 2}),
        ("a.csv", PLAYS.replace("t1", "Žižkov Říp").encode("cp1250"), {"encoding": "cp1250"}),
        ("a.csv", PLAYS.replace("t1", "Žbirka Šťastný").encode("iso8859_2"), {"encoding": "iso8859_2"}),
        ("a.csv", PLAYS.replace("t1", "Žižkov").encode("utf-16"), {}),
        ("a.csv", PLAYS.replace("t1", "Žižkov").encode("utf-8-sig"), {}),
        ("a.tsv", PLAYS.replace(",", "\t").replace("t1", 'the 12" mix'), {"quote": ""}),
        ("a.csv", PLAYS.replace("t1", '"say \\"hi\\", twice"'), {"escape": "\\"}),
        ("a.csv", PLAYS.replace("t1", '"one, ""two"""'), {}),
    ],
)
def test_text_is_read_as_its_head_is_written(tmp_path: Path, name: str, content: str | bytes, settings: dict[str, Any]):
    (source,) = sources(tmp_path, {name: content})
    assert source == {
        "files": name,
        **settings,
        "columns": {"play_id": "id", "user_id": "`user`", "track_id": "track", "started_at": "to_timestamp(at)"}
        | {"user_id": "user"},
    }


RECORDS = [{"id": str(n), "user": {"id": "u"}, "track": "t", "ts": 1772445600000 + n} for n in range(3)]


@pytest.mark.parametrize(
    ("content", "settings"),
    [
        ("\n".join(map(json.dumps, RECORDS)), {}),
        ("".join(map(json.dumps, RECORDS)), {}),
        (json.dumps(RECORDS), {}),
        (json.dumps(RECORDS, indent=1), {}),
        ("".join(json.dumps(record, indent=1) for record in RECORDS), {}),
        ("".join(f"\x1e{json.dumps(record)}\n" for record in RECORDS), {}),
        (json.dumps({"next": None, "items": RECORDS}), {"records": "items"}),
        (json.dumps({"n": 9, "items": RECORDS * 20_000}), {"records": "items"}),
    ],
    ids=["lines", "concatenated", "array", "indented", "objects", "sequence", "envelope", "long envelope"],
)
def test_json_is_read_in_its_framing_with_a_schema_for_nested_columns(
    tmp_path: Path, content: str, settings: dict[str, Any]
):
    (source,) = sources(tmp_path, {"a.json": content})
    assert source == {
        "files": "a.json",
        **settings,
        "schema": "id STRING, track STRING, ts STRING, user STRUCT<id: STRING>",
        "columns": {
            "play_id": "id",
            "user_id": "user.id",
            "track_id": "track",
            "started_at": "timestamp_millis(cast(ts as bigint))",
        },
    }


def test_a_zip_is_read_by_its_members_and_what_cannot_be_looked_at_says_how_to_convert_it(tmp_path: Path):
    archive, sheet = tmp_path / "a.zip", tmp_path / "b.xlsx"
    for file, member in ((archive, "plays.csv"), (sheet, "xl/workbook.xml")):
        with zipfile.ZipFile(file, "w") as written:
            written.writestr(member, PLAYS)
    left = {"x.csv": gzip.compress(b"x"), "y.csv": "<html>", "z.csv": "", "w.csv": "a,b\n1,2\n", "v.avro": b"Obj\x01"}
    left["u.zip"] = encrypted()
    guesses = guessed(tmp_path, {"a.zip": archive.read_bytes(), "b.xlsx": sheet.read_bytes(), **left})
    (source,) = tomllib.loads(guesses.text)["sources"]["plays"]
    assert (source["files"], source["members"], source["format"]) == ("a.zip", "*.csv", "csv")
    for name, why in {
        "b.xlsx": "cannot be read: Expected a whole .xlsx workbook; it is corrupt",
        "u.zip": "has a password: pack it anew without",
        "x.csv": "is compressed, but its name does not say so: rename it to x.csv.gz",
        "y.csv": "is HTML or XML",
        "z.csv": "is empty",
        "w.csv": "its kind: no column looks like a play's, a user's, a track's or an event's: a, b",
        "v.avro": "cannot be read: Expected a whole Avro file; it is corrupt or cut off",
    }.items():
        assert any(line.startswith(f"{tmp_path}/landing/{name}: {why}") for line in guesses.open)


def encrypted() -> bytes:
    """A zip archive whose member says that it has a password."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        written.writestr("plays.csv", PLAYS)
    content = bytearray(buffer.getvalue())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[content.index(b"PK\x03\x04") + 6] |= 1
    return bytes(content)


def avro() -> bytes:
    """Plays as Avro, with a nested user, a time and an optional text."""
    fields = [
        {"name": "id", "type": "long"},
        {"name": "user", "type": {"type": "record", "name": "u", "fields": [{"name": "id", "type": "string"}]}},
        {"name": "track", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ]
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    buffer = io.BytesIO()
    rows = [{"id": n, "user": {"id": f"u{n}"}, "track": "t", "at": at} for n in range(3)]
    fastavro.writer(buffer, {"type": "record", "name": "play", "fields": fields}, rows, codec="deflate")
    return buffer.getvalue()


def orc() -> bytes:
    """Plays as ORC, with a time."""
    at = [datetime(2026, 3, 2, 10), datetime(2026, 3, 2, 11)]
    buffer = io.BytesIO()
    pa_orc.write_table(pa.table({"id": ["1", "2"], "user": ["a", "b"], "track": ["t", "t"], "at": at}), buffer)
    return buffer.getvalue()


def workbook() -> bytes:
    """Plays as a workbook, below a blank row, with dates as dates and numbers as numbers."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in ([], ["id", "user", "track", "at"], *([n, f"u{n}", "t", datetime(2026, 3, 2, 10, n)] for n in range(3))):
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "user", "at"),
    [
        ("a.avro", avro(), "user.id", "at"),
        ("a.avro.gz", gzip.compress(avro(), mtime=0), "user.id", "at"),
        ("a.orc", orc(), "user", "at"),
        ("a.xlsx", workbook(), "user", "to_timestamp(at)"),
    ],
)
def test_avro_orc_and_workbooks_are_guessed_by_their_schema_and_first_rows(
    tmp_path: Path, name: str, content: bytes, user: str, at: str
):
    (source,) = sources(tmp_path, {name: content})
    assert source["columns"] == {"play_id": "id", "user_id": user, "track_id": "track", "started_at": at}
    (again,) = sources(tmp_path / "2", {"export": content}) if not name.endswith(".gz") else (source,)
    assert again.get("format") == (None if name.endswith(".gz") else name.removeprefix("a."))


def test_a_market_that_stands_in_the_path_alone_is_an_expression_on_it(tmp_path: Path):
    for number, (paths, files, pattern) in enumerate(
        [
            (["at/2026-03-02.csv"], "*/*.csv", "^([A-Za-z]{2})/"),
            (["at/2026-03-02.csv", "xk/2026-03-02.csv"], "*/*.csv", "^([A-Za-z]{2})/"),
            (["au/2026-03-02.csv", "at/2026-03-02.csv"], "*/*.csv", "^([A-Za-z]{2})/"),
            (["exp/IN/2026-03-02.csv"], "exp/*/*.csv", "^[^/]+/([A-Za-z]{2})/"),
            (["country=se/a.csv"], "country=*/a.csv", PARTITION),
            (["dt=2026-03-02/market=se/a.csv", "dt=2026-03-02/market=us/a.csv"], "dt=*/market=*/a.csv", PARTITION),
            (["plays_at_2026-03-02.csv", "plays_au_2026-03-02.csv"], "plays_*.csv", IN_NAME),
            (["sk.csv.gz"], "*.csv.gz", IN_NAME),
            (["in/2026-03-02.csv"], "in/*.csv", None),
            (["top_of_2026-03-02.csv"], "top_of_*.csv", None),
            (["my_plays.csv", "no_plays.csv.gz"], "*_plays.csv*", IN_NAME),
            (["ab/a.csv", "at/a.csv"], "a*/a.csv", None),
        ]
    ):
        content = {path: gzip.compress(PLAYS.encode()) if path.endswith(".gz") else PLAYS for path in paths}
        guesses = guessed(tmp_path / str(number), content)
        (source,) = tomllib.loads(guesses.text)["sources"]["plays"]
        expression = f"upper(regexp_extract(file_path, '{pattern}', 1))"
        assert source["columns"].get("country") == (expression if pattern else None), paths
        assert source["files"] == files
        assert bool(guesses.markets) == (pattern is not None)
        doubted = pattern not in (None, PARTITION) and len(paths) == 1
        assert any(": country: is " in line for line in guesses.open) == doubted, paths


def test_samples_outside_of_landing_keep_the_folder_that_is_a_market(tmp_path: Path):
    file = tmp_path / "export" / "sk" / "2026-03-02.csv"
    file.parent.mkdir(parents=True)
    file.write_text(PLAYS)
    guesses = guess_sources([file], tmp_path / "landing")
    (source,) = tomllib.loads(guesses.text)["sources"]["plays"]
    assert (source["files"], guesses.drop) == ("*/*.csv", f"{tmp_path / 'export'} -> {tmp_path / 'landing'}")
    assert guesses.markets == ["SK"]


def test_a_market_in_the_records_goes_before_that_of_the_path(tmp_path: Path):
    text = "id,user,track,at,country\n1,a,t,1772445600,DE\n"
    assert columns(tmp_path, text, name="at/a.csv")["country"] == "country"


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("1772445600", "timestamp_seconds(cast(at as bigint))"),
        ("1772445600.5", "timestamp_seconds(cast(at as double))"),
        ("1772445600000", "timestamp_millis(cast(at as bigint))"),
        ("1772445600000000", "timestamp_micros(cast(at as bigint))"),
        ("2026-03-02 10:00", "to_timestamp(at)"),
        ("2026-03-02 10:00:00 UTC", "to_timestamp(at)"),
        ("02.03.2026 10:00", "to_timestamp(at, 'dd.MM.yyyy HH:mm')"),
        ("2.3.2026 9:00:01", "to_timestamp(at, 'd.M.yyyy H:mm:ss')"),
        ("12/31/2025 10:00", "to_timestamp(at, 'MM/dd/yyyy HH:mm')"),
        ("31/12/2025 10:00", "to_timestamp(at, 'dd/MM/yyyy HH:mm')"),
        ("2026/03/02 10:00:00", "to_timestamp(at, 'yyyy/MM/dd HH:mm:ss')"),
        ('"02 Mar 2026, 10:15"', "to_timestamp(at, 'dd MMM yyyy, HH:mm')"),
    ],
)
def test_an_instant_is_told_by_its_values(tmp_path: Path, text: str, expression: str):
    assert columns(tmp_path, f"id,user,track,at\n1,a,t,{text}\n2,b,t,{text}\n")["started_at"] == expression


@pytest.mark.parametrize("text", ["10:15", "yesterday", "2026", "2026-03-02T10:00Z", "99"])
def test_a_column_is_no_instant_by_its_name_alone(tmp_path: Path, text: str):
    guesses = guessed(tmp_path, {"a.csv": f"play_id,user_id,track_id,started_at\n1,a,t,{text}\n"})
    assert "[[sources.plays]]" not in guesses.text


@pytest.mark.parametrize(
    ("header", "value", "name", "expression"),
    [
        ("msPlayed", "200000", "played_ms", "cast(msPlayed as bigint)"),
        ("seconds", "200", "played_ms", "cast(seconds as bigint) * 1000"),
        ("seconds", '"12,5"', "played_ms", "cast(cast(replace(seconds, ',', '.') as double) * 1000 as bigint)"),
        ("duration", "200", "played_ms", "cast(duration as bigint) * 1000"),
        ("duration", "200000", "played_ms", "cast(duration as bigint)"),
        ("market", "at", "country", "upper(market)"),
        ("conn_country", "--", "country", None),
        ("country", "Austria", "country", None),
        ("Listen Section", "home", "section", None),
        ("section", "home", "section", "section"),
    ],
)
def test_other_columns_are_guessed_by_name_and_confirmed_by_value(
    tmp_path: Path, header: str, value: str, name: str, expression: str | None
):
    text = f"id,user,track,at,{header}\n1,a,t,1772445600,{value}\n2,b,t,1772445600,{value}\n"
    assert columns(tmp_path, text).get(name) == expression


def test_users_tracks_and_events_are_told_from_plays_and_names_that_are_no_words_are_quoted(tmp_path: Path):
    users = "id,Date of birth,country\n1,31.12.1990,AT\n2,01.02.1991,--\n"
    assert columns(tmp_path, users, "users") == {
        "user_id": "id",
        "country": "nullif(country, '--')",
        "birth_date": "cast(to_timestamp(`Date of birth`, 'dd.MM.yyyy') as date)",
    }
    tracks = "isrc,song,artist,genre,length\nX1,A,B,Pop,3:25\nX2,C,D,Rock,4:00\n"
    assert columns(tmp_path, tracks, "tracks") == {
        "track_id": "isrc",
        "title": "song",
        "artist_name": "artist",
        "genre": "genre",
        "duration_ms": "cast(split_part(length, ':', 1) as bigint) * 60000 "
        "+ cast(split_part(length, ':', 2) as bigint) * 1000",
        "artist_id": "artist",
    }
    events = "uuid,event,uid,timestamp,props\n1,home_loaded,a,1772445600,{}\n2,play_start,a,1772445601,{}\n"
    assert columns(tmp_path, events, "events") == {
        "event_id": "`uuid`",
        "event_name": "event",
        "user_id": "uid",
        "occurred_at": "timestamp_seconds(cast(`timestamp` as bigint))",
        "properties": "props",
    }


def test_plays_among_other_events_are_taken_by_a_condition(tmp_path: Path):
    text = "id,event,user,track,at\n1,play,a,t,1772445600\n2,pause,a,t,1772445601\n"
    (source,) = sources(tmp_path, {"a.csv": text})
    assert source["where"] == "event = 'play'"


def test_an_id_that_is_missing_or_not_of_its_own_is_made_of_other_columns(tmp_path: Path):
    without = "user,track,at\na,t,1772445600\nb,t,1772445600\n"
    assert columns(tmp_path, without)["play_id"] == "concat_ws('-', user, at, track)"
    of_each_user = "id,user,track,at\n0,a,t,1772445600\n0,b,t,1772445600\n1,b,u,1772445600\n"
    assert columns(tmp_path, of_each_user)["play_id"] == "concat(cast(user as string), '-', cast(id as string))"
    again = "id,user,track,at\n0,a,t,1772445600\n0,a,t,1772445600\n"
    assert columns(tmp_path, again)["play_id"] == "id"
    names = "user,track,artist,title,at\na,,B,C,1772445600\nb,,B,D,1772445600\n"
    assert columns(tmp_path, names)["track_id"] == "concat_ws(' - ', artist, title)"


def test_plays_that_name_their_tracks_are_a_source_of_tracks_too_unless_a_sample_holds_tracks(tmp_path: Path):
    plays = "id,user,isrc,song,performer,at,seconds\n1,a,X,S,P,1772445600,9\n2,b,Y,T,P,1772445600,8\n"
    (source,) = sources(tmp_path, {"a.csv": plays}, "tracks")
    named = {"title": "song", "artist_name": "performer", "artist_id": "performer"}
    assert source["columns"] == {"track_id": "isrc", **named}
    (only,) = sources(tmp_path, {"a.csv": plays, "t.csv": "isrc,title,genre\nX,S,Pop\n"}, "tracks")
    assert only["files"] == "t.csv"
    assert sources(tmp_path, {"a.csv": PLAYS}, "tracks") == []
    assert sources(tmp_path, {"a.csv": PLAYS.replace("track", "song")}, "tracks") == []


def test_a_play_of_which_only_the_end_is_known_starts_its_length_earlier(tmp_path: Path):
    record = {
        "ts": "2026-03-02T10:00:00Z",
        "username": "u",
        "ms_played": 60_000,
        "spotify_track_uri": "spotify:track:1",
    }
    text = json.dumps([record, record])
    assert columns(tmp_path, text, name="a.json")["started_at"] == (
        "timestamp_millis(unix_millis(to_timestamp(ts)) - cast(ms_played as bigint))"
    )


@pytest.mark.parametrize(
    ("paths", "files", "delivered_on"),
    [
        (["exp/plays_2026-03-02.csv"], "exp/plays_*.csv", r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)"),
        (
            ["plays_2026_3_2.csv", "plays_2026_3_12.csv"],
            "plays_*.csv",
            r"(?<!\d)(\d{4}[-_./]\d{1,2}[-_./]\d{1,2})(?!\d)",
        ),
        (["20260302.csv"], "*.csv", r"(?<!\d)(\d{8})(?:\d{4,6})?(?!\d)"),
        (["p20260302T101500-1.csv", "p20260303T101500-2.csv"], "p*.csv", r"(?<!\d)(\d{8})(?:\d{4,6})?(?!\d)"),
        (["a_2026-03-01_2026-03-07.csv"], "a_*.csv", r".*(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)"),
        (
            ["2.3.2026.csv"],
            "*.csv",
            r"(?<!\d)(?P<day>\d{1,2})[-_.](?P<month>\d{1,2})[-_.](?P<year>\d{4})(?!\d)",
        ),
        (
            ["dt=2026-03-02/part-00000-f3c1.csv", "dt=2026-03-03/part-00001-0a77.csv"],
            "dt=*/part-*.csv",
            r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)",
        ),
        (
            ["year=2026/month=3/day=2/a.csv"],
            "year=*/month=*/day=*/a.csv",
            r"year=(?P<year>\d{4})/month=(?P<month>\d{1,2})/day=(?P<day>\d{1,2})",
        ),
        (["at/2026-03-02.csv", "sk/2026-03-02.csv"], "*/*.csv", r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)"),
        (["plays.csv"], "plays.csv", None),
        (["plays_2025-01-01.csv"], "plays_*.csv", None),  # before its plays: not the day of the delivery
    ],
)
def test_dates_and_numbers_in_paths_become_a_glob_and_the_delivery_date(
    tmp_path: Path, paths: list[str], files: str, delivered_on: str | None
):
    (source,) = sources(tmp_path, dict.fromkeys(paths, PLAYS))
    assert (source["files"], source.get("delivered_on")) == (files, delivered_on)


def test_samples_that_are_written_alike_share_a_source_and_others_have_their_own(tmp_path: Path):
    semicolons = PLAYS.replace(",", ";")
    files = {"a/2026-03-02.csv": PLAYS, "a/2026-03-03.csv": PLAYS, "b/2026-03-02.csv": semicolons}
    assert [source["files"] for source in sources(tmp_path, files)] == ["a/*.csv", "b/*.csv"]


def test_what_is_needed_and_not_found_is_a_line_to_fill_in_and_no_value_of_a_person_is_written(tmp_path: Path):
    guesses = guessed(tmp_path, {"a.csv": "id,mail,track,at\n1,eva@example.org,t,1772445600\n"})
    (line,) = [line for line in guesses.text.splitlines() if "FILL IN" in line]
    assert line.startswith('# user_id = ""')
    assert line.endswith("FILL IN (needed): no column looks like it: mail (aaa@aaaaaaa.aaa)")
    assert "plays, a.csv: user_id, which is needed: fill in the line `# user_id = ` of umg.toml" in guesses.open
    named = guessed(tmp_path, {"a.csv": "id,user,track,at\n1,eva,t,1772445600\n"})
    assert "eva" not in named.text


def test_a_file_without_a_header_names_its_columns_to_be_named(tmp_path: Path):
    text = "u1\t2026-03-02T10:00:00Z\tm1\tBand\nu2\t2026-03-02T11:00:00Z\tm2\tBand\n"
    guesses = guessed(tmp_path, {"a.tsv": text})
    settings, given = guesses.text.split("[sources.plays.columns]")
    assert 'column_names = ["column1", "column2", "column3", "column4"]' in settings
    assert "header = false" in settings
    assert 'started_at = "to_timestamp(column2)"' in given
    assert [line.split(" = ")[0] for line in given.splitlines() if "FILL IN" in line] == [
        "# play_id",
        "# user_id",
        "# track_id",
    ]
    assert any("the names of its columns: the first line is a record" in line for line in guesses.open)
