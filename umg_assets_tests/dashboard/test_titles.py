"""Hostile and missing data, and young lakes: each page renders, and downloads are safe to open."""

import csv
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from umg_assets import tables
from umg_assets.dashboard.figures import Few
from umg_assets.dashboard.page import Sheet
from umg_assets.text import visible
from umg_assets_tests.dashboard.crawling import crawled, sections
from umg_assets_tests.dashboard.made import MadeLake, Song
from umg_assets_tests.dashboard.serving import Server, served

pytestmark = pytest.mark.sail_enough

SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
CHART = "/charts/AT/2026-10"
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"><img src=x onerror=alert(1)> '{{ 7 * 7 }}'",
    "formula": "=cmd|'/c calc'!A1",
    "wide": '＝HYPERLINK("http://evil.example")',
    "spaced": "   =1+1",
    "invisible": "\u200b\u2060=1+1",
    "turned": "\u202eevil\u202c \u2066x",
    "hebrew": "שיר 7",
    "long": "Long " * 60,
    "unbroken": "x" * 300,
    "blank": " \u00a0\u3000 ",
    "unseen": "\u200b\u200d\ufeff",
    "control": "a\x00b\x07c\x1b[31m",
    "lines": "one\u2028two\u2029three\nfour",
    "missing": None,
    "emoji": "👩‍👩‍👧 नमस्ते",
}
"""Titles, by the id of their track; and names of their artists."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """A chart of HOSTILE. Only read it."""
    songs = [Song(id_, title, 900 - place, 50, title, "Pop") for place, (id_, title) in enumerate(HOSTILE.items())]
    lake = MadeLake(tmp_path_factory.mktemp("hostile") / "home")
    return lake.chart({(SEPTEMBER, "AT"): songs, (OCTOBER, "AT"): songs[::-1]}).publish()


@pytest.fixture(scope="module")
def server(hostile: MadeLake):
    """The dashboard over HOSTILE."""
    with served(hostile.settings) as server:
        server.watch.show_first()
        yield server


def elements(page: str) -> set[str]:
    """The names of a page's elements; fails on an attribute that is a handler."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on") or name == "style"], (tag, attrs)

    Reader().feed(page)
    return found


def test_titles_are_text_wherever_they_stand(server: Server):
    answers = crawled(server.ask, most=150)
    pages = {path: answer for path, answer in answers.items() if "text/html" in answer.headers["content-type"]}
    assert CHART in pages
    for address, answer in pages.items():
        assert answer.status in (200, 404), address
        assert not elements(answer.text) & {"script", "img", "iframe"}, address
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00-\x08\x0b\x0c\x0e-\x1f]", answer.text), address
        assert ">49" not in answer.text


def test_a_title_of_which_nothing_can_be_seen_is_the_tracks_id(server: Server):
    rows = {row["track_id"]: row for row in json.loads(server.ask(f"{CHART}?format=json").text)["chart"]}
    shown = {
        id_: rows[id_]["title"]
        for id_ in ("blank", "unseen", "missing", "turned", "control", "lines", "hebrew", "emoji")
    }
    assert shown == {
        "blank": "blank",
        "unseen": "unseen",
        "missing": "missing",
        "turned": "evil x",
        "control": "abc[31m",
        "lines": "one two three four",
        "hebrew": HOSTILE["hebrew"],
        "emoji": HOSTILE["emoji"],
    }
    assert {id_ for id_, row in rows.items() if row["artist_name"] is None} == {"blank", "unseen", "missing"}
    assert len(rows["unbroken"]["title"]) == 300


def test_no_text_of_a_csv_is_a_formula_and_every_number_stays_one(server: Server):
    rows = {row["track_id"]: row for row in csv.DictReader(io.StringIO(server.ask(f"{CHART}?format=csv").text))}
    for id_ in ("formula", "wide", "spaced", "invisible"):
        assert rows[id_]["title"].startswith("'"), id_
        assert rows[id_]["artist_name"].startswith("'"), id_
    assert {rows[id_]["title"][0] for id_ in ("script", "hebrew", "long")} == {"<", "ש", "L"}
    assert all(row["plays"].isdigit() for row in rows.values())


@pytest.mark.parametrize(
    "text",
    [
        "=1",
        "+x",
        "-x",
        "-1+1",
        "+1 to +2",
        "@x",
        "\t=1",
        "\tx",
        "\rx",
        "\nx",
        " =1",
        "  +x",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "\u200b=1",
        "\ufeff=1",
        "\u00a0=1",
    ],
)
def test_a_text_that_a_spreadsheet_would_take_for_a_formula_begins_with_an_apostrophe(text: str):
    assert _cells(text) == [f"'{visible(text)}"]


def test_numbers_dates_and_harmless_texts_are_written_as_they_are():
    values = [-3, -2.5, 0, date(2026, 10, 1), "a=b", "x -1", "'", "", None, Few(5), "+1.5%", "-1"]
    assert _cells(*values) == ["-3", "-2.5", "0", "2026-10-01", "a=b", "x -1", "'", "", "", "< 5", "+1.5%", "-1"]


def _cells(*values: object) -> list[str]:
    names = tuple(f"c{place}" for place in range(len(values)))
    sheet = Sheet("s", names, [dict(zip(names, values, strict=True))])
    return list(csv.reader(io.StringIO(sheet.to_bytes("csv").decode(), newline="")))[1]


def renders(lake: MadeLake) -> dict[str, str]:
    """Every page to which the links of a lake's dashboard lead, by address; fails where one of them cannot be made."""
    with served(lake.settings) as server:
        server.watch.show_first()
        answers = crawled(server.ask, most=150)
        built = {path: answer for path, answer in answers.items() if answer.status != 404 or path in ("/", "/charts")}
        assert {answer.status for answer in built.values()} <= {200}
        assert set(sections(answers["/"])) & built.keys() >= {"/", "/charts", "/about"}
        return {path: answer.text for path, answer in built.items() if "text/html" in answer.headers["content-type"]}


def test_a_first_month_shows_no_movement(made: MadeLake):
    pages = renders(made.chart({(OCTOBER, "AT"): [Song("t1", "One", 100, 50)]}).publish())
    assert "first month" in pages[CHART]
    assert "Beside" not in pages[CHART], "there is one market only"


def test_a_lake_without_titles_artists_and_genres_shows_its_charts(made: MadeLake):
    song = Song("t1", None, 100, 50, None, None)
    pages = renders(made.chart({(SEPTEMBER, "AT"): [song], (OCTOBER, "AT"): [song]}).publish())
    assert re.search(r">t1</a>\s*<span>artist unknown</span>", pages[CHART])


def test_a_lake_without_users_or_experiments_shows_its_charts(made: MadeLake):
    made.chart({(OCTOBER, "AT"): [Song("t1", "One", 100, 50)]})
    made.write(tables.AGE_GROUP_FAVOURITES, [])
    pages = renders(made.publish())
    assert "One" in pages[CHART]


def test_a_lake_without_durations_shows_en_dashes(made: MadeLake):
    made.chart({(OCTOBER, "AT"): [Song("t1", "One", 100, 50)]})
    row = {
        "month": OCTOBER,
        "country": "AT",
        "criterion": "plays",
        "rank": 1,
        "track_id": "t1",
        "plays": 9,
        "listeners": 9,
    }
    made.write(tables.TOP_TRACKS_BY_COUNTRY, [{**row, "data_through": OCTOBER}])
    with served(made.publish().settings) as server:
        server.watch.show_first()
        page = server.ask(CHART)
        assert page.status == 200
        assert page.text.count(">–</td>") == 2
        assert "?by=streams" not in page.text
        for address in (f"{CHART}?by=streams", f"{CHART}?by=listening_time&with=AT"):
            missing = server.ask(address)
            assert missing.status == 404
            assert "There is: plays" in missing.text


def test_a_lake_without_a_chart_says_so(made: MadeLake):
    made.chart({(OCTOBER, "AT"): [Song("t1", "One", 100, 50)]})
    for table in (tables.TOP_TRACKS_BY_COUNTRY, tables.CHART_MOVEMENTS, tables.TOP_ARTISTS_BY_GENRE):
        made.write(table, [])
    with served(made.publish().settings) as server:
        server.watch.show_first()
        assert "No market has a chart yet" in server.ask("/").text
        assert "There is no chart yet" in server.ask("/charts").text
        assert server.ask("/search?q=one").status == 200


def test_a_home_with_odd_letters_in_its_name_is_read(tmp_path: Path):
    lake = MadeLake(tmp_path / "o'dd ü").chart({(OCTOBER, "AT"): [Song("t1", "One", 100, 50)]}).publish()
    with served(lake.settings) as server:
        server.watch.show_first()
        assert "One" in server.ask(CHART).text
