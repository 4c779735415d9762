"""What the dashboard never shows: people, quarantined records, files; and figures of few listeners, told or implied."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from umg_assets import tables
from umg_assets.dashboard.figures import Few, Withheld, guarded
from umg_assets.dashboard.served import Served
from umg_assets_tests.conftest import WORLD
from umg_assets_tests.dashboard.conftest import CHARTS
from umg_assets_tests.dashboard.crawling import crawled
from umg_assets_tests.dashboard.made import MadeLake, Song
from umg_assets_tests.dashboard.serving import Answer, Server, served
from umg_assets_tests.lake import Lake

pytestmark = pytest.mark.sail_enough

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)


def words_of(answer: Answer) -> str:
    """All that an answer says: its headers, and its body as text, of Parquet the values."""
    body = answer.body
    if answer.headers.get("content-type") == "application/vnd.apache.parquet":
        table = pq.read_table(io.BytesIO(body))
        body = f"{table.schema} {table.to_pylist()}".encode()
    return f"{dict(answer.headers)} {body.decode()}"


@pytest.fixture(scope="module")
def opened() -> Iterator[list[str]]:
    """The SQL that served sets are asked, as it is asked."""
    asked: list[str] = []
    query = Served.query

    def note(self: Served, sql: str, *values: object, **given: object) -> list:
        asked.append(sql)
        return query(self, sql, *values, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Served, "query", note)
        yield asked


@pytest.fixture(scope="module")
def everything(generated_lake: Lake, opened: list[str]) -> dict[str, Answer]:
    """Pages and downloads of a lake with users and bad records: all that links lead to, of the newest charts."""
    with served(generated_lake.settings) as server:
        server.watch.show_first()
        return crawled(server.ask, most=400)


def test_every_link_leads_to_a_page_and_every_download_is_one(everything: dict[str, Answer]):
    assert len(everything) > 100
    assert {address: answer.status for address, answer in everything.items() if answer.status != 200} == {}
    assert {answer.headers["content-type"].split(";")[0] for answer in everything.values()} >= {
        "text/html",
        "text/css",
        "text/csv",
        "application/json",
        "application/vnd.apache.parquet",
    }


def test_no_answer_holds_a_person_a_record_in_quarantine_or_a_file_of_landing(
    generated_lake: Lake, everything: dict[str, Answer]
):
    people = {row["user_id"] for row in generated_lake.rows("raw_users", "user_id")}
    keys = {row["user_key"] for row in generated_lake.rows("plays", "user_key")}
    records = {row["text"] for row in generated_lake.rows("quarantine") if row["text"] and len(row["text"]) > 20}
    files = {row["source_file"] for row in generated_lake.rows("quarantine", "source_file")}
    assert min(map(len, (people, keys, records, files))) > 3
    secrets = people | keys
    patterns = re.compile(r"\b[0-9a-f]{64}\b|user_key|session_id|source_file|siv1:|gcm1:")
    letters = re.compile(r"[\w.-]+")
    for address, answer in everything.items():
        said = words_of(answer)
        assert not patterns.search(said), address
        if "/static/" in address:
            continue
        assert not secrets & set(letters.findall(said)), address
        assert not [text for text in (*records, *files) if text in said], address


def test_only_published_tables_are_read(generated_lake: Lake, everything: dict[str, Answer], opened: list[str]):
    read = {found for sql in opened for found in re.findall(r"/tables/([a-z_]+)/", sql)}
    assert everything
    assert read
    assert read <= {table.name for table in tables.PUBLISHED}
    assert not [table.name for table in tables.PUBLISHED if table.personal]
    columns = {column.name for table in tables.PUBLISHED for column in table.columns}
    assert not columns & {"user_id", "user_key", "session_id", "session_key", "visit_key", "source_file", "text"}
    outside = [sql for sql in opened if re.search(r"read_(csv|json|text|blob)|\bglob\(|attach|install", sql, re.I)]
    assert not outside


HIDDEN = (7, 3, 840_000)
"""Plays, streams and milliseconds of the song that 3 people heard: what no answer may say."""


def charts(full: bool) -> dict:
    """A chart on which t3 had 3 listeners; full: it holds as many tracks as a chart has at most."""
    shown = [Song(f"t{number}", f"Song {number}", 1_000 - 10 * number, 40) for number in range(10, 58)]
    few = Song("t3", "Song 3", 7, 3)
    songs = [Song("t1", "Song 1", 3_000, 90), *(shown if full else shown[:5]), few]
    return {(SEPTEMBER, "AT"): [Song("t1", "Song 1", 90, 40), few], (OCTOBER, "AT"): songs}


@pytest.mark.parametrize("full", [True, False], ids=["full", "short"])
def test_figures_of_few_listeners_are_bounds_on_the_page_and_in_each_download(made: MadeLake, full: bool):
    made.chart(charts(full)).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        page = server.ask("/charts/AT/2026-10").text
        (row,) = re.findall(r"<tr>\n<td class=\"n rank\">\d+</td>(?:(?!</tr>).)*Song 3<.*?</tr>", page, re.DOTALL)
        cells = re.findall(r"<td class=\"n(?: wide)?\">(.*?)</td>", row)
        assert cells[-4:] == ["&lt; 5"] * 4
        assert "bar-line" not in row
        told = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", row.split("</th>")[1])
        assert not re.search(r"\b(7|3|0\.2)\b", told)
        rows = list(csv.DictReader(io.StringIO(server.ask("/charts/AT/2026-10?format=csv").text)))
        (of_csv,) = [row for row in rows if row["track_id"] == "t3"]
        (of_json,) = [
            row
            for row in json.loads(server.ask("/charts/AT/2026-10?format=json").text)["chart"]
            if row["track_id"] == "t3"
        ]
        for name in ("plays", "streams", "listening_ms", "listeners"):
            assert of_csv[name] == of_json[name] == "< 5"
        parquet = pq.read_table(io.BytesIO(server.ask("/charts/AT/2026-10?format=parquet").body)).to_pylist()
        (of_parquet,) = [row for row in parquet if row["track_id"] == "t3"]
        assert {of_parquet[name] for name in ("plays", "streams", "listening_ms", "listeners")} == {None}
        assert of_parquet["few_listeners"] is True
        assert sum(row["few_listeners"] for row in parquet) == (1 if full else 2)


def test_what_a_hidden_figure_is_cannot_be_told_from_a_sum_that_is_shown(made: MadeLake):
    """A chart that is not full adds up to its market's plays: with one row hidden, the sum would say it."""
    made.chart(charts(full=False)).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        chart = json.loads(server.ask("/charts/AT/2026-10?format=json").text)["chart"]
        (card,) = json.loads(server.ask("/?format=json").text)["markets"]
        hidden = [row for row in chart if not isinstance(row["plays"], int)]
        rest = card["plays"] - sum(row["plays"] for row in chart if isinstance(row["plays"], int))
        assert [row["plays"] for row in hidden] == ["withheld", "< 5"]
        assert rest not in HIDDEN
        assert [
            row["plays"] for row in json.loads(server.ask("/charts/AT/2026-10?by=listeners&format=json").text)["chart"]
        ][-2:] == ["withheld", "< 5"]


def test_what_a_chart_hides_no_other_page_tells(made: MadeLake):
    """t3 had 3 listeners in October, and t14 is withheld with it: neither's plays are a sum of its days, either."""
    before = [Song("t1", "Song 1", 90, 40)]
    made.chart({**charts(full=False), (SEPTEMBER, "AT"): before, (AUGUST, "AT"): before}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        (withheld,) = [
            row
            for row in json.loads(server.ask("/charts/AT/2026-10?format=json").text)["chart"]
            if row["plays"] == "withheld"
        ]
        for track, plays in (("t3", "< 5"), (withheld["track_id"], "withheld")):
            months = json.loads(server.ask(f"/tracks/{track}?format=json").text)["months"]
            assert {row["plays"] for row in months if row["month"] == "2026-10-01"} == {plays}
        for more in ("", "&market=AT", "&order=percent", "&market=AT&order=percent"):
            page = json.loads(server.ask(f"/plays?from=2026-10-01&to=2026-10-31&format=json{more}").text)
            rows = [row for name, of in page.items() if isinstance(of, list) and "tracks" in name for row in of]
            assert "t1" in {row["track_id"] for row in rows}, more
            assert not {"t3", withheld["track_id"]} & {row["track_id"] for row in rows}, more


GREW = "/plays?from=2026-10-01&to=2026-10-31&format=json"


def grown(server: Server, more: str = "") -> tuple[dict[str, tuple], dict[str, tuple]]:
    """By track, and by artist, the plays now and before of those that grew in October."""
    page = json.loads(server.ask(GREW + more).text)
    return tuple(
        {row[key]: (row["plays"], row["plays_before"]) for row in page[sheet]}
        for sheet, key in (("tracks_that_grew", "track_id"), ("artists_that_grew", "artist_name"))
    )  # type: ignore[return-value]


def test_an_artists_growth_sums_the_tracks_alone_that_may_be_shown_in_both_periods(made: MadeLake):
    """Of Rare, r2 had 3 listeners in October and r3 had 3 in September: with r1's 500, a sum would tell theirs. All
    that New had before was few."""
    one, r1 = Song("t1", "Song 1", 90, 40), Song("r1", "R 1", 100, 40, "Rare")
    now = [
        one._replace(plays=3_000), r1._replace(plays=500), Song("r2", "R 2", 7, 3, "Rare"),
        Song("r3", "R 3", 60, 30, "Rare"), Song("z1", "Z 1", 6, 2), Song("n1", "N 1", 80, 30, "New"),
    ]  # fmt: skip
    gone = Song("r4", "R 4", 30, 20, "Rare")
    few = [Song("r3", "R 3", 8, 3, "Rare"), Song("n1", "N 1", 9, 2, "New"), Song("z1", "Z 1", 9, 4)]
    before = [one, r1, gone, *few]
    made.chart({(AUGUST, "AT"): [one], (SEPTEMBER, "AT"): before, (OCTOBER, "AT"): now}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        for more in ("", "&market=AT"):
            tracks, artists = grown(server, more)
            assert tracks == {"t1": (3_000, 90), "r1": (500, 100), "n1": (80, "< 5"), "r3": (60, "< 5")}, more
            assert artists == {"Ann": (3_000, 90), "Rare": (500, 130), "New": (80, "< 5")}, more


def test_overall_growth_does_not_tell_what_a_track_had_in_the_market_that_hides_it(made: MadeLake):
    """t2's 3 listeners in LI, or t4 that is withheld there, would be what AT leaves of its plays in all markets."""
    songs = [Song(f"t{number}", f"Song {number}", 100 * number, 40) for number in (1, 2, 3, 4)]
    rare = [songs[0], Song("t2", "Song 2", 7, 3), songs[3]._replace(plays=50)]
    before = [song._replace(plays=10) for song in songs]
    charts = {(AUGUST, "AT"): before, (SEPTEMBER, "AT"): before, (OCTOBER, "AT"): songs}
    made.chart({**charts, (SEPTEMBER, "LI"): before[:1], (OCTOBER, "LI"): rare}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        chart = json.loads(server.ask("/charts/LI/2026-10?format=json").text)["chart"]
        assert {row["track_id"]: row["plays"] for row in chart} == {"t1": 100, "t4": "withheld", "t2": "< 5"}
        assert grown(server)[0] == {"t1": (200, 20), "t3": (300, 10)}
        assert grown(server)[1] == {"Ann": (500, 30)}
        assert grown(server, "&market=AT")[0].keys() == {"t1", "t2", "t3", "t4"}


def test_overall_growth_holds_a_track_of_which_several_markets_had_few_listeners(made: MadeLake):
    """As on charts: what the others leave is the few of AT and LI together."""
    one, two = Song("t1", "Song 1", 90, 40), Song("t2", "Song 2", 7, 3)
    charts = {(month, market): [one] for month in (AUGUST, SEPTEMBER) for market in ("AT", "DE", "LI")}
    charts |= {(OCTOBER, market): [one, two] for market in ("AT", "LI")}
    made.chart({**charts, (OCTOBER, "DE"): [one, two._replace(plays=200, listeners=50)]}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        assert grown(server)[0] == {"t2": (214, 0)}


def test_one_listener_of_several_tracks_months_or_markets_is_counted_once(made: MadeLake):
    """The same three people play five tracks in two months and two markets: no growth of theirs is shown."""
    one = Song("t1", "Song 1", 90, 40)
    solo = [Song(f"x{number}", f"X {number}", 9, 3, "Solo") for number in range(5)]
    charts = {(month, "AT"): [one] for month in (date(2026, 6, 1), date(2026, 7, 1), AUGUST)}
    charts |= {(month, market): [one, *solo] for month in (SEPTEMBER, OCTOBER) for market in ("AT", "DE")}
    made.chart(charts).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        for more in ("", "&market=AT"):
            for of in (GREW, GREW.replace("2026-10-01", "2026-09-01")):
                page = json.loads(server.ask(of + more).text)
                assert not [row for row in page["tracks_that_grew"] if row["track_id"] != "t1"], (of, more)
                assert not [row for row in page["artists_that_grew"] if row["artist_name"] == "Solo"], (of, more)


PLAYS = "/plays?from=2026-10-01&to=2026-10-31&format=json"


def of_days(counts: Mapping[str, Mapping[date, int]]) -> list[dict[str, Any]]:
    """Rows of daily_track_plays: by market and day, the plays of a track."""
    return [
        {"play_date": day, "country": market, "track_id": "t1", "age_group": "18-24", "plays": count, "streams": count,
         "listening_ms": count * 1_000}
        for market, of in counts.items()
        for day, count in of.items()
    ]  # fmt: skip


def days_of(count: int, other: Mapping[int, int] | None = None, month: date = OCTOBER) -> dict[date, int]:
    """As many plays on each day of a month; another number on some of its days."""
    return {month.replace(day=day): (other or {}).get(day, count) for day in range(1, 32 if month == OCTOBER else 31)}


def hidden_alone(page: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of the sums that /plays shows (a row or a column of its tables), those with just one figure that is hidden."""
    markets = [row["market"] for row in page["markets"]]
    columns = ("plays", "plays_before", "streams", "listening_ms")
    sums = {("markets", name): [row[name] for row in page["markets"]] for name in columns}
    sums |= {("day", row["play_date"]): [row[market] for market in markets] for row in page["days"]}
    for row in page["markets"]:
        sums["market", row["market"]] = [row["plays"], *(day[row["market"]] for day in page["days"])]
    return [name for name, figures in sums.items() if sum(isinstance(figure, str) for figure in figures) == 1]


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param({"AT": {date(2026, 10, 10): 1_000}, "LI": {date(2026, 10, 10): 3}}, id="a market"),
        pytest.param({"LI": days_of(20, {10: 3})}, id="a day"),
        pytest.param({"AT": days_of(90), "DE": days_of(40), "LI": days_of(20, {10: 3})}, id="a day of a market"),
        pytest.param(
            {"AT": days_of(90) | days_of(70, month=SEPTEMBER), "DE": days_of(40) | days_of(30, month=SEPTEMBER),
             "LI": days_of(20) | {SEPTEMBER: 3}},
            id="a market before",
        ),
    ],
)  # fmt: skip
def test_no_market_or_day_is_the_only_hidden_figure_of_a_sum_of_plays(made: MadeLake, counts: dict):
    one = [Song("t1", "Song 1", 900, 40)]
    made.chart({(month, market): one for month in (AUGUST, SEPTEMBER, OCTOBER) for market in ("AT", "DE", "LI")})
    made.write(
        tables.DAILY_TRACK_PLAYS, of_days({market: {AUGUST: 50, SEPTEMBER: 60} | of for market, of in counts.items()})
    )
    made.publish()
    with served(made.settings) as server:
        server.watch.show_first()
        page = json.loads(server.ask(PLAYS).text)
        assert "< 5" in json.dumps(page)
        assert hidden_alone(page) == []
        assert page["markets"][0]["plays"] == sum(
            count for of in counts.values() for day, count in of.items() if day >= OCTOBER
        )
        of_csv = list(csv.DictReader(io.StringIO(server.ask(f"{PLAYS[:-4]}csv&table=days").text)))
        assert [list(row.values()) for row in of_csv] == [[str(of) for of in row.values()] for row in page["days"]]


def test_the_smallest_shown_market_and_the_next_smallest_day_are_withheld(made: MadeLake):
    one = [Song("t1", "Song 1", 900, 40)]
    made.chart({(OCTOBER, market): one for market in ("AT", "DE", "LI")})
    counts = {"AT": days_of(90), "DE": days_of(40, {7: 30}), "LI": days_of(20, {10: 3, 20: 15})}
    made.write(tables.DAILY_TRACK_PLAYS, of_days(counts))
    made.publish()
    with served(made.settings) as server:
        server.watch.show_first()
        page = json.loads(server.ask(PLAYS).text)
    hidden = {
        (row["play_date"][-2:], market): figure
        for row in page["days"]
        for market, figure in row.items()
        if isinstance(figure, str) and market != "play_date" and figure != "< 5"
    }
    assert hidden == dict.fromkeys([("10", "DE"), ("20", "LI"), ("07", "DE"), ("07", "LI"), ("20", "DE")], "withheld")
    assert not [row for row in page["markets"] if isinstance(row["plays"], str)]


def test_a_market_in_which_no_track_had_enough_listeners_shows_no_sum_and_no_change(made: MadeLake):
    few = [Song("t1", "Song 1", 200, 2), Song("t2", "Song 2", 100, 1)]
    made.chart({(SEPTEMBER, "LI"): few, (OCTOBER, "LI"): few, (OCTOBER, "AT"): few}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        for card in json.loads(server.ask("/?format=json").text)["markets"]:
            assert card["plays"] == "< 5"
        for address in ("/", "/charts/LI/2026-10", "/charts/LI/2026-10?with=AT", "/search?q=song"):
            said = re.sub(r"<footer>.*|<[^>]*>", "", server.ask(address).text, flags=re.DOTALL)
            assert not re.search(r"\b(200|100|300|150)\b|%", said), address


def test_a_change_against_a_hidden_figure_is_not_shown(made: MadeLake):
    """3 plays a month before, 100 now: + 3,233.3 % would say the 3."""
    of_month = {AUGUST: Song("t1", "Song 1", 90, 40), SEPTEMBER: Song("t1", "Song 1", 3, 3)}
    charts = {(month, "AT"): [song] for month, song in of_month.items()}
    made.chart({**charts, (OCTOBER, "AT"): [Song("t1", "Song 1", 100, 40)]}).publish()
    with served(made.settings) as server:
        server.watch.show_first()
        for address in ("/", "/charts/AT/2026-10"):
            assert "3,233" not in server.ask(address).text, address
            assert ">100" in server.ask(address).text
        (card,) = json.loads(server.ask("/?format=json").text)["markets"]
        assert (card["plays"], card["plays_in_the_same_days_before"]) == (100, "< 5")


def test_a_minimum_of_one_shows_every_figure(tmp_path: Path):
    lake = MadeLake(tmp_path / "home", "[dashboard]\nminimum_listeners = 1").chart(charts(full=False)).publish()
    with served(lake.settings) as server:
        server.watch.show_first()
        rows = json.loads(server.ask("/charts/AT/2026-10?format=json").text)["chart"]
        assert (rows[-1]["plays"], rows[-1]["listeners"]) == (7, 3)
        assert not [row for row in rows if not isinstance(row["plays"], int)]


def test_rows_without_a_count_of_listeners_are_judged_by_their_plays():
    rows = [{"plays": 9}, {"plays": 4}, {"plays": 5, "listeners": 2}, {"plays": None, "listeners": None}]
    assert guarded(rows, 5, ["plays"]) == [{"plays": 9}, {"plays": Few(5)}, {"plays": Few(5), "listeners": 2}, rows[3]]
    assert guarded([{"plays": 9}, {"plays": 4}], 5, ["plays"], lambda _: True) == [
        {"plays": Withheld(5)},
        {"plays": Few(5)},
    ]


def test_every_page_says_what_it_does_not_show(server: Server):
    assert {market for _, market in CHARTS} == {"AT", "DE", "SK", "LI"}
    for address in ("/", "/charts/LI/2026-10", "/search?q=x"):
        assert (
            "Figures of fewer than 5 listeners are shown as &lt; 5, here and in downloads" in server.ask(address).text
        )
    assert WORLD.dirty
