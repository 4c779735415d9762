"""Plays day by day in each market, against the same weekdays before; and what grew most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from umg_assets.dashboard.addresses import Ask, address
from umg_assets.dashboard.figures import Writer
from umg_assets.dashboard.page import NotThereError, Page, Sheet
from umg_assets.dashboard.pages.growth import (
    ARTIST_COLUMNS,
    ORDERS,
    TRACK_COLUMNS,
    Order,
    Period,
    growth,
    total,
    whole_weeks,
)
from umg_assets.dashboard.pages.guarding import guarded_plays
from umg_assets.dashboard.pages.names import OVERALL, UNKNOWN
from umg_assets.dashboard.served import Rows, Served
from umg_assets.drawing.lines import series

LENGTH = 28
"""Days shown unless others are asked for."""
LENGTHS = (7, 28, 91, 364)
FLATTENED = 10
"""Where the highest market has so many times the plays of the lowest, each is drawn on its own scale."""
SCALES = {"one": "one for all", "own": "each its own"}
MARKET_COLUMNS = ("market", "plays", "plays_before", "change_percent", "streams", "listening_ms")


def plays(ask: Ask) -> Page:
    """Plays of each market in some complete days, against the same weekdays before; which tracks and artists grew."""
    served = ask.served
    days = sorted({row["play_date"] for row in served.daily if row["play_date"] <= served.complete_through})
    if not days:
        return Page("plays.html", "Plays", {"period": None})
    wanted = _Wanted(ask, Period(days[0], served.complete_through))
    period, whole = wanted.period, wanted.whole
    same_weekdays = period.earlier(whole_weeks(len(period.days)))
    compared = same_weekdays if same_weekdays.first >= whole.first else None
    rows = _by_market(served, period, compared)
    markets = [row["market"] for row in rows if row["market"] != OVERALL]
    rows, by_day = guarded_plays(rows, _by_day(served, period, markets), served.settings.minimum_listeners)
    scale = wanted.scale or _scale_of(by_day)
    before = period.earlier(len(period.days))
    begun = served.first_days.get(wanted.market, whole.first) if wanted.market else whole.first
    grew = before.first >= begun
    tracks, artists = growth(served, period, before, wanted.market, wanted.order) if grew else ([], [])
    days_columns = ("play_date", OVERALL, *markets)
    content = {
        **wanted.content(scale),
        "same_weekdays": compared,
        "new": {row["market"]: row["new"] for row in rows if row["new"]},
        "before": before if grew else None,
        "begun": begun,
        "overall": rows[0],
        "rows": rows,
        "pictures": _pictures(served, by_day, markets, scale),
        "silent": [market for market in _markets(served) if market not in markets],
        "by_day": by_day,
        "days_columns": days_columns,
        "tracks": tracks,
        "artists": artists,
    }
    sheets = [Sheet("markets", MARKET_COLUMNS, rows), Sheet("days", days_columns, by_day[::-1])]
    sheets += [Sheet("tracks_that_grew", TRACK_COLUMNS, tracks), Sheet("artists_that_grew", ARTIST_COLUMNS, artists)]
    return Page("plays.html", f"Plays {period.first} to {period.last}", content, sheets)


class _Wanted:
    """What is asked for, and the addresses of others. whole: from the first day to the last complete one."""

    def __init__(self, ask: Ask, whole: Period) -> None:
        self.whole, self.default = whole, _last(whole, LENGTH)
        self.period, self.market, self.scale = self.default, None, None
        self.order: Order = "plays"
        days = whole.days
        last = ask.day("to", whole.last, days, lambda day: self.to(_last(Period(whole.first, day), LENGTH)))
        default = whole.last if "from" in ask.query and "to" not in ask.query else last
        first = ask.day(
            "from", _last(Period(whole.first, last), LENGTH).first, days, lambda day: self.to(Period(day, default))
        )
        if first > last:
            swapped = Period(last, first)
            message = f"The days are from {first} to {last}: the first lies after the last."
            raise NotThereError(message, [(f"{last} to {first}", self.to(swapped))])
        self.period = Period(first, last)
        markets = {OVERALL: None, **{code: code for code in ask.served.definitions["markets"]}}
        self._markets = markets
        self.market = ask.choice(
            "market", markets, OVERALL, [(words, self.to(market=code)) for words, code in markets.items()]
        )
        self.order = ask.choice("order", ORDERS, "plays", [(words, self.to(order=words)) for words in ORDERS])
        scales = {"": None, **{name: name for name in SCALES}}
        self.scale = ask.choice("scale", scales, "", [(SCALES[name], self.to(scale=name)) for name in SCALES])

    def to(self, period: Period | None = None, **other: Any) -> str:
        """The address of this page with something else."""
        period = period or self.period
        it = {"market": self.market, "order": self.order, "scale": self.scale, **other}
        query = {
            "from": None if period == self.default else period.first,
            "to": None if period.last == self.whole.last else period.last,
            "market": it["market"],
            "order": None if it["order"] == "plays" else it["order"],
            "scale": it["scale"],
        }
        return address("plays", **query)

    def content(self, scale: str) -> dict[str, Any]:
        """What the template shows of it."""
        lengths = [(f"last {length} days", _last(self.whole, length)) for length in LENGTHS]
        lengths = [(words, period) for words, period in lengths if period.first > self.whole.first]
        length = len(self.period.days)
        earlier, later = self.period.earlier(length), self.period.earlier(-length)
        steps = [
            (words, self.to(period), False)
            for words, period in ((f"{length} days before", earlier), (f"{length} days after", later))
            if period.first >= self.whole.first and period.last <= self.whole.last
        ]
        return {
            "period": self.period,
            "whole": self.whole,
            "market": self.market,
            "scale": scale,
            "order": self.order,
            "periods": [
                *((words, self.to(period), period == self.period) for words, period in lengths),
                ("all days", self.to(self.whole), self.period == self.whole),
                *steps,
            ],
            "scales": [(words, self.to(scale=name), name == scale) for name, words in SCALES.items()],
            "orders": [(words, self.to(order=words), words == self.order) for words in ORDERS],
            "markets": [(words, self.to(market=code), code == self.market) for words, code in self._markets.items()],
            "any_days": self.to(Period(self.whole.first, self.whole.first)),
        }


def _last(whole: Period, length: int) -> Period:
    """The last days of a period, so many."""
    return Period(max(whole.first, whole.last - timedelta(days=length - 1)), whole.last)


def _markets(served: Served) -> list[str]:
    return [*served.definitions["markets"], UNKNOWN]


def _by_market(served: Served, period: Period, before: Period | None) -> Rows:
    """Overall, then each market with plays in the period: market, plays, plays_before, streams, listening_ms, new.

    new: the first day of a market that was played on none before the second of the period before, so that this is no
    period to compare it with: then plays_before is None. None of the others; overall counts every play.
    """
    rows = []
    for market in (OVERALL, *_markets(served)):
        of_market = [row for row in served.daily if market == OVERALL or (row["country"] or UNKNOWN) == market]
        found = {name: total(of_market, period, name) for name in ("plays", "streams", "listening_ms")}
        if found["plays"] or market == OVERALL:
            first = served.first_days.get(market)
            new = first if before and first and first > before.first else None
            then = total(of_market, before, "plays") if before else None
            rows.append({"market": market, **found, "plays_before": then, "new": new})
    return rows


def _by_day(served: Served, period: Period, markets: Sequence[str]) -> list[dict[str, Any]]:
    """By day, in order: play_date, and plays overall and in each of the markets."""
    found: dict[date, dict[str, int]] = {day: dict.fromkeys((OVERALL, *markets), 0) for day in period.days}
    for row in served.daily:
        if row["play_date"] in found:
            of_day, market = found[row["play_date"]], row["country"] or UNKNOWN
            of_day[OVERALL] += row["plays"]
            if market in of_day:
                of_day[market] += row["plays"]
    return [{"play_date": day, **of_day} for day, of_day in found.items()]


def _shown(by_day: Sequence[Mapping[str, Any]], market: str) -> list[int]:
    return [row[market] for row in by_day if isinstance(row[market], int)]


def _scale_of(by_day: Sequence[Mapping[str, Any]]) -> str:
    """One scale for all, unless it flattens the lowest market."""
    markets = [name for name in by_day[0] if name not in ("play_date", OVERALL, UNKNOWN)]
    highest = [max(values) for market in markets if (values := _shown(by_day, market))]
    return "own" if highest and max(highest) > FLATTENED * min(highest) else "one"


@dataclass(frozen=True)
class Picture:
    """A market's plays by day. words: its highest day. drawing: SVG; None where every day is hidden."""

    market: str
    words: str
    drawing: str | None


def _pictures(served: Served, by_day: Sequence[Mapping[str, Any]], markets: Sequence[str], scale: str) -> list[Picture]:
    write = Writer(served.settings.numbers).number
    highest = max((max(_shown(by_day, market), default=0) for market in markets), default=0)
    pictures = []
    for market in markets:
        values = _shown(by_day, market)
        if not values:
            few = served.settings.minimum_listeners
            pictures.append(Picture(market, f"fewer than {few} plays on every day, or withheld", None))
            continue
        points = [(str(row["play_date"]), row[market] if isinstance(row[market], int) else None) for row in by_day]
        hidden = f", {len(points) - len(values)} days hidden" if len(values) < len(points) else ""
        label = (
            f"Plays in {market} by day, {points[0][0]} to {points[-1][0]}: from {write(min(values))} to "
            f"{write(max(values))}, on the last day {write(by_day[-1][market])}{hidden}"
        )
        top = highest if scale == "one" else max(values)
        words = f"at most {write(max(values))} a day"
        pictures.append(Picture(market, words, series(points, label, write, top)))
    return pictures
