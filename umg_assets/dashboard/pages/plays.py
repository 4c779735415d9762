"""Plays day by day in each market, against the same weekdays before; and what grew most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from umg_assets.dashboard.addresses import Ask, address
from umg_assets.dashboard.figures import Few, Writer, guarded
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
from umg_assets.dashboard.pages.names import OVERALL, UNKNOWN
from umg_assets.dashboard.served import Rows, Served
from umg_assets.drawing.lines import series

LENGTH = 28
"""Days shown unless others are asked for."""
LENGTHS = (7, 28, 91, 364)
FLATTENED = 10
"""Where the highest market has so many times the plays of the lowest, each is drawn on its own scale."""
SCALES = {"one": "one for all", "own": "each its own"}
FIGURES = ("plays", "plays_before", "streams", "listening_ms")
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
    rows = _by_market(served, period, same_weekdays if same_weekdays.first >= whole.first else None)
    by_day = _by_day(served, period)
    scale = wanted.scale or _scale_of(by_day)
    before = period.earlier(len(period.days))
    grew = before.first >= whole.first
    tracks, artists = growth(served, period, before, wanted.market, wanted.order) if grew else ([], [])
    markets = [row["market"] for row in rows if row["market"] != OVERALL]
    days_columns = ("play_date", OVERALL, *markets)
    content = {
        **wanted.content(scale),
        "same_weekdays": same_weekdays if same_weekdays.first >= whole.first else None,
        "before": before if grew else None,
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
    """Overall, then each market with plays in the period: MARKET_COLUMNS."""
    rows = []
    for market in (OVERALL, *_markets(served)):
        of_market = [row for row in served.daily if market == OVERALL or (row["country"] or UNKNOWN) == market]
        found = {name: total(of_market, period, name) for name in ("plays", "streams", "listening_ms")}
        then = total(of_market, before, "plays") if before else None
        if found["plays"] or market == OVERALL:
            rows.append({"market": market, **found, "plays_before": then})
    minimum = served.settings.minimum_listeners
    return [_with_change(row, minimum) for row in guarded(rows, minimum, FIGURES)]


def _with_change(row: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    now, before = row["plays"], row["plays_before"]
    if isinstance(before, int) and before < minimum:
        return {**row, "plays_before": Few(minimum), "change_percent": None}
    is_known = isinstance(now, int) and isinstance(before, int)
    return {**row, "change_percent": round(100 * (now - before) / before, 1) if is_known else None}


def _by_day(served: Served, period: Period) -> list[dict[str, Any]]:
    """By day, in order: play_date, and plays overall and in each market; those of few are hidden."""
    found: dict[date, dict[str, int]] = {day: dict.fromkeys((OVERALL, *_markets(served)), 0) for day in period.days}
    for row in served.daily:
        if row["play_date"] in found:
            of_day, market = found[row["play_date"]], row["country"] or UNKNOWN
            of_day[OVERALL] += row["plays"]
            if market in of_day:
                of_day[market] += row["plays"]
    few = Few(served.settings.minimum_listeners)
    return [
        {"play_date": day, **{market: count if count >= few.minimum else few for market, count in of_day.items()}}
        for day, of_day in found.items()
    ]


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
            pictures.append(Picture(market, f"fewer than {few} plays on every day", None))
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
