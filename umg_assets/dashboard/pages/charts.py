"""The chart of a month and market, alone or beside another market's."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from umg_assets.calendar import month_days
from umg_assets.dashboard.addresses import Ask, chart_address
from umg_assets.dashboard.figures import Few, month_text
from umg_assets.dashboard.page import NotThereError, Page, Sheet
from umg_assets.dashboard.pages.markets import (
    FIGURES,
    chart_rows,
    climber,
    criteria_of,
    left_rows,
    market_month,
    plays_of_month,
    rank_lines,
)
from umg_assets.dashboard.pages.windows import Option
from umg_assets.dashboard.served import Served
from umg_assets.drawing.lines import bar, rank_line
from umg_assets.tables import Criterion

COLUMNS = (
    "rank", "movement", "previous_rank", "track_id", "title", "artist_name", "genre", "peak_rank", "months_on_chart",
    *FIGURES,
)  # fmt: skip
LEFT_COLUMNS = ("previous_rank", "track_id", "title", "artist_name")
NAMES: dict[Criterion, str] = {
    "plays": "plays",
    "streams": "streams",
    "listening_time": "hours",
    "listeners": "listeners",
}
"""By criterion, what its column is called."""


def newest_chart(ask: Ask) -> Page:
    """The newest chart of the first market: what the header's link opens."""
    if not ask.served.months:
        raise NotThereError("There is no chart yet: no play of a market in umg.toml has landed.")
    return _page(ask, next(iter(ask.served.months)), None)


def chart(ask: Ask) -> Page:
    """A chart: rank, movement, track, rank line, figures; who left; with another market's beside it if asked for.

    Without a month it is the market's newest.
    """
    return _page(ask, ask.path["market"], ask.path.get("month"))


def _page(ask: Ask, market: str, month_wanted: str | None) -> Page:
    served = ask.served
    market, month = market_month(served, market, month_wanted)
    criteria = criteria_of(served, market, month)
    by: Criterion = ask.choice("by", {name: name for name in criteria}, "plays", _links(market, month, criteria))
    first = _one(served, market, month, by)
    sheets = [Sheet("chart", COLUMNS, first["rows"]), Sheet("left", LEFT_COLUMNS, first["left"])]
    beside = None
    if other := ask.query.get("with"):
        other, _ = market_month(served, other, month_text(month))
        if by not in (known := criteria_of(served, other, month)):
            raise NotThereError(f"There is no chart of {other} by {by}.", _links(other, month, known))
        beside = _one(served, other, month, by)
        sheets += [Sheet(f"chart_{other.lower()}", COLUMNS, beside["rows"])]
    content = {
        "by": by,
        "month": month,
        "names": NAMES,
        "charts": [first, *([beside] if beside else [])],
        "with_": other or None,
        **_choices(served, market, month, by, other or None),
    }
    title = f"Top tracks {market} {month_text(month)} by {by.replace('_', ' ')}"
    return Page("chart.html", title, content, sheets)


def _choices(served: Served, market: str, month: date, by: Criterion, beside: str | None) -> dict[str, list[Option]]:
    """Other charts than this: of markets, months, criteria, and beside this those of other markets. Each is there."""
    shown = (market, month, by, beside)

    def options(charts: Iterable[tuple[str, tuple[str, date, Criterion, str | None]]]) -> list[Option]:
        return [(words, chart_address(*_nearest(served, *of)), of == shown) for words, of in charts]

    known = criteria_of(served, market, month)
    others = [code for code, months in served.months.items() if code != market and month in months]
    return {
        "markets": options((code, (code, month, by, beside)) for code in served.months),
        "months": options((month_text(of), (market, of, by, beside)) for of in reversed(served.months[market][-12:])),
        "criteria": options((NAMES[name], (market, month, name, beside)) for name in known),
        "besides": options((code, (market, month, by, code)) for code in others),
    }


def _nearest(
    served: Served, market: str, month: date, by: Criterion, beside: str | None
) -> tuple[str, date, Criterion, str | None]:
    """The chart that there is: of the market's newest month where it has none of this; by plays where it has none by
    the criterion; alone where the other market has none to stand beside it."""
    months = served.months[market]
    if month not in months:
        month = months[-1]
    if not _is_there(served, market, month, by):
        by = "plays"
    return market, month, by, beside if beside != market and _is_there(served, beside, month, by) else None


def _is_there(served: Served, market: str | None, month: date, by: Criterion) -> bool:
    if market is None or month not in served.months.get(market, ()):
        return False
    return by == "plays" or by in criteria_of(served, market, month)


def _one(served: Served, market: str, month: date, by: Criterion) -> dict[str, Any]:
    rows = chart_rows(served, market, month, by)
    lines = rank_lines(served, market, month, by)
    size = max((row["rank"] for row in rows), default=1)
    most = max((row["plays"] for row in rows if not isinstance(row["plays"], Few)), default=0)
    for row in rows:
        line = lines.get(row["track_id"], [row["rank"]])
        row["line"] = rank_line(line, size, _line_words(line))
        row["bar"] = "" if isinstance(row["plays"], Few) else bar(row["plays"] / max(most, 1), f"{row['plays']} plays")
    plays, before, through = plays_of_month(served, market, month)
    return {
        "market": market,
        "rows": rows,
        "left": left_rows(served, market, month, by, rows),
        "climber": climber(rows),
        "new": sum(row["movement"] == "new" for row in rows),
        "reentries": sum(row["movement"] == "re-entry" for row in rows),
        "has_before": any(row["movement"] for row in rows),
        "plays": plays,
        "plays_before": before,
        "through": through,
        "is_running": served.complete_through < month_days([month])[-1],
    }


def _line_words(line: list[int | None]) -> str:
    on = [str(rank) if rank is not None else "not on the chart" for rank in line]
    return f"Ranks by month, the newest last: {', '.join(on)}"


def _links(market: str, month: date, criteria: Sequence[Criterion]) -> list[tuple[str, str]]:
    return [(NAMES[name], chart_address(market, month, name)) for name in criteria]
