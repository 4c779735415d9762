"""Hostile titles, artists, genres, ids, records and names of files and columns, over every command and every value that
Dagster shows: nothing that shows them obeys them."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
from markdown_it import MarkdownIt

from umg_assets.dashboard.served import Served
from umg_assets.resources.exporting import export_charts
from umg_assets.resources.instance import open_instance
from umg_assets.text import visible
from umg_assets_tests.cli.conftest import Outcome, type_umg
from umg_assets_tests.lake import PLAY_COLUMNS, SOURCES, TRACK_COLUMNS, USER_COLUMNS, Lake

pytestmark = pytest.mark.sail_enough

HOSTILE = {
    "markup": "[bold]loud[/bold] [/nope] [link=http://evil.example]here[/link] :smile:",
    "terminal": "\x1b[31mred\x1b]0;title\x07 \x9b2J \x7f",
    "turned": "\u202egnp.exe\u2066 \u200f\u061c",
    "lines": "one\u2028two\u2029three\nfour\rfive\tsix\x85seven",
    "html": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "table": "a | b | *c* `d` [e](http://evil.example) ![f](http://evil.example/f.png)",
    "formula": "=cmd|'/c calc'!A1",
    "at": "@SUM(1+1)*cmd|'/c calc'!A0",
    "minus": "-2+3+cmd|'/c calc'!A0",
    "plus": '+HYPERLINK("http://evil.example")',
    "tab": "\t=1+1",
    "return": "\r=1+1",
}
"""One table of what nobody may obey: titles, artists, genres and ids."""
MARKED = "[bold][/nope]\x1b[31m\u202e\u2028<img src=x>\n=1"
"""The names of files and columns."""
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")


def _lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "".join(json.dumps(dict(zip(columns, row, strict=False))) + "\n" for row in rows)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """HOSTILE in every text of every kind of file, with files that wait, are held, and are refused. Only read it."""
    lake = Lake(tmp_path_factory.mktemp("hostile") / "home", on_disk=True)
    sources = SOURCES.replace("*.csv*", "**/*.jsonl").replace("*.csv", "*.jsonl")
    sources = sources.replace("[[sources.plays]]", f"[[sources.plays]]\nname = {json.dumps(f'plays {MARKED}')}")
    lake.configure("[thresholds]\nshrunk_percent = 20\n[charts]\nfavourites_days = 20\n", sources)
    texts = HOSTILE.values()
    titles = {**HOSTILE, **{text: text for text in texts}}
    tracks = [(id_, text, f"artist {text}", text, text, 200_000) for id_, text in titles.items()]
    lake.drop("tracks/2026-03-01.jsonl", _lines(TRACK_COLUMNS, tracks))
    lake.drop("users/2026-03-01.jsonl", _lines(USER_COLUMNS, [(text, "AT", "18-24", None) for text in texts]))
    plays = [
        (f"{month}{user}{track}", user, user, track, f"2026-{month}-01T1{number % 10}:00:00Z", 180_000, "AT")
        for month in ("02", "03")
        for track in titles
        for number, user in enumerate(texts)
    ]
    bad = [(None, text, text, text, text, text, text) for text in texts]
    lake.drop(f"plays/{MARKED}/2026-03-02.jsonl", _lines(PLAY_COLUMNS, [*plays, *bad]) + f"{HOSTILE['terminal']}\n")
    lake.drop(f"plays/{MARKED}/2026-03-03.jsonl", b"\x1f\x8b" + MARKED.encode())
    lake.drop(f"plays/{MARKED}/undated.jsonl", "{}\n")
    held = [(f"held {number}", "u", None, "t", "2026-03-04T10:00:00Z", 1, "AT") for number in range(9)]
    lake.drop(f"plays/{MARKED}/2026-03-04.jsonl", _lines(PLAY_COLUMNS, held))
    lake.run()
    lake.drop(f"plays/{MARKED}/2026-03-04.jsonl", _lines(PLAY_COLUMNS, held[:1]))
    return lake


COMMANDS = {
    "run": ("run",),
    "explain": ("run", "--explain"),
    "accept": ("accept", MARKED),
    "quarantine": ("quarantine", "--limit", "100"),
    "quarantine csv": ("quarantine", "--format", "csv"),
    "quarantine json": ("quarantine", "--format", "json"),
    "tracks": ("chart", "top-tracks", "--market", "AT"),
    "tracks csv": ("chart", "top-tracks", "--market", "AT", "--format", "csv"),
    "tracks json": ("chart", "top-tracks", "--market", "AT", "--format", "json"),
    "movements": ("chart", "movements", "--market", "AT"),
    "movements csv": ("chart", "movements", "--market", "AT", "--format", "csv"),
    "artists": ("chart", "top-artists", "--genre", HOSTILE["markup"], "--day", "2026-03-02"),
    "artists csv": ("chart", "top-artists", "--genre", HOSTILE["formula"], "--day", "2026-03-02", "--format", "csv"),
    "favourites": ("chart", "favourites", "--age-group", "18-24", "--day", "2026-03-01"),
    "favourites csv": ("chart", "favourites", "--age-group", "18-24", "--day", "2026-03-01", "--format", "csv"),
    "growth": ("chart", "growth", "--of", "tracks"),
    "growth csv": ("chart", "growth", "--of", "tracks", "--format", "csv"),
    "plays": ("chart", "plays"),
    "no genre": ("chart", "top-artists", "--genre", "none"),
    "no market": ("chart", "top-tracks", "--market", MARKED),
    "reconcile": ("reconcile",),
    "against": ("reconcile", "--against", "{published}", "--track", "track", "--plays", "n"),
    "export": ("export-user", "--from", "{people}"),
    "prove": ("forget", "--from", "{people}", "--prove"),
    "forget": ("forget",),
    "expire": ("expire",),
    "analyze": (
        "experiment",
        "analyze",
        "{users}",
        "--unit",
        "u",
        "--variant",
        "v",
        "--metric",
        "m=n",
        "--control",
        HOSTILE["markup"],
    ),
    "init": ("init", "--from", "{users}"),
    "snapshot": ("dashboard", "--snapshot", "{site}"),
    "doctor": ("doctor",),
    "usage": (MARKED,),
}


@pytest.fixture(scope="module")
def printed(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """By command, what it says of the lake."""
    folder, column = tmp_path_factory.mktemp("typed"), MARKED.replace("\n", "")
    files = {name: folder / f"{MARKED} {name}.csv" for name in ("published", "people", "users")}
    users = [[f"u{n}", HOSTILE["terminal" if n % 2 else "markup"], n % 7, column] for n in range(200)]
    rows = {
        "published": [["track", "n", column], *([text, 1, ""] for text in HOSTILE.values()), ["gone\x1b[31m", 3, ""]],
        "people": [["\x1b[31m\u202e"], [HOSTILE["markup"]]],
        "users": [["u", "v", "n", column], *users],
    }
    files["users"].parent.mkdir(parents=True)
    for name, file in files.items():
        with file.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened, lineterminator="\n").writerows(rows[name])
    known = {"{site}": str(folder / "site")} | {f"{{{name}}}": str(path) for name, path in files.items()}
    return {
        name: type_umg(folder, *(known.get(part) or part for part in arguments), home=lake.home)
        for name, arguments in COMMANDS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_what_a_terminal_obeys_or_takes_names_for_markup(printed: dict[str, Outcome], name: str):
    for text in (printed[name].out, printed[name].err):
        assert not _OBEYED.search(text)
        assert not re.search(r"^(four|=1)", text, re.MULTILINE), "a name breaks a line"
        assert "Traceback" not in text


def test_names_and_titles_are_printed_as_they_are_but_for_escapes(printed: dict[str, Outcome]):
    assert f"held: plays/{visible(MARKED)}/2026-03-04.jsonl: " in printed["run"].out
    assert HOSTILE["markup"] in printed["artists"].out.splitlines()[0]
    shown = json.loads(printed["tracks json"].out)
    assert {row["title"] for row in shown} == set(HOSTILE.values()), "escapes of JSON: every value is exact"
    assert printed["export"].err.endswith("nothing is held of \\u001b[31m\\u202e\n")


def test_no_csv_holds_a_formula_and_its_numbers_are_numbers(lake: Lake, printed: dict[str, Outcome]):
    exported = (lake.home / "exports" / "current").glob("*.csv")
    texts = [outcome.out for name, outcome in printed.items() if name.endswith(" csv")]
    assert len(texts) > 5
    for text in (*texts, *(path.read_text(encoding="utf-8") for path in exported)):
        assert not _OBEYED.search(text)
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows
        for row in rows:
            assert not [value for value in row.values() if re.match(r"\s*[=+@-].", value)], row
            assert all(row[name].isdigit() for name in row.keys() & {"plays", "rank", "streams", "record"})


def test_without_the_setting_csv_is_exact_too(lake: Lake, tmp_path: Path):
    command = ("chart", "top-tracks", "--market", "AT", "--format", "csv")
    file = lake.home / "umg.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"csv_for_spreadsheets = false\n{text}", encoding="utf-8")
    try:
        printed = type_umg(tmp_path, *command, home=lake.home).out
        export_charts(lake.settings, lake.history())
    finally:
        file.write_text(text, encoding="utf-8")
    exported = lake.home / "exports" / "current" / "top_tracks_by_country.csv"
    with exported.open(encoding="utf-8", newline="") as opened:
        titles = {row["title"] for row in csv.DictReader(opened)}
    assert titles == {row["title"] for row in csv.DictReader(io.StringIO(printed, newline=""))} == set(HOSTILE.values())
    assert not Served.newest(lake.home, lake.settings.dashboard).csv_for_spreadsheets
    export_charts(lake.settings, lake.history())


def test_json_and_parquet_exports_are_exact(lake: Lake):
    current = lake.home / "exports" / "current"
    favourites = json.loads((current / "age_group_favourites" / "latest.json").read_text(encoding="utf-8"))
    charted = pq.read_table(current / "top_tracks_by_country").column("title").to_pylist()
    assert {row["title"] for row in favourites["age_groups"]["18-24"]} < set(HOSTILE.values())
    assert set(charted) == set(HOSTILE.values())


def test_pages_of_the_snapshot_show_names_and_obey_none(printed: dict[str, Outcome]):
    site = Path(printed["snapshot"].out.partition(": ")[2].strip()).parent
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not _OBEYED.search(text.replace("\t", " ")), page
        assert "<img" not in text
        assert "<script>" not in text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _markdown(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("__class__") == "MarkdownMetadataEntryData":
            yield value["md_str"]
        yield from _markdown([*value.values()])
    elif isinstance(value, list):
        for part in value:
            yield from _markdown(part)


@pytest.fixture(scope="module")
def events(lake: Lake) -> list[Any]:
    """Every event and every run that Dagster has stored, as plain data."""
    with open_instance(lake.home) as instance:
        runs = instance.get_runs()
        entries = [entry for run in runs for entry in instance.all_logs(run.run_id)]
        asked = [
            record.event_log_entry
            for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            for record in instance.get_event_records(dg.EventRecordsFilter(kind), limit=1_000)
        ]
        return [json.loads(dg.serialize_value(one)) for one in (*runs, *entries, *asked)]


def test_nothing_that_dagster_stores_holds_what_a_page_or_a_log_obeys(events: list[Any]):
    found = [text for text in _texts(events) if _OBEYED.search(text)]
    assert not found
    assert any(visible(MARKED) in text for text in _texts(events)), "held files are named"


def test_markdown_of_a_preview_shows_titles_as_text(events: list[Any]):
    pages = [MarkdownIt().enable("table").render(text) for text in _markdown(events) if text.startswith("|")]
    for page in pages:
        assert set(re.findall(r"<(\w+)", page)) <= {"table", "thead", "tbody", "tr", "th", "td"}
    cells = {unescape(cell) for page in pages for cell in re.findall("<td>(.*)</td>", page)}
    assert {HOSTILE[name] for name in ("markup", "html", "table", "at")} < cells
