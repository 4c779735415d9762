"""Pages of tracks, artists, favourites and plays: their figures against hand-counted ones, and what is not there."""

import csv
import io
import json
import re
from collections.abc import Sequence
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest

from umg_assets.dashboard.addresses import Links, address
from umg_assets.dashboard.pages.routes import ROUTES
from umg_assets.dashboard.rendering import Renderer
from umg_assets.dashboard.served import Kept, Served
from umg_assets.dashboard.site import Site
from umg_assets.dashboard.state import State
from umg_assets.dashboard.track_sums import TrackSums
from umg_assets_tests.conftest import NewLake
from umg_assets_tests.lake import Lake

FEW = "< 3"
SETTINGS = "[charts]\ntop_artists_days = 4\nfavourites_days = 2\n[dashboard]\nminimum_listeners = 3\n"
USERS = [("u1", "18-24"), ("u2", "18-24"), ("u3", "18-24"), ("u4", "25-34"), ("u5", "25-34"), ("u6", "25-34")]
PLAYED = [
    ("2026-02-27", "t1", "AT", 4),
    ("2026-03-02", "t1", "AT", 4), ("2026-03-02", "t2", "AT", 2), ("2026-03-02", "t1", "DE", 3),
    ("2026-03-09", "t1", "AT", 5), ("2026-03-09", "t2", "AT", 6),
    ("2026-03-09", "t1", "DE", 1), ("2026-03-09", "t2", "DE", 1), ("2026-03-09", "t3", "", 3),
    ("2026-03-14", "t2", "AT", 5),
    ("2026-03-15", "t2", "AT", 1),
]  # fmt: skip
"""(day, track, market, plays): one play each by as many users; of no market, by users whom nobody delivers."""
ID = 'a/b %"ü?&#'
WEEK = "/plays?from=2026-03-08&to=2026-03-14"
HOSTILE = {
    ID: ("<script>alert(1)</script>", "=cmd()"),
    "h2": ("x" * 300, "y" * 300),
    "h3": ("\u202eاغنية", "فنان"),
    "h4": ("   ", "\u3000"),
    "h5": ("", ""),
}
"""By track, its title and artist."""


class Tables(HTMLParser):
    """The cells of a page's tables, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.words, self._cell = "", None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = self.tables[-1][-1]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._cell is not None:
            self._cell[-1] += data.strip()


class NoLinks:
    """Links of a site that has one page only."""

    def to(self, address: str) -> str | None:
        """No page."""
        return None

    def static(self, name: str) -> str:
        """A file."""
        return name


class Pages:
    """The site of a lake's newest set."""

    def __init__(self, lake: Lake) -> None:
        settings = lake.settings.dashboard
        self.served = Served.newest(lake.home, settings)
        self._site = Site(self.served, State(()), ROUTES, Renderer(settings))

    def html(self, wanted: str, status: int = 200, links: Links | None = None) -> str:
        """A page."""
        answer = self._site.answer(wanted, links)
        assert answer.status == status, answer.body.decode()
        return answer.body.decode()

    def words(self, wanted: str, status: int = 200) -> str:
        """The words of a page, with single spaces."""
        return " ".join(Tables(self.html(wanted, status)).words.split())

    def file_name(self, wanted: str) -> str | None:
        """The name of the file of a download."""
        return self._site.answer(wanted).name

    def rows(self, wanted: str, sheet: str, *columns: str) -> list[tuple]:
        """The rows of a sheet: the columns named."""
        more = "&" if "?" in wanted else "?"
        rows = json.loads(self.html(f"{wanted}{more}format=json"))[sheet]
        return [tuple(row[column] for column in columns) for row in rows]

    def csv(self, wanted: str, sheet: str) -> list[list[str]]:
        """A sheet as CSV: its lines."""
        more = "&" if "?" in wanted else "?"
        return list(csv.reader(io.StringIO(self.html(f"{wanted}{more}format=csv&table={sheet}"))))


def drop(lake: Lake, played: Sequence[tuple[str, str, str, int]]) -> None:
    """Drops plays, a file a day."""
    for day in sorted({row[0] for row in played}):
        at = f"{day}T10:00:00Z"
        rows = [
            (f"{day}{track}{market}{number}", f"{'u' if market else 'x'}{number}", "s", track, at, 90_000, market)
            for of, track, market, plays in played
            if of == day
            for number in range(1, plays + 1)
        ]  # fmt: skip
        lake.drop_plays(day, rows)


@pytest.fixture(scope="module")
def counted(new_lake: NewLake) -> Lake:
    """PLAYED, by tracks of Ann, Bob and Eve, in Pop."""
    lake = new_lake("counted", text=SETTINGS)
    names = {
        "t1": ("One", "a1", "Ann"),
        "t2": ("Two", "a2", "Bob"),
        "t3": ("Three", "a3", "Eve"),
        "t4": ("Four", "a1", "Ann"),
    }
    lake.drop_tracks("2026-02-27", [(track, *of, "Pop", 200_000) for track, of in names.items()])
    lake.drop_users("2026-02-27", [(user, "AT", group) for user, group in USERS])
    drop(lake, PLAYED)
    lake.run()
    return lake


@pytest.fixture(scope="module")
def pages(counted: Lake) -> Pages:
    """The pages of PLAYED; complete through 14 March."""
    return Pages(counted)


@pytest.fixture(scope="module")
def hostile(new_lake: NewLake) -> Pages:
    """The pages of HOSTILE tracks, three plays each on two days; the first of a genre with a slash."""
    lake = new_lake("hostile", text=f'markets = ["AT"]\n{SETTINGS}')
    lake.drop_tracks(
        "2026-03-01",
        [
            (track, title, f"artist {track}", artist, "<i>R&B/Soul" if track == ID else " ", 200_000)
            for track, (title, artist) in HOSTILE.items()
        ],
    )
    lake.drop_users("2026-03-01", [(user, "AT", group) for user, group in USERS])
    drop(lake, [(day, track, "AT", 4) for day in ("2026-03-01", "2026-03-02") for track in HOSTILE])
    lake.run()
    return Pages(lake)


@pytest.fixture(scope="module")
def bare(new_lake: NewLake) -> Pages:
    """The pages of plays of one track on one day: no tracks, no users, one market, no complete day."""
    lake = new_lake("bare", text=f'markets = ["AT"]\n{SETTINGS}')
    drop(lake, [("2026-03-01", "t1", "AT", 4)])
    lake.run()
    return Pages(lake)


def test_a_track_has_its_rank_and_figures_of_each_month_and_market(pages: Pages):
    """Its figures in DE are withheld: the other track there had 1 listener, and what is left of DE's plays."""
    assert pages.rows("/tracks/t1", "months", "month", "market", "rank", "previous_rank", "plays", "listeners") == [
        ("2026-03-01", "AT", 2, 1, 9, 5),
        ("2026-03-01", "DE", 1, None, "withheld", "withheld"),
        ("2026-02-01", "AT", 1, None, 4, 4),
    ]
    words = pages.words("/tracks/t1")
    assert "Ann, Pop. Track t1. On charts by plays since 2026-02; best rank 1, in Austria in 2026-02." in words
    assert "Rank in AT by month: 2026-02 1, 2026-03 2" in pages.html("/tracks/t1")


def test_a_tracks_plays_end_with_the_last_whole_month(pages: Pages):
    assert 'aria-label="Plays in AT by month: 2026-02 4"' in pages.html("/tracks/t1")
    assert "Whole months to 2026-02" in pages.words("/tracks/t1")


def test_a_track_played_in_no_known_country_is_in_market_unknown(pages: Pages):
    assert pages.rows("/tracks/t3", "months", "market", "rank", "plays") == [("unknown", None, 3)]


def test_a_track_of_the_catalogue_alone_has_a_page_that_says_so(pages: Pages):
    assert "Four" in (words := pages.words("/tracks/t4"))
    assert "It has not been on a chart by plays." in words
    assert "It is in the catalogue and has not been played in any market." in words


def test_figures_of_few_listeners_are_hidden_and_the_rank_is_not(pages: Pages):
    assert pages.rows("/tracks/t2", "months", "market", "rank", "plays", "streams", "listening_ms", "listeners") == [
        ("AT", 1, 14, 14, 1_260_000, 6),
        ("DE", 2, FEW, FEW, FEW, FEW),
    ]


def test_a_track_that_is_not_there_is_searched_for_and_an_unknown_criterion_names_those_there_are(pages: Pages):
    assert 'href="/search?q=t%2F9"' in pages.html("/tracks/t%2F9", 404)
    assert "There is no track 't/9'" in pages.words("/tracks/t%2F9", 404)
    assert "There is: plays, streams, listening_time, listeners." in pages.words("/tracks/t1?by=x", 404)
    assert 'href="/tracks/t1?by=listeners"' in pages.html("/tracks/t1?by=x", 404)


def test_artists_of_a_genre_are_ranked_over_the_window_and_moved_against_7_days_before(pages: Pages):
    """To 12 March: Bob 6 + 1, Ann 5 + 1, Eve 3 in no known country. To 5 March: Ann 4 + 3, Bob 2."""
    columns = ("rank", "artist_name", "movement", "previous_rank", "plays")
    assert pages.rows("/artists/Pop?day=2026-03-12", "artists", *columns) == [
        (1, "Bob", "up", 2, 7), (2, "Ann", "down", 1, 6), (3, "Eve", "new", None, 3),
    ]  # fmt: skip
    assert pages.rows("/artists/Pop?day=2026-03-12&market=AT", "artists", *columns) == [
        (1, "Bob", "up", 2, 6), (2, "Ann", "down", 1, 5),
    ]  # fmt: skip
    assert pages.rows("/artists/Pop?day=2026-03-12&market=DE", "artists", "artist_name", "plays") == [
        ("Ann", FEW), ("Bob", FEW),
    ]  # fmt: skip


def test_an_artist_who_came_on_the_chart_7_days_before_is_not_new(pages: Pages):
    """To 2 March: Ann 4 + 7, Bob 2; to 1 March: Ann alone."""
    moved = pages.rows("/artists/Pop?day=2026-03-09", "artists", "artist_name", "movement")
    assert moved == [("Bob", "up"), ("Ann", "down"), ("Eve", "new")]
    moved = pages.rows("/artists/Pop?day=2026-03-05", "artists", "artist_name", "movement")
    assert moved == [("Ann", None), ("Bob", None)]
    assert pages.rows("/artists?day=2026-03-12", "genres", "artist_name", "movement") == [("Bob", "up")]


def test_ranks_of_artists_keep_the_days_off_the_chart_as_gaps(pages: Pages):
    ranks = pages.rows("/artists/Pop?day=2026-03-12", "ranks_by_day", "chart_date", "artist_id", "rank")
    of_bob = {day: rank for day, artist, rank in ranks if artist == "a2"}
    assert of_bob["2026-03-12"] == 1
    assert of_bob["2026-03-05"] == 2
    assert of_bob["2026-03-08"] is None
    assert of_bob["2026-02-27"] is None
    assert "<title>2026-03-05: 2</title>" in pages.html("/artists/Pop?day=2026-03-12")


def test_without_a_day_artists_are_those_of_the_last_complete_day(pages: Pages):
    assert pages.rows("/artists/Pop", "artists", "artist_name", "plays") == [("Bob", 5)]
    assert pages.rows("/artists", "genres", "genre", "artist_name", "movement", "plays") == [("Pop", "Bob", None, 5)]
    assert "the 4 days to 2026-03-14" in pages.words("/artists")


def test_an_artist_page_links_the_day_before_and_after_and_7_days_before(pages: Pages):
    html = pages.html("/artists/Pop?market=AT&day=2026-03-12")
    for day in ("2026-03-11", "2026-03-05"):
        assert f'href="/artists/Pop?day={day}&amp;market=AT"' in html
    assert 'href="/artists/Pop?market=AT">newest' in html
    assert "day=2026-03-13" not in html.split("Downloads")[0]  # no play in its window


def test_an_artist_page_of_what_is_not_there_names_and_links_what_there_is(pages: Pages):
    assert "There is no genre 'Jazz'. There is: Pop." in pages.words("/artists/Jazz", 404)
    assert 'href="/artists/Pop"' in pages.html("/artists/Jazz", 404)
    assert "There is: overall, AT, DE." in pages.words("/artists/Pop?market=XX", 404)
    assert 'href="/artists/Pop?market=DE"' in pages.html("/artists/Pop?market=XX", 404)
    words = pages.words("/artists/Pop?day=2026-03-15", 404)
    assert "There is nothing of 2026-03-15. There are days from 2026-02-27 to 2026-03-14." in words
    assert 'href="/artists/Pop"' in pages.html("/artists/Pop?day=2026-03-15", 404)
    assert "Expected a day such as 2026-03-14, got 'soon'" in pages.words("/artists/Pop?day=soon", 404)


def test_favourites_are_what_the_app_shows_with_the_figures_of_few_hidden(counted: Lake, pages: Pages):
    shown = pages.rows("/favourites", "favourites", "age_group", "rank", "track_id", "plays")
    assert shown == [("18-24", 1, "t2", 3), ("25-34", 1, "t2", FEW)]
    latest = counted.home / "exports" / "current" / "age_group_favourites" / "latest.json"
    app = json.loads(latest.read_text())["age_groups"]
    assert [(group, row["rank"], row["track_id"]) for group, rows in app.items() for row in rows] == [
        row[:3] for row in shown
    ]
    assert "This is what the app shows now" in pages.words("/favourites")


def test_an_age_groups_favourites_have_their_ranks_day_by_day(pages: Pages):
    """On 9 March u1 to u3 play t1 and t2 in Austria, and u1 both in Germany: a tie."""
    of_group = "/favourites?age_group=18-24&day=2026-03-10"
    assert pages.rows(of_group, "favourites", "rank", "track_id", "plays") == [(1, "t1", 4), (2, "t2", 4)]
    ranks = pages.rows(of_group, "ranks_by_day", "chart_date", "track_id", "rank")
    assert ranks[:4] == [
        ("2026-03-10", "t1", 1), ("2026-03-10", "t2", 2), ("2026-03-09", "t1", 1), ("2026-03-09", "t2", 2),
    ]  # fmt: skip
    assert "There is no age group '99'. There is: 18-24, 25-34." in pages.words("/favourites?age_group=99", 404)


def test_plays_of_a_week_are_compared_with_the_same_weekdays(pages: Pages):
    """Overall counts plays of no known country; the running day, 15 March, is not in it. DE began on 2 March, within
    the week before; its plays would be what the others leave."""
    assert pages.rows(WEEK, "markets", "market", "plays", "plays_before", "change_percent") == [
        ("overall", 21, 9, 133.3), ("AT", 16, 6, 166.7), ("DE", FEW, None, None),
        ("unknown", "withheld", FEW, None),
    ]  # fmt: skip


def test_two_days_are_compared_with_those_of_the_week_before(pages: Pages):
    words = pages.words("/plays?from=2026-03-13&to=2026-03-14")
    assert "Before is 2026-03-06 to 2026-03-07: as many days, whole weeks earlier." in words
    assert "There is nothing to compare with: the data begin on 2026-02-27." in pages.words("/plays")


def test_days_of_few_plays_are_gaps_and_every_day_of_the_period_is_there(pages: Pages):
    days = pages.csv(WEEK, "days")
    assert days[0] == ["play_date", "overall", "AT", "DE", "unknown"]
    assert days[1] == ["2026-03-14", "5", "5", FEW, FEW]
    assert days[6] == ["2026-03-09", "16", "11", FEW, "withheld"]
    assert len(days) == 8
    assert "from 5 to 11, on the last day 5, 5 days hidden" in pages.html(WEEK)


def test_what_grew_most_is_told_by_track_and_by_artist(pages: Pages):
    """t3: 3 plays, none before; in AT t2: 11 plays, 2 before (hidden, and so is its growth). Overall t2 is left out: it
    had 1 listener in DE."""
    columns = ("track_id", "title", "artist_name", "plays", "plays_before", "growth", "growth_percent")
    assert pages.rows(WEEK, "tracks_that_grew", *columns) == [("t3", "Three", "Eve", 3, 0, 3, None)]
    assert pages.rows(f"{WEEK}&market=AT", "tracks_that_grew", *columns)[0] == (
        "t2", "Two", "Bob", 11, FEW, None, None,
    )  # fmt: skip
    assert pages.rows(WEEK, "artists_that_grew", "artist_name", "plays") == [("Eve", 3)]
    assert pages.rows(f"{WEEK}&market=AT", "artists_that_grew", "artist_name", "plays") == [("Bob", 11), ("Ann", 5)]
    in_austria = pages.rows(f"{WEEK}&market=AT", "tracks_that_grew", "track_id", "plays", "plays_before")
    assert in_austria == [("t2", 11, FEW), ("t1", 5, 4)]
    assert pages.rows(f"{WEEK}&market=DE", "tracks_that_grew", "track_id") == []  # t2 has 1 play there
    assert pages.rows(f"{WEEK}&market=AT&order=percent", "tracks_that_grew", "track_id", "growth_percent") == [
        ("t1", 25.0)
    ]


def test_plays_of_days_that_are_not_there_name_and_link_those_that_are(pages: Pages):
    assert "There are days from 2026-02-27 to 2026-03-14." in pages.words("/plays?to=2026-03-15", 404)
    swapped = pages.html("/plays?from=2026-03-09&to=2026-03-02", 404)
    assert 'href="/plays?from=2026-03-02&amp;to=2026-03-09"' in swapped


def test_growth_reads_only_the_files_of_its_days_and_each_once(counted: Lake):
    served = Served.newest(counted.home, counted.settings.dashboard)
    of = {"plays": [date(2026, 3, 14)], "plays_before": [date(2026, 3, 2)]}
    others = [f"daily_track_plays/play_date={day}" for day in ("2026-02-27", "2026-03-09", "2026-03-15")]
    with counted.spoilt(*others):
        first = served.track_plays(of, None).to_pylist()
    assert sorted(first, key=str) == [
        {"track_id": "t1", "plays": 0, "plays_before": 7}, {"track_id": "t2", "plays": 5, "plays_before": 2},
    ]  # fmt: skip
    with counted.spoilt(*others, "daily_track_plays/play_date=2026-03-14", "daily_track_plays/play_date=2026-03-02"):
        assert served.track_plays(of, None).to_pylist() == first
        assert served.track_plays(of, "DE").to_pylist() == [{"track_id": "t1", "plays": 0, "plays_before": 3}]


def test_sums_that_have_no_room_are_read_again_and_are_the_same(counted: Lake):
    settings = counted.settings.dashboard
    folder = Served.newest(counted.home, settings).folder
    of = {"plays": [date(2026, 3, 9)], "plays_before": [date(2026, 3, 2), date(2026, 2, 27)]}
    kept, tight = Kept(counted.home), Kept(counted.home)
    tight.sums.tracks = TrackSums(room=0)
    rows = [Served(counted.home, folder, settings, sums).track_plays(of, None).to_pylist() for sums in (kept, tight)]
    assert rows[0] == rows[1] == [
        {"track_id": "t1", "plays": 6, "plays_before": 11},
        {"track_id": "t2", "plays": 7, "plays_before": 2},
        {"track_id": "t3", "plays": 3, "plays_before": 0},
    ]  # fmt: skip
    assert len(kept.sums.tracks) == 3
    assert len(tight.sums.tracks) < 3


@pytest.mark.parametrize(
    ("wanted", "sheet", "columns"),
    [
        ("/tracks/t2", "months", [2, 4, 7]),
        ("/artists/Pop?day=2026-03-12", "artists", [0, 4, 5]),
        ("/favourites?age_group=25-34", "favourites", [0, 4]),
        (WEEK, "markets", [1, 2]),
    ],
)
def test_a_download_holds_what_the_page_shows(pages: Pages, wanted: str, sheet: str, columns: list[int]):
    """The figures in these columns of the page's first table, row for row."""
    shown = Tables(pages.html(wanted)).tables[0]
    taken = pages.csv(wanted, sheet)
    assert len(shown) == len(taken) > 1
    for row, line in zip(shown[1:], taken[1:], strict=True):
        assert {row[column] for column in columns} - {"–"} <= {*line}


def test_an_id_of_any_characters_makes_the_round_trip(hostile: Pages):
    wanted = address("tracks", ID)
    assert wanted == "/tracks/a%2Fb%20%25%22%C3%BC%3F%26%23"
    assert f"Track {ID}." in hostile.words(wanted)
    for page in ("/favourites", "/charts/AT/2026-03"):
        assert f'href="{wanted}"' in hostile.html(page)
    assert f'href="{wanted}?by=streams"' in hostile.html(wanted)
    assert f'href="{wanted}?format=csv&amp;table=months&amp;set=' in hostile.html(wanted)


@pytest.mark.parametrize("wanted", ["/artists", "/favourites", "/favourites?age_group=18-24", "/plays?from=2026-03-01"])
def test_hostile_titles_and_names_are_words_and_nothing_else(hostile: Pages, wanted: str):
    html = hostile.html(wanted)
    assert not re.search(r"<(script|i)\b", html)
    assert "style=" not in html
    assert "onerror" not in html
    assert len(hostile.words(wanted)) > 100


def test_a_hostile_genre_and_artist_are_shown_as_they_are(hostile: Pages):
    wanted = address("artists", "<i>R&B/Soul")
    assert f'href="{wanted}"' in hostile.html("/artists")
    assert "Top artists, <i>R&B/Soul, overall" in hostile.words(wanted)
    assert hostile.csv(wanted, "artists")[1][4] == "'=cmd()"


def test_a_title_without_a_visible_letter_is_the_tracks_id_and_its_artist_is_unknown(hostile: Pages):
    rows = hostile.rows("/favourites?age_group=18-24", "favourites", "track_id", "title", "artist_name")
    named = {track: (title, artist) for track, title, artist in rows}
    assert named["h4"] == ("h4", None)
    assert named["h5"] == ("h5", None)
    assert named["h3"] == ("اغنية", "فنان"), "what turns the text after it is left out"
    assert "artist unknown" in hostile.words("/tracks/h4")


def test_without_tracks_users_or_a_complete_day_each_page_says_what_is_missing(bare: Pages):
    assert "No genre has a chart on 2026-03-01" in bare.words("/artists")
    assert "There is no genre 'Pop'. There is: none yet." in bare.words("/artists/Pop", 404)
    assert "No age group has a list on 2026-03-01" in bare.words("/favourites")
    assert "There is no age group '18-24'. There is: none yet." in bare.words("/favourites?age_group=18-24", 404)
    assert "No day is complete yet" in bare.words("/plays")
    words = bare.words("/tracks/t1")
    assert "t1 artist unknown, genre unknown. Track t1." in words
    assert "No month is complete yet" in words
    assert bare.rows("/tracks/t1", "months", "market", "rank", "plays") == [("AT", None, 4)]


def test_an_empty_day_says_so(pages: Pages):
    words = pages.words("/plays?from=2026-03-10&to=2026-03-10")
    assert f"Plays overall{FEW}" in words
    assert "No play in AT, DE, unknown." in words
    assert "No track grew." in words


@pytest.mark.parametrize(
    "wanted", ["/tracks/t1", "/artists", "/artists/Pop", "/favourites", "/favourites?age_group=18-24", "/plays", WEEK]
)
def test_where_a_site_lacks_the_other_pages_nothing_links_to_them(pages: Pages, wanted: str):
    html = pages.html(wanted, links=NoLinks())
    assert re.findall(r'(?:href|action)="(?!#content|style.css|icon.svg)[^"]*"', html) == []


def test_a_download_is_named_in_ascii_whatever_the_title(hostile: Pages):
    assert hostile.file_name("/tracks/h3?format=csv") == "track-months.csv"
    assert hostile.file_name(f"{address('tracks', ID)}?format=csv") == "track_script_alert_1_script-months.csv"
    assert len(hostile.file_name("/tracks/h2?format=csv") or "") < 100
