"""The top artists of a genre over a window of days, in a market or overall; and every genre's number one."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from umg_assets.dashboard.addresses import Ask, address
from umg_assets.dashboard.figures import guarded
from umg_assets.dashboard.page import NotThereError, Page, Sheet
from umg_assets.dashboard.pages.charts import NAMES
from umg_assets.dashboard.pages.names import OVERALL
from umg_assets.dashboard.pages.windows import (
    COMPARED,
    Option,
    complete_days,
    daily_ranks,
    day_options,
    days_that_link,
    moved,
)
from umg_assets.dashboard.served import Rows, Served
from umg_assets.tables import ARTIST_CRITERIA, TOP_ARTISTS_BY_GENRE, TRACKS

LINE_DAYS = 90
"""Days of a line of ranks."""
CRITERIA = {name: words for name, words in NAMES.items() if name in ARTIST_CRITERIA}
FIGURES = ("plays", "streams", "listening_ms")
COLUMNS = ("rank", "movement", "previous_rank", "artist_id", "artist_name", *FIGURES)
GENRE_COLUMNS = ("genre", "artist_id", "artist_name", "movement", "previous_rank", *FIGURES)


def genres(ask: Ask) -> Page:
    """Every genre with its number one."""
    wanted = _Wanted(ask)
    rows = _chart(wanted, "rank = ?", 1)
    before = _ranks_before(wanted)
    with_movement = [row for one in rows for row in moved([one], "artist_id", _of_genre(before, one["genre"]))]
    content = {**wanted.content(), "rows": with_movement}
    return Page("genres.html", f"Genres {wanted.words}", content, [Sheet("genres", GENRE_COLUMNS, with_movement)])


def artists(ask: Ask) -> Page:
    """A genre's top artists: movement against 7 days before, ranks of 90 days."""
    genre = ask.path["genre"]
    wanted = _Wanted(ask, genre)
    known = _genres(ask.served, wanted.day)
    if genre not in known and not _is_known(ask.served, genre, wanted.day):
        links = [(other, address("artists", other)) for other in known]
        raise NotThereError(f"There is no genre {genre!r}. There is: {', '.join(known) or 'none yet'}.", links)
    size = ask.served.definitions["top_artists"]
    where = {"genre": genre, "market": wanted.market, "criterion": wanted.by}
    ranks = daily_ranks(ask.served, TOP_ARTISTS_BY_GENRE, "artist_id", wanted.day, LINE_DAYS, size, where)
    rows = moved(_chart(wanted, "genre = ?", genre), "artist_id", ranks.before())
    for row in rows:
        row["line"], row["picture"] = ranks.line(row["artist_id"]), ranks.picture(row["artist_id"])
    others = [(other, wanted.to(genre=other), other == genre) for other in sorted({*known, genre})]
    content = {**wanted.content(), "rows": rows, "genre": genre, "genres": others, "line_days": len(ranks.days)}
    sheets = [Sheet("artists", COLUMNS, rows), ranks.sheet("artist_id", [row["artist_id"] for row in rows])]
    return Page("artists.html", f"Top artists {genre} {wanted.words}", content, sheets)


class _Wanted:
    """What is asked for: a market (None: overall), a day and a criterion; and the addresses of others."""

    def __init__(self, ask: Ask, genre: str | None = None) -> None:
        self.served, self.genre = ask.served, genre
        self.day, self.by, self.market = ask.served.day_shown, "plays", None
        self.markets = {OVERALL: None, **{code: code for code in ask.served.definitions["markets"]}}
        self.market = ask.choice("market", self.markets, OVERALL, self._market_links())
        by = {name: name for name in CRITERIA}
        self.by = ask.choice("by", by, "plays", [(words, self.to(by=name)) for name, words in CRITERIA.items()])
        self.days = complete_days(ask.served, TOP_ARTISTS_BY_GENRE)
        self.day = ask.day("day", ask.served.day_shown, self.days, lambda day: self.to(day=day))

    @property
    def words(self) -> str:
        """What is shown, for a title."""
        return f"{self.market or OVERALL} {self.day} by {self.by.replace('_', ' ')}"

    def to(self, **other: Any) -> str:
        """The address of this page with something else."""
        it = {"genre": self.genre, "market": self.market, "day": self.day, "by": self.by, **other}
        return address(
            *(part for part in ("artists", it["genre"]) if part is not None),
            market=it["market"],
            day=None if it["day"] == self.served.day_shown else it["day"],
            by=None if it["by"] == "plays" else it["by"],
        )

    def content(self) -> dict[str, Any]:
        """What both templates show."""
        return {
            "market": self.market,
            "day": self.day,
            "by": self.by,
            "compared": self.day - COMPARED,
            "markets": self._options(),
            "criteria": [(words, self.to(by=name), name == self.by) for name, words in CRITERIA.items()],
            "days": day_options(self.day, self.days, lambda day: self.to(day=day)),
            "days_of_window": self.served.definitions["top_artists_days"],
        }

    def _options(self) -> list[Option]:
        return [(words, self.to(market=code), code == self.market) for words, code in self.markets.items()]

    def _market_links(self) -> list[tuple[str, str]]:
        return [(words, target) for words, target, _ in self._options()]


def _chart(wanted: _Wanted, where: str, value: Any) -> Rows:
    rows = wanted.served.query(
        f"""select genre, rank, artist_id, artist_name, plays, streams, listening_ms
        from {wanted.served.relation(TOP_ARTISTS_BY_GENRE, chart_date=wanted.day)}
        where criterion = ? and market is not distinct from ? and {where} order by genre, rank""",
        wanted.by, wanted.market, value,
    )  # fmt: skip
    return guarded(rows, wanted.served.settings.minimum_listeners, FIGURES)


def _ranks_before(wanted: _Wanted) -> dict[str, dict[str, int]] | None:
    """By genre, the ranks of the chart 7 days before, by artist; None where there is none."""
    rows = wanted.served.query(
        f"""select genre, artist_id, rank
        from {wanted.served.relation(TOP_ARTISTS_BY_GENRE, chart_date=wanted.day - COMPARED)}
        where criterion = ? and market is not distinct from ?""",
        wanted.by, wanted.market,
    )  # fmt: skip
    ranks: dict[str, dict[str, int]] = {}
    for row in rows:
        ranks.setdefault(row["genre"], {})[row["artist_id"]] = row["rank"]
    return ranks or None


def _of_genre(before: Mapping[str, Mapping[str, int]] | None, genre: str) -> Mapping[str, int] | None:
    return None if before is None else before.get(genre, {})


def _genres(served: Served, day: date) -> list[str]:
    """The genres that have a chart, on the day or on the newest."""
    shown = served.relation(TOP_ARTISTS_BY_GENRE, chart_date={day, served.day_shown})
    return [row["genre"] for row in served.query(f"select distinct genre from {shown} order by genre")]


def _is_known(served: Served, genre: str, day: date) -> bool:
    """Whether a track of the catalogue is of the genre, or a chart of a day whose page links here."""
    charts = served.relation(TOP_ARTISTS_BY_GENRE, chart_date=days_that_link(day, served.day_shown))
    rows = served.query(
        f"""select 1 from {charts} where genre = ?
        union all select 1 from {served.relation(TRACKS)} where genre = ? limit 1""",
        genre, genre,
    )  # fmt: skip
    return bool(rows)
